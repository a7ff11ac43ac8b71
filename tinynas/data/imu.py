# SPDX-License-Identifier: Apache-2.0
"""Shoulder exercises in the signal of a smartwatch: the data that comes with PyPI's seglearn.

140 recordings at 50 Hz of 3 accelerations and 3 angular rates: 10 subjects did 7 exercises with
either arm (Burns et al., "Shoulder Physiotherapy Exercise Recognition: Machine Learning the
Inertial Signals from a Smartwatch", 2018, arXiv:1802.01489). The splits share no subject, because
a network that has seen a person's other repetitions looks better than it is.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import numpy as np

from ..errors import NasError
from .dataset import Augmentation, DataSet, Split, joined, standardisation
from .safe_pickle import read_npy

MEMBER = "seglearn/data/watch_dataset.npy"
CURE = (
    "install it with `pip install 'tinyengine-tvm[imu]'`, or give the path of seglearn's wheel "
    "(`pip download --no-deps seglearn`) or of its watch_dataset.npy"
)
AUGMENTATION = Augmentation("windows", shift=0.1, stretch=0.1, turn=15.0, scaling=0.1, jitter=0.05)
TEST_SUBJECTS = 2


def installed() -> Path | None:
    """The file in the installed package, which isn't imported for it."""
    found = importlib.util.find_spec("seglearn")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]).parent / MEMBER


def _file(path: Path | None) -> tuple[bytes, str]:
    """The .npy file's bytes, and its name for messages."""
    path = installed() if path is None else path
    if path is None:
        raise NasError(f"the IMU data set is in the package seglearn, which isn't here; {CURE}")
    if path.is_dir():
        path = path / Path(MEMBER).name
    try:
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as archive:
                return archive.read(MEMBER), f"{path}:{MEMBER}"
        return path.read_bytes(), str(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise NasError(f"the IMU data set can't be read ({reason}); {CURE}") from error


def _recordings(path: Path | None) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, list[str]]:
    """Recordings [samples, 6], each one's exercise and subject, and the names of the exercises."""
    raw, name = _file(path)
    content = read_npy(raw, name)
    try:
        recordings = [np.asarray(signal, np.float32) for signal in content["X"]]
        exercise = np.asarray(content["y"]).astype(np.int64)
        subject = np.asarray(content["subject"]).astype(np.int64)
        names = [str(label) for label in content["y_labels"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NasError(f"{name} is not seglearn's smartwatch data ({error!r}); {CURE}") from error
    shapes = {signal.shape[1:] for signal in recordings}
    lengths = {len(recordings), *exercise.shape, *subject.shape}
    if len(shapes) != 1 or len(shapes.pop()) != 1 or len(lengths) != 1:
        raise NasError(f"{name} is not seglearn's smartwatch data (lengths differ); {CURE}")
    return recordings, exercise, subject, names


def by_subject(
    path: Path | None = None, window: int = 128, overlap: float = 0.5
) -> tuple[dict[int, Split], tuple[str, ...]]:
    """The windows of each person, by number, and the names of the exercises.

    Raises:
        NasError: as `load`.
    """
    if window < 2 or not 0 <= overlap < 1:
        raise NasError(
            f"IMU: windows of {window} samples with an overlap of {overlap}; give at least 2 "
            "samples, and an overlap from 0 to below 1"
        )
    recordings, exercise, subject, names = _recordings(path)
    found: dict[int, list[Split]] = {}
    for signal, label, person in zip(recordings, exercise, subject, strict=True):
        parts = windows(signal, window, overlap)
        labels = np.full(len(parts), label, np.int64)
        found.setdefault(int(person), []).append(Split(parts, labels))
    return {person: joined(parts) for person, parts in found.items()}, tuple(names)


def load(
    path: Path | None = None,
    window: int = 128,
    overlap: float = 0.5,
    fold: int = 0,
    validation_subjects: int = 2,
) -> DataSet:
    """Windows of the recordings, split by subject.

    Args:
        path: seglearn's wheel, its watch_dataset.npy or the folder of that; by default the
            installed package's.
        window: samples of one input; 128 are 2.56 s.
        overlap: the share of a window that the next one of the recording begins with.
        fold: which two subjects are for the test, by number: fold 0 has the first two, fold 1 the
            next two, and so on. All folds together are a cross-validation.
        validation_subjects: how many of the others, those that follow, are for validation.

    Raises:
        NasError: the data isn't there or isn't what it should be, or an option is out of range.
    """
    parts, names = by_subject(path, window, overlap)
    people = sorted(parts)
    folds = len(people) // TEST_SUBJECTS
    if not 0 <= fold < folds:
        raise NasError(f"IMU: fold {fold}; {len(people)} subjects give folds 0 to {folds - 1}")
    most = len(people) - TEST_SUBJECTS - 1
    if not 1 <= validation_subjects <= most:
        raise NasError(
            f"IMU: {validation_subjects} subjects for validation; {len(people)} subjects leave "
            f"1 to {most}"
        )
    first = TEST_SUBJECTS * fold
    order = people[first:] + people[:first]
    ends = (TEST_SUBJECTS, TEST_SUBJECTS + validation_subjects)

    train = joined([parts[person] for person in order[ends[1] :]])
    offset, divisor = standardisation(train.inputs)
    return DataSet(
        name="imu",
        train=train,
        validation=joined([parts[person] for person in order[ends[0] : ends[1]]]),
        test=joined([parts[person] for person in order[: ends[0]]]),
        classes=names,
        dimensions=1,
        offset=offset,
        divisor=divisor,
        augment=AUGMENTATION,
    )


def windows(signal: np.ndarray, window: int, overlap: float) -> np.ndarray:
    """float32 [n, channels, 1, window] of one recording [samples, channels].

    Whole windows only: what remains at the end is left out, as is a recording that is too short.
    """
    step = max(1, round(window * (1 - overlap)))
    if len(signal) < window:
        return np.empty((0, signal.shape[1], 1, window), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(signal, window, axis=0)[::step]
    return np.ascontiguousarray(views[:, :, None, :], np.float32)
