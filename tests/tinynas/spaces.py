# SPDX-License-Identifier: Apache-2.0
"""Spaces that tests draw networks from."""

from __future__ import annotations

import numpy as np

from tinynas.space import Architecture, Space, Stage

SPACES = {
    "grey": Space(
        1, 10, (Stage(16, 2), Stage(24, 2), Stage(40, 1)), (0.5, 0.75, 1.0), (20, 24, 28)
    ),
    "colour": Space(
        3,
        2,
        (Stage(16, 2), Stage(24, 2), Stage(40, 2)),
        (0.3, 0.5),
        (32, 49, 64),
        first=12,
        head=64,
        divisor=8,
    ),
    "sensor": Space(
        6, 7, (Stage(16, 2), Stage(24, 2), Stage(40, 2)), (0.5, 1.0), (64, 101, 128), dimensions=1
    ),
}


def drawn(space: str, count: int, seed: int = 0) -> list[Architecture]:
    """Networks of a space, always the same ones."""
    random = np.random.default_rng(seed)
    return [SPACES[space].architecture(SPACES[space].sample(random)) for _ in range(count)]
