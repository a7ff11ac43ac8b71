# SPDX-License-Identifier: Apache-2.0
"""Layers whose weights serve many sizes: the first channels, the middle of the kernels.

Kernels shrink as in Once-for-All (Cai et al., ICLR 2020): the middle of the larger kernel goes
through a learned square matrix, one per step of size, that all channels share.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..training.depthwise import depthwise


class ElasticNorm(nn.Module):
    """Batch normalisation of the first channels.

    Statistics are always the batch's: those of a sub-net are measured anew when it is taken out,
    since no running average suits all of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        return functional.batch_norm(
            x, None, None, self.weight[:channels], self.bias[:channels], training=True
        )


class ElasticConvolution(nn.Module):
    """A dense convolution from the first input channels to the first output channels."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out")
        self.norm = ElasticNorm(outputs)
        self.stride, self.relu = stride, relu
        self.padding = (kernel[0] // 2, kernel[1] // 2)

    def active(self, inputs: int, outputs: int) -> torch.Tensor:
        """Weights [outputs, inputs, kh, kw]."""
        return self.weight[:outputs, :inputs].contiguous()

    def forward(self, x: torch.Tensor, outputs: int) -> torch.Tensor:
        weight = self.active(x.shape[1], outputs)
        y = self.norm(functional.conv2d(x, weight, None, self.stride, self.padding))
        return functional.relu(y) if self.relu else y


class ElasticDepthwise(nn.Module):
    """A depthwise convolution of the first channels with one of several odd kernels."""

    def __init__(self, channels: int, kernels: tuple[int, ...], stride: int, flat: bool) -> None:
        super().__init__()
        self.kernels = tuple(sorted(kernels, reverse=True))
        self.flat = flat
        largest = self._extent(self.kernels[0], 1)
        self.weight = nn.Parameter(torch.empty(channels, 1, *largest))
        # Every output sees one channel: the fan is the kernel alone.
        nn.init.normal_(self.weight, std=(2 / (largest[0] * largest[1])) ** 0.5)
        self.norm = ElasticNorm(channels)
        self.stride = self._extent(stride, 1)
        self.shrink = nn.ParameterList(
            nn.Parameter(torch.eye(taps[0] * taps[1]))
            for taps in (self._extent(k, 1) for k in self.kernels[1:])
        )

    def _extent(self, size: int, rest: int) -> tuple[int, int]:
        return (rest, size) if self.flat else (size, size)

    def active(self, channels: int, kernel: int) -> torch.Tensor:
        """Weights [channels, 1, kh, kw]."""
        weight = self.weight[:channels]
        for size, matrix in zip(self.kernels[1:], self.shrink, strict=True):
            if self.kernels[0] == kernel or size < kernel:
                break
            edge = (weight.shape[3] - size) // 2
            rows = slice(None) if self.flat else slice(edge, edge + size)
            middle = weight[:, :, rows, edge : edge + size].reshape(channels, -1)
            weight = (middle @ matrix).reshape(channels, 1, *self._extent(size, 1))
        return weight.contiguous()

    def forward(self, x: torch.Tensor, kernel: int) -> torch.Tensor:
        channels = x.shape[1]
        padding = self._extent(kernel // 2, 0)
        weight = self.active(channels, kernel)
        y = depthwise(x, weight, self.stride, padding)
        return functional.relu(self.norm(y))


class ElasticSqueezeExcite(nn.Module):
    """Squeeze-and-excite of the first channels."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.excite = nn.Conv2d(squeeze, channels, 1)

    def active(self, channels: int, squeeze: int) -> tuple[torch.Tensor, ...]:
        """Weight and bias of the squeeze, then of the excitation."""
        return (
            self.squeeze.weight[:squeeze, :channels],
            self.squeeze.bias[:squeeze],
            self.excite.weight[:channels, :squeeze],
            self.excite.bias[:channels],
        )

    def forward(self, x: torch.Tensor, squeeze: int) -> torch.Tensor:
        first, first_bias, second, second_bias = self.active(x.shape[1], squeeze)
        means = functional.adaptive_avg_pool2d(x, 1)
        small = torch.relu(functional.conv2d(means, first, first_bias))
        return x * functional.hardsigmoid(functional.conv2d(small, second, second_bias))
