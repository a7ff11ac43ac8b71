# SPDX-License-Identifier: Apache-2.0
"""Snippets of assembly, as the timing models see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tinyengine_tvm.boards.tools import ARM_GCC, ARM_OBJDUMP, missing_tools
from tinyengine_tvm.profile.cycles.instruction import Instruction, decode
from tinyengine_tvm.profile.disassembly import disassemble

Assemble = Callable[..., Sequence[Instruction]]


@pytest.fixture
def assemble(tmp_path: Path) -> Assemble:
    """Assembles lines of Thumb-2 and gives the decoded instructions; the first is at address 0."""
    if missing_tools([ARM_GCC, ARM_OBJDUMP]):
        pytest.skip("the Arm compiler is not on this machine")

    def make(text: str, core: str = "cortex-m7") -> Sequence[Instruction]:
        source = tmp_path / "snippet.s"
        lines = [line.strip() for line in text.replace(";", "\n").splitlines()]
        source.write_text(".syntax unified\n.thumb\n" + "\n".join(lines) + "\n", encoding="utf-8")
        flags = [f"-mcpu={core}", "-mthumb", "-mfpu=auto", "-mfloat-abi=hard"]
        output = tmp_path / "snippet.o"
        subprocess.run([ARM_GCC, *flags, "-c", str(source), "-o", str(output)], check=True)
        found = [decode(line) for line in disassemble(output)]
        assert None not in found, text
        return [instruction for instruction in found if instruction is not None]

    return make
