# SPDX-License-Identifier: Apache-2.0
"""Users' folders of images: how they're found, parted, cut and refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinynas.data import DataSet, load
from tinynas.data.resample import resampled
from tinynas.errors import NasError

Image = pytest.importorskip("PIL.Image")

CLASSES = ("cat", "dog", "owl")


def picture(seed: int, height: int = 20, width: int = 24, mode: str = "RGB") -> np.ndarray:
    shape = (height, width) if mode == "L" else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(folder: Path, count: int, first: int = 0, mode: str = "RGB") -> None:
    """PNG images of different content."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(picture(first + index, mode=mode)).save(folder / f"{index:03}.png")


def folder_of(root: Path, count: int = 20, mode: str = "RGB") -> Path:
    for label, name in enumerate(CLASSES):
        write(root / name, count, 1000 * label, mode)
    return root


def images_of(data: DataSet) -> list[set[bytes]]:
    return [{image.tobytes() for image in split.inputs} for _, split in data.splits()]


def test_every_image_is_in_one_split_and_every_class_in_each(tmp_path: Path) -> None:
    data = load("folder", folder_of(tmp_path), resolution=8, validation=0.2, test=0.1)
    assert data.classes == CLASSES
    assert data.input == (3, 8, 8)
    counts = [np.bincount(split.labels).tolist() for _, split in data.splits()]
    assert counts == [[14] * 3, [4] * 3, [2] * 3]
    train, validation, test = images_of(data)
    assert len(train | validation | test) == 60


def test_the_split_follows_from_the_paths_alone(tmp_path: Path) -> None:
    data = load("folder", folder_of(tmp_path / "one"), resolution=8)
    shutil.copytree(tmp_path / "one", tmp_path / "other/place")
    moved = load("folder", tmp_path / "other/place", resolution=8)
    for (_, before), (_, after) in zip(data.splits(), moved.splits(), strict=True):
        np.testing.assert_array_equal(before.inputs, after.inputs)
    # One image more moves at most one of the others into or out of a split, per class.
    Image.fromarray(picture(5000)).save(tmp_path / "one/cat/new.png")
    grown = load("folder", tmp_path / "one", resolution=8)
    for before, after in zip(images_of(data), images_of(grown), strict=True):
        assert len(before - after) <= 1


def test_pixels_are_the_middle_square_resized(tmp_path: Path) -> None:
    root = folder_of(tmp_path)
    data = load("folder", root, resolution=10)
    square = picture(3)[:, 2:22].transpose(2, 0, 1)
    expected = resampled(square[None], (10, 10))[0].tobytes()
    assert sum(expected in images for images in images_of(data)) == 1
    # A size of its own changes nothing.
    exact = load("folder", root, resolution=20)
    assert sum(square.tobytes() in images for images in images_of(exact)) == 1


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_grey_images_have_one_channel_unless_told(tmp_path: Path, mode: str, channels: int) -> None:
    root = folder_of(tmp_path, mode=mode)
    assert load("folder", root, resolution=8).input[0] == channels
    assert load("folder", root, resolution=8, channels=4 - channels).input[0] == 4 - channels
    if mode == "L":
        Image.fromarray(picture(9)).save(root / "cat/colour.png")
        assert load("folder", root, resolution=8).input[0] == 3


def test_photographs_stand_upright(tmp_path: Path) -> None:
    root = folder_of(tmp_path)
    image = Image.fromarray(np.dstack([np.tri(20, dtype=np.uint8) * 200] * 3))
    facts = Image.Exif()
    facts[0x0112] = 6  # taken with the camera turned by 90 degrees
    image.save(root / "owl/turned.png", exif=facts)
    data = load("folder", root, resolution=20)
    upright = np.asarray(image.rotate(-90)).transpose(2, 0, 1)
    assert sum(upright.tobytes() in images for images in images_of(data)) == 1


@pytest.mark.parametrize("validation", [True, False])
def test_given_splits_are_kept(tmp_path: Path, validation: bool) -> None:
    names = ["train", "test"] + ["validation"] * validation
    for order, name in enumerate(names):
        for label, kind in enumerate(CLASSES):
            write(tmp_path / name / kind, 12, 10000 * order + 1000 * label)
    data = load("folder", tmp_path, resolution=20)
    counts = [np.bincount(split.labels).tolist() for _, split in data.splits()]
    assert counts == ([[12] * 3] * 3 if validation else [[11] * 3, [1] * 3, [12] * 3])
    test = picture(10000)[:, 2:22].transpose(2, 0, 1).tobytes()
    assert test in images_of(data)[2]


def few(root: Path) -> None:
    for path in sorted((root / "dog").iterdir())[9:]:
        path.unlink()


def damaged(root: Path) -> None:
    path = root / "dog/004.png"
    path.write_bytes(path.read_bytes()[:100])


def text(root: Path) -> None:
    (root / "dog/note.jpg").write_text("hello")


def deep(root: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(root / "dog/deep.png")


def single(root: Path) -> None:
    for name in CLASSES[1:]:
        shutil.rmtree(root / name)


def halves(root: Path, missing: str) -> None:
    for name in ("train", "test"):
        for kind in CLASSES:
            if f"{name}/{kind}" != missing:
                write(root / name / kind, 3 if missing == "few" else 10)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (few, "class 'dog' in .* has 9 image.* give at least 10"),
        (damaged, "dog/004.png can't be read .*repair or remove it"),
        (text, "dog/note.jpg can't be read"),
        (deep, "dog/deep.png can't be read .*more than 8 bits"),
        (single, "has 1 folder"),
        (shutil.rmtree, "is not a folder"),
        (lambda root: halves(root, "test/dog"), "test has no image of class 'dog'"),
        (lambda root: halves(root, "train/dog"), "test has class 'dog', which .*train hasn't"),
        (lambda root: halves(root, "few"), "too few to take some for validation"),
    ],
)
def test_faults_are_named_with_their_cure(tmp_path: Path, damage: Any, message: str) -> None:
    damage(folder_of(tmp_path / "set", 12))
    with pytest.raises(NasError, match=message) as caught:
        load("folder", tmp_path / "set", resolution=8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "give a positive resolution"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"validation": 0.5, "test": 0.5}, "leave something to train on"),
        ({"test": 0}, "leave something to train on"),
    ],
)
def test_options_out_of_range(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message):
        load("folder", folder_of(tmp_path), **options)


def test_without_a_path_or_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NasError, match="needs the path"):
        load("folder")
    folder_of(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(NasError, match=r"pip install 'tinyengine-tvm\[nas\]'"):
        load("folder", tmp_path)
