# SPDX-License-Identifier: Apache-2.0
"""mul: elementwise product, one operand possibly broadcast."""

from __future__ import annotations

import numpy as np

from ..network import Mul, Network
from ..network.arithmetic import mul_arithmetic, multiply_by_quantised_multiplier
from .base import Code, Configuration, Kernel
from .elementwise import (
    ONNX_HELPERS,
    Arguments,
    emit_elementwise,
    onnx_arguments,
    onnx_body,
)
from .floats import dequantise, quantise_half_even


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


class MulPortable(Kernel[Mul]):
    """Any shapes of which one broadcasts to the other."""

    name = "mul_s8_portable"
    layer = Mul

    def emit(self, network: Network, layer: Mul, configuration: Configuration) -> Code:
        tensors = [network.tensor(name) for name in layer.inputs]
        y = network.output_of(layer)

        def onnx(a: int, b: int) -> Arguments:
            return onnx_arguments(tensors[a], tensors[b], y, layer.clamp)

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
            return emit_elementwise(network, layer, onnx_body("*"), ONNX_HELPERS, onnx)
        return emit_elementwise(
            network, layer, TFLITE_BODY, ("te_scale_tflite", "te_offset"), tflite
        )


KERNELS: tuple[Kernel[Mul], ...] = (MulPortable(),)
REFERENCE = {Mul: reference}
