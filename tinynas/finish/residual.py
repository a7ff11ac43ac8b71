# SPDX-License-Identifier: Apache-2.0
"""A teacher that no microcontroller has to hold: a residual network of dense convolutions.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016. Dense convolutions are what CPUs
and GPUs are good at, depthwise ones wait for memory: an epoch takes about as long as that of the
largest network of a search space with a sixth of the MACs (benchmarks/training_rate.py).
"""

from __future__ import annotations

import torch
from torch import nn

SMALLEST = 8
"""Maps are halved until they have at most so many pixels across."""
DEEPEST = 4
"""Halvings at most."""


class Residual(nn.Module):
    """float32 [n, channels, height, width] to logits float32 [n, classes].

    `width`: channels of the stem; they double twice, with the first two halvings. Two blocks of
    two convolutions per halving. `dimensions`: 1 for sensor windows, whose height is 1. Multiplies
    in bfloat16 where that's faster.
    """

    def __init__(
        self, channels: int, size: int, classes: int, dimensions: int = 2, width: int = 32
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(channels, width, 1, dimensions), nn.ReLU()]
        inputs = width
        for number in range(DEEPEST):
            if size <= SMALLEST:
                break
            size = (size + 1) // 2
            outputs = width * min(4, 2 << number)
            layers += [_convolution(inputs, outputs, 2, dimensions), nn.ReLU()]
            layers += [_Block(outputs, dimensions), _Block(outputs, dimensions)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=_mixes(x.device)):
            x = self.layers(x.contiguous(memory_format=torch.channels_last))
            return self.classifier(x.mean((2, 3))).float()


class _Block(nn.Module):
    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.first = _convolution(width, width, 1, dimensions)
        self.second = _convolution(width, width, 1, dimensions)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def _convolution(inputs: int, outputs: int, stride: int, dimensions: int) -> nn.Module:
    row = dimensions == 1
    kernel, strides = ((1, 3), (1, stride)) if row else ((3, 3), (stride, stride))
    padding = (0, 1) if row else (1, 1)
    conv = nn.Conv2d(inputs, outputs, kernel, strides, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs)).to(memory_format=torch.channels_last)


def _mixes(device: torch.device) -> bool:
    """Whether bfloat16 makes dense convolutions faster: on GPUs, and CPUs that multiply it."""
    if device.type == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return bool(supported())
    return device.type == "cuda"
