# SPDX-License-Identifier: Apache-2.0
"""The space that a data set is searched in, unless another is given."""

from __future__ import annotations

from .space import Space, Stage


def default_space(
    channels: int, size: int, classes: int, dimensions: int, squeeze: bool = False
) -> Space:
    """A space for inputs of `size` pixels across, or samples.

    Resolutions of small images and of windows aren't searched: halving twice leaves little of
    them. Larger images are searched from half their size on.
    """
    if dimensions == 1:
        stages: tuple[Stage, ...] = (
            Stage(16, 2, squeeze=squeeze),
            Stage(24, 2, squeeze=squeeze),
        )
        widths = (0.5, 0.75, 1.0, 1.25, 1.5)
        return Space(channels, classes, stages, widths, (size,), 16, 5, 2, 0, dimensions=1)
    if size <= 40:
        # Of so few pixels none can be spared: a stem that halves the map costs more than a point of
        # Fashion-MNIST (docs/results.md). On larger maps the blocks are few: they cost the most
        # SRAM and time, and few weights.
        # Every channel brings some twenty bytes beside its weights, which in tens of kilobytes of
        # flash makes small expansions worth having.
        expansions = (1, 2, 3, 4, 6)
        stages = (
            Stage(16, 2, depths=(1, 2), expansions=expansions, squeeze=squeeze),
            Stage(32, 2, expansions=expansions, squeeze=squeeze),
            Stage(64, 2, expansions=expansions, squeeze=squeeze),
        )
        widths = (0.25, 0.375, 0.5, 0.75, 1.0)
        return Space(channels, classes, stages, widths, (size,), stem_stride=1)
    stages = (
        Stage(16, 2, squeeze=squeeze),
        Stage(24, 2, squeeze=squeeze),
        Stage(48, 2, squeeze=squeeze),
        Stage(96, 2, depths=(1, 2, 3), squeeze=squeeze),
    )
    resolutions = tuple(sorted({max(32, round(size * part / 16) * 16) for part in (0.5, 0.75)}))
    return Space(
        channels, classes, stages, (0.35, 0.5, 0.75, 1.0), tuple(sorted({*resolutions, size}))
    )
