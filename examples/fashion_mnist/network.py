# SPDX-License-Identifier: Apache-2.0
"""A small MobileNetV2-like classifier for 28x28 grey images: 22 k weights, 1.4 M MACs."""

from __future__ import annotations

import torch
from torch import nn


class Convolution(nn.Sequential):
    """Convolution with batch normalisation, which the ONNX export folds in, and maybe a relu."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.add_module(
            "conv",
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        )
        self.add_module("norm", nn.BatchNorm2d(outputs))
        if relu:
            self.add_module("relu", nn.ReLU())


class Block(nn.Module):
    """Pointwise expansion, depthwise 3x3, linear pointwise projection; a residual where it fits.

    `expanded` equal to `inputs` leaves the expansion out.
    """

    def __init__(self, inputs: int, expanded: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.expand = nn.Identity() if expanded == inputs else Convolution(inputs, expanded, 1)
        self.depthwise = Convolution(expanded, expanded, 3, stride, groups=expanded)
        self.project = Convolution(expanded, outputs, 1, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class FashionNet(nn.Sequential):
    """float32 [n, 1, 28, 28] in 0..1 to logits float32 [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("stem", Convolution(1, 16, 3, stride=2))
        self.add_module("block1", Block(16, 16, 24))
        self.add_module("block2", Block(24, 24, 24))
        self.add_module("block3", Block(24, 48, 40, stride=2))
        self.add_module("block4", Block(40, 80, 40))
        self.add_module("block5", Block(40, 80, 40))
        self.add_module("head", Convolution(40, 64, 1))
        self.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())
        self.add_module("classifier", nn.Linear(64, 10))


def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates of one inference, convolutions and dense layers."""
    total = 0

    def count(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        # A weight is used once per output position; weights of a dense layer exactly once.
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        total += module.weight.numel() * positions

    hooks = [
        m.register_forward_hook(count)
        for m in network.modules()
        if isinstance(m, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 28, 28))
    for hook in hooks:
        hook.remove()
    return total
