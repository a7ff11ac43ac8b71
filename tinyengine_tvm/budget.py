# SPDX-License-Identifier: Apache-2.0
"""Budgets: sizes as people write them, and whether a compiled network fits the flash."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BudgetError, TinyEngineError

if TYPE_CHECKING:
    from .artifact import Artifact

_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}


def parse_size(text: str) -> int:
    """Bytes of '34000', '34,000', '34kB' (1,000) or '32KiB' (1,024), also with a decimal point.

    Raises:
        TinyEngineError: the text isn't a size of at least one byte.
    """
    found = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    unit = _UNITS.get(found[2]) if found else None
    size = int(float(re.sub("[_,]", "", found[1])) * unit) if found and unit else 0
    if size <= 0:
        raise TinyEngineError(f"'{text}' is no size; write bytes, kB or KiB, as in 34000 or 34kB")
    return size


def flash_bytes(artifact: Artifact) -> tuple[int, int | None]:
    """Bytes of constants, and of code where this machine can build for the target, else None."""
    constants = sum(c["bytes"] for c in artifact.metadata["constants"])
    from .boards import BOARDS
    from .boards.qemu import QemuBoard
    from .profile.footprint import measure_footprint

    target = artifact.metadata["target"]
    for board in BOARDS.values():
        if isinstance(board, QemuBoard) and target in board.targets and not board.missing():
            with tempfile.TemporaryDirectory(prefix="tinyengine-") as folder:
                saved = artifact.save_copy(Path(folder) / "model")
                program = board.build(saved, Path(folder) / "build")
                flash = measure_footprint(board, program, Path(folder)).flash
            return flash.weights, flash.code
    return constants, None


def check_flash(artifact: Artifact, budget: int, smaller: Callable[[], Artifact] | None) -> None:
    """Checks that constants and code fit `budget` bytes.

    `smaller` compiles the same network for little code, to say what that would help.

    Raises:
        BudgetError: names what is missing, the layer with the most constants, and what would help.
    """
    constants, code = flash_bytes(artifact)
    total = constants + (code or 0)
    if total <= budget:
        return
    parts = f"{constants:,} bytes of constants"
    parts += "" if code is None else f" and {code:,} of code"
    largest = max(artifact.metadata["constants"], key=lambda c: c["bytes"])
    message = (
        f"no plan fits {budget:,} bytes of flash: {parts} are {total - budget:,} too many; "
        f"the largest constant is {largest['symbol']} with {largest['bytes']:,}"
    )
    if smaller is not None:
        least = sum(n or 0 for n in flash_bytes(smaller()))
        if least < total:
            message += f"; with --optimise size it would be {least:,}"
    raise BudgetError(message)
