# SPDX-License-Identifier: Apache-2.0
"""quantize, dequantize, requantize and clip composites."""

from __future__ import annotations

from ...network import Clip, Dequantize, Quantize, Requantize, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError, quantisation
from ..tree import Call
from .activation import FULL, result_of, stored_clamp


def quantize(lowering: Lowering, call: Call) -> Tensor:
    """float32 to int8."""
    x = lowering.tensor(call.root[0])
    if x.dtype != "float32":
        raise UnsupportedError(f"quantize of {x.dtype}")
    return lowering.emit(Quantize, (x.name,), x.shape, quantisation(call.root))


def dequantize(lowering: Lowering, call: Call) -> Tensor:
    """int8 to float32."""
    x, _ = lowering.operand(call.root)
    return lowering.emit(Dequantize, (x.name,), x.shape, None)


def requantize(lowering: Lowering, call: Call) -> Tensor:
    """quantize(dequantize(x)), with relu or clip: a Clip where the quantisation stays."""
    value, quantised, clamp = result_of(call.root, lowering.mode)
    x, read = lowering.operand(value)
    if read != quantised:
        return lowering.emit(Requantize, (x.name,), x.shape, quantised, clamp=clamp)
    if clamp == FULL:
        return x
    return lowering.emit(Clip, (x.name,), x.shape, quantised, clamp=clamp)


def clip(lowering: Lowering, call: Call) -> Tensor:
    """A clip of stored values."""
    x = lowering.tensor(call.root[0])
    if x.quantisation is None:
        raise UnsupportedError("a clip of float32; quantise its input and output")
    clamp = stored_clamp(call.root, call.root.dtype)
    return lowering.emit(Clip, (x.name,), x.shape, x.quantisation, clamp=clamp)
