# SPDX-License-Identifier: Apache-2.0
"""add: elementwise sum, one operand possibly broadcast."""

from __future__ import annotations

import numpy as np

from ..network import Add, Network
from ..network.arithmetic import AddArithmetic, add_arithmetic, multiply_by_quantised_multiplier
from .base import Code, Configuration, Kernel
from .dsp.add import AddDsp
from .elementwise import Arguments, emit_elementwise
from .floats import c_float, dequantise, quantise_half_even
from .mve.add import AddMve
from .near_ties import HELPERS, UNIT, fixed_point


def reference(network: Network, layer: Add, inputs: list[np.ndarray]) -> np.ndarray:
    """Two int8 arrays that broadcast to the output's shape."""
    tensors = [network.tensor(name) for name in layer.inputs]
    y = network.output_of(layer)
    if network.mode == "onnx":
        a, b = (dequantise(x, t) for x, t in zip(inputs, tensors, strict=True))
        return quantise_half_even(a + b, y, layer.clamp)
    how = add_arithmetic(network, layer)
    scales = ((how.multiplier_a, how.shift_a), (how.multiplier_b, how.shift_b))
    total = sum(
        multiply_by_quantised_multiplier(
            (x.astype(np.int64) - t.zero_point) << how.LEFT_SHIFT, multiplier, shift
        )
        for x, t, (multiplier, shift) in zip(inputs, tensors, scales, strict=True)
    )
    scaled = multiply_by_quantised_multiplier(np.asarray(total), how.multiplier, how.shift)
    return np.clip(scaled + y.zero_point, *layer.clamp).astype(np.int8)


TFLITE_BODY = f"""
const int32_t scaled_a =
    te_scale_tflite((*a++ - zero_a) * {1 << AddArithmetic.LEFT_SHIFT}, multiplier_a, shift_a);
const int32_t scaled_b =
    te_scale_tflite((b[@INDEX@] - zero_b) * {1 << AddArithmetic.LEFT_SHIFT}, multiplier_b, shift_b);
const int32_t sum = te_scale_tflite(scaled_a + scaled_b, multiplier_y, shift_y);
*y++ = te_offset(sum, zero_y, low, high);
"""


ONNX_BODY = """
const int32_t centred_a = *a++ - zero_a;
const int32_t centred_b = b[@INDEX@] - zero_b;
const int32_t sum = centred_a * factor_a + centred_b * factor_b;
if (te_near_tie(sum, bits, margin)) {
    /* The errors of float32 decide, so it has to be float32. */
    const float value_a = te_float32((float)centred_a * scale_a);
    const float value_b = te_float32((float)centred_b * scale_b);
    *y++ = te_quantise_onnx(value_a + value_b, scale_y, zero_y, low, high);
} else {
    *y++ = te_nearest(sum, bits, zero_y, low, high);
}
"""


class AddPortable(Kernel[Add]):
    """Any shapes of which one broadcasts to the other."""

    name = "add_s8_portable"
    layer = Add

    def emit(self, network: Network, layer: Add, configuration: Configuration) -> Code:
        tensors = [network.tensor(name) for name in layer.inputs]
        y = network.output_of(layer)

        def onnx(a: int, b: int) -> Arguments:
            scales = [t.scale for t in (tensors[a], tensors[b], y)]
            ratios = [scale / y.scale for scale in scales[:2]]
            bound = 255 * sum(ratios)
            # Three roundings of values up to the bound; a factor is off by half a unit.
            how = fixed_point(bound, 3.1 * UNIT * bound, 256, *scales)
            factors = [round(r * (1 << how.bits)) if how.exact else 0 for r in ratios]
            return [
                ("int32_t zero_a", tensors[a].zero_point),
                ("int32_t factor_a", factors[0]),
                ("float scale_a", c_float(scales[0])),
                ("int32_t zero_b", tensors[b].zero_point),
                ("int32_t factor_b", factors[1]),
                ("float scale_b", c_float(scales[1])),
                ("int32_t bits", how.bits),
                ("int32_t margin", how.margin),
                ("int32_t zero_y", y.zero_point),
                ("float scale_y", c_float(y.scale)),
                ("int32_t low", layer.clamp[0]),
                ("int32_t high", layer.clamp[1]),
            ]

        def tflite(a: int, b: int) -> Arguments:
            how = add_arithmetic(network, layer)
            scales = ((how.multiplier_a, how.shift_a), (how.multiplier_b, how.shift_b))
            result: list[tuple[str, object]] = []
            for name, i in (("a", a), ("b", b)):
                result.append((f"int32_t zero_{name}", tensors[i].zero_point))
                result.append((f"int32_t multiplier_{name}", scales[i][0]))
                result.append((f"int32_t shift_{name}", scales[i][1]))
            return [
                *result,
                ("int32_t zero_y", y.zero_point),
                ("int32_t multiplier_y", how.multiplier),
                ("int32_t shift_y", how.shift),
                ("int32_t low", layer.clamp[0]),
                ("int32_t high", layer.clamp[1]),
            ]

        if network.mode == "onnx":
            return emit_elementwise(network, layer, ONNX_BODY, HELPERS, onnx)
        return emit_elementwise(
            network, layer, TFLITE_BODY, ("te_scale_tflite", "te_offset"), tflite
        )


KERNELS: tuple[Kernel[Add], ...] = (AddMve(reference), AddDsp(reference), AddPortable())
REFERENCE = {Add: reference}
