# SPDX-License-Identifier: Apache-2.0
"""The reading of IDX files, and the splits that are made of them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tinynas.data.idx import write_folder, write_idx
from tinynas.data import fashion_mnist
from tinynas.errors import NasError


def test_validation_is_the_end_of_the_training_set(tmp_path: Path) -> None:
    written = write_folder(tmp_path)
    data = fashion_mnist.load(tmp_path, validation=20)
    images, labels = written["train images"][:, None], written["train labels"]
    np.testing.assert_array_equal(data.train.inputs, images[:40])
    np.testing.assert_array_equal(data.validation.inputs, images[40:])
    np.testing.assert_array_equal(data.train.labels, labels[:40])
    np.testing.assert_array_equal(data.validation.labels, labels[40:])
    np.testing.assert_array_equal(data.test.inputs[:, 0], written["t10k images"])
    assert data.input == (1, 28, 28)
    assert {split.labels.dtype for _, split in data.splits()} == {np.dtype(np.int64)}


def test_the_network_sees_pixels_divided_by_255(tmp_path: Path) -> None:
    write_folder(tmp_path)
    data = fashion_mnist.load(tmp_path, validation=20)
    expected = data.test.inputs.astype(np.float32) / np.float32(255)
    converted = data.as_input(data.test.inputs)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, expected)


def test_a_missing_package_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(NasError, match="apt-get install dataset-fashion-mnist") as caught:
        fashion_mnist.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "not gzip", "not IDX", "shorter than its header"])
def test_damaged_files_are_refused_by_name(tmp_path: Path, damage: str) -> None:
    written = write_folder(tmp_path)
    name = "t10k-images-idx3-ubyte.gz"
    path = tmp_path / name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "not gzip":
        path.write_bytes(b"hello")
    elif damage == "not IDX":
        write_idx(path, written["t10k images"])
        path.write_bytes(gzip.compress(b"\x01" + gzip.decompress(path.read_bytes())[1:]))
    else:
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))
    with pytest.raises(NasError, match=name) as caught:
        fashion_mnist.load(tmp_path, validation=20)
    assert "\n" not in str(caught.value)


def test_files_of_another_length_than_their_labels_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(59))
    with pytest.raises(NasError, match="don't belong together"):
        fashion_mnist.load(tmp_path, validation=20)


@pytest.mark.parametrize("validation", [0, 60, -1])
def test_validation_must_leave_something_to_train_on(tmp_path: Path, validation: int) -> None:
    write_folder(tmp_path)
    with pytest.raises(NasError, match="give 1 to 59"):
        fashion_mnist.load(tmp_path, validation=validation)


def test_the_official_files() -> None:
    if not fashion_mnist.FOLDER.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    data = fashion_mnist.load()
    assert [len(split) for _, split in data.splits()] == [55000, 5000, 10000]
    # Of the published files, unpacked.
    digest = hashlib.sha256(data.test.inputs.tobytes()).hexdigest()
    assert digest == "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"
    counts = np.bincount(np.concatenate([data.train.labels, data.validation.labels]))
    np.testing.assert_array_equal(counts, [6000] * 10)


def test_reading_a_data_set_needs_no_torch(tmp_path: Path) -> None:
    write_folder(tmp_path)
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from tinynas.data import fashion_mnist\n"
        "data = fashion_mnist.load(Path(sys.argv[1]), 20).resized(14); print(data.input)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 14, 14)"
