# SPDX-License-Identifier: Apache-2.0
"""Where compiled models run: this machine, and emulated boards."""

from __future__ import annotations

from ..errors import BoardError
from .base import Board, Program, RunResult
from .host import HOST
from .mps2 import MPS2_BOARDS
from .mps3 import MPS3_BOARDS

BOARDS: dict[str, Board] = {b.name: b for b in (HOST, *MPS2_BOARDS, *MPS3_BOARDS)}


def get_board(name: str) -> Board:
    """The board of this name.

    Raises:
        BoardError: the name is unknown; the message lists those that exist.
    """
    if name not in BOARDS:
        raise BoardError(f"unknown board '{name}'; choose one of: {', '.join(BOARDS)}")
    return BOARDS[name]


__all__ = ["BOARDS", "Board", "BoardError", "Program", "RunResult", "get_board"]
