# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution whose training doesn't crawl on CPUs.

torch computes the gradient of the weights of a 7x7 depthwise convolution some ten times as slowly
as the convolution; depthwise.c takes about as long as the convolution.
"""

from __future__ import annotations

import ctypes
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from tinyengine_tvm.native import compiled

Pair = tuple[int, int]
LANES = 16
"""Channels that depthwise.c computes together."""
_MOST_TAPS = 9
"""In a row, that depthwise.c has room for."""


class _Shape(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_ssize_t)
        for name in (
            *("samples", "channels", "height", "width", "rows", "columns"),
            *("taps_y", "taps_x", "stride_y", "stride_x", "pad_y", "pad_x"),
        )
    )


@functools.cache
def _engine() -> Any:
    """The function of depthwise.c, or None where it can't be built."""
    library = compiled(Path(__file__).with_suffix(".c"))
    if library is None:
        return None
    function = library.weight_gradient
    function.argtypes = (
        ctypes.POINTER(_Shape),
        *(ctypes.c_void_p,) * 3,
        *(ctypes.c_ssize_t,) * 2,
    )
    function.restype = ctypes.c_int
    return function


@functools.cache
def _threads(count: int, process: int) -> ThreadPoolExecutor:
    """A forked process has none of its parent's threads, hence its number."""
    return ThreadPoolExecutor(count)


def weight_gradient(
    x: torch.Tensor, gradient: torch.Tensor, taps: Pair, stride: Pair, padding: Pair
) -> torch.Tensor | None:
    """float32 [channels, 1, kh, kw] of the input [n, channels, h, w] and the output's gradient.

    None where depthwise.c can't be built. The same bits for any number of threads.
    """
    engine = _engine()
    if engine is None:
        return None
    x = x.contiguous(memory_format=torch.channels_last)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    channels = x.shape[1]
    shape = _Shape(
        x.shape[0], channels, *x.shape[2:], *gradient.shape[2:], *taps, *stride, *padding
    )
    out = torch.empty(channels, 1, *taps)

    def part(first: int, last: int) -> None:
        if engine(shape, x.data_ptr(), gradient.data_ptr(), out.data_ptr(), first, last):
            raise MemoryError("no memory for the gradient of a depthwise convolution")

    # Parts of the channels, not of the samples: so each sum has one order.
    threads = min(torch.get_num_threads(), -(-channels // LANES))
    if threads == 1:
        part(0, channels)
        return out
    firsts = range(0, channels, LANES)
    lasts = [min(first + LANES, channels) for first in firsts]
    list(_threads(torch.get_num_threads(), os.getpid()).map(part, firsts, lasts))
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: Pair, padding: Pair
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        ours = weight_gradient(x, gradient, tuple(weight.shape[2:]), stride, padding)
        needed = (ctx.needs_input_grad[0], ours is None, False)
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), x.shape[1], needed
        )
        return of_x, of_weight if ours is None else ours, None, None


def depthwise(x: torch.Tensor, weight: torch.Tensor, stride: Pair, padding: Pair) -> torch.Tensor:
    """conv2d of [n, channels, h, w] with weights [channels, 1, kh, kw], a group per channel."""
    taps = weight.shape[2:]
    slow = (
        not torch.onnx.is_in_onnx_export()
        and weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        # torch has a fast way for these.
        and tuple(taps) != (3, 3)
        and taps[1] <= _MOST_TAPS
        and not torch.is_autocast_enabled("cpu")
    )
    if slow:
        return _Depthwise.apply(x, weight, stride, padding)
    return functional.conv2d(x, weight, None, stride, padding, groups=x.shape[1])


class Depthwise(nn.Conv2d):
    """nn.Conv2d with a group per channel, without bias."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride, padding = self.stride, self.padding
        assert isinstance(padding, tuple)
        return depthwise(x, self.weight, (stride[0], stride[1]), (padding[0], padding[1]))
