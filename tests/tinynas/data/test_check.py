# SPDX-License-Identifier: Apache-2.0
"""Every fault that would spoil a training is named in one line before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tinynas.data import DataSet, Split, check, load
from tinynas.errors import NasError


def inputs(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[DataSet], DataSet]:
    """Another data set, with the inputs of one split changed."""

    def changed(data: DataSet) -> DataSet:
        split: Split = getattr(data, name)
        return replace(data, **{name: replace(split, inputs=change(split.inputs.copy()))})

    return changed


def labels(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[DataSet], DataSet]:
    def changed(data: DataSet) -> DataSet:
        split: Split = getattr(data, name)
        return replace(data, **{name: replace(split, labels=change(split.labels.copy()))})

    return changed


def put(place: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


def without(label: int) -> Callable[[DataSet], DataSet]:
    def changed(data: DataSet) -> DataSet:
        keep = data.validation.labels != label
        kept = Split(data.validation.inputs[keep], data.validation.labels[keep])
        return replace(data, validation=kept)

    return changed


IMAGES: dict[str, tuple[Callable[[DataSet], DataSet], str]] = {
    "missing class": (without(2), r"validation split has no sample of class 'falling'"),
    "label too large": (
        labels("test", put((7,), 4)),
        "test split has label 4 at sample 7; .*0 to 3",
    ),
    "negative label": (labels("train", put((0,), -1)), "train split has label -1 at sample 0"),
    "labels of another length": (labels("test", lambda v: v[:-1]), "120 inputs and 119 labels"),
    "labels as float": (labels("test", lambda v: v.astype(float)), "labels float64 of shape"),
    "labels one-hot": (labels("test", lambda v: np.eye(4, dtype=np.int64)[v]), r"\(120, 4\)"),
    "empty": (
        lambda data: replace(data, test=Split(data.test.inputs[:0], data.test.labels[:0])),
        "test split is empty",
    ),
    "no channel axis": (inputs("train", lambda v: v[:, 0]), r"\(240, 16, 16\); give images"),
    "no pixels": (inputs("train", lambda v: v[..., :0]), "no values"),
    "float pixels": (inputs("train", lambda v: v / np.float32(255)), "float32; give uint8 images"),
    "another size": (inputs("test", lambda v: v[..., :15]), r"\(1, 16, 15\), the train split"),
    "all the same": (inputs("train", lambda v: v * 0 + 9), "all values of the train split are 9"),
    "one class": (lambda data: replace(data, classes=("a",)), "needs at least 2"),
    "three dimensions": (lambda data: replace(data, dimensions=3), "give 1 .windows. or 2"),
    "divisors of other channels": (lambda data: replace(data, divisor=(255.0, 255.0)), "divisor"),
    "zero divisor": (lambda data: replace(data, divisor=(0.0,)), "divisor .* has a 0"),
}
WINDOWS: dict[str, tuple[Callable[[DataSet], DataSet], str]] = {
    "NaN": (inputs("test", put((5, 1, 0, 3), np.nan)), "test split has NaN in sample 5"),
    "infinity": (inputs("train", put((2, 0, 0, 0), -np.inf)), "has infinity in sample 2"),
    "height": (inputs("train", lambda v: v.repeat(2, 2)), r"\(240, 2, 2, 64\); give windows"),
    "float64": (inputs("train", lambda v: v.astype(np.float64)), "float64; give float32 windows"),
    "constant channel": (
        inputs("train", put((slice(None), 1), 2.5)),
        "channel 1 of the train split is always 2.5; leave it out",
    ),
}


@pytest.mark.parametrize("fault", IMAGES)
def test_faults_of_images(fault: str) -> None:
    damage, message = IMAGES[fault]
    with pytest.raises(NasError, match=message) as caught:
        check(damage(load("synthetic")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", WINDOWS)
def test_faults_of_windows(fault: str) -> None:
    damage, message = WINDOWS[fault]
    with pytest.raises(NasError, match=message) as caught:
        check(damage(load("synthetic-1d")))
    assert "\n" not in str(caught.value)


def test_a_class_that_is_rare_but_there_passes() -> None:
    data = load("synthetic")
    keep = np.flatnonzero(data.validation.labels != 2).tolist()
    keep.append(int(np.flatnonzero(data.validation.labels == 2)[0]))
    check(replace(data, validation=Split(*(v[keep] for v in vars(data.validation).values()))))
