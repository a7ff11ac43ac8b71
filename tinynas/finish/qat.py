# SPDX-License-Identifier: Apache-2.0
"""Quantisation-aware training: a network that is fine-tuned learns to live with int8's rounding.

Forward passes round weights and activations as int8 will; gradients pass the rounding unchanged
(Jacob et al., CVPR 2018). Scales of weights are per output channel, so it makes no difference
whether batch normalisation is folded into them before or after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..training.network import Convolution, InvertedResidual

MOMENTUM = 0.01


def _through(rounded: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """The values of the one, the gradients of the other."""
    return exact + (rounded - exact).detach()


class RoundedWeight(nn.Module):
    """Weights [outputs, ...] as int8 holds them: symmetric, per output channel."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(1, weight.ndim))
        scale = weight.detach().abs().amax(axes, keepdim=True).clamp_min(1e-12) / 127
        return _through((weight / scale).round() * scale, weight)


class RoundedActivation(nn.Module):
    """Activations as int8 holds them: one scale and zero point, from a running range."""

    def __init__(self) -> None:
        super().__init__()
        self.low: torch.Tensor
        self.high: torch.Tensor
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = x.detach().min().clamp_max(0), x.detach().max().clamp_min(0)
        if self.training:
            first = bool(self.high == self.low)
            keep = 0.0 if first else 1 - MOMENTUM
            self.low.mul_(keep).add_((1 - keep) * low)
            self.high.mul_(keep).add_((1 - keep) * high)
        scale = (self.high - self.low).clamp_min(1e-12) / 255
        zero = (-self.low / scale).round()
        steps = ((x / scale).round() + zero).clamp(0, 255)
        return _through((steps - zero) * scale, x)


@contextmanager
def rounding(network: nn.Module) -> Iterator[None]:
    """While it lasts the network computes as if quantised; afterwards it's as it was, retrained."""
    weighted = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = []
    for module in weighted:
        parametrize.register_parametrization(module, "weight", RoundedWeight())
    for module in network.modules():
        if isinstance(module, (Convolution, InvertedResidual, nn.Linear)):
            rounded = RoundedActivation().to(next(network.parameters()).device)
            hooks.append(module.register_forward_hook(_Hook(rounded)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module in weighted:
            # The exact weights go on, as the quantiser rounds them itself.
            exact = module.parametrizations.weight.original.detach().clone()
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
            module.weight.data.copy_(exact)


class _Hook:
    """Rounds a module's output, with the range running only while the module trains."""

    def __init__(self, rounded: RoundedActivation) -> None:
        self.rounded = rounded

    def __call__(self, module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        self.rounded.train(module.training)
        return self.rounded(output)
