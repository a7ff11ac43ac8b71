# SPDX-License-Identifier: Apache-2.0
"""TFLite Micro on this machine, from its Python package: the oracle of outputs, and its arena."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from .rows import Row, Unable
from .subject import SAMPLES, Subject

ENGINE = "tflite-micro on this machine"
PACKAGE = "tflite-micro"
HOST = "host"
_ARENA = 8 << 20
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def runtime() -> Any | None:
    """The package's module of interpreters, or None where it isn't installed."""
    try:
        return importlib.import_module("tflite_micro").runtime
    except (ImportError, AttributeError):
        return None


def version() -> str:
    """The installed package's version."""
    return importlib.metadata.version(PACKAGE)


def measure_host(subject: Subject, module: Any) -> tuple[Row, list[np.ndarray]]:
    """The arena that the interpreter takes, and the outputs of all samples.

    Raises:
        Unable: the model is no .tflite file, or the interpreter refuses it.
    """
    if subject.flatbuffer is None:
        raise Unable("TFLite Micro takes .tflite files alone")
    arena = max(_ARENA, 10 * len(subject.flatbuffer))
    try:
        interpreter = module.Interpreter.from_bytes(subject.flatbuffer, arena_size=arena)
        count = len(subject.network.outputs)
        outputs: list[list[np.ndarray]] = [[] for _ in range(count)]
        for sample in range(SAMPLES):
            for index, array in enumerate(subject.inputs.values()):
                interpreter.set_input(np.ascontiguousarray(array[sample]), index)
            interpreter.invoke()
            for index in range(count):
                outputs[index].append(np.array(interpreter.get_output(index)))
        total = _TOTAL.search(_said(interpreter.print_allocations))
    except (RuntimeError, ValueError) as error:
        raise Unable(f"the interpreter refuses it ({str(error).strip()[:200]})") from error
    if total is None:
        raise Unable("its interpreter doesn't say what it allocated; try another version")
    row = Row(
        ENGINE,
        subject.name,
        HOST,
        HOST,
        "measured",
        subject.macs,
        None,
        None,
        int(total[1]),
        None,
        len(subject.flatbuffer),
        None,
        note="64-bit build: its arena holds larger pointers than on a microcontroller",
    )
    return row, [np.stack(each) for each in outputs]


def _said(function: Callable[[], object]) -> str:
    """What `function` writes to the process's stderr, below Python."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            function()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return file.read().decode(errors="replace")
