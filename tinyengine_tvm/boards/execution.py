# SPDX-License-Identifier: Apache-2.0
"""One execution of a harness: its files, its time limit, and what it says at its end."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BoardError
from .artifact import CompiledModel
from .samples import check_inputs, pack_inputs, unpack_outputs

EXIT_IO, EXIT_MODEL, EXIT_FAULT = 70, 71, 72
"""Exit codes of runtime_c/boards/platform.h."""

# Generous for portable kernels under emulation on a busy machine: only a hang gets there.
START_SECONDS = 60.0
SECONDS_PER_SAMPLE = 2.0
MACS_PER_SECOND = 200_000


@dataclass(frozen=True)
class Execution:
    """How a harness ended: its exit code (negative: a signal), console text and outputs."""

    returncode: int
    console: str
    outputs: dict[str, np.ndarray]
    samples: int

    def said(self, what: str) -> dict[str, str] | None:
        """The key=value fields of the console line `TINYENGINE <what> ...`, if there is one."""
        return console_line(self.console, what)

    @property
    def stack_bytes(self) -> int:
        """The deepest stack of one inference, as a board says it at its end."""
        return int((self.said("DONE") or {})["stack"])


def console_line(console: str, what: str) -> dict[str, str] | None:
    """The key=value fields of the line `TINYENGINE <what> ...`, if there is one."""
    found = re.search(rf"^TINYENGINE {what}\b(.*)$", console, re.MULTILINE)
    if found is None:
        return None
    return dict(field.split("=", 1) for field in found[1].split() if "=" in field)


def time_limit(model: CompiledModel, samples: int) -> float:
    """Seconds of wall time after which a run counts as hung."""
    return START_SECONDS + samples * (SECONDS_PER_SAMPLE + model.macs / MACS_PER_SECOND)


def execute(
    board: str,
    command: Sequence[str],
    model: CompiledModel,
    inputs: Mapping[str, np.ndarray],
    *,
    timeout_s: float | None = None,
    timed: bool = False,
    explain: object = None,
) -> Execution:
    """Runs `command` in a folder with inputs.bin, and reads outputs.bin.

    `explain(returncode, console)` may turn an abnormal end into a better message.

    Raises:
        BoardError: the inputs don't fit, or the program hung, failed or ended early.
    """
    arrays, samples = check_inputs(model, inputs)
    limit = time_limit(model, samples) if timeout_s is None else timeout_s
    with tempfile.TemporaryDirectory(prefix="tinyengine-run-") as name:
        folder = Path(name)
        (folder / "inputs.bin").write_bytes(pack_inputs(arrays, samples, timed=timed))
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BoardError(
                f"{board}: the program did not end within {limit:.0f} s ({samples} samples); "
                "it hangs, or the time limit is too short for this model"
            ) from None
        console = done.stdout + done.stderr
        said = console_line(console, "DONE")
        if done.returncode != 0 or said is None or said.get("samples") != str(samples):
            message = explain(done.returncode, console) if callable(explain) else None
            raise BoardError(f"{board}: {message or ending(done.returncode, console)}")
        outputs_file = folder / "outputs.bin"
        content = outputs_file.read_bytes() if outputs_file.is_file() else b""
    return Execution(done.returncode, console, unpack_outputs(model, content, samples), samples)


def ending(returncode: int, console: str) -> str:
    """One line for a program that ended without saying DONE."""
    failed = re.search(r"^TINYENGINE FAIL (.*)$", console, re.MULTILINE)
    if failed:
        return failed[1]
    if "qemu: fatal: Lockup" in console:
        return "the core locked up: a fault that its fault handler could not be entered for"
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    last = f" ({lines[-1][:300]})" if lines else ""
    if returncode < 0:
        return f"the program died of signal {-returncode}{last}"
    return f"the program ended early with exit code {returncode}{last}"
