# SPDX-License-Identifier: Apache-2.0
"""The quantised network: the representation between TVM and the generated C."""

from .layers import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dequantize,
    Layer,
    MaxPool2D,
    Mean,
    Mul,
    Pad,
    Padding,
    Quantize,
    Requantize,
    Reshape,
    ResizeNearest,
    Softmax,
    Transpose,
)
from .network import Mode, Network
from .tensor import DTYPES, Quantisation, Tensor
from .verify import NetworkError, verify

__all__ = [
    "DTYPES",
    "Add",
    "AveragePool2D",
    "Clip",
    "Concat",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dequantize",
    "Layer",
    "MaxPool2D",
    "Mean",
    "Mode",
    "Mul",
    "Network",
    "NetworkError",
    "Pad",
    "Padding",
    "Quantisation",
    "Quantize",
    "Requantize",
    "Reshape",
    "ResizeNearest",
    "Softmax",
    "Tensor",
    "Transpose",
    "verify",
]
