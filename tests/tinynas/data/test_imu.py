# SPDX-License-Identifier: Apache-2.0
"""Windows of recordings, and splits without a common subject."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinynas.data import DataSet, imu, load
from tinynas.errors import NasError

SUBJECTS, EXERCISES, WINDOW = 10, 3, 16


def content() -> dict[str, Any]:
    """Recordings whose first channel tells the subject, the second the exercise."""
    random = np.random.default_rng(2)
    signals, exercises, subjects = [], [], []
    for recording in random.permutation(SUBJECTS * EXERCISES):
        subject, exercise = int(recording) // EXERCISES + 1, int(recording) % EXERCISES
        signal = random.normal(size=(60 + subject, 6))
        signal[:, 0], signal[:, 1] = subject, exercise
        signals.append(signal)
        exercises.append(exercise)
        subjects.append(subject)
    return {
        "X": signals,
        "y": np.array(exercises),
        "subject": np.array(subjects),
        "y_labels": ["PEN", "ABD", "ROW"],
    }


def write(folder: Path, facts: Any) -> Path:
    path = folder / "watch_dataset.npy"
    np.save(path, np.array(facts, dtype=object), allow_pickle=True)
    return path


def people(data: DataSet) -> list[set[int]]:
    """Of each split, from the signal itself."""
    return [set(split.inputs[:, 0].astype(int).ravel().tolist()) for _, split in data.splits()]


def test_every_fold_parts_the_subjects(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    tested = []
    for fold in range(5):
        data = load("imu", path, window=WINDOW, fold=fold)
        train, validation, test = people(data)
        assert train | validation | test == set(range(1, 11))
        assert (len(train), len(validation), len(test)) == (6, 2, 2)
        tested.append(test)
        for _, split in data.splits():
            np.testing.assert_array_equal(split.inputs[:, 1, 0, 0], split.labels)
            assert split.inputs.dtype == np.float32
    assert tested == [{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}]
    one = load("imu", path, window=WINDOW, validation_subjects=1)
    assert [len(members) for members in people(one)] == [7, 1, 2]


def test_windows_are_those_of_a_loop() -> None:
    signal = np.random.default_rng(1).normal(size=(100, 6)).astype(np.float32)
    for window, overlap, step in ((16, 0.5, 8), (16, 0.0, 16), (10, 0.75, 2), (100, 0.5, 50)):
        expected = [signal[at : at + window].T for at in range(0, 100 - window + 1, step)]
        result = imu.windows(signal, window, overlap)
        np.testing.assert_array_equal(result[:, :, 0], expected)
        assert result.flags.c_contiguous
    assert imu.windows(signal, 101, 0.5).shape == (0, 6, 1, 101)


def test_standardised_by_the_training_subjects_only(tmp_path: Path) -> None:
    data = load("imu", write(tmp_path, content()), window=WINDOW)
    mean = np.mean(data.train.inputs[:, 0])
    assert data.offset[0] == pytest.approx(float(mean), rel=1e-6)
    assert mean == pytest.approx(7.5, abs=0.1)


def test_from_a_wheel_a_folder_or_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    wheel = tmp_path / "seglearn-1.2.5-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, imu.MEMBER)
    expected = load("imu", path, window=WINDOW)
    for other in (wheel, tmp_path):
        data = load("imu", other, window=WINDOW)
        np.testing.assert_array_equal(data.train.inputs, expected.train.inputs)


def test_from_the_installed_package_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "seglearn"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    write(package / "data", content())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load("imu", window=WINDOW).input == (6, 1, WINDOW)


def test_a_missing_package_is_named_with_its_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NasError, match=r"pip install 'tinyengine-tvm\[imu\]'") as caught:
        load("imu")
    assert "\n" not in str(caught.value)


def broken(**changes: Any) -> dict[str, Any]:
    return {**content(), **changes}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("text", "not seglearn's smartwatch data"),
        ({"X": []}, "not seglearn's smartwatch data"),
        (broken(y=np.zeros(3)), "lengths differ"),
        (broken(X=[np.zeros((90, 6))] * 29 + [np.zeros((90, 5))]), "lengths differ"),
        (broken(X=[np.full((90, 6), np.nan)] * 30), "NaN"),
        (broken(y=np.zeros(30)), "no sample of class 'ABD', 'ROW'"),
    ],
    ids=str,
)
def test_other_content_is_refused(tmp_path: Path, facts: Any, message: str) -> None:
    with pytest.raises(NasError, match=message) as caught:
        load("imu", write(tmp_path, facts), window=WINDOW)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.npy", "missing.whl", "text.whl", "other.zip"])
def test_unreadable_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.whl").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(NasError, match="the IMU data set can't be read") as caught:
        load("imu", tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 5}, "give folds 0 to 4"),
        ({"validation_subjects": 8}, "leave 1 to 7"),
        ({"validation_subjects": 0}, "leave 1 to 7"),
        ({"overlap": 1.0}, "overlap from 0 to below 1"),
        ({"window": 1}, "at least 2 samples"),
        ({"window": 1000}, "split is empty"),
    ],
)
def test_options_out_of_range(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message) as caught:
        load("imu", write(tmp_path, content()), **options)
    assert "\n" not in str(caught.value)


def test_the_real_recordings() -> None:
    if imu.installed() is None:
        pytest.skip("the package seglearn is not installed")
    data = load("imu")
    assert data.input == (6, 1, 128)
    assert data.classes == ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
    assert [len(split) for _, split in data.splits()] == [2294, 460, 851]
