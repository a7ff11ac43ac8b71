# SPDX-License-Identifier: Apache-2.0
"""Each kind of layer as a call of CMSIS-NN's public functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..network import (
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MaxPool2D,
    Mul,
    Network,
    Pad,
    Reshape,
    Softmax,
    Tensor,
)
from ..network.arithmetic import (
    AddArithmetic,
    add_arithmetic,
    mul_arithmetic,
    quantise_multiplier,
    requantisation_of,
)


@dataclass(frozen=True)
class Call:
    """A call, as C.

    structs: definitions of the arguments that are constant structs, by name.
    arguments: of `function`; `@input0@`, `@input1@`, `@output@` and `@name@` of a constant stand
    for pointers, and a struct goes by its address.
    size: the expression that gives the bytes of the context's buffer; None: it has none.
    sums: whether a buffer must hold the sums of the weights' rows before the call.
    """

    function: str
    arguments: tuple[str, ...]
    structs: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    size: str | None = None
    sums: str | None = None
    gives_status: bool = True

    @property
    def functions(self) -> tuple[str, ...]:
        """What the library must define."""
        return (self.function, *([self.size.partition("(")[0]] if self.size else []))


def lacking(network: Network) -> list[str]:
    """The operators of a network that can't be called, sorted."""
    return sorted({layer.op for layer in network.layers if not _callable(network, layer)})


def call_of(network: Network, layer: Layer) -> Call:
    """The call of one layer of a network that lacks nothing."""
    return _CALLS[type(layer)](network, layer)


def _callable(network: Network, layer: Layer) -> bool:
    tensors = [network.tensor(name) for name in (*layer.inputs, layer.output)]
    if isinstance(layer, Reshape):
        return True
    if type(layer) not in _CALLS or any(t.dtype != "int8" for t in tensors):
        return False
    if isinstance(layer, (Add, Mul)):
        constant = any(t.data is not None for t in tensors)
        return not constant and len({t.shape for t in tensors}) == 1
    if isinstance(layer, AveragePool2D):
        return not layer.count_padding
    return not isinstance(layer, Pad) or len(tensors[0].shape) == 4


def _dims(shape: tuple[int, ...]) -> str:
    n, h, w, c = shape
    return f"cmsis_nn_dims = {{{n}, {h}, {w}, {c}}}"


def _pair(vertical: int, horizontal: int) -> str:
    """A tile, which names its width first."""
    return f"{{{horizontal}, {vertical}}}"


def _clamp(layer: Any) -> str:
    low, high = layer.clamp
    return f"{{{low}, {high}}}"


def _offsets(x: Tensor, y: Tensor) -> str:
    return f"{-x.zero_point}, {y.zero_point}"


def _weighted(network: Network, layer: Conv2D | DepthwiseConv2D) -> dict[str, np.ndarray]:
    how = requantisation_of(network, layer)
    return {
        "weight": layer.weight.astype(np.int8),
        "bias": layer.bias.astype(np.int32),
        "multiplier": how.multiplier.astype(np.int32),
        "shift": how.shift.astype(np.int32),
    }


_PER_CHANNEL = "cmsis_nn_per_channel_quant_params = {(int32_t *)@multiplier@, (int32_t *)@shift@}"


def _convolution(network: Network, layer: Any) -> Call:
    x, y = network.input_of(layer), network.output_of(layer)
    depthwise = isinstance(layer, DepthwiseConv2D)
    kernel = (1, *layer.weight.shape) if depthwise else layer.weight.shape
    place = f"{_pair(*layer.stride)}, {_pair(layer.padding.top, layer.padding.left)}, {{1, 1}}"
    if depthwise:
        function, kind = "arm_depthwise_conv_wrapper_s8", "cmsis_nn_dw_conv_params"
        place = f"{layer.multiplier}, {place}"
    else:
        function, kind = "arm_convolve_wrapper_s8", "cmsis_nn_conv_params"
    return Call(
        function,
        (
            *("&context", "&params", "&quant", "&input_dims", "@input0@", "&filter_dims"),
            *("@weight@", "&bias_dims", "@bias@", "&output_dims", "@output@"),
        ),
        {
            "params": f"{kind} = {{{_offsets(x, y)}, {place}, {_clamp(layer)}}}",
            "quant": _PER_CHANNEL,
            "input_dims": _dims(x.shape),
            "filter_dims": _dims(kernel),
            "bias_dims": _dims((1, 1, 1, len(layer.bias))),
            "output_dims": _dims(y.shape),
        },
        _weighted(network, layer),
        f"{function}_get_buffer_size(&params, &input_dims, &filter_dims, &output_dims)",
    )


def _dense(network: Network, layer: Dense) -> Call:
    x, y = network.input_of(layer), network.output_of(layer)
    outputs, depth = layer.weight.shape
    rows = x.elements // depth
    constants = _weighted(network, layer)  # type: ignore[arg-type]
    per_channel = np.asarray(layer.weight_scale).size > 1
    if per_channel:
        function, quant = "arm_fully_connected_per_channel_s8", _PER_CHANNEL
    else:
        function = "arm_fully_connected_s8"
        multiplier, shift = constants.pop("multiplier")[0], constants.pop("shift")[0]
        quant = f"cmsis_nn_per_tensor_quant_params = {{{multiplier}, {shift}}}"
    # The weights' own zero point stands between the two offsets; it's 0.
    offsets = f"{-x.zero_point}, 0, {y.zero_point}"
    return Call(
        function,
        (
            *("&context", "&params", "&quant", "&input_dims", "@input0@", "&filter_dims"),
            *("@weight@", "&bias_dims", "@bias@", "&output_dims", "@output@"),
        ),
        {
            "params": f"cmsis_nn_fc_params = {{{offsets}, {_clamp(layer)}}}",
            "quant": quant,
            "input_dims": _dims((rows, 1, 1, depth)),
            "filter_dims": _dims((depth, 1, 1, outputs)),
            "bias_dims": _dims((1, 1, 1, outputs)),
            "output_dims": _dims((rows, 1, 1, outputs)),
        },
        constants,
        "arm_fully_connected_s8_get_buffer_size(&filter_dims)",
        sums=f"arm_vector_sum_s8(context.buf, {depth}, {outputs}, @weight@, {-x.zero_point}, 0, "
        "@bias@)",
    )


def _pool(network: Network, layer: Any) -> Call:
    x, y = network.input_of(layer), network.output_of(layer)
    average = isinstance(layer, AveragePool2D)
    place = f"{_pair(*layer.stride)}, {_pair(layer.padding.top, layer.padding.left)}"
    return Call(
        "arm_avgpool_s8" if average else "arm_max_pool_s8",
        (
            *("&context", "&params", "&input_dims", "@input0@"),
            *("&filter_dims", "&output_dims", "@output@"),
        ),
        {
            "params": f"cmsis_nn_pool_params = {{{place}, {_clamp(layer)}}}",
            "input_dims": _dims(x.shape),
            "filter_dims": _dims((1, *layer.kernel, 1)),
            "output_dims": _dims(y.shape),
        },
        size=f"arm_avgpool_s8_get_buffer_size({y.shape[2]}, {x.shape[3]})" if average else None,
    )


def _add(network: Network, layer: Add) -> Call:
    a, b, y = network.input_of(layer), network.input_of(layer, 1), network.output_of(layer)
    how = add_arithmetic(network, layer)
    first = (-a.zero_point, how.multiplier_a, how.shift_a)
    second = (-b.zero_point, how.multiplier_b, how.shift_b)
    numbers = (*first, *second, AddArithmetic.LEFT_SHIFT)
    after = (y.zero_point, how.multiplier, how.shift, *layer.clamp, y.elements)
    return Call(
        "arm_elementwise_add_s8",
        ("@input0@", "@input1@", *map(str, numbers), "@output@", *map(str, after)),
    )


def _mul(network: Network, layer: Mul) -> Call:
    a, b, y = network.input_of(layer), network.input_of(layer, 1), network.output_of(layer)
    after = (y.zero_point, *mul_arithmetic(network, layer), *layer.clamp, y.elements)
    return Call(
        "arm_elementwise_mul_s8",
        (
            *("@input0@", "@input1@", str(-a.zero_point), str(-b.zero_point), "@output@"),
            *map(str, after),
        ),
    )


def _softmax(network: Network, layer: Softmax) -> Call:
    x = network.input_of(layer)
    # As TFLite prepares it: differences of stored values become Q5.26.
    real = min(float(np.float32(layer.beta)) * x.scale * (1 << 26), (1 << 31) - 1)
    multiplier, shift = quantise_multiplier(real)
    least = -math.floor(31 * (1 << 26) / 2.0**shift)
    depth = x.shape[-1]
    numbers = (x.elements // depth, depth, multiplier, shift, least)
    return Call("arm_softmax_s8", ("@input0@", *map(str, numbers), "@output@"), gives_status=False)


def _pad(network: Network, layer: Pad) -> Call:
    x = network.input_of(layer)
    before, after = zip(*layer.pads, strict=True)
    return Call(
        "arm_pad_s8",
        ("@input0@", "@output@", str(layer.value), "&input_dims", "&before", "&after"),
        {"input_dims": _dims(x.shape), "before": _dims(before), "after": _dims(after)},
    )


_CALLS: dict[type[Layer], Callable[..., Call]] = {
    Add: _add,
    AveragePool2D: _pool,
    Conv2D: _convolution,
    Dense: _dense,
    DepthwiseConv2D: _convolution,
    MaxPool2D: _pool,
    Mul: _mul,
    Pad: _pad,
    Softmax: _softmax,
}
