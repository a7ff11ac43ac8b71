# SPDX-License-Identifier: Apache-2.0
"""Where compiled models run: this machine, and emulated boards."""

from __future__ import annotations

from ..errors import BoardError
from .base import Board, Program, RunResult
from .host import HOST
from .mps2 import MPS2_BOARDS
from .mps3 import MPS3_BOARDS
from .zephyr import ZEPHYR_BOARDS, zephyr_board

BOARDS: dict[str, Board] = {b.name: b for b in (HOST, *MPS2_BOARDS, *MPS3_BOARDS)}
"""Boards that need no more than Debian packages."""
ALL_BOARDS: dict[str, Board] = {**BOARDS, **{b.name: b for b in ZEPHYR_BOARDS}}
"""Those, and the ones that need a Zephyr tree."""


def get_board(name: str) -> Board:
    """The board of this name.

    Raises:
        BoardError: the name is unknown; the message lists those that exist.
    """
    board = ALL_BOARDS.get(name) or zephyr_board(name)
    if board is None:
        raise BoardError(f"unknown board '{name}'; choose one of: {', '.join(ALL_BOARDS)}")
    return board


__all__ = ["ALL_BOARDS", "BOARDS", "Board", "BoardError", "Program", "RunResult", "get_board"]
