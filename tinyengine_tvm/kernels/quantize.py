# SPDX-License-Identifier: Apache-2.0
"""quantize, dequantize, requantize (between two int8 scales) and lookup, any function of int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..network import Dequantize, Layer, Lookup, Network, Quantize, Requantize
from ..network.arithmetic import multiply_by_quantised_multiplier, quantise_multiplier
from .base import Code, Configuration, Constant, Function, Kernel, Operands, render
from .dsp.bytes import TableDsp
from .dsp.quantize import QuantizeFpu
from .floats import c_float, dequantise, quantise_half_away, quantise_half_even


def quantize_reference(network: Network, layer: Quantize, inputs: list[np.ndarray]) -> np.ndarray:
    """float32 to int8 of the same shape; ties to even in mode onnx, away from zero in tflite."""
    rounding = quantise_half_even if network.mode == "onnx" else quantise_half_away
    return rounding(inputs[0], network.output_of(layer))


def dequantize_reference(
    network: Network, layer: Dequantize, inputs: list[np.ndarray]
) -> np.ndarray:
    """int8 to float32 of the same shape."""
    return dequantise(inputs[0], network.input_of(layer))


def requantize_reference(
    network: Network, layer: Requantize, inputs: list[np.ndarray]
) -> np.ndarray:
    """int8 to int8 of the same shape."""
    x, y = network.input_of(layer), network.output_of(layer)
    if network.mode == "onnx":
        return quantise_half_even(dequantise(inputs[0], x), y, layer.clamp)
    multiplier, shift = quantise_multiplier(x.scale / y.scale)
    centred = inputs[0].astype(np.int64) - x.zero_point
    scaled = multiply_by_quantised_multiplier(centred, multiplier, shift)
    return np.clip(scaled + y.zero_point, *layer.clamp).astype(np.int8)


QUANTIZE = """\
static void @NAME@(const void *values, int32_t count, float scale, int32_t zero, int8_t *y)
{
    const float *x = (const float *)values;
    for (int32_t i = 0; i < count; ++i) {
{% if mode == "tflite" %}
        y[i] = te_quantise_tflite(x[i], scale, zero);
{% else %}
        y[i] = te_quantise_onnx(x[i], scale, zero, -128, 127);
{% endif %}
    }
}
"""

DEQUANTIZE = """\
static void @NAME@(const int8_t *x, int32_t count, float scale, int32_t zero, void *values)
{
    float *y = (float *)values;
    for (int32_t i = 0; i < count; ++i) {
        y[i] = (float)(x[i] - zero) * scale;
    }
}
"""


def lookup_reference(network: Network, layer: Lookup, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 to int8 of the same shape."""
    return layer.table[inputs[0].astype(np.int64) + 128]


LOOK_UP = """\
static void @NAME@(const int8_t *x, const int8_t *table, int32_t count, int8_t *y)
{
    for (int32_t i = 0; i < count; ++i) {
        y[i] = table[x[i] + 128];
    }
}
"""


class QuantizePortable(Kernel[Quantize]):
    """Any shape."""

    name = "quantize_f32_s8_portable"
    layer = Quantize

    def emit(self, network: Network, layer: Quantize, configuration: Configuration) -> Code:
        y = network.output_of(layer)
        helpers = ("te_float32", f"te_quantise_{network.mode}")
        function = Function("te_quantize_f32_s8", render(QUANTIZE, mode=network.mode), helpers)
        return Code(
            functions=(function,),
            call=_call(f"{y.elements}, {c_float(y.scale)}, {y.zero_point}"),
        )


class DequantizePortable(Kernel[Dequantize]):
    """Any shape."""

    name = "dequantize_s8_f32_portable"
    layer = Dequantize

    def emit(self, network: Network, layer: Dequantize, configuration: Configuration) -> Code:
        x = network.input_of(layer)
        return Code(
            functions=(Function("te_dequantize_s8_f32", DEQUANTIZE),),
            call=_call(f"{x.elements}, {c_float(x.scale)}, {x.zero_point}"),
        )


class TablePortable(Kernel[Layer]):
    """Any shape: a table of the 256 results, which is smaller than the code that computes them."""

    def __init__(self, name: str, layer: type[Layer], reference: Callable[..., np.ndarray]) -> None:
        """reference: the layer's numpy semantics."""
        self.name = name  # type: ignore[misc]
        self.layer = layer  # type: ignore[misc]
        self._reference = reference

    def emit(self, network: Network, layer: Layer, configuration: Configuration) -> Code:
        every = np.arange(-128, 128).astype(np.int8)
        table = self._reference(network, layer, [every])
        count = network.output_of(layer).elements

        def call(operands: Operands, names: Sequence[str]) -> str:
            table_name = operands.constant("table")
            return f"{names[0]}({operands.inputs[0]}, {table_name}, {count}, {operands.output});"

        return Code(
            functions=(Function("te_look_up_s8", LOOK_UP),),
            constants=(Constant("table", table),),
            call=call,
        )


def _call(values: str) -> Any:
    def call(operands: Operands, names: Sequence[str]) -> str:
        return f"{names[0]}({operands.inputs[0]}, {values}, {operands.output});"

    return call


KERNELS: tuple[Kernel[Any], ...] = (
    QuantizeFpu(),
    TableDsp("requantize_s8_table_dsp", Requantize, requantize_reference),
    TableDsp("lookup_s8_dsp", Lookup, lookup_reference),
    QuantizePortable(),
    DequantizePortable(),
    TablePortable("requantize_s8_table", Requantize, requantize_reference),
    TablePortable("lookup_s8", Lookup, lookup_reference),
)
REFERENCE = {
    Lookup: lookup_reference,
    Quantize: quantize_reference,
    Dequantize: dequantize_reference,
    Requantize: requantize_reference,
}
