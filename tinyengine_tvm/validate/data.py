# SPDX-License-Identifier: Apache-2.0
"""Samples and labels, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TinyEngineError


def samples_for(
    metadata: Mapping[str, Any], given: Mapping[str, np.ndarray] | np.ndarray
) -> tuple[dict[str, np.ndarray], int]:
    """Arrays [samples, *shape] by the name of the network's input, and how many samples they are.

    A batch of one may be missing from the shape. Real values are quantised for an int8 input.

    Raises:
        TinyEngineError: a name, shape or type is wrong, or a value is no number.
    """
    ports = metadata["inputs"]
    names = [port["name"] for port in ports]
    if isinstance(given, np.ndarray):
        if len(ports) != 1:
            raise TinyEngineError(f"the network has {len(ports)} inputs; give an .npz with {names}")
        given = {names[0]: given}
    for name in given:
        if name not in names:
            raise TinyEngineError(f"the network has no input '{name}'; it has {', '.join(names)}")
    arrays = {}
    for port in ports:
        if port["name"] not in given:
            raise TinyEngineError(f"input '{port['name']}' is missing in the data")
        arrays[port["name"]] = _of_port(port, np.asarray(given[port["name"]]))
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TinyEngineError(f"the inputs have different numbers of samples: {told}")
    return arrays, next(iter(counts.values()))


def _of_port(port: Mapping[str, Any], array: np.ndarray) -> np.ndarray:
    name, shape = port["name"], tuple(port["shape"])
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = (
            int(np.argmax(~np.isfinite(array.reshape(len(array), -1)).all(1))) if array.ndim else 0
        )
        raise TinyEngineError(f"input '{name}' holds NaN or infinity in sample {bad}")
    # [samples, 96, 96, 3] for an input of [1, 96, 96, 3].
    if shape[:1] == (1,) and array.ndim == len(shape) and array.shape[1:] == shape[1:]:
        array = array.reshape(-1, *shape)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise TinyEngineError(
            f"input '{name}' must have shape [samples, {wanted}], got {list(array.shape)}"
        )
    if len(array) == 0:
        raise TinyEngineError(f"input '{name}' holds no sample")
    wanted = np.dtype(port["dtype"])
    if array.dtype == wanted:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f" and wanted == np.float32:
        return np.ascontiguousarray(array, np.float32)
    if array.dtype.kind == "f" and port["scale"] is not None:
        return quantised(array, port)
    raise TinyEngineError(
        f"input '{name}' must be {wanted}"
        f"{' or real values' if port['scale'] is not None else ''}, got {array.dtype}"
    )


def quantised(values: np.ndarray, port: Mapping[str, Any]) -> np.ndarray:
    """Stored values of real ones, as QuantizeLinear: float32 division, half to even, saturated.

    `port`: dtype, scale and zero_point, as an input has them in metadata.json.
    """
    info = np.iinfo(port["dtype"])
    scale = np.float32(port["scale"])
    stored = np.rint(values.astype(np.float32) / scale) + port["zero_point"]
    return np.ascontiguousarray(np.clip(stored, info.min, info.max).astype(port["dtype"]))


def dequantised(stored: np.ndarray, port: Mapping[str, Any]) -> np.ndarray:
    """Real values, float32; those of a float tensor as they are."""
    if port["scale"] is None:
        return stored
    return (stored.astype(np.float32) - port["zero_point"]) * np.float32(port["scale"])


def read_labels(array: object, path: Path, samples: int, classes: int) -> np.ndarray:
    """Classes [samples] of a loaded file: one array of integers.

    Raises:
        TinyEngineError: it's another number of labels, or one is no class of the network.
    """
    if isinstance(array, Mapping):
        if len(array) != 1:
            raise TinyEngineError(f"labels '{path}' hold {len(array)} arrays; give an .npy")
        array = next(iter(array.values()))
    labels = np.asarray(array)
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.reshape(-1)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise TinyEngineError(
            f"labels '{path}' must be integers [samples], got {labels.dtype} {list(labels.shape)}"
        )
    if len(labels) != samples:
        raise TinyEngineError(f"there are {len(labels)} labels for {samples} samples; '{path}'")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise TinyEngineError(
            f"label {labels[wrong[0]]} of sample {wrong[0]} is no class of the network, which has "
            f"{classes}; '{path}'"
        )
    return labels.astype(np.int64)
