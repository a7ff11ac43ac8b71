# SPDX-License-Identifier: Apache-2.0
"""A small MobileNetV2-like classifier for 28x28 grey images: 22 k weights, 1.4 M MACs."""

from __future__ import annotations

import torch
from torch import nn


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list:
    """Convolution and batch normalisation, which the ONNX export folds into one."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Pointwise expansion, depthwise 3x3, linear pointwise projection; a residual where it fits.

    `expanded` equal to `inputs` leaves the expansion out.
    """

    def __init__(self, inputs: int, expanded: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers += [*_conv(inputs, expanded, 1), nn.ReLU()]
        layers += [*_conv(expanded, expanded, 3, stride, groups=expanded), nn.ReLU()]
        layers += _conv(expanded, outputs, 1)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class FashionNet(nn.Module):
    """float32 [n, 1, 28, 28] in 0..1 to logits float32 [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_conv(1, 16, 3, stride=2),
            nn.ReLU(),
            Block(16, 16, 24),
            Block(24, 24, 24),
            Block(24, 48, 40, stride=2),
            Block(40, 80, 40),
            Block(40, 80, 40),
            *_conv(40, 64, 1),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


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
