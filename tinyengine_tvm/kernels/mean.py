# SPDX-License-Identifier: Apache-2.0
"""mean over any axes; global average pooling is the mean over rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network import Mean, Network
from ..network.arithmetic import multiply_by_quantised_multiplier, quantise_multiplier
from .base import Code, Configuration, Function, Kernel, Operands, render
from .dsp.pool import MeanDsp
from .floats import c_float, dequantise, quantise_half_even
from .loops import index_expression, nested
from .near_ties import HELPERS, mean_factor

LANE_SUM = "te_lane_sum"


def lane_sum(values: np.ndarray) -> np.ndarray:
    """float32 sum over the last axis as onnxruntime's global pooling takes it.

    Four interleaved partial sums, added as (0 + 2) + (1 + 3), then what is left one by one.
    """
    count = values.shape[-1]
    whole = count - count % 4
    lanes = np.zeros((*values.shape[:-1], 4), np.float32)
    for i in range(0, whole, 4):
        lanes = lanes + values[..., i : i + 4]
    total = (lanes[..., 0] + lanes[..., 2]) + (lanes[..., 1] + lanes[..., 3])
    for i in range(whole, count):
        total = total + values[..., i]
    return total


def mean_multiplier(network: Network, layer: Mean) -> tuple[int, int]:
    """Multiplier and shift that take the sum to the mean (QuantizedMeanOrSum of TFLite's reduce.h).

    The quotient of the scales is quantised first, and the division by the number of elements goes
    into the multiplier afterwards, truncated.
    """
    x, y = network.input_of(layer), network.output_of(layer)
    multiplier, shift = quantise_multiplier(x.scale / y.scale)
    count = _count(network, layer)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _count(network: Network, layer: Mean) -> int:
    return math.prod(network.input_of(layer).shape[axis] for axis in layer.axes)


def reference(network: Network, layer: Mean, inputs: list[np.ndarray]) -> np.ndarray:
    """int8; the output's shape. In mode onnx the float32 sum is that of GlobalAveragePool."""
    x, y = network.input_of(layer), network.output_of(layer)
    last = range(-len(layer.axes), 0)
    count = _count(network, layer)
    values = np.moveaxis(inputs[0], layer.axes, last)
    values = values.reshape(*values.shape[: -len(layer.axes)], count)
    if network.mode == "onnx":
        total = lane_sum(dequantise(values, x))
        return quantise_half_even(total / np.float32(count), y).reshape(y.shape)
    sums = (values.astype(np.int64) - x.zero_point).sum(axis=-1)
    scaled = multiply_by_quantised_multiplier(sums, *mean_multiplier(network, layer))
    return np.clip(scaled + y.zero_point, -128, 127).astype(np.int8).reshape(y.shape)


TFLITE = """\
static void @NAME@(const int8_t *x, int32_t zero_x,
    int32_t zero_y, int32_t multiplier, int32_t shift, int8_t *y)
{
    {{ loops | indent }}
}
"""
TFLITE_SUM = """
int32_t sum = -@COUNT@ * zero_x;
@REDUCTION@
*y++ = te_offset(te_scale_tflite(sum, multiplier, shift), zero_y, -128, 127);
"""
TFLITE_STEP = "sum += x[@INDEX@];"

ONNX = """\
static void @NAME@(const int8_t *x, int32_t zero_x, float scale_x,
    int32_t factor, int32_t shift, int32_t bits, int32_t margin,
    int32_t zero_y, float scale_y, int8_t *y)
{
    {{ loops | indent }}
}
"""
ONNX_SUM = """
int32_t total = -@COUNT@ * zero_x;
@REDUCTION@
const int32_t scaled = (int32_t)(((int64_t)total * factor) >> shift);
if (te_near_tie(scaled, bits, margin)) {
    /* The errors of float32 decide, so it has to be float32. */
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum = 0.0f;
    int32_t k = 0;
    @AGAIN@
    *y++ = te_quantise_onnx(sum / te_float32(@COUNT@.0f), scale_y, zero_y, -128, 127);
} else {
    *y++ = te_nearest(scaled, bits, zero_y, -128, 127);
}
"""
ONNX_STEP = "total += x[@INDEX@];"
ONNX_AGAIN = """
const float value = te_float32((float)(x[@INDEX@] - zero_x) * scale_x);
sum = te_lane_sum(lane, sum, value, k++, @COUNT@);
"""


class MeanPortable(Kernel[Mean]):
    """Any axes."""

    name = "mean_s8_portable"
    layer = Mean

    def emit(self, network: Network, layer: Mean, configuration: Configuration) -> Code:
        x, y = network.input_of(layer), network.output_of(layer)
        kept, reduced = _loops(x.shape, layer.axes)
        template, total, step = (
            (TFLITE, TFLITE_SUM, TFLITE_STEP)
            if network.mode == "tflite"
            else (ONNX, ONNX_SUM, ONNX_STEP)
        )
        indices = [
            index_expression([stride for _, stride in kept]),
            index_expression([stride for _, stride in reduced], "r"),
        ]
        index = " + ".join(i for i in indices if i != "0") or "0"

        def reduction(step: str) -> str:
            return nested([size for size, _ in reduced], step.replace("@INDEX@", index), "r")

        count = _count(network, layer)
        body = total.replace("@REDUCTION@", reduction(step))
        again = reduction(ONNX_AGAIN).replace("\n", "\n    ")
        body = body.replace("@AGAIN@", again).replace("@COUNT@", str(count))
        text = render(template, loops=nested([size for size, _ in kept], body))
        if network.mode == "tflite":
            multiplier, shift = mean_multiplier(network, layer)
            values = f"{x.zero_point}, {y.zero_point}, {multiplier}, {shift}"
            helpers: tuple[str, ...] = ("te_scale_tflite", "te_offset")
        else:
            how = mean_factor(x, y, count, True)
            values = (
                f"{x.zero_point}, {c_float(x.scale)}, {how.factor}, {how.shift}, "
                f"{how.format.bits}, {how.format.margin}, {y.zero_point}, {c_float(y.scale)}"
            )
            helpers = (*HELPERS, LANE_SUM)

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({operands.inputs[0]}, {values}, {operands.output});"

        label = "x".join(map(str, x.shape)) + "_" + "".join(map(str, layer.axes))
        function = Function(f"te_mean_s8_{label}", text, helpers)
        return Code(functions=(function,), call=call)


def _loops(
    shape: Sequence[int], axes: Sequence[int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(size, stride) of the kept and of the reduced dimensions; like neighbours are one."""
    groups: list[tuple[int, bool]] = []
    for i, size in enumerate(shape):
        if size == 1:
            continue
        if groups and groups[-1][1] == (i in axes):
            groups[-1] = (groups[-1][0] * size, groups[-1][1])
        else:
            groups.append((size, i in axes))
    strides = [math.prod(size for size, _ in groups[i + 1 :]) for i in range(len(groups))]
    pairs = list(zip(groups, strides, strict=True))
    return (
        [(size, stride) for (size, reduced), stride in pairs if not reduced],
        [(size, stride) for (size, reduced), stride in pairs if reduced],
    )


KERNELS: tuple[Kernel[Mean], ...] = (MeanDsp(mean_multiplier), MeanPortable())
REFERENCE = {Mean: reference}
