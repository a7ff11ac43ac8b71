# SPDX-License-Identifier: Apache-2.0
"""The layers of a quantised network: what is computed, not how.

A layer holds only primary facts (weights, strides, scales of weights). What follows from them, such
as multipliers and shifts, is derived in `arithmetic.py` so that there is one source of truth.
Everything stored in an activation tensor is int8 unless a layer says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from .network import Network

INT8_RANGE = (-128, 127)


@dataclass(frozen=True)
class Padding:
    """Rows and columns of the input's zero point that surround a feature map."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any((self.top, self.left, self.bottom, self.right))


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator with one output. `inputs` and `output` name tensors of the Network."""

    op: ClassVar[str] = "layer"
    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class _Weighted(Layer):
    weight: np.ndarray
    """int8; the shape is the subclass's."""
    weight_scale: np.ndarray
    """float32, one value per output channel, or one for all."""
    bias: np.ndarray
    """int32, one value per output channel, at scale input scale x weight scale."""
    clamp: tuple[int, int] = INT8_RANGE
    """Least and greatest stored output: a fused activation."""


@dataclass(frozen=True, eq=False)
class Conv2D(_Weighted):
    """Two-dimensional convolution, NHWC. weight: [out, kernel height, kernel width, in]."""

    op: ClassVar[str] = "conv2d"
    stride: tuple[int, int] = (1, 1)
    padding: Padding = field(default_factory=Padding)

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weight.shape[1], self.weight.shape[2]


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(_Weighted):
    """Depthwise convolution, NHWC. weight: [kernel height, kernel width, in x multiplier].

    Output channel c reads input channel c // multiplier, as TFLite orders them.
    """

    op: ClassVar[str] = "depthwise_conv2d"
    stride: tuple[int, int] = (1, 1)
    padding: Padding = field(default_factory=Padding)
    multiplier: int = 1

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[1]


@dataclass(frozen=True, eq=False)
class Dense(_Weighted):
    """Fully connected layer. Input [rows, in], weight [out, in], output [rows, out]."""

    op: ClassVar[str] = "dense"


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Elementwise sum of two int8 tensors; one may be broadcast to the other's shape."""

    op: ClassVar[str] = "add"
    clamp: tuple[int, int] = INT8_RANGE


@dataclass(frozen=True, eq=False)
class Mul(Layer):
    """Elementwise product of two int8 tensors, with broadcasting as Add."""

    op: ClassVar[str] = "mul"
    clamp: tuple[int, int] = INT8_RANGE


@dataclass(frozen=True, eq=False)
class _Pool2D(Layer):
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = field(default_factory=Padding)
    clamp: tuple[int, int] = INT8_RANGE


@dataclass(frozen=True, eq=False)
class MaxPool2D(_Pool2D):
    """Maximum over a window; padding never wins. Input and output share their quantisation."""

    op: ClassVar[str] = "max_pool2d"


@dataclass(frozen=True, eq=False)
class AveragePool2D(_Pool2D):
    """Mean over a window. `count_padding` divides by the whole window instead of what lies inside.

    Mode tflite: input and output share their quantisation. Mode onnx: they may differ.
    """

    op: ClassVar[str] = "average_pool2d"
    count_padding: bool = False


@dataclass(frozen=True, eq=False)
class Mean(Layer):
    """Mean over `axes` of the input (sorted, non-negative); the output's shape tells keep_dims."""

    op: ClassVar[str] = "mean"
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Pad(Layer):
    """Pads every dimension by (before, after) elements of the stored value `value`."""

    op: ClassVar[str] = "pad"
    pads: tuple[tuple[int, int], ...] = ()
    value: int = 0


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The same bytes under the output tensor's shape."""

    op: ClassVar[str] = "reshape"


@dataclass(frozen=True, eq=False)
class Transpose(Layer):
    """output.shape[i] = input.shape[permutation[i]], as numpy.transpose."""

    op: ClassVar[str] = "transpose"
    permutation: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """Concatenation along `axis` (non-negative); all tensors share one quantisation."""

    op: ClassVar[str] = "concat"
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """Softmax over the last axis. int8 to int8, or float32 to float32."""

    op: ClassVar[str] = "softmax"
    beta: float = 1.0


@dataclass(frozen=True, eq=False)
class Clip(Layer):
    """Clamps stored values (a relu that nothing absorbed); one quantisation."""

    op: ClassVar[str] = "clip"
    clamp: tuple[int, int] = INT8_RANGE


@dataclass(frozen=True, eq=False)
class Quantize(Layer):
    """float32 to int8."""

    op: ClassVar[str] = "quantize"


@dataclass(frozen=True, eq=False)
class Dequantize(Layer):
    """int8 to float32."""

    op: ClassVar[str] = "dequantize"


@dataclass(frozen=True, eq=False)
class Requantize(Layer):
    """int8 to int8 under another quantisation."""

    op: ClassVar[str] = "requantize"
    clamp: tuple[int, int] = INT8_RANGE


@dataclass(frozen=True, eq=False)
class Lookup(Layer):
    """Any function of one int8 value, of each element: output = table[input + 128]."""

    op: ClassVar[str] = "lookup"
    table: np.ndarray = field(kw_only=True)
    """int8 [256]."""
    operators: tuple[str, ...] = field(kw_only=True)
    """What it computes, in TVM's words."""


@dataclass(frozen=True, eq=False)
class ResizeNearest(Layer):
    """Nearest-neighbour resize, NHWC: output row i copies input row rows[i], likewise columns.

    Holding the index maps covers every coordinate convention of TFLite and ONNX alike.
    """

    op: ClassVar[str] = "resize_nearest"
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class External(Layer):
    """Operators that no kernel of ours computes: the layer brings its own C.

    `function` is the text of a C function, `@NAME@` where its name `symbol` stands. Its parameters
    are a pointer for each input, one for the output, and one for the scratch if there is any.
    """

    op: ClassVar[str] = "external"
    symbol: str = field(kw_only=True)
    function: str = field(kw_only=True)
    operators: tuple[str, ...] = field(kw_only=True)
    """What it computes, in TVM's words."""
    scratch_bytes: int = 0
    alignment: int = 4
    """Of the scratch, in bytes."""
    helpers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    macs: int = 0


@dataclass(frozen=True, eq=False)
class Fused(Layer):
    """The layers of `body`, computed together a part at a time.

    `body` has one input and one output, the latter this layer's. An input that is streamed isn't
    among `inputs`: `streamed` names it. `macs` counts what is computed, some of it more than once.
    """

    op: ClassVar[str] = "fused"
    body: Network = field(kw_only=True)
    macs: int = field(kw_only=True)
    streamed: str | None = None
