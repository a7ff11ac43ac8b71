# SPDX-License-Identifier: Apache-2.0
"""This machine: the model's C, compiled natively."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..paths import runtime_c
from ..targets import TARGETS
from .artifact import CompiledModel
from .base import OPTIMISE, WARN, Board, Program, RunResult
from .execution import execute
from .tools import HOST_GCC, compile_or_raise

SANITIZE = (
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)


class HostBoard(Board):
    """Builds with the machine's own gcc; AddressSanitizer and UBSan on request."""

    can_sanitize = True

    def _build(
        self,
        model: CompiledModel,
        build_dir: Path,
        profile: bool,
        sanitize: bool,
        cflags: tuple[str, ...],
    ) -> Program:
        boards = runtime_c() / "boards"
        common = [HOST_GCC, *OPTIMISE, *(SANITIZE if sanitize else ())]
        include = [f"-I{build_dir}", f"-I{model.directory}", f"-I{boards}"]
        markers = ["-include", str(runtime_c() / "profile" / "layers.h")] if profile else []
        model_object = build_dir / "model.o"
        compile_or_raise(
            [
                *common,
                *WARN,
                *markers,
                *cflags,
                "-c",
                str(model.directory / "model.c"),
                "-o",
                str(model_object),
            ],
            "model.c",
        )
        path = build_dir / "program"
        compile_or_raise(
            [
                *common,
                *include,
                str(boards / "main.c"),
                str(boards / "host.c"),
                str(model_object),
                "-Wl,--gc-sections",
                "-lm",
                "-o",
                str(path),
            ],
            "the program",
        )
        return Program(path, model, (model_object,), profile)

    def execute(
        self,
        program: Program,
        inputs: Mapping[str, np.ndarray],
        *,
        timeout_s: float | None = None,
    ) -> RunResult:
        done = execute(
            self.name,
            [str(program.path)],
            program.model,
            inputs,
            timeout_s=timeout_s,
            explain=_explain,
        )
        return RunResult(done.outputs, done.samples)


def _explain(returncode: int, console: str) -> str | None:
    undefined = re.search(r"^(\S+): runtime error: (.*)$", console, re.MULTILINE)
    if undefined:
        return f"undefined behaviour at {undefined[1]}: {undefined[2]}"
    address = re.search(r"^SUMMARY: (.*)$", console, re.MULTILINE)
    if address:
        return address[1]
    if returncode < 0:
        return f"the program died of {signal.Signals(-returncode).name}"
    return None


# Kernels for these extensions are assembly or intrinsics.
_PORTABLE = tuple(t.name for t in TARGETS.values() if not (t.has("dsp") or t.has("mve")))

HOST = HostBoard("host", "this machine, native code", _PORTABLE, (HOST_GCC,))
