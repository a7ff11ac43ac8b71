# SPDX-License-Identifier: Apache-2.0
"""The depthwise_conv2d family."""

from ...network import DepthwiseConv2D
from .dsp3x3 import Depthwise3x3
from .dsp_large import DepthwiseLanes, DepthwiseStride2
from .mve import DepthwiseMve
from .mve_plane import DepthwisePlaneMve
from .portable import DepthwisePortable
from .semantics import depthwise_reference

KERNELS = (
    DepthwisePlaneMve(),
    DepthwiseMve(),
    Depthwise3x3(),
    DepthwiseStride2(),
    DepthwiseLanes(),
    DepthwisePortable(),
)
REFERENCE = {DepthwiseConv2D: depthwise_reference}
