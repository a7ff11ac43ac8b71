# SPDX-License-Identifier: Apache-2.0
"""Spaces that tests train, search and draw networks from."""

from __future__ import annotations

import numpy as np

from tinynas.space import Architecture, Space, Stage, default_space

IMAGES = Space(
    channels=1,
    classes=4,
    stages=(
        Stage(8, 1, depths=(1, 2)),
        Stage(12, 2, depths=(1, 2, 3), expansions=(1, 3, 6), squeeze=True),
    ),
    widths=(0.5, 1.0),
    resolutions=(12, 16),
    stem=8,
    first=8,
    head=16,
)
WINDOWS = Space(
    channels=2,
    classes=3,
    stages=(Stage(8, 2, depths=(1, 2)), Stage(12, 2, depths=(1, 2))),
    widths=(0.5, 1.0),
    resolutions=(64,),
    stem=8,
    stem_kernel=5,
    first=0,
    dimensions=1,
)
PLAIN = Space(
    channels=1,
    classes=4,
    stages=(
        Stage(8, 1, depths=(1, 2), kernels=(3, 5), expansions=(3, 4)),
        Stage(12, 2, depths=(1, 2), kernels=(3, 5), expansions=(3, 4)),
    ),
    widths=(0.5, 1.0),
    resolutions=(16,),
    stem=8,
)

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
    "fashion": default_space(1, 28, 10, 2),
    "attention": default_space(3, 32, 10, 2, squeeze=True),
}


def drawn(space: str, count: int, seed: int = 0) -> list[Architecture]:
    """Networks of a space, always the same ones."""
    random = np.random.default_rng(seed)
    return [SPACES[space].architecture(SPACES[space].sample(random)) for _ in range(count)]
