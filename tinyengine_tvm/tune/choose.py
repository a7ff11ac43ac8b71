# SPDX-License-Identifier: Apache-2.0
"""Kernels and configurations from records, for a compile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..kernels.depthwise.plane import free_scratch
from ..kernels.registry import Selected
from ..network import Layer, Network
from ..targets import Target
from .records import FAILED, Objective, Record, Records, cost
from .workload import Candidate, Workload


class RecordChooser:
    """Takes the fastest configuration of each layer that is recorded and faster than the default.

    A record holds for a layer if the C that the layer gets is the one that was measured. Scratch
    is limited to what the default takes, or to what is free beside the tensors that are live.
    """

    def __init__(self, records: Records, objective: Objective = "cycles") -> None:
        self.records = records
        self.objective = objective

    def __call__(self, network: Network, layer: Layer, target: Target) -> Selected | None:
        """The choice for a layer, or None where the default stays."""
        workload = Workload(network, layer, target)
        known = self._known(workload)
        if not known:
            return None
        default = workload.default
        allowed = max(default.scratch_bytes, free_scratch(network, layer))
        for mine in known:
            best = self._cost_of(default, mine)
            if best == FAILED:
                continue
            found = self._best(workload, mine, best, allowed)
            return None if found is None else Selected(layer, found.kernel, found.configuration)
        return None

    def measured(
        self, network: Network, layer: Layer, target: Target
    ) -> list[tuple[Candidate, float, int]]:
        """All that works for a layer: cost in units of the objective, bytes of code that ran."""
        workload = Workload(network, layer, target)
        for mine in self._known(workload):
            if self._cost_of(workload.default, mine) == FAILED:
                continue
            space = {_name(c.kernel.name, c.configuration): c for c in workload.candidates}
            found = {}
            for record in mine:
                name = _name(record.kernel, record.configuration)
                spent = cost(record.measurement, self.objective)
                candidate = space.get(name)
                if candidate is None or spent == FAILED or candidate.digest() != record.code:
                    continue
                found[name] = (candidate, spent, record.measurement.code_bytes or 0)
            return [found[name] for name in sorted(found)]
        return []

    def _known(self, workload: Workload) -> list[list[Record]]:
        """The records of a workload, by compiler.

        Deterministic, whatever is installed here: the newest compiler comes first.
        """
        target = workload.target.name
        known = [
            r
            for r in self.records.by_workload.get(workload.key, ())
            if (r.target, r.core) == (target, target)
        ]
        compilers = sorted({r.compiler for r in known}, key=_version, reverse=True)
        return [[r for r in known if r.compiler == compiler] for compiler in compilers]

    def _cost_of(self, candidate: Candidate, records: Iterable[Record]) -> float:
        wanted = (_name(candidate.kernel.name, candidate.configuration), candidate.digest())
        same = [r for r in records if (_name(r.kernel, r.configuration), r.code) == wanted]
        return min((cost(r.measurement, self.objective) for r in same), default=FAILED)

    def _best(
        self, workload: Workload, records: list[Record], limit: float, allowed: int
    ) -> Candidate | None:
        space = {_name(c.kernel.name, c.configuration): c for c in workload.candidates}

        def rank(record: Record) -> tuple[float, int, str]:
            m = record.measurement
            size = (m.scratch_bytes or 0) + (m.code_bytes or 0) + (m.constant_bytes or 0)
            return cost(m, self.objective), size, _name(record.kernel, record.configuration)

        for record in sorted(records, key=rank):
            if cost(record.measurement, self.objective) >= limit:
                return None
            candidate = space.get(_name(record.kernel, record.configuration))
            if (
                candidate is not None
                and candidate.scratch_bytes <= allowed
                and candidate.digest() == record.code
            ):
                return candidate
        return None


def _name(kernel: str, configuration: Mapping[str, object]) -> str:
    return f"{kernel} {json.dumps(configuration, sort_keys=True)}"


def _version(compiler: str) -> tuple[tuple[int, ...], str]:
    number = compiler.rpartition(" ")[2].split(".")
    return tuple(int(part) for part in number if part.isdigit()), compiler
