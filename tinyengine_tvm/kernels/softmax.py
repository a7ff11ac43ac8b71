# SPDX-License-Identifier: Apache-2.0
"""softmax over the last axis.

int8: exponentials come from a table made when compiling, since only 256 differences exist; the rest
is integer arithmetic. float32: expf.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..network import Network, Quantisation, Softmax
from ..network.arithmetic import (
    multiply_by_quantised_multiplier,
    quantise_multiplier,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_mul,
)
from ..targets import Target
from .base import Code, Configuration, Constant, Function, Kernel, Operands, render
from .floats import c_float

INT32_MAX = (1 << 31) - 1
TFLITE_OUTPUT = Quantisation(1 / 256, -128)
"""The only output quantisation that TFLite's softmax has."""


def exponentials_tflite(beta: float, scale: float) -> np.ndarray:
    """int32 [n]: exp(-d * beta * scale) in Q0.31 for difference d, as far as it can matter, n <= 256.

    Follows PreprocessSoftmaxScaling of TFLite and exp_on_negative_values of gemmlowp: the scaled
    difference is Q5.26, a polynomial gives exp on [-1/4, 0), a product of constants the rest.
    """
    real = min(float(np.float32(beta)) * scale * (1 << 26), INT32_MAX)
    multiplier, shift = quantise_multiplier(real)
    radius = math.floor(31 * (1 << 26) / 2.0**shift)
    difference = -np.arange(min(radius, 255) + 1, dtype=np.int64)
    scaled = multiply_by_quantised_multiplier(difference, multiplier, shift)
    quarter = 1 << 24
    fraction = (scaled & (quarter - 1)) - quarter
    remainder = fraction - scaled
    result = _exp_quarter(fraction << 5)
    for exponent, factor in enumerate(
        (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242), start=-2
    ):
        product = rounding_doubling_high_mul(result, np.asarray(factor))
        result = np.where(remainder & (1 << (26 + exponent)), product, result)
    result = np.where(scaled == 0, INT32_MAX, result)
    # A value below 2**11 adds nothing to the sum, and no quotient with it rounds up.
    useful = np.flatnonzero(result >= 1 << 11)
    return result[: useful[-1] + 1].astype(np.int32)


def _exp_quarter(x: np.ndarray) -> np.ndarray:
    """exp of Q0.31 values in [-1/4, 0): Taylor of fourth order about -1/8."""
    mul = rounding_doubling_high_mul
    x = x + (1 << 28)
    square = mul(x, x)
    quartic_over_4 = rounding_divide_by_power_of_two(mul(square, square), 2)
    cubic = mul(square, x)
    tail = mul(quartic_over_4 + cubic, np.asarray(715827883)) + square
    return 1895147668 + mul(np.asarray(1895147668), x + rounding_divide_by_power_of_two(tail, 1))


def _reciprocal(normalised: np.ndarray) -> np.ndarray:
    """Q0.31 of 1 / (normalised / 2**31) for normalised in [2**31, 2**32), by three Newton steps."""
    mul = rounding_doubling_high_mul
    half = normalised >> 1
    x = 1515870810 + mul(half, np.asarray(-1010580540))
    for _ in range(3):
        x = x + 4 * mul(x, (1 << 29) - mul(half, x))
    return np.minimum(2 * x, INT32_MAX)


def _softmax_tflite(x: np.ndarray, table: np.ndarray) -> np.ndarray:
    difference = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    padded = np.zeros(256, np.int64)
    padded[: len(table)] = table
    exponentials = padded[difference]
    total = rounding_divide_by_power_of_two(exponentials, 12).sum(axis=-1, keepdims=True)
    headroom = np.array([[32 - int(t).bit_length()] for t in total.ravel()]).reshape(total.shape)
    scale = _reciprocal(total << headroom)
    # Beyond 31 bits every quotient rounds to zero.
    exponent = np.minimum(35 - headroom, 62)
    product = rounding_doubling_high_mul(scale, exponentials)
    return np.minimum(rounding_divide_by_power_of_two(product, exponent) - 128, 127)


ONE = 1 << 30
"""1.0 in the exponentials of mode onnx."""


def exponentials_onnx(beta: float, scale: float) -> np.ndarray:
    """int32 [n]: exp(-d * beta * scale) in Q1.30 for difference d, without the zeros at the end."""
    values = np.rint(ONE * np.exp(-np.arange(256) * float(np.float32(beta)) * scale))
    return np.trim_zeros(values, "b").astype(np.int32)


def _inverse_scale(scale: float, depth: int) -> tuple[int, int]:
    """(m, t) with 1 / scale = m * 2**-t to 26 bits, such that 64-bit products don't overflow."""
    fraction, exponent = math.frexp(1 / scale)
    bits = min(26, 31 - depth.bit_length() + exponent)
    shift = bits - exponent
    if shift < 0:
        # A scale this small saturates every output that isn't zero.
        return (1 << 26) - 1, 0
    return max(round(fraction * 2**bits), 1), shift


def _softmax_onnx(
    x: np.ndarray, table: np.ndarray, inverse: tuple[int, int], zero_point: int
) -> np.ndarray:
    difference = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    padded = np.zeros(256, np.int64)
    padded[: len(table)] = table
    exponentials = padded[difference]
    divisor = exponentials.sum(axis=-1, keepdims=True) << inverse[1]
    quotient, rest = np.divmod(exponentials * inverse[0], divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (quotient % 2 == 1))
    return np.minimum(quotient + up + zero_point, 127)


def reference(network: Network, layer: Softmax, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 to int8, or float32 to float32; any rank.

    Mode onnx divides exact exponentials and rounds once, which is as near to onnxruntime's float32
    as that is to the truth, and needs no floating point on the microcontroller.
    """
    x, y = network.input_of(layer), network.output_of(layer)
    if x.dtype == "float32":
        shifted = (inputs[0] - inputs[0].max(axis=-1, keepdims=True)) * np.float32(layer.beta)
        exponentials = np.exp(shifted)
        total = np.zeros(exponentials.shape[:-1], np.float32)
        for i in range(exponentials.shape[-1]):
            total = total + exponentials[..., i]
        return exponentials / total[..., None]
    if network.mode == "tflite":
        table = exponentials_tflite(layer.beta, x.scale)
        return _softmax_tflite(inputs[0], table).astype(np.int8)
    table = exponentials_onnx(layer.beta, x.scale)
    inverse = _inverse_scale(y.scale, x.shape[-1])
    return _softmax_onnx(inputs[0], table, inverse, y.zero_point).astype(np.int8)


INTEGER = """\
static void @NAME@(const int8_t *x, const int32_t *exponentials, int32_t entries,
    int32_t rows, int32_t depth,{{ " uint32_t inverse, int32_t shift, int32_t zero," \
if mode == "onnx" }} int8_t *y)
{
    for (int32_t row = 0; row < rows; ++row) {
        int32_t largest = x[0];
        for (int32_t i = 1; i < depth; ++i) {
            largest = x[i] > largest ? x[i] : largest;
        }
{% if mode == "tflite" %}
        uint32_t sum = 0;
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t difference = largest - x[i];
            if (difference < entries) {
                const int32_t exponential = exponentials[difference];
                sum += (uint32_t)((exponential >> 12) + ((exponential >> 11) & 1));
            }
        }
        int32_t exponent = 35;
        while (sum < UINT32_C(0x80000000)) {
            sum <<= 1;
            --exponent;
        }
        /* The reciprocal of the sum, by three Newton steps. */
        const int32_t half = (int32_t)(sum >> 1);
        int32_t scale = 1515870810 + te_scale_tflite(half, -1010580540, 0);
        for (int32_t i = 0; i < 3; ++i) {
            const int32_t error = (INT32_C(1) << 29) - te_scale_tflite(half, scale, 0);
            scale += 4 * te_scale_tflite(scale, error, 0);
        }
        scale = scale > INT32_MAX / 2 ? INT32_MAX : 2 * scale;
        /* Beyond 31 bits every quotient rounds to zero. */
        const int32_t limit = exponent > 31 ? 0 : entries;
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t difference = largest - x[i];
            int32_t value = -128;
            if (difference < limit) {
                value += te_scale_tflite(scale, exponentials[difference], -exponent);
            }
            y[i] = te_clamp(value, -128, 127);
        }
{% else %}
        uint64_t divisor = 0;
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t difference = largest - x[i];
            divisor += (uint32_t)(difference < entries ? exponentials[difference] : 0);
        }
        divisor <<= shift;
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t difference = largest - x[i];
            int32_t value = zero;
            if (difference < entries) {
                const uint64_t product = (uint64_t)exponentials[difference] * inverse;
                const uint64_t quotient = product / divisor;
                const uint64_t twice_rest = 2 * (product - quotient * divisor);
                value += (int32_t)(quotient < 512 ? quotient : 512);
                value += twice_rest > divisor || (twice_rest == divisor && (quotient & 1) != 0);
            }
            y[i] = te_clamp(value, -128, 127);
        }
{% endif %}
        x += depth;
        y += depth;
    }
}
"""

FLOAT = """\
static void @NAME@(const void *values, int32_t rows, int32_t depth, float beta, void *result)
{
    const float *x = (const float *)values;
    float *y = (float *)result;
    for (int32_t row = 0; row < rows; ++row) {
        float largest = x[0];
        for (int32_t i = 1; i < depth; ++i) {
            largest = x[i] > largest ? x[i] : largest;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < depth; ++i) {
            y[i] = expf((x[i] - largest) * beta);
            sum += y[i];
        }
        for (int32_t i = 0; i < depth; ++i) {
            y[i] /= sum;
        }
        x += depth;
        y += depth;
    }
}
"""


class SoftmaxInteger(Kernel[Softmax]):
    """int8 to int8."""

    name = "softmax_s8_portable"
    layer = Softmax

    def supports(self, network: Network, layer: Softmax, target: Target) -> bool:
        y = network.output_of(layer)
        if y.dtype != "int8":
            return False
        # TFLite sums in 12 integer bits.
        return network.mode == "onnx" or (y.quantisation == TFLITE_OUTPUT and y.shape[-1] < 1 << 12)

    def emit(self, network: Network, layer: Softmax, configuration: Configuration) -> Code:
        x, y = network.input_of(layer), network.output_of(layer)
        depth = x.shape[-1]
        values = ""
        if network.mode == "tflite":
            table = exponentials_tflite(layer.beta, x.scale)
            helpers: tuple[str, ...] = ("te_scale_tflite", "te_clamp")
        else:
            table = exponentials_onnx(layer.beta, x.scale)
            inverse, shift = _inverse_scale(y.scale, depth)
            values = f"{inverse}, {shift}, {y.zero_point}, "
            helpers = ("te_clamp",)

        def call(operands: Operands, names: Sequence[str]) -> str:
            return (
                f"{names[0]}({operands.inputs[0]}, {operands.constant('exponentials')}, "
                f"{len(table)}, {x.elements // depth}, {depth}, {values}{operands.output});"
            )

        function = Function("te_softmax_s8", render(INTEGER, mode=network.mode), helpers)
        return Code(functions=(function,), constants=(Constant("exponentials", table),), call=call)


class SoftmaxFloat(Kernel[Softmax]):
    """float32 to float32."""

    name = "softmax_f32_portable"
    layer = Softmax

    def supports(self, network: Network, layer: Softmax, target: Target) -> bool:
        return network.output_of(layer).dtype == "float32"

    def emit(self, network: Network, layer: Softmax, configuration: Configuration) -> Code:
        x = network.input_of(layer)
        depth = x.shape[-1]
        beta = c_float(layer.beta)

        def call(operands: Operands, names: Sequence[str]) -> str:
            rows = x.elements // depth
            return f"{names[0]}({operands.inputs[0]}, {rows}, {depth}, {beta}, {operands.output});"

        return Code(functions=(Function("te_softmax_f32", FLOAT, includes=("math.h",)),), call=call)


KERNELS: tuple[Kernel[Any], ...] = (SoftmaxInteger(), SoftmaxFloat())
REFERENCE = {Softmax: reference}
