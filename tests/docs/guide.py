# SPDX-License-Identifier: Apache-2.0
"""Documents that can be run: their blocks, in order, in a folder.

A block after a line that is only "`PATH`:" is that file, and a diff changes the file that it names.
Blocks of sh and python are run, each in a process of its own. Others are for the reader.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^`([^`\n]+)`:\n\n\Z", re.MULTILINE)
_CHANGED = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """`language`: of the fence, or "". `file`: what the block is the content of."""

    language: str
    text: str
    file: str | None


def blocks(document: str) -> list[Block]:
    """The fenced blocks of Markdown."""
    found = []
    for match in _FENCE.finditer(document):
        name = _FILE.search(document[: match.start()])
        found.append(Block(match[1], match[2], name[1] if name else None))
    return found


def changed(text: str, diff: str) -> str:
    """Text with a diff of one hunk applied; its lines must occur once.

    Raises:
        ValueError: they don't.
    """
    lines = diff.splitlines()
    lines = lines[next(i for i, line in enumerate(lines) if line.startswith("@@")) + 1 :]
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    if text.count(old) != 1:
        raise ValueError(f"these lines occur {text.count(old)} times:\n{old}")
    return text.replace(old, new)


def follow(document: str, folder: Path, environment: dict[str, str] | None = None) -> list[str]:
    """Does what a document says in a folder; gives the output of each block that was run.

    Raises:
        AssertionError: a block failed; has its output.
    """
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outputs = []
    for block in blocks(document):
        if block.language == "diff":
            (name,) = _CHANGED.findall(block.text)
            path = folder / name
            path.write_text(changed(path.read_text(), block.text))
        elif block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language in ("sh", "python"):
            run = ["bash", "-e", "-o", "pipefail", "-c"]
            command = run if block.language == "sh" else [sys.executable, "-c"]
            done = subprocess.run(
                [*command, block.text],
                cwd=folder,
                env={**os.environ, "PATH": tools, **(environment or {})},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
            outputs.append(done.stdout)
    return outputs
