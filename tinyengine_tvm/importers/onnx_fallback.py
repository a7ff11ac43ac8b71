# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators TVM computes where no kernel of ours does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from tvm.relax.frontend.onnx.onnx_frontend import _get_convert_map


@dataclass(frozen=True)
class OnnxFallback:
    """Implements `onnx_support.Fallback`."""

    allow_slow: bool = False

    def refusal(
        self, node: onnx.NodeProto, kind: str, constants: Mapping[str, np.ndarray], opset: int
    ) -> str | None:
        """Why TVM doesn't compute this operator as ONNX defines it, or None."""
        return None if kind in _get_convert_map() else ""
