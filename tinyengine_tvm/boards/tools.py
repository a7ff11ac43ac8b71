# SPDX-License-Identifier: Apache-2.0
"""Running compilers and emulators, with one line for what went wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import BoardError

HOST_GCC = "gcc"
ARM_GCC = "arm-none-eabi-gcc"
ARM_OBJDUMP = "arm-none-eabi-objdump"
QEMU = "qemu-system-arm"
PACKAGES = {
    HOST_GCC: "gcc",
    ARM_GCC: "gcc-arm-none-eabi",
    ARM_OBJDUMP: "binutils-arm-none-eabi",
    QEMU: "qemu-system-arm",
    "nano.specs": "libnewlib-arm-none-eabi",
    "libstdc++.a": "libstdc++-arm-none-eabi-newlib",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "dtc": "device-tree-compiler",
}
"""The Debian package of each tool."""


def missing_tools(tools: Sequence[str]) -> list[tuple[str, str]]:
    """Those of `tools` that this machine lacks, each with its Debian package."""
    return [(tool, PACKAGES[tool]) for tool in tools if not _present(tool)]


def _present(tool: str) -> bool:
    if not tool.endswith((".specs", ".a")):
        return shutil.which(tool) is not None
    # gcc prints the bare name of a file that it doesn't find.
    return shutil.which(ARM_GCC) is not None and library_file(tool).is_absolute()


def library_file(name: str, flags: Sequence[str] = ()) -> Path:
    """Where arm-none-eabi-gcc has a file of its libraries, for code that is built with `flags`."""
    command = [ARM_GCC, *flags, f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(found.stdout.strip())


def install_command(missing: Sequence[tuple[str, str]]) -> str:
    """The Debian command that installs what `missing_tools` found."""
    return "sudo apt-get install " + " ".join(sorted({package for _, package in missing}))


def require_tools(tools: Sequence[str], purpose: str) -> None:
    """Raises BoardError, with the install command, where a tool is missing."""
    missing = missing_tools(tools)
    if missing:
        names = ", ".join(tool for tool, _ in missing)
        raise BoardError(f"{purpose} needs {names}; install with: {install_command(missing)}")


def compile_or_raise(command: Sequence[str], what: str) -> None:
    """Runs a compiler or linker.

    Raises:
        BoardError: it failed; the message holds its first error line.
    """
    done = subprocess.run(
        command,
        # Messages in the language that first_error reads.
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise BoardError(f"cannot build {what}: {first_error(done.stderr)}")


def first_error(text: str) -> str:
    """The line of a compiler's or linker's output that says why it failed."""
    overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", text)
    if overflow:
        memory = {"RAM": "RAM", "CODE": "flash"}.get(overflow[1], overflow[1])
        return f"it needs {overflow[2]} bytes more than the board's {memory}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if re.search(r"\b(error|undefined reference|multiple definition|cannot)\b", line):
            return line
    return lines[-1] if lines else "no message"
