# SPDX-License-Identifier: Apache-2.0
"""Plain microTVM: Relay's ahead-of-time executor without kernels of ours.

A TVM with Relay can't share an environment with today's, so that a program of the repository does
the work in an environment of its own, which `scripts/setup.sh relay` makes.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards.qemu import QemuBoard
from ..errors import TinyEngineError
from .rows import Row, Unable
from .subject import Subject

ENGINE = "microTVM"
OPTION = "--relay-python"
_REPOSITORY = Path(__file__).resolve().parents[2]
_PROGRAM = _REPOSITORY / "benchmarks" / "microtvm_rows.py"
_PYTHON = _REPOSITORY / ".venv-relay" / "bin" / "python"


@dataclass(frozen=True)
class MicroTVM:
    """An environment with a TVM that has Relay."""

    python: Path

    def measure(
        self, subject: Subject, board: QemuBoard, work: Path
    ) -> list[tuple[Row, list[np.ndarray]]]:
        """Rows of TVM's own schedules and of those for Arm, with their outputs.

        Raises:
            Unable: the model is no .tflite file, or microTVM fails with it.
        """
        if subject.flatbuffer is None:
            raise Unable("this program takes .tflite files alone")
        work.mkdir(parents=True)
        (work / "network.tflite").write_bytes(subject.flatbuffer)
        np.savez(work / "inputs.npz", *subject.inputs.values())
        done = subprocess.run(
            [str(self.python), str(_PROGRAM), str(work), board.name],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise Unable(f"microTVM fails with it ({lines[-1][:200] if lines else 'no message'})")
        measured = []
        for index, facts in enumerate(json.loads((work / "rows.json").read_text())):
            with np.load(work / f"outputs_{index}.npz") as stored:
                outputs = [stored[name] for name in stored.files]
            row = Row(
                facts.pop("engine"),
                subject.name,
                board.name,
                board.core,
                "measured",
                subject.macs,
                **facts,
            )
            measured.append((row, outputs))
        return measured


def find(python: Path | None) -> MicroTVM | str:
    """The environment of this interpreter or of the repository's own, or why there is none.

    Raises:
        TinyEngineError: the interpreter that the user named isn't there.
    """
    if python is not None and not python.is_file():
        raise TinyEngineError(f"{OPTION} '{python}' doesn't exist; name an environment's python")
    if not _PROGRAM.is_file():
        return "its program is part of the repository, not of the installed package"
    found = python or _PYTHON
    if not found.is_file():
        return "there is no environment with Relay; scripts/setup.sh relay makes it"
    return MicroTVM(found)
