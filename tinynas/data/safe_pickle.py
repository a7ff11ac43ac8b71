# SPDX-License-Identifier: Apache-2.0
"""Reads .npy files that hold a pickled object, without executing what the pickle asks for.

A pickle names functions that its reader calls, so a file from elsewhere can run any program. Here
the only names are those that numpy arrays are pickled with, and even these stand for plain holders
of data: an array is made from its bytes, once type and length are found right.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

from ..errors import NasError


class _DType:
    """What a pickle says of a dtype: a code such as f8, then its byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype:
        if self.code[:1] not in "biufSU" or self.order not in ("<", ">", "=", "|"):
            raise ValueError(f"arrays of type {self.code!r} are not read")
        return np.dtype(self.order + self.code)


class _Array:
    """What a pickle says of an array."""

    state: tuple[Any, ...]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        _, shape, kind, fortran, raw = self.state
        if kind.code.startswith("O"):
            # As pickled, such an array is a list of Python objects.
            if not isinstance(raw, list) or math.prod(shape) != len(raw):
                raise ValueError(f"{len(raw)} objects for an array of shape {shape}")
            values = np.empty(len(raw), object)
            values[:] = [_plain(value) for value in raw]
        else:
            stored = kind.dtype()
            # In this machine's byte order, as numpy does.
            values = np.frombuffer(raw, stored).astype(stored.newbyteorder("="))
        return values.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encoded(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes. Another encoding would load a codec by name."""
    if encoding != "latin1":
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encoded,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise NasError(f"its pickle asks for {module}.{name}, which is no array") from None


def _plain(value: Any) -> Any:
    """The value with real arrays in place of their holders."""
    if isinstance(value, _Array):
        return value.array()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise ValueError(f"an object of type {type(value).__name__}")


def read_npy(raw: bytes, name: str) -> Any:
    """The object in a .npy file of one pickled object: numbers, text, arrays, lists and dicts.

    Args:
        raw: the file's bytes.
        name: how messages call the file.

    Raises:
        NasError: the file is damaged, or its pickle needs more than arrays; nothing of it was
            executed.
    """
    stream = io.BytesIO(raw)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("another version of .npy than 1.0")
        shape, _, kind = np.lib.format.read_array_header_1_0(stream)
        if shape != () or kind != np.dtype(object):
            raise ValueError("an array where one pickled object was expected")
        content = _plain(_Unpickler(stream).load())
        # numpy pickles the array of no dimensions that holds the object.
        return content.item() if isinstance(content, np.ndarray) else content
    except NasError as error:
        raise NasError(f"{name} is refused: {error}; get the original file again") from None
    # Whatever a damaged pickle makes Python do: it may raise anything.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise NasError(f"{name} can't be read ({reason}); get the original file again") from error
