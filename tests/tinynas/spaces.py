# SPDX-License-Identifier: Apache-2.0
"""Small spaces that exercise what the large ones have."""

from __future__ import annotations

from tinynas.space import Space, Stage

IMAGES = Space(
    channels=1,
    classes=4,
    stages=(Stage(8, 1, depths=(1, 2)), Stage(12, 2, depths=(1, 2, 3), squeeze=True)),
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
"""Without squeeze-and-excite, whose cost the twin of the planner doesn't know."""
