# SPDX-License-Identifier: Apache-2.0
"""From the samples of a data set to a network's float32 inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ..data import DataSet
from ..data.augment import augmented, turned
from ..data.dataset import Augmentation
from .loop import mixed_seed

EVALUATED = 64
"""Samples of a batch without gradients. On CPUs larger ones take up to three times as long: their
activations leave the cache."""
Prepare = Callable[[torch.Tensor], torch.Tensor]


def preparation(offset: Sequence[float], divisor: Sequence[float], device: torch.device) -> Prepare:
    """Makes the network's float32 input of raw inputs: (value - offset) / divisor per channel."""
    first, second = (
        torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
        for values in (offset, divisor)
    )

    def prepare(raw: torch.Tensor) -> torch.Tensor:
        return (raw.float() - first) / second

    return prepare


def _drawn(
    raw: torch.Tensor, prepare: Prepare, augment: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Network inputs of raw samples, each augmented by a draw of its own."""
    return augmented(prepare(turned(raw, augment.turn, generator)), augment, generator)


class Augmented:
    """Loads samples of the training split, each time augmented anew."""

    def __init__(self, data: DataSet, device: torch.device, seed: int, rank: int = 0) -> None:
        self.inputs = torch.from_numpy(np.ascontiguousarray(data.train.inputs)).to(device)
        self.prepare = preparation(data.offset, data.divisor, device)
        self.augment, self.seed, self.rank = data.augment, seed, rank
        self.generator = torch.Generator(device=device)

    def __call__(self, indices: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        self.generator.manual_seed(mixed_seed(self.seed, step, self.rank))
        return _drawn(self.inputs[indices], self.prepare, self.augment, self.generator)


class Views:
    """A few augmented views of the whole training split, always the same; an epoch takes one.

    What a teacher says of them has to be computed only once.
    """

    def __init__(self, data: DataSet, device: torch.device, count: int, seed: int = 0) -> None:
        self.count, self.seed, self.augment = count, seed, data.augment
        self.inputs = torch.from_numpy(np.ascontiguousarray(data.train.inputs)).to(device)
        self.prepare = preparation(data.offset, data.divisor, device)
        self._view: tuple[int, torch.Tensor] | None = None

    def view(self, number: int) -> torch.Tensor:
        """float32 [samples, channels, height, width]."""
        if self._view is None or self._view[0] != number:
            generator = torch.Generator(device=self.inputs.device)
            parts = []
            for index, part in enumerate(self.inputs.split(1000)):
                generator.manual_seed(mixed_seed(self.seed, number, index))
                parts.append(_drawn(part, self.prepare, self.augment, generator))
            self._view = number, torch.cat(parts)
        return self._view[1]

    def __call__(self, indices: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        return self.view(epoch % self.count)[indices]

    @torch.no_grad()
    def logits(self, teacher: nn.Module, batch: int = EVALUATED) -> torch.Tensor:
        """float16 [views, samples, classes]: what a teacher in eval mode says of all views."""
        teacher.eval()
        said = [
            torch.cat([teacher(x).half() for x in self.view(number).split(batch)])
            for number in range(self.count)
        ]
        return torch.stack(said)


@torch.no_grad()
def logits_of(
    network: nn.Module,
    inputs: np.ndarray,
    prepare: Prepare,
    device: torch.device,
    batch: int = EVALUATED,
) -> np.ndarray:
    """float32 [n, classes]: what a network in eval mode makes of raw inputs."""
    network.eval()
    parts = [
        network(prepare(torch.from_numpy(inputs[at : at + batch]).to(device))).float().cpu().numpy()
        for at in range(0, len(inputs), batch)
    ]
    return np.concatenate(parts)
