# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning with a teacher: Hinton et al., Distilling the Knowledge in a Neural Network, 2015."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Distillation:
    """`weight`: the teacher's part of the loss, 0..1. `views`: augmented ones of each sample."""

    weight: float = 0.7
    temperature: float = 2.0
    views: int = 10


class Student:
    """The step of the training loop: learns from labels and from a teacher's logits.

    `labels`: int64 [samples]. `taught`: float16 [views, samples, classes]; None for labels alone.
    """

    def __init__(
        self,
        network: nn.Module,
        labels: torch.Tensor,
        taught: torch.Tensor | None,
        steps_per_epoch: int,
        distillation: Distillation,
        label_smoothing: float,
    ) -> None:
        self.network, self.labels, self.taught = network, labels, taught
        self.per_epoch, self.distillation = steps_per_epoch, distillation
        self.smoothing = label_smoothing

    def __call__(self, x: torch.Tensor, indices: torch.Tensor, step: int) -> float:
        logits = self.network(x)
        loss = functional.cross_entropy(
            logits, self.labels[indices], label_smoothing=self.smoothing
        )
        if self.taught is not None:
            view = step // self.per_epoch % len(self.taught)
            heat = self.distillation.temperature
            soft = functional.softmax(self.taught[view, indices].float() / heat, dim=1)
            said = functional.log_softmax(logits / heat, dim=1)
            # The square keeps the gradients' size independent of the temperature.
            lesson = functional.kl_div(said, soft, reduction="batchmean") * heat**2
            loss = (1 - self.distillation.weight) * loss + self.distillation.weight * lesson
        loss.backward()
        return float(loss.detach())
