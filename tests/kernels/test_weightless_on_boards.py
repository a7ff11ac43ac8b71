# SPDX-License-Identifier: Apache-2.0
"""The portable C of layers without weights gives the same bytes on emulated cores.

On the Cortex-M3 floats are computed in software; the Cortex-M4's fused multiply-add is what a
careless build would let into the sums.
"""

from __future__ import annotations

import pytest

from tests.kernel_harness import case_of
from tests.kernels.qemu_harness import check_on_board, require_board
from tests.random_layers import WEIGHTLESS, samples

# The harness for boards knows int8 tensors only.
OPERATORS = [o for o in WEIGHTLESS if o not in ("quantize", "dequantize")]


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize(
    ("board", "core", "flags"),
    [
        ("mps2-an385", "cortex-m3", ("-Os",)),
        ("mps2-an386", "cortex-m4", ("-std=gnu11", "-Ofast")),
    ],
)
def test_random_layers(board, core, flags, mode):
    require_board(board)
    cases = [case_of(*s) for operator in OPERATORS for s in samples(operator, mode, 10, seed=2)]
    check_on_board(cases, board=board, target=core, flags=flags)
