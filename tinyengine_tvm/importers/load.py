# SPDX-License-Identifier: Apache-2.0
"""Model file to TVM module."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..dialects.choice import choose_dialect
from ..errors import ModelError, TinyEngineError

if TYPE_CHECKING:
    import tvm

    from .input_shapes import InputShapes

LONGEST_REASON = 240
"""Characters of a message of TVM's that we pass on."""
DAMAGED = "is damaged or not supported by TVM"
UNFIT = "doesn't take these input shapes"


def load_model(
    path: str | os.PathLike[str],
    dialect: str | None = None,
    input_shapes: InputShapes | None = None,
    allow_slow: bool = False,
) -> tvm.IRModule:
    """The TVM module of a .tflite or .onnx file, parameters bound as constants.

    The attributes of the module (Relax) or its main function (Relay) hold the names of inputs and
    outputs in the file. `dialect`: "relax" or "relay", by default that of the TVM installed.
    `input_shapes`: sizes of inputs that have none in the file, by name.
    `allow_slow`: convolutions and dense layers of ONNX that no kernel takes are imported as well.

    Raises:
        TinyEngineError: the dialect isn't there; a shape is of no input, or doesn't fit.
        ModelError: the file is missing, empty, damaged, or of another type.
        UnsupportedOperators: lists every operator of the model that has no kernel.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".tflite", ".onnx"):
        raise ModelError(f"'{path}' is neither .tflite nor .onnx; give a quantised model of these")
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelError(f"can't read '{path}': {reason}") from error
    if not data:
        raise ModelError(f"'{path}' is empty; export the model again")
    relay = "relay_" if choose_dialect(dialect) == "relay" else ""
    with refusals(str(path), UNFIT if input_shapes else DAMAGED):
        # Only the importer that is used can be imported: each needs its own TVM.
        importer = importlib.import_module(f".{relay}{kind[1:]}", __package__)
        load = getattr(importer, f"load_{kind[1:]}")
        if kind == ".onnx" and not relay:
            return load(data, input_shapes, allow_slow)
        return load(data, input_shapes)


@contextlib.contextmanager
def refusals(what: str, problem: str = DAMAGED) -> Iterator[None]:
    """Turns whatever TVM and the parsers raise into one ModelError, and keeps them quiet."""
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            _silent_descriptor(2),
            _quiet("onnx"),
        ):
            warnings.simplefilter("ignore")
            yield
    except (TinyEngineError, MemoryError):
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if len(line.strip()) > 2]
        # TVM puts a traceback of its own before the message, and whole operators into it.
        reason = lines[-1] if lines else "its parts contradict each other"
        if len(reason) > LONGEST_REASON:
            reason = reason[:LONGEST_REASON] + " ..."
        raise ModelError(f"'{what}' {problem}: {reason}") from error


@contextlib.contextmanager
def _silent_descriptor(number: int) -> Iterator[None]:
    """TVM's C++ side writes its warnings straight to the descriptor."""
    sys.stderr.flush()
    kept = os.dup(number)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), number)
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
