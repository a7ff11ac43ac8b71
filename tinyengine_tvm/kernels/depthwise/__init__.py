# SPDX-License-Identifier: Apache-2.0
"""The depthwise_conv2d family."""

from ...network import DepthwiseConv2D
from .portable import DepthwisePortable
from .semantics import depthwise_reference

KERNELS = (DepthwisePortable(),)
REFERENCE = {DepthwiseConv2D: depthwise_reference}
