# SPDX-License-Identifier: Apache-2.0
"""Operators without a kernel of ours: lowered by TVM, and emitted as plain C.

`onnx_operator` and `c_kernel` are for operators of a user's own.
"""

from __future__ import annotations

from .own import c_kernel, onnx_operator

__all__ = ["c_kernel", "onnx_operator"]
