# SPDX-License-Identifier: Apache-2.0
"""What a fault on a board was, in one line, from what runtime_c/boards/fault.c prints."""

from __future__ import annotations

from pathlib import Path

from .elf import Image
from .execution import console_line

EXCEPTIONS = {
    2: "NMI",
    3: "HardFault",
    4: "MemManage fault",
    5: "BusFault",
    6: "UsageFault",
    7: "SecureFault",
}
# Bits of the configurable fault status register, Armv8-M Architecture Reference Manual.
CAUSES = {
    0: "execution of memory that holds no code",
    1: "access to memory that is not the program's, or a write to read-only memory",
    3: "access violation when an exception returned",
    4: "no memory for an exception's registers",
    5: "access violation when floating-point registers were saved",
    8: "instruction fetch from nowhere",
    9: "access to nowhere",
    10: "access to nowhere (imprecise)",
    11: "bus error when an exception returned",
    12: "bus error when an exception's registers were saved",
    16: "undefined instruction",
    17: "invalid state (a branch to an even address)",
    18: "invalid exception return",
    19: "no such coprocessor (floating point on a core without it)",
    20: "stack limit passed",
    24: "unaligned access",
    25: "division by zero",
}
MMARVALID, BFARVALID = 1 << 7, 1 << 15


def explain_fault(console: str, program: Path) -> str | None:
    """One line for the fault that `console` tells of, with the function of `program` it was in."""
    fields = console_line(console, "FAULT")
    if fields is None:
        return None
    value = {name: int(text, 16) for name, text in fields.items()}
    status = value["cfsr"]
    kind = EXCEPTIONS.get(value["exception"], f"exception {value['exception']}")
    causes = [text for bit, text in CAUSES.items() if status >> bit & 1]
    what = f"{kind}: {' and '.join(causes) or 'cause unknown'}"
    if value["overflow"]:
        what = f"stack overflow ({kind})"
    where = ""
    if value["stacked"]:
        image = Image(program)
        where = f" in {image.function_at(value['pc']) or 'no known function'}"
        caller = image.function_at(value["lr"])
        if caller:
            where += f", called from {caller}"
    address = ""
    if status & MMARVALID:
        address = f" at address 0x{value['mmfar']:08x}"
    elif status & BFARVALID:
        address = f" at address 0x{value['bfar']:08x}"
    shown = ("pc", "lr", "sp", "cfsr", "hfsr", "mmfar", "bfar")
    registers = " ".join(f"{name.upper()}=0x{value[name]:08x}" for name in shown)
    return f"{what}{address}{where} [{registers}]"
