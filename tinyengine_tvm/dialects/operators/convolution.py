# SPDX-License-Identifier: Apache-2.0
"""conv2d composites: convolution and depthwise convolution."""

from __future__ import annotations

from ...network import Conv2D, DepthwiseConv2D, Padding, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError
from ..tree import Call
from .activation import result_of
from .weights import bias, product_and_bias, weights

_TO_OHWI = {"HWIO": (3, 0, 1, 2), "OIHW": (0, 2, 3, 1), "HWOI": (2, 0, 1, 3)}


def convolution(lowering: Lowering, call: Call) -> Tensor:
    """quantize(conv2d(dequantize(x), weights) + bias), with relu or clip."""
    value, quantised, clamp = result_of(call.root, lowering.mode)
    product, added = product_and_bias(value)
    attributes = product.attributes
    if attributes["dilation"] != (1, 1):
        raise UnsupportedError(f"dilation {attributes['dilation']}; only 1 is supported")
    if attributes["kernel_layout"] not in _TO_OHWI:
        raise UnsupportedError(f"kernel layout {attributes['kernel_layout']}")
    layout = attributes["data_layout"]
    x, read = lowering.operand(product[0])
    data, scale = weights(product[1], _TO_OHWI[attributes["kernel_layout"]])
    x = lowering.to_nhwc(x, layout)
    channels_in, channels, groups = x.shape[3], data.shape[0], attributes["groups"]
    fields = {
        "weight_scale": scale,
        "bias": bias(added, channels, read.scale, scale, lowering.mode),
        "clamp": clamp,
        "stride": attributes["strides"],
        "padding": padding_of(attributes["padding"]),
    }
    shape = call.result.shape
    if layout == "NCHW":
        shape = (shape[0], shape[2], shape[3], shape[1])
    if groups == 1:
        y = lowering.emit(Conv2D, (x.name,), shape, quantised, weight=data, **fields)
    elif groups == channels_in and data.shape[3] == 1:
        # [out, height, width, 1] to [height, width, out]
        depthwise = data[:, :, :, 0].transpose(1, 2, 0).copy()
        y = lowering.emit(
            DepthwiseConv2D,
            (x.name,),
            shape,
            quantised,
            weight=depthwise,
            multiplier=channels // channels_in,
            **fields,
        )
    else:
        raise UnsupportedError(f"{groups} groups of {channels_in} channels; use 1 or one each")
    return lowering.from_nhwc(y, layout)


def padding_of(sizes: tuple[int, ...]) -> Padding:
    """TVM's padding of two values (vertical, horizontal) or four (top, left, bottom, right)."""
    if len(sizes) == 2:
        sizes = (*sizes, *sizes)
    if len(sizes) != 4 or min(sizes) < 0:
        raise UnsupportedError(f"padding {sizes}")
    return Padding(*sizes)
