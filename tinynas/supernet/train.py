# SPDX-License-Identifier: Apache-2.0
"""Training of the supernet: sandwich rule, in-place distillation, progressive shrinking.

In every step the largest network learns from the labels, and the smallest and some others learn
from what the largest says (Yu and Huang, Universally Slimmable Networks, ICCV 2019). What may be
smaller than the largest grows by phases (Once-for-All, Cai et al., ICLR 2020): first nothing, then
kernels, then depths, then expansions, at last the width and resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from ..space import Genome, Space
from .supernet import SuperNet

PHASES = ("largest", "kernels", "depths", "expansions", "widths")


@dataclass(frozen=True)
class Shrinking:
    """`starts`: the part of all steps after which each phase but the first begins."""

    starts: tuple[float, float, float, float] = (0.15, 0.25, 0.35, 0.45)
    others: int = 1
    """Networks drawn at random per step, besides the largest and the smallest."""

    def phase(self, progress: float) -> int:
        """Index into PHASES."""
        return sum(progress >= start for start in self.starts)


def opened(space: Space, phase: int) -> Space:
    """The part of a space that a phase trains: the rest stays at its largest."""

    def upto(choices: tuple[int, ...], first: int) -> tuple[int, ...]:
        return choices if phase >= first else (max(choices),)

    stages = tuple(
        replace(
            stage,
            kernels=upto(stage.kernels, 1),
            depths=upto(stage.depths, 2),
            expansions=upto(stage.expansions, 3),
        )
        for stage in space.stages
    )
    wide = phase >= 4
    return replace(
        space,
        stages=stages,
        widths=space.widths if wide else (max(space.widths),),
        resolutions=space.resolutions if wide else (max(space.resolutions),),
    )


class Sandwich:
    """The step of the training loop. `labels`: int64 [samples], on the device."""

    def __init__(
        self,
        supernet: SuperNet,
        labels: torch.Tensor,
        shrinking: Shrinking,
        steps: int,
        label_smoothing: float,
        seed: int,
        mixed: bool = False,
    ) -> None:
        self.supernet, self.shrinking, self.steps = supernet, shrinking, steps
        self.labels = labels
        self.smoothing, self.seed, self.mixed = label_smoothing, seed, mixed

    def genomes(self, step: int) -> list[Genome]:
        """The networks besides the largest; the same in all processes."""
        space = opened(self.supernet.space, self.shrinking.phase(step / self.steps))
        if space.size == 1:
            return []
        random = np.random.default_rng((self.seed, step))
        drawn = [space.sample(random) for _ in range(self.shrinking.others)]
        # Places that a phase leaves out hold its own smallest choices; the space's are meant.
        return [self.supernet.space.normal(g) for g in (space.extreme(False), *drawn)]

    def __call__(self, x: torch.Tensor, indices: torch.Tensor, step: int) -> float:
        largest = self.supernet.space.extreme(True)
        logits = self._logits(x, largest)
        labels = self.labels[indices]
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        loss.backward()
        soft = functional.softmax(logits.detach(), dim=1)
        for genome in self.genomes(step):
            # With one soft target, cross entropy has the gradient of the divergence.
            functional.cross_entropy(self._logits(x, genome), soft).backward()
        return float(loss.detach())

    def _logits(self, x: torch.Tensor, genome: Genome) -> torch.Tensor:
        if x.shape[3] != genome.resolution:
            x = resized(x, genome.resolution)
        # CPUs lose more by converting than they win; GPUs take bfloat16 in their matrix units.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed):
            return self.supernet(x, genome).float()


def resized(x: torch.Tensor, resolution: int) -> torch.Tensor:
    """float32 [n, channels, height, width] at another resolution; windows keep height 1."""
    size = (1 if x.shape[2] == 1 else resolution, resolution)
    return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
