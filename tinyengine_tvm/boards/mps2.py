# SPDX-License-Identifier: Apache-2.0
"""Arm's MPS2 boards, as QEMU emulates their FPGA images."""

from __future__ import annotations

from .qemu import QemuBoard

_V7M = ("cortex-m0plus", "cortex-m3")

MPS2_BOARDS = (
    QemuBoard("mps2-an385", "cortex-m3", "mps2.ld", "QEMU, Cortex-M3", _V7M),
    QemuBoard(
        "mps2-an386", "cortex-m4", "mps2.ld", "QEMU, Cortex-M4 with FPU", (*_V7M, "cortex-m4")
    ),
    QemuBoard(
        "mps2-an500",
        "cortex-m7",
        "mps2.ld",
        "QEMU, Cortex-M7 with FPU",
        (*_V7M, "cortex-m4", "cortex-m7"),
    ),
    QemuBoard(
        "mps2-an505",
        "cortex-m33",
        "mps2-an505.ld",
        "QEMU, Cortex-M33 with FPU",
        (*_V7M, "cortex-m4", "cortex-m33-nodsp", "cortex-m33"),
    ),
)
