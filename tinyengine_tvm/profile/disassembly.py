# SPDX-License-Identifier: Apache-2.0
"""The instructions of a linked program, as objdump prints them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..boards.elf import Image
from ..boards.tools import ARM_OBJDUMP, require_tools
from ..errors import BoardError

_LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+)\t(.*)$")
# objdump writes what it has worked out behind ";", or "@" since binutils 2.40.
_REMARK = re.compile(r"\s*[;@].*$")


@dataclass(frozen=True)
class Line:
    """One instruction: its address, its size (2 or 4 bytes) and its assembly as objdump has it."""

    address: int
    size: int
    text: str

    @property
    def code(self) -> str:
        """The assembly without objdump's remarks."""
        return _REMARK.sub("", self.text)


def disassemble(program: Path) -> list[Line]:
    """The instructions of an ELF file's code in ascending order, constants between them too.

    Raises:
        BoardError: objdump is missing or cannot read the file.
    """
    require_tools([ARM_OBJDUMP], "disassembling")
    done = subprocess.run(
        [ARM_OBJDUMP, "-d", "-j", Image(program).text_section or ".text", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BoardError(f"cannot disassemble: {done.stderr.strip().splitlines()[-1]}")
    matches = (_LINE.match(line) for line in done.stdout.splitlines())
    return [
        Line(int(m[1], 16), len(m[2].replace(" ", "")) // 2, m[3].replace("\t", " ").strip())
        for m in matches
        if m
    ]
