# SPDX-License-Identifier: Apache-2.0
"""The dense family."""

from ...network import Dense
from .dsp_gemm import DenseGemm
from .portable import DensePortable
from .semantics import dense_reference

KERNELS = (DenseGemm(), DensePortable())
REFERENCE = {Dense: dense_reference}
