# SPDX-License-Identifier: Apache-2.0
"""Samples as numpy arrays, and as inputs.bin and outputs.bin of runtime_c/boards/main.c."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from ..errors import BoardError
from .artifact import CompiledModel, Port

FLAG_TIMED = 1


def check_inputs(
    model: CompiledModel, inputs: Mapping[str, np.ndarray]
) -> tuple[list[np.ndarray], int]:
    """Arrays [samples, *shape] in the order of the model's inputs, and the number of samples.

    `inputs` is keyed by the input's name in the model or by its C field; an array of exactly the
    input's shape is one sample.

    Raises:
        BoardError: a name, shape, dtype or number of samples is wrong.
    """
    known = {name for port in model.inputs for name in (port.name, port.field)}
    for name in inputs:
        if name not in known:
            raise BoardError(f"the model has no input '{name}'; {_expected(model)}")
    arrays = []
    for port in model.inputs:
        given = [name for name in dict.fromkeys((port.name, port.field)) if name in inputs]
        if not given:
            raise BoardError(f"input '{port.name}' is missing; {_expected(model)}")
        if len(given) > 1:
            raise BoardError(f"input '{port.name}' is given twice, as {' and '.join(given)}")
        arrays.append(_samples_of(port, np.asarray(inputs[given[0]])))
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise BoardError(
            "the inputs have different numbers of samples: "
            + ", ".join(f"{p.name} {len(a)}" for p, a in zip(model.inputs, arrays, strict=True))
        )
    return arrays, counts.pop() if counts else 1


def _expected(model: CompiledModel) -> str:
    return "expected " + ", ".join(f"'{p.name}' {p.dtype} {list(p.shape)}" for p in model.inputs)


def _samples_of(port: Port, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.dtype(port.dtype):
        raise BoardError(f"input '{port.name}' must be {port.dtype}, got {array.dtype}")
    if array.shape == port.shape:
        array = array[np.newaxis]
    if array.shape[1:] != port.shape or array.ndim != len(port.shape) + 1:
        raise BoardError(
            f"input '{port.name}' must have shape {list(port.shape)} or "
            f"[samples, {', '.join(map(str, port.shape))}], got {list(array.shape)}"
        )
    if len(array) == 0:
        raise BoardError(f"input '{port.name}' holds no sample")
    return np.ascontiguousarray(array)


def example_inputs(model: CompiledModel) -> dict[str, np.ndarray]:
    """One sample of reproducible noise: int8 over its whole range, float32 in [-1, 1)."""
    random = np.random.default_rng(0)

    def noise(port: Port) -> np.ndarray:
        if port.dtype == "float32":
            return random.uniform(-1, 1, port.shape).astype(np.float32)
        info = np.iinfo(np.dtype(port.dtype))
        return random.integers(info.min, info.max, port.shape, port.dtype, endpoint=True)

    return {port.field: noise(port) for port in model.inputs}


def pack_inputs(arrays: list[np.ndarray], samples: int, *, timed: bool = False) -> bytes:
    """The content of inputs.bin."""
    header = struct.pack("<2I", samples, FLAG_TIMED if timed else 0)
    rows = [a.reshape(samples, -1).view(np.uint8).reshape(samples, -1) for a in arrays]
    return header + (np.concatenate(rows, axis=1).tobytes() if rows else b"")


def unpack_outputs(model: CompiledModel, content: bytes, samples: int) -> dict[str, np.ndarray]:
    """Arrays [samples, *shape] by the output's name in the model.

    Raises:
        BoardError: outputs.bin is shorter or longer than it must be.
    """
    per_sample = sum(port.bytes for port in model.outputs)
    if len(content) != samples * per_sample:
        raise BoardError(
            f"the board wrote {len(content)} bytes of outputs instead of {samples * per_sample}; "
            "is the disk full?"
        )
    rows = np.frombuffer(content, np.uint8).reshape(samples, per_sample)
    outputs, start = {}, 0
    for port in model.outputs:
        part = np.ascontiguousarray(rows[:, start : start + port.bytes])
        outputs[port.name] = part.view(port.dtype).reshape(samples, *port.shape)
        start += port.bytes
    return outputs
