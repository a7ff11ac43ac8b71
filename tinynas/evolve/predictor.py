# SPDX-License-Identifier: Apache-2.0
"""Predicts a sub-net's accuracy from its genome, from those of others that were measured.

Ridge regression on the choices: few hundred measurements don't carry more, and it's exact where
choices add up. How well it ranks networks that it hasn't seen is part of the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..space import Genome, Space

PENALTIES = tuple(10.0**power for power in range(-3, 4))
FOLDS = 5


class Predictor:
    """Fits on creation; `correlation` is Spearman's on measurements left out, in turn."""

    def __init__(self, space: Space, genomes: Sequence[Genome], values: Sequence[float]) -> None:
        self.space = space
        features = self._features(genomes)
        target = np.asarray(values, np.float64)
        self._mean, spread = features.mean(0), features.std(0)
        self._scale = np.where(spread > 0, spread, 1.0)
        self._offset = float(target.mean())
        x = (features - self._mean) / self._scale
        y = target - self._offset
        folds = np.arange(len(y)) % min(FOLDS, max(2, len(y)))
        guesses = {p: self._left_out(x, y, folds, p) for p in PENALTIES}
        penalty = min(PENALTIES, key=lambda p: float(((guesses[p] - y) ** 2).sum()))
        self.correlation = spearman(guesses[penalty], y)
        self._weights = _ridge(x, y, penalty)

    @staticmethod
    def _left_out(x: np.ndarray, y: np.ndarray, folds: np.ndarray, penalty: float) -> np.ndarray:
        guess = np.zeros(len(y))
        for fold in np.unique(folds):
            out = folds == fold
            guess[out] = x[out] @ _ridge(x[~out], y[~out], penalty)
        return guess

    def _features(self, genomes: Sequence[Genome]) -> np.ndarray:
        """float64 [n, features]: a column per choice that can be made, and the log of the sizes."""
        rows = []
        for genome in genomes:
            row: list[float] = []

            def one_hot(value: float, choices: Sequence[float], row: list[float] = row) -> None:
                row.extend(float(value == choice) for choice in choices)

            one_hot(genome.width, self.space.widths)
            one_hot(genome.resolution, self.space.resolutions)
            for depth, stage in zip(genome.depths, self.space.stages, strict=True):
                one_hot(depth, stage.depths)
            for at, (stage_index, block) in enumerate(self.space.places):
                stage = self.space.stages[stage_index]
                there = block < genome.depths[stage_index]
                one_hot(genome.kernels[at] if there else 0, stage.kernels)
                one_hot(genome.expansions[at] if there else 0, stage.expansions)
            architecture = self.space.architecture(genome)
            row += [float(np.log(architecture.macs)), float(np.log(architecture.weights))]
            rows.append(row)
        return np.array(rows, np.float64)

    def __call__(self, genomes: Sequence[Genome]) -> list[float]:
        """The values expected."""
        x = (self._features(genomes) - self._mean) / self._scale
        expected: list[float] = (x @ self._weights + self._offset).tolist()
        return expected


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def spearman(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """The correlation of ranks, -1 to 1; 0 where one of them is constant."""
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
