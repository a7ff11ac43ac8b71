# SPDX-License-Identifier: Apache-2.0
"""The conv2d family."""

from ...network import Conv2D
from .dsp_gemm import Conv2DGemm
from .dsp_slide import Conv2DSlide
from .mve import Conv2DMve
from .portable import Conv2DPortable
from .semantics import conv2d_reference

KERNELS = (Conv2DMve(), Conv2DGemm(), Conv2DSlide(), Conv2DPortable())
REFERENCE = {Conv2D: conv2d_reference}
