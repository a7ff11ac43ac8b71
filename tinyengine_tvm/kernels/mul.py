# SPDX-License-Identifier: Apache-2.0
"""mul: elementwise product, one operand possibly broadcast."""

from __future__ import annotations

import numpy as np

from ..network import Mul, Network
from ..network.arithmetic import mul_arithmetic, multiply_by_quantised_multiplier
from .base import Code, Configuration, Kernel
from .elementwise import Arguments, emit_elementwise
from .floats import c_float, dequantise, quantise_half_even
from .near_ties import HELPERS, UNIT, factor_of


def reference(network: Network, layer: Mul, inputs: list[np.ndarray]) -> np.ndarray:
    """Two int8 arrays that broadcast to the output's shape."""
    tensors = [network.tensor(name) for name in layer.inputs]
    y = network.output_of(layer)
    if network.mode == "onnx":
        a, b = (dequantise(x, t) for x, t in zip(inputs, tensors, strict=True))
        return quantise_half_even(a * b, y, layer.clamp)
    a, b = (x.astype(np.int64) - t.zero_point for x, t in zip(inputs, tensors, strict=True))
    scaled = multiply_by_quantised_multiplier(a * b, *mul_arithmetic(network, layer))
    return np.clip(scaled + y.zero_point, *layer.clamp).astype(np.int8)


TFLITE_BODY = """
const int32_t product = (*a++ - zero_a) * (b[@INDEX@] - zero_b);
*y++ = te_offset(te_scale_tflite(product, multiplier, shift), zero_y, low, high);
"""


ONNX_BODY = """
const int32_t centred_a = *a++ - zero_a;
const int32_t centred_b = b[@INDEX@] - zero_b;
const int32_t scaled = (int32_t)(((int64_t)(centred_a * centred_b) * factor) >> shift);
if (te_near_tie(scaled, bits, margin)) {
    /* The errors of float32 decide, so it has to be float32. */
    const float value_a = te_float32((float)centred_a * scale_a);
    const float value_b = te_float32((float)centred_b * scale_b);
    *y++ = te_quantise_onnx(value_a * value_b, scale_y, zero_y, low, high);
} else {
    *y++ = te_nearest(scaled, bits, zero_y, low, high);
}
"""


class MulPortable(Kernel[Mul]):
    """Any shapes of which one broadcasts to the other."""

    name = "mul_s8_portable"
    layer = Mul

    def emit(self, network: Network, layer: Mul, configuration: Configuration) -> Code:
        tensors = [network.tensor(name) for name in layer.inputs]
        y = network.output_of(layer)

        def onnx(a: int, b: int) -> Arguments:
            scales = [t.scale for t in (tensors[a], tensors[b], y)]
            ratio = scales[0] * scales[1] / y.scale
            # Four roundings; far beyond int8 both ways saturate alike.
            error = 4.1 * UNIT * min(255 * 255 * ratio, 1024)
            how = factor_of(ratio, 255 * 255, error, *scales, scales[0] * scales[1])
            return [
                ("int32_t zero_a", tensors[a].zero_point),
                ("float scale_a", c_float(scales[0])),
                ("int32_t zero_b", tensors[b].zero_point),
                ("float scale_b", c_float(scales[1])),
                ("int32_t factor", how.factor),
                ("int32_t shift", how.shift),
                ("int32_t bits", how.format.bits),
                ("int32_t margin", how.format.margin),
                ("int32_t zero_y", y.zero_point),
                ("float scale_y", c_float(y.scale)),
                ("int32_t low", layer.clamp[0]),
                ("int32_t high", layer.clamp[1]),
            ]

        def tflite(a: int, b: int) -> Arguments:
            multiplier, shift = mul_arithmetic(network, layer)
            return [
                ("int32_t zero_a", tensors[a].zero_point),
                ("int32_t zero_b", tensors[b].zero_point),
                ("int32_t zero_y", y.zero_point),
                ("int32_t multiplier", multiplier),
                ("int32_t shift", shift),
                ("int32_t low", layer.clamp[0]),
                ("int32_t high", layer.clamp[1]),
            ]

        if network.mode == "onnx":
            return emit_elementwise(network, layer, ONNX_BODY, HELPERS, onnx)
        return emit_elementwise(
            network, layer, TFLITE_BODY, ("te_scale_tflite", "te_offset"), tflite
        )


KERNELS: tuple[Kernel[Mul], ...] = (MulPortable(),)
REFERENCE = {Mul: reference}
