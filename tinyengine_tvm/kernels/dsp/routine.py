# SPDX-License-Identifier: Apache-2.0
"""Routines in assembly as C text: symbolic registers, named labels, comments.

Where an inner loop needs all fourteen registers, a compiler that moves values around it spoils it. Such
routines are whole C functions of one asm statement (TE_ASSEMBLY of runtime_c/kernels/te_assembly.h):
their text doesn't depend on the compiler's options, and they obey the procedure call standard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

HELPER = "te_assembly"
"""The file of runtime_c/kernels that a routine's Function must name."""


class Routine:
    """Collects the instructions of one routine.

    `registers` maps names to registers; an instruction names them in braces, {acc}, and a register
    list in double braces. @name stands for a label.
    """

    def __init__(self, registers: Mapping[str, str]) -> None:
        self._registers = dict(registers)
        self._lines: list[tuple[str, str]] = []
        self._labels: dict[str, int] = {}
        self._places: dict[str, int] = {}

    def op(self, text: str, comment: str = "") -> None:
        """One instruction."""
        self._lines.append((text.format(**self._registers), comment))

    def ops(self, *texts: str) -> None:
        """Instructions in a row."""
        for text in texts:
            self.op(text)

    @property
    def instructions(self) -> int:
        """How many were written so far."""
        return sum(1 for text, _ in self._lines if text and not text.endswith(":"))

    def note(self, text: str) -> None:
        """A comment on a line of its own."""
        self._lines.append(("", text))

    def label(self, name: str) -> None:
        """A place that branches of this routine name, before it or after it."""
        self._places[name] = len(self._lines)
        self._lines.append((f"{self._number(name)}:", name.replace("_", " ")))

    @contextmanager
    def registers(self, **names: str) -> Iterator[None]:
        """More names for registers, inside a with statement."""
        saved = dict(self._registers)
        self._registers.update(names)
        yield
        self._registers = saved

    def text(self, head: str, arguments: Sequence[str]) -> str:
        """The C function; `head` is a comment, `arguments` are declarations such as int8_t *y."""
        body = []
        for index, (text, comment) in enumerate(self._lines):
            line = self._resolve(text, index)
            if line and not line.endswith(":"):
                line = "    " + line
            if comment:
                line = f"{line:<40} @ {comment}" if line else f"    @ {comment}"
            body.append(f'        "{line}\\n"')
        declared = ", ".join(f"TE_UNSEEN {a}" for a in arguments)
        return (
            f"/* {head} */\nTE_ASSEMBLY static void @NAME@({declared})\n{{\n"
            '    __asm__ volatile(\n        ".syntax unified\\n"\n' + "\n".join(body) + ");\n}\n"
        )

    def _number(self, name: str) -> int:
        # Numbers, since a name would be defined twice where a linker joins two models' code.
        return self._labels.setdefault(name, len(self._labels) + 1)

    def _resolve(self, text: str, index: int) -> str:
        def place(match: re.Match[str]) -> str:
            name = match.group(1)
            return f"{self._number(name)}{'b' if self._places[name] <= index else 'f'}"

        return re.sub(r"@(\w+)", place, text)
