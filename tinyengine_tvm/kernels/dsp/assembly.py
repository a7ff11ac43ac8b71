# SPDX-License-Identifier: Apache-2.0
"""Whole routines in assembly, as C functions that gcc and clang leave as they are."""

from __future__ import annotations

import re


def code_bytes(text: str) -> int:
    """About how many bytes the instructions take in the C text of routines in assembly, at most."""
    return 4 * len(re.findall(r'^ *"(?:\\t|    )[a-z]', text, re.MULTILINE))


class Assembly:
    """Collects instructions and comments of one routine; unified syntax, Thumb-2."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def __call__(self, *instructions: str) -> None:
        """Appends instructions, without comment."""
        self._lines.extend((text, "") for text in instructions)

    def note(self, text: str) -> None:
        """A comment on a line of its own."""
        self._lines.append(("", text))

    def label(self, number: int) -> None:
        """A local label: referred to as 1b (backward) or 1f (forward)."""
        self._lines.append((f"{number}:", ""))

    @property
    def instructions(self) -> int:
        """How many instructions were written so far."""
        return sum(1 for text, _ in self._lines if text and not text.endswith(":"))

    def function(self, signature: str, comment: str) -> str:
        """A naked C function. Arguments lie where the AAPCS puts them, r0 first."""
        body = []
        for text, note in self._lines:
            if note:
                body.append(f"        /* {note} */")
            else:
                indent = "" if text.endswith(":") else "\\t"
                body.append(f'        "{indent}{text}\\n"')
        lines = "\n".join(body)
        return (
            f"/* {comment} */\n"
            "__attribute__((naked, noinline, noclone))\n"
            f"static void {signature}\n{{\n    __asm__ volatile(\n{lines}\n    );\n}}\n"
        )
