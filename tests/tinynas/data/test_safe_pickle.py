# SPDX-License-Identifier: Apache-2.0
"""Pickled data is read as data, and a pickle that wants more runs nothing at all."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynas.data.safe_pickle import read_npy
from tinynas.errors import NasError


def npy(payload: bytes) -> bytes:
    """A .npy file with this pickle."""
    stream = io.BytesIO()
    facts = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, facts)
    return stream.getvalue() + payload


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(content, dtype=object), allow_pickle=True)
    return stream.getvalue()


CONTENT = {
    "list": [np.arange(12.0).reshape(3, 4), np.arange(5, dtype=">i2")],
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "bools": np.array([True, False]),
    "text": np.array(["one", "three"]),
    "objects": np.array([{"a": 1}, "b"], dtype=object),
    "plain": ("name", 5, 2.5, None, True, b"\x00\xff"),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and one.dtype != object:
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple | np.ndarray):
        return type(one) is type(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_come_out_as_numpy_itself_reads_them(protocol: int) -> None:
    raw = npy(pickle.dumps(np.array(CONTENT, dtype=object), protocol=protocol))
    assert same(read_npy(raw, "file"), np.load(io.BytesIO(raw), allow_pickle=True).item())


class Calls:
    """Pickled, it is a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    "function",
    [os.system, os.mkdir, eval, exec, getattr, np.load, np.frombuffer],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_no_function_is_called(tmp_path: Path, function: Any, protocol: int) -> None:
    target = tmp_path / "owned"
    text = {os.system: f"mkdir {target}", os.mkdir: str(target)}.get(
        function, f"__import__('os').mkdir({str(target)!r})"
    )
    content = {"X": [1.0, Calls(function, text)]}
    raw = npy(pickle.dumps(content, protocol=protocol))
    with pytest.raises(NasError, match="file is refused: its pickle asks for") as caught:
        read_npy(raw, "file")
    assert function.__name__ in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_the_attack_works_on_numpy_itself(tmp_path: Path) -> None:
    """So the test above shows a defence, not a broken attack."""
    target = tmp_path / "owned"
    raw = npy(pickle.dumps({"X": Calls(os.mkdir, str(target))}))
    np.load(io.BytesIO(raw), allow_pickle=True)
    assert target.exists()


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        # Names with dots reach attributes of what is allowed.
        (b"\x80\x04\x8c\x05numpy\x8c\x09dtype.mro\x93.", "numpy.dtype.mro"),
        (b"\x80\x02cnumpy\nload\n.", "numpy.load"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", "rot13"),
        (b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V8\x85R.", "_DType"),
        (b"\x80\x02cnumpy\nndarray\n.", "object of type type"),
        (b"\x80\x02Pid\n.", "persistent"),
        (b"\x80\x02" + b"(" * 100, "."),
        (b"", "."),
    ],
)
def test_subtler_pickles_are_refused(attack: bytes, message: str) -> None:
    with pytest.raises(NasError, match=message):
        read_npy(npy(attack), "file")


def test_a_list_within_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NasError, match="can't be read"):
        read_npy(npy(pickle.dumps(endless)), "file")


@pytest.mark.parametrize("wrong", [np.arange(3), np.array(["a"])])
def test_a_file_of_another_kind_is_refused(wrong: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, wrong)
    with pytest.raises(NasError, match="one pickled object was expected"):
        read_npy(stream.getvalue(), "file")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_anywhere_is_an_error_of_one_line_or_other_data(data: st.DataObject) -> None:
    raw = bytearray(saved({"a": [np.arange(4.0)], "b": "text"}))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(raw)))
    try:
        read_npy(bytes(raw[: length or None]), "file")
    except NasError as error:
        assert "\n" not in str(error)
