# SPDX-License-Identifier: Apache-2.0
"""The dense family."""

from ...network import Dense
from .dsp_gemm import DenseGemm
from .mve import DenseMve, DenseRowsMve
from .portable import DensePortable
from .semantics import dense_reference

KERNELS = (DenseMve(), DenseRowsMve(), DenseGemm(), DensePortable())
REFERENCE = {Dense: dense_reference}
