# SPDX-License-Identifier: Apache-2.0
"""Files of arrays: damaged ones are refused, written ones are whole and repeatable."""

from __future__ import annotations

import random
import zipfile

import numpy as np
import pytest

from tinyengine_tvm.cli.arrays import read_arrays, require_writable, write_arrays
from tinyengine_tvm.errors import TinyEngineError


def test_round_trip_of_awkward_names(tmp_path):
    arrays = {
        "file": np.arange(6, dtype=np.int8).reshape(1, 2, 3),
        "model/dense/BiasAdd;1": np.array([[0.5, -1]], np.float32),
    }
    write_arrays(tmp_path / "y.npz", arrays)
    read = read_arrays(tmp_path / "y.npz")
    assert isinstance(read, dict)
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_same_arrays_same_bytes_and_no_other_file(tmp_path):
    arrays = {"a": np.ones(3, np.int8)}
    (tmp_path / "one.npz").write_bytes(b"an older file is replaced")
    for name in ("one.npz", "two.npz"):
        write_arrays(tmp_path / name, arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.npz", "two.npz"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "y.npz"
    path.write_bytes(b"old")
    with pytest.raises(ValueError):
        write_arrays(path, {"a": np.array([object()])})
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["y.npz"]


def test_bare_array(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4))
    read = read_arrays(tmp_path / "x.npy")
    assert isinstance(read, np.ndarray)
    np.testing.assert_array_equal(read, np.arange(4))


@pytest.mark.parametrize("kind", ["text", "empty", "pickle", "objects", "no arrays", "other zip"])
def test_other_files_are_refused(tmp_path, kind):
    path = tmp_path / "x.npz"
    if kind == "text":
        path.write_text("1 2 3")
    elif kind == "empty":
        path.touch()
    elif kind == "pickle":
        path.write_bytes(b"\x80\x04N.")
    elif kind == "objects":
        np.savez(path, a=np.array([{}], object))
    elif kind == "no arrays":
        np.savez(path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "hello")
    with pytest.raises(TinyEngineError, match=r"numpy\.savez"):
        read_arrays(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(TinyEngineError, match="No such file"):
        read_arrays(tmp_path / "x.npy")
    with pytest.raises(TinyEngineError, match="directory"):
        read_arrays(tmp_path)


def test_damaged_files_never_raise_anything_else(tmp_path):
    """Truncations and flipped bits of all three containers."""
    source = random.Random(0)
    array = np.arange(60, dtype=np.int8).reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", first=array, second=array)
    np.savez_compressed(tmp_path / "c.npz", first=array)
    refused = 0
    damaged = tmp_path / "damaged"
    for name in ("a.npy", "b.npz", "c.npz"):
        good = (tmp_path / name).read_bytes()
        for _ in range(300):
            content = bytearray(good)
            if source.random() < 0.3:
                content = content[: source.randrange(len(content))]
            else:
                for _ in range(source.choice([1, 1, 4])):
                    content[source.randrange(len(content))] ^= 1 << source.randrange(8)
            damaged.write_bytes(content)
            try:
                read_arrays(damaged)
            except TinyEngineError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 300


@pytest.mark.parametrize(
    ("name", "message"),
    [("y.npy", "must end in .npz"), ("no/y.npz", "doesn't exist"), ("folder.npz", "is a folder")],
)
def test_places_that_cannot_be_written_are_found_first(tmp_path, name, message):
    (tmp_path / "folder.npz").mkdir()
    require_writable(tmp_path / "y.npz")
    with pytest.raises(TinyEngineError, match=message):
        require_writable(tmp_path / name)
