# SPDX-License-Identifier: Apache-2.0
"""dense composites: matrix product with constant weights."""

from __future__ import annotations

import math

from ...network import Dense, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError
from ..tree import Call
from .activation import result_of
from .weights import bias, product_and_bias, weights


def dense(lowering: Lowering, call: Call) -> Tensor:
    """quantize(matmul(dequantize(x), weights) + bias), with relu or clip."""
    value, quantised, clamp = result_of(call.root, lowering.mode)
    product, added = product_and_bias(value)
    x, read = lowering.operand(product[0])
    if len(product[1].shape) != 2:
        raise UnsupportedError(f"weights of shape {product[1].shape}")
    # matmul takes [in, out], the layer [out, in].
    data, scale = weights(product[1], (1, 0))
    channels, features = data.shape
    rows = math.prod(x.shape) // features
    x = lowering.reshaped(x, (rows, features))
    y = lowering.emit(
        Dense,
        (x.name,),
        (rows, channels),
        quantised,
        weight=data,
        weight_scale=scale,
        bias=bias(added, channels, read.scale, scale, lowering.mode),
        clamp=clamp,
    )
    return lowering.reshaped(y, call.result.shape)
