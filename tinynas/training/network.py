# SPDX-License-Identifier: Apache-2.0
"""A network of the search in torch, as it's fine-tuned, exported and measured."""

from __future__ import annotations

import torch
from torch import nn

from ..space import Architecture, Block
from .depthwise import Depthwise


def _pair(dimensions: int, size: int, rest: int) -> tuple[int, int]:
    return (rest, size) if dimensions == 1 else (size, size)


class Convolution(nn.Sequential):
    """Convolution without bias, batch normalisation, and maybe a relu."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
        dimensions: int = 2,
    ) -> None:
        super().__init__()
        kind = Depthwise if groups == inputs == outputs > 1 else nn.Conv2d
        self.conv = kind(
            inputs,
            outputs,
            _pair(dimensions, kernel, 1),
            _pair(dimensions, stride, 1),
            _pair(dimensions, kernel // 2, 0),
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(outputs)
        if relu:
            self.relu = nn.ReLU()


class SqueezeExcite(nn.Module):
    """Scales channels by what a small network makes of their means (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.excite = nn.Conv2d(squeeze, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = nn.functional.adaptive_avg_pool2d(x, 1)
        return x * nn.functional.hardsigmoid(self.excite(torch.relu(self.squeeze(means))))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, block: Block, dimensions: int) -> None:
        super().__init__()
        wide = block.expanded
        self.residual = block.stride == 1 and inputs == block.width
        self.expand = nn.Identity() if wide == inputs else Convolution(inputs, wide)
        self.depthwise = Convolution(
            wide, wide, block.kernel, block.stride, groups=wide, dimensions=dimensions
        )
        self.attention = SqueezeExcite(wide, block.squeeze) if block.squeeze else nn.Identity()
        self.project = Convolution(wide, block.width, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.attention(self.depthwise(self.expand(x))))
        return x + y if self.residual else y


class StaticNetwork(nn.Module):
    """float32 [n, channels, height, width] to logits float32 [n, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        dimensions = architecture.dimensions
        width = architecture.stem_width
        self.stem = Convolution(
            architecture.input[0],
            width,
            architecture.stem_kernel,
            architecture.stem_stride,
            dimensions=dimensions,
        )
        blocks = []
        for block in architecture.blocks:
            blocks.append(InvertedResidual(width, block, dimensions))
            width = block.width
        self.blocks = nn.Sequential(*blocks)
        self.head = Convolution(width, architecture.head) if architecture.head else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(architecture.head or width, architecture.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = as_channels_last(self.stem(x))
        return self.classifier(self.flatten(self.pool(self.head(self.blocks(x)))))


def as_channels_last(x: torch.Tensor) -> torch.Tensor:
    """Depthwise and pointwise convolutions are a third faster so on CPUs; exports stay as is."""
    if torch.onnx.is_in_onnx_export():
        return x
    return x.contiguous(memory_format=torch.channels_last)
