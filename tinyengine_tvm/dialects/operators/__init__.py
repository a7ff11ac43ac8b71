# SPDX-License-Identifier: Apache-2.0
"""One extractor per composite: (lowering, call) -> the tensor that holds the call's result."""

from __future__ import annotations

from collections.abc import Callable

from ...network import Tensor
from ..lower import Lowering
from ..tree import Call
from .convolution import convolution
from .dense import dense
from .elementwise import add, multiply, softmax
from .external import external, field
from .pooling import average_pool2d, max_pool2d, mean
from .quantise import clip, dequantize, quantize, requantize
from .shape import concat, pad, reshape, resize2d, transpose

Extractor = Callable[[Lowering, Call], Tensor]

EXTRACTORS: dict[str, Extractor] = {
    "add": add,
    "average_pool2d": average_pool2d,
    "clip": clip,
    "concat": concat,
    "conv2d": convolution,
    "dense": dense,
    "dequantize": dequantize,
    "external": external,
    "field": field,
    "max_pool2d": max_pool2d,
    "mean": mean,
    "multiply": multiply,
    "pad": pad,
    "quantize": quantize,
    "requantize": requantize,
    "reshape": reshape,
    "resize2d": resize2d,
    "softmax": softmax,
    "transpose": transpose,
}
