# SPDX-License-Identifier: Apache-2.0
"""Plain MobileNetV2, scaled: what one takes without a search."""

from __future__ import annotations

from collections.abc import Iterator

from .architecture import Architecture, Block

STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""Expansion, channels and blocks of each stage (Sandler et al., CVPR 2018, table 2)."""
STEM, HEAD = 32, 1280
WIDTHS = tuple(round(0.05 * n, 2) for n in range(1, 29))
_SMALL = (1, 1, 2, 2, 1, 1, 1)
_LARGE = (1, 2, 2, 2, 1, 2, 1)


def mobilenet(
    channels: int, resolution: int, classes: int, width: float, divisor: int = 4
) -> Architecture:
    """The network at a width multiplier and a resolution.

    The head is scaled with the width, as is usual for widths below 1 on microcontrollers. Images
    of up to 40 pixels are halved three times instead of five, or nothing would be left of them.
    """
    strides = _SMALL if resolution <= 40 else _LARGE

    def scaled(count: int) -> int:
        exact = count * width
        rounded = max(divisor, int(exact + divisor / 2) // divisor * divisor)
        return rounded if rounded >= 0.9 * exact else rounded + divisor

    inputs = scaled(STEM)
    blocks: list[Block] = []
    for (expansion, count, repeats), stride in zip(STAGES, strides, strict=True):
        for index in range(repeats):
            step = stride if index == 0 else 1
            blocks.append(Block(3, inputs * expansion, scaled(count), step))
            inputs = scaled(count)
    return Architecture(
        (channels, resolution, resolution),
        scaled(STEM),
        3,
        2,
        tuple(blocks),
        scaled(HEAD),
        classes,
    )


def mobilenets(
    channels: int, resolutions: tuple[int, ...], classes: int
) -> Iterator[tuple[float, Architecture]]:
    """All of them with their width multipliers."""
    for resolution in resolutions:
        for width in WIDTHS:
            yield width, mobilenet(channels, resolution, classes, width)
