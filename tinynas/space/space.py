# SPDX-License-Identifier: Apache-2.0
"""The search space: which networks there are, and how to draw, change and mix them.

It's the space of MCUNet (Lin et al., NeurIPS 2020), which is Once-for-All's (Cai et al., ICLR 2020)
with width and resolution: stages of inverted residual blocks, for each block a kernel and an
expansion, for each stage a depth, and for the whole a width multiplier and a resolution.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import NasError
from .architecture import Architecture, Block


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; `stride` is the first block's."""

    width: int
    stride: int
    depths: tuple[int, ...] = (2, 3, 4)
    kernels: tuple[int, ...] = (3, 5, 7)
    expansions: tuple[int, ...] = (3, 4, 6)
    squeeze: bool = False

    @property
    def deepest(self) -> int:
        return max(self.depths)


@dataclass(frozen=True)
class Genome:
    """One network of a space.

    `depths` has an entry per stage; `kernels` and `expansions` one per block of every stage at its
    deepest. Those of blocks beyond a stage's depth are the smallest there are, so that equal
    networks have equal genomes.
    """

    width: float
    resolution: int
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Genome:
        lists = {name: tuple(facts[name]) for name in ("depths", "kernels", "expansions")}
        return cls(float(facts["width"]), int(facts["resolution"]), **lists)


@dataclass(frozen=True)
class Space:
    """All networks: every genome with one of `widths` and one of `resolutions`.

    Widths of stages, stem, first block and head are multiplied by the genome's width and rounded
    to a multiple of `divisor`. `first`: width of a block without expansion behind the stem; 0 for
    none. `dimensions`: 1 for sensor windows (the resolution is their number of samples), else 2.
    """

    channels: int
    classes: int
    stages: tuple[Stage, ...]
    widths: tuple[float, ...]
    resolutions: tuple[int, ...]
    stem: int = 16
    stem_kernel: int = 3
    stem_stride: int = 2
    first: int = 8
    head: int = 0
    divisor: int = 4
    dimensions: int = 2

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """(stage, block within the stage) of each entry of a genome's kernels and expansions."""
        return tuple((s, b) for s, stage in enumerate(self.stages) for b in range(stage.deepest))

    def scaled(self, channels: int, width: float) -> int:
        """`channels` times `width` as a multiple of the divisor, at least 90 % of it."""
        exact = channels * width
        rounded = max(self.divisor, int(exact + self.divisor / 2) // self.divisor * self.divisor)
        return rounded if rounded >= 0.9 * exact else rounded + self.divisor

    def expanded(self, inputs: int, expansion: int) -> int:
        return inputs * expansion

    def architecture(self, genome: Genome) -> Architecture:
        """The network of a genome."""
        width = genome.width
        stem = self.scaled(self.stem, width)
        blocks: list[Block] = []
        inputs = stem
        if self.first:
            blocks.append(Block(3, stem, self.scaled(self.first, width)))
            inputs = blocks[-1].width
        for (index, block), kernel, expansion in zip(
            self.places, genome.kernels, genome.expansions, strict=True
        ):
            stage = self.stages[index]
            if block >= genome.depths[index]:
                continue
            expanded = self.expanded(inputs, expansion)
            outputs = self.scaled(stage.width, width)
            squeeze = max(4, expanded // 16 * 4) if stage.squeeze else 0
            stride = stage.stride if block == 0 else 1
            blocks.append(Block(kernel, expanded, outputs, stride, squeeze))
            inputs = outputs
        size = genome.resolution
        return Architecture(
            (self.channels, 1 if self.dimensions == 1 else size, size),
            stem,
            self.stem_kernel,
            self.stem_stride,
            tuple(blocks),
            self.scaled(self.head, width) if self.head else 0,
            self.classes,
        )

    def normal(self, genome: Genome) -> Genome:
        """The genome with what lies beyond its depths set to the smallest choices."""
        kernels, expansions = list(genome.kernels), list(genome.expansions)
        for at, (index, block) in enumerate(self.places):
            if block >= genome.depths[index]:
                kernels[at] = min(self.stages[index].kernels)
                expansions[at] = min(self.stages[index].expansions)
        return replace(genome, kernels=tuple(kernels), expansions=tuple(expansions))

    def extreme(self, largest: bool) -> Genome:
        """The largest or smallest network."""
        pick = max if largest else min
        return self.normal(
            Genome(
                pick(self.widths),
                pick(self.resolutions),
                tuple(pick(stage.depths) for stage in self.stages),
                tuple(pick(self.stages[s].kernels) for s, _ in self.places),
                tuple(pick(self.stages[s].expansions) for s, _ in self.places),
            )
        )

    def sample(self, random: np.random.Generator) -> Genome:
        """A genome, each choice equally likely."""

        def one(choices: tuple[Any, ...]) -> Any:
            return choices[int(random.integers(len(choices)))]

        return self.normal(
            Genome(
                one(self.widths),
                one(self.resolutions),
                tuple(one(stage.depths) for stage in self.stages),
                tuple(one(self.stages[s].kernels) for s, _ in self.places),
                tuple(one(self.stages[s].expansions) for s, _ in self.places),
            )
        )

    def mutate(self, genome: Genome, probability: float, random: np.random.Generator) -> Genome:
        """Each choice is drawn anew with `probability`."""
        return self._mixed(genome, self.sample(random), probability, random)

    def cross(self, one: Genome, other: Genome, random: np.random.Generator) -> Genome:
        """Each choice is one of the parents'."""
        return self._mixed(one, other, 0.5, random)

    def _mixed(
        self, one: Genome, other: Genome, probability: float, random: np.random.Generator
    ) -> Genome:
        def pick(a: Any, b: Any) -> Any:
            return b if random.random() < probability else a

        def each(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(pick(x, y) for x, y in zip(a, b, strict=True))

        return self.normal(
            Genome(
                pick(one.width, other.width),
                pick(one.resolution, other.resolution),
                each(one.depths, other.depths),
                each(one.kernels, other.kernels),
                each(one.expansions, other.expansions),
            )
        )

    @property
    def size(self) -> float:
        """How many different networks there are."""
        per_stage = (
            sum((len(s.kernels) * len(s.expansions)) ** depth for depth in s.depths)
            for s in self.stages
        )
        return len(self.widths) * len(self.resolutions) * math.prod(per_stage)

    def restricted(
        self, widths: tuple[float, ...] | None = None, resolutions: tuple[int, ...] | None = None
    ) -> Space:
        """The part of the space with these widths and resolutions.

        Raises:
            NasError: one of them isn't in the space.
        """
        for name, wanted, there in (
            ("width", widths, self.widths),
            ("resolution", resolutions, self.resolutions),
        ):
            for value in wanted or ():
                if value not in there:
                    choices = ", ".join(map(str, there))
                    raise NasError(f"{name} {value} is not in the space; there are: {choices}")
        return replace(
            self, widths=widths or self.widths, resolutions=resolutions or self.resolutions
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Space:
        def stage(values: dict[str, Any]) -> Stage:
            given: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
            }
            return Stage(**given)

        return cls(
            **{
                **facts,
                "stages": tuple(stage(s) for s in facts["stages"]),
                "widths": tuple(facts["widths"]),
                "resolutions": tuple(facts["resolutions"]),
            }
        )
