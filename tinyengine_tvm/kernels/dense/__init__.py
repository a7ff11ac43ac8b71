# SPDX-License-Identifier: Apache-2.0
"""The dense family."""

from ...network import Dense
from .portable import DensePortable
from .semantics import dense_reference

KERNELS = (DensePortable(),)
REFERENCE = {Dense: dense_reference}
