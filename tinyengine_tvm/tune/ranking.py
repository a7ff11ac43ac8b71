# SPDX-License-Identifier: Apache-2.0
"""A cost model that ranks candidates, learnt over workloads (xgboost).

Trees are trained on pairs of measurements of one workload, so that only their order matters; what
they learn about configurations carries over to workloads without measurements of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import TinyEngineError
from .workload import Candidate, Workload

GRADES = 31
"""Grades of merit within a workload: the best has this one, failures have 0."""
ROUNDS = 40


def features(facts: Mapping[str, Any], configuration: Mapping[str, Any], kernel: str) -> dict:
    """Numbers by name: sizes of the workload, parameters, and how these relate."""
    found: dict[str, float] = {f"op={facts['op']}": 1.0, f"kernel={kernel}": 1.0}
    x, y = facts["inputs"][0], facts["output"]
    for name, shape in (("x", x), ("y", y), ("w", facts.get("weight", ()))):
        for axis, size in enumerate(shape):
            found[f"{name}{axis}"] = math.log2(max(size, 1))
    for axis, step in enumerate(facts.get("stride", ())):
        found[f"stride{axis}"] = float(step)
    found["padded"] = float(any(facts.get("padding", ())))
    for name, value in configuration.items():
        if isinstance(value, (bool, int, float)):
            found[f"p.{name}"] = float(value)
            if len(y) == 4 and value:
                # Whether a parameter divides a side, and how many rounds it makes.
                for axis in (1, 2, 3):
                    found[f"p.{name}/y{axis}"] = y[axis] / value
                    found[f"p.{name}%y{axis}"] = float(y[axis] % value if value >= 1 else 0)
        else:
            found[f"p.{name}={value}"] = 1.0
    return found


class RankingModel:
    """Learns from measurements of any workload; scores the candidates of one."""

    def __init__(self, seed: int) -> None:
        try:
            import xgboost
        except ImportError as error:
            raise TinyEngineError(
                "the proposer xgboost needs the package xgboost; install tinyengine-tvm[tune], "
                "or choose --proposer genetic"
            ) from error
        self._xgboost = xgboost
        self._seed = seed
        self._groups: dict[str, list[tuple[dict, float]]] = {}
        self._columns: list[str] = []
        self._model: Any = None
        self._stale = False
        self._rows: dict[str, list[dict]] = {}

    def learn(
        self,
        group: str,
        facts: Mapping[str, Any],
        configuration: Mapping[str, Any],
        kernel: str,
        cost: float,
    ) -> None:
        """A measurement: `cost` is infinite for a failure. `group` is the workload's key."""
        row = features(facts, configuration, kernel)
        self._groups.setdefault(group, []).append((row, cost))
        self._stale = True

    def score(self, workload: Workload) -> np.ndarray | None:
        """float32 [candidates], greater is better; None before anything can be learnt."""
        if self._stale:
            self._fit()
        if self._model is None:
            return None
        key = workload.key
        if key not in self._rows:
            self._rows[key] = [self._features(workload, c) for c in workload.candidates]
        matrix = self._xgboost.DMatrix(self._matrix(self._rows[key]), nthread=1)
        return np.asarray(self._model.predict(matrix))

    @staticmethod
    def _features(workload: Workload, candidate: Candidate) -> dict:
        return features(workload.facts, candidate.configuration, candidate.kernel.name)

    def _fit(self) -> None:
        self._stale = False
        groups = [rows for _, rows in sorted(self._groups.items()) if len(rows) > 1]
        if sum(map(len, groups)) < 4:
            return
        rows = [row for group in groups for row, _ in group]
        self._columns = sorted({name for row in rows for name in row})
        grades = [_grades([cost for _, cost in group]) for group in groups]
        data = self._xgboost.DMatrix(self._matrix(rows), label=np.concatenate(grades), nthread=1)
        data.set_group([len(group) for group in groups])
        how = {
            "objective": "rank:pairwise",
            "lambdarank_pair_method": "mean",
            "lambdarank_num_pair_per_sample": 8,
            "max_depth": 6,
            "eta": 0.25,
            "tree_method": "hist",
            "nthread": 1,
            "seed": self._seed,
            "verbosity": 0,
        }
        self._model = self._xgboost.train(how, data, num_boost_round=ROUNDS)

    def _matrix(self, rows: list[dict]) -> np.ndarray:
        return np.array(
            [[row.get(name, math.nan) for name in self._columns] for row in rows], np.float32
        )


def _grades(costs: list[float]) -> np.ndarray:
    """Grades by rank, equal costs alike: float32."""
    levels = sorted({c for c in costs if math.isfinite(c)})
    place = {c: GRADES - (GRADES - 1) * i / max(len(levels) - 1, 1) for i, c in enumerate(levels)}
    return np.array([round(place.get(c, 0.0)) for c in costs], np.float32)
