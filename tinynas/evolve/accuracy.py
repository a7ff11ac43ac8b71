# SPDX-License-Identifier: Apache-2.0
"""How good sub-nets are with the supernet's weights, on the validation split.

The work goes to any executor: a pool of processes, or dask.distributed's. What a worker needs
travels with the task as bytes, and is unpacked once per process.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..data import DataSet
from ..space import Genome, Space
from ..supernet import SuperNet, recalibrate
from ..supernet.train import resized
from ..training.loading import preparation

CALIBRATION_BATCH = 250
BATCH = 64
"""Larger ones are slower on CPUs: activations leave the cache."""


@dataclass(frozen=True)
class Score:
    """`accuracy` as a fraction, `loss` as cross entropy in nats."""

    accuracy: float
    loss: float


class Accuracy:
    """Scores genomes; each only once.

    `samples` of the validation split are used, and `calibration` of the training split measure the
    statistics of batch normalisation; both are drawn by `seed`.
    """

    def __init__(
        self,
        supernet: SuperNet,
        data: DataSet,
        *,
        samples: int = 5000,
        calibration: int = 1000,
        seed: int = 0,
        executor: Executor | None = None,
        workers: int = 1,
        on_scores: Callable[[dict[Genome, Score]], None] | None = None,
    ) -> None:
        random = np.random.default_rng((seed, 0xACC))

        def drawn(count: int, wanted: int) -> np.ndarray:
            return np.sort(random.permutation(count)[:wanted])

        train = drawn(len(data.train), calibration)
        validation = drawn(len(data.validation), samples)
        buffer = io.BytesIO()
        torch.save(
            {
                "space": supernet.space.to_json(),
                "weights": supernet.state_dict(),
                "offset": data.offset,
                "divisor": data.divisor,
                "calibration": torch.from_numpy(data.train.inputs[train]),
                "inputs": torch.from_numpy(data.validation.inputs[validation]),
                "labels": torch.from_numpy(data.validation.labels[validation]),
            },
            buffer,
        )
        self._payload = buffer.getvalue()
        self._executor, self._workers = executor, workers
        self._on_scores = on_scores
        self.known: dict[Genome, Score] = {}
        """What was scored; scores of an earlier run may be put in."""

    def __call__(self, genomes: Sequence[Genome]) -> list[Score]:
        new = [g for g in dict.fromkeys(genomes) if g not in self.known]
        # Small parts: workers that are slow then keep nobody waiting, and little is lost when the
        # run is killed.
        size = max(1, min(8, len(new) // (2 * self._workers)))
        parts = [new[at : at + size] for at in range(0, len(new), size)]
        results: Iterator[list[Score]]
        if self._executor is None:
            results = (evaluate(self._payload, part) for part in parts)
        else:
            futures = [self._executor.submit(evaluate, self._payload, part) for part in parts]
            results = (future.result() for future in futures)
        for part, scores in zip(parts, results, strict=True):
            self.known.update(zip(part, scores, strict=True))
            if self._on_scores is not None:
                self._on_scores(self.known)
        return [self.known[genome] for genome in genomes]


@lru_cache(maxsize=1)
def _unpacked(payload: bytes) -> tuple[SuperNet, dict[str, Any]]:
    content = torch.load(io.BytesIO(payload), weights_only=True)
    supernet = SuperNet(Space.from_json(content["space"]))
    supernet.load_state_dict(content["weights"])
    return supernet, content


@torch.no_grad()
def evaluate(payload: bytes, genomes: Sequence[Genome]) -> list[Score]:
    """The scores of genomes, in a worker."""
    supernet, content = _unpacked(payload)
    prepare = preparation(content["offset"], content["divisor"], torch.device("cpu"))
    scores = []
    for genome in genomes:

        def batches(name: str, size: int, resolution: int = genome.resolution) -> list[Any]:
            parts = [prepare(part) for part in content[name].split(size)]
            return [p if p.shape[3] == resolution else resized(p, resolution) for p in parts]

        network = supernet.extract(genome)
        recalibrate(network, batches("calibration", CALIBRATION_BATCH))
        logits = torch.cat([network(batch) for batch in batches("inputs", BATCH)])
        labels = content["labels"]
        right = (logits.argmax(1) == labels).double().mean()
        scores.append(Score(float(right), float(functional.cross_entropy(logits, labels))))
    return scores
