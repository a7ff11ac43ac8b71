# SPDX-License-Identifier: Apache-2.0
"""SRAM, flash and MACs of many networks of a space at once, by rules instead of a planner.

For whole spaces at ImageNet's scale, where a planner would take hours, and for engines that aren't
at hand. All networks of one width and resolution have the same feature maps but for what the
expansions make of them, so numpy goes through the blocks once for thousands of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .space import Genome, Space

Array = np.ndarray


@dataclass(frozen=True)
class Engine:
    """How an engine uses memory. Activations and weights are int8.

    in_place: depthwise convolutions overwrite their input, with one channel kept apart, as in
    TinyEngine (MCUNet, figure 7); else input and output are apart.
    overlap: a pointwise convolution's output may lie over its dying input but for a pixel, and the
    stem's but for the rows that are still read. Additions are always in place.
    columns: bytes per input channel of a pointwise convolution for widened pixels (im2col).
    image: whether the input image lies in SRAM while the stem runs.
    channel_bytes: flash per output channel beside its weights: bias, multiplier, shift.
    code: bytes of code in flash. reserved: bytes of SRAM beside the arena.
    """

    in_place: bool = True
    overlap: bool = False
    columns: int = 0
    image: bool = True
    channel_bytes: int = 12
    code: int = 0
    reserved: int = 0


TINY_ENGINE = Engine()
"""TinyEngine as the paper describes it: depthwise in place, and no other overlap."""

OVERLAPPING = Engine(overlap=True, columns=4)
"""The rules of this project's planner in brief. See docs/space.md for how close that is."""


@dataclass(frozen=True)
class Population:
    """Genomes as arrays, one row each: depths (n, stages), kernels and expansions (n, places)."""

    depths: Array
    kernels: Array
    expansions: Array

    @classmethod
    def of(cls, genomes: Sequence[Genome]) -> Population:
        """Width and resolution are left out."""
        return cls(
            np.array([genome.depths for genome in genomes]),
            np.array([genome.kernels for genome in genomes]),
            np.array([genome.expansions for genome in genomes]),
        )


@dataclass(frozen=True)
class Needs:
    """Bytes of SRAM and flash, and MACs, of each network: (n,) int64."""

    sram: Array
    flash: Array
    macs: Array


def needs(
    space: Space, width: float, resolution: int, population: Population, engine: Engine
) -> Needs:
    """What each network of a population needs at a width and a resolution.

    Squeeze-and-excite isn't counted. Spaces of images only (`dimensions` 2).
    """
    count = len(population.depths)
    walk = _Walk(engine, count)
    walk.stem(space, width, resolution)
    if space.first:
        always = np.ones(count, dtype=bool)
        stem = np.full(count, walk.channels)
        walk.block(always, np.full(count, 3), stem, space.scaled(space.first, width), 1)
    for at, (index, block) in enumerate(space.places):
        stage = space.stages[index]
        walk.block(
            population.depths[:, index] > block,
            population.kernels[:, at],
            np.select(
                [population.expansions[:, at] == e for e in stage.expansions],
                [space.expanded(walk.channels, e) for e in stage.expansions],
            ),
            space.scaled(stage.width, width),
            stage.stride if block == 0 else 1,
        )
    walk.end(space.scaled(space.head, width) if space.head else 0, space.classes)
    return Needs(walk.sram, walk.flash, walk.macs)


class _Walk:
    """Goes through the blocks of a space. `channels` and `size` are those of the current map.

    `narrow`: for each network, the bytes that the last block's projection reads, and the block's
    input where it's kept.
    """

    def __init__(self, engine: Engine, count: int) -> None:
        self.engine = engine
        self.sram, self.flash, self.macs = np.zeros((3, count), dtype=np.int64)
        self.sram += engine.reserved
        self.flash += engine.code
        self.everywhere = np.ones(count, dtype=bool)
        self.channels = self.size = 0
        self.narrow = np.zeros(count, dtype=np.int64)

    def stem(self, space: Space, width: float, resolution: int) -> None:
        self.channels = space.scaled(space.stem, width)
        self.size = -(-resolution // space.stem_stride)
        output = self.channels * self.size**2
        if not self.engine.image:
            self._hold(self.everywhere, output)
        elif self.engine.overlap:
            self._hold(self.everywhere, _stem_bytes(space, resolution, self.channels))
        else:
            self._hold(self.everywhere, space.channels * resolution**2 + output)
        weights = space.stem_kernel**2 * space.channels * self.channels
        self._layer(self.everywhere, weights, self.channels, self.size**2)
        self.narrow[:] = output

    def block(
        self, active: Array, kernels: Array, expanded: Array, outputs: int, stride: int
    ) -> None:
        """An inverted residual block of the networks that are `active`."""
        inputs, before = self.channels, self.size**2
        self.size = -(-self.size // stride)
        after = self.size**2
        self.channels = outputs
        entry, wide, narrow, exit_ = (
            inputs * before,
            expanded * before,
            expanded * after,
            outputs * after,
        )
        kept = entry if stride == 1 and inputs == outputs else 0
        expands = active & (expanded != inputs)
        if self.engine.overlap and not kept:
            self._hold(expands, self._joined(entry, wide))
        else:
            self._hold(expands, entry + wide + self.engine.columns * inputs)
        if self.engine.in_place:
            self._hold(active, kept + np.maximum(wide, narrow) + after)
        else:
            self._hold(active, kept + wide + narrow)
        if self.engine.overlap:
            self._hold(active, kept + np.maximum(narrow, exit_))
        else:
            self._hold(active, kept + narrow + exit_ + self.engine.columns * expanded)
        self.narrow = np.where(active, kept + narrow, self.narrow)
        self._layer(expands, inputs * expanded, expanded, before)
        self._layer(active, expanded * kernels**2, expanded, after)
        self._layer(active, expanded * outputs, outputs, after)

    def end(self, head: int, classes: int) -> None:
        """The head, the average over the map and the classifier."""
        plane = self.size**2
        if head:
            self._hold(self.everywhere, (self.channels + head) * plane)
            self._layer(self.everywhere, self.channels * head, head, plane)
            self.channels = head
        self._hold(self.everywhere, self.channels * (plane + 1))
        self._hold(self.everywhere, self.channels + classes)
        self._layer(self.everywhere, self.channels * classes, classes, 1)

    def _joined(self, entry: int, wide: Array) -> Array:
        """The least bytes for a projection that ends in `entry`, and an expansion of it to `wide`.

        One of them may overlap its operand, the other lies apart: a projection's output begins
        where its operand does and an expansion's ends there, so both together would add up.
        """
        projection = np.maximum(self.narrow + entry, wide)
        expansion = np.maximum(self.narrow, entry + wide)
        return np.minimum(projection, expansion)

    def _hold(self, active: Array, size: Array | int) -> None:
        size = size + self.engine.reserved
        self.sram = np.where(active, np.maximum(self.sram, size), self.sram)

    def _layer(
        self, active: Array, weights: Array | int, channels: Array | int, plane: int
    ) -> None:
        self.flash += np.where(active, weights + self.engine.channel_bytes * channels, 0)
        self.macs += np.where(active, weights * plane, 0)


@lru_cache(maxsize=1024)
def _stem_bytes(space: Space, resolution: int, channels: int) -> int:
    """Image and stem's output where the output lies over what has been read of the image."""
    size = -(-resolution // space.stem_stride)
    starts = np.maximum(np.arange(size) * space.stem_stride - space.stem_kernel // 2, 0)
    first_read = ((starts[:, None] * resolution + starts) * space.channels).reshape(-1)
    # A later window may begin further left.
    first_read = np.minimum.accumulate(first_read[::-1])[::-1]
    written = np.arange(1, size * size + 1) * channels
    lead = max(0, int(np.max(written[:-1] - first_read[1:], initial=0)))
    return max(channels * size * size, lead + space.channels * resolution**2)
