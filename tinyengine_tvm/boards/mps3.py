# SPDX-License-Identifier: Apache-2.0
"""Arm's MPS3 boards, as QEMU emulates their FPGA images."""

from __future__ import annotations

from .qemu import QemuBoard

MPS3_BOARDS = (
    QemuBoard(
        "mps3-an547",
        "cortex-m55",
        "mps3-an547.ld",
        "QEMU, Cortex-M55 with Helium (MVE) and FPU",
        ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33-nodsp", "cortex-m33", "cortex-m55"),
    ),
)
