# SPDX-License-Identifier: Apache-2.0
"""What must hold of a data set before anything is trained on it."""

from __future__ import annotations

import numpy as np

from ..errors import NasError
from .dataset import DataSet, Split


def check(data: DataSet) -> None:
    """Refuses a data set that would fail later, or be learnt wrongly without a word.

    Raises:
        NasError: a split is empty, lacks a class, or has another shape or type than it should; a
            value is no finite number; labels are out of range or of another length; a channel of
            the training split never changes; offset and divisor don't fit the channels.
    """
    if data.dimensions not in (1, 2):
        raise NasError(f"{data.name}: {data.dimensions} dimensions; give 1 (windows) or 2 (images)")
    if len(data.classes) < 2:
        raise NasError(f"{data.name}: {len(data.classes)} class(es); a classifier needs at least 2")
    for name, split in data.splits():
        _check_layout(data, name, split)
    for name, split in data.splits():
        _check_labels(data, name, split)
        _check_finite(data, name, split)
    _check_variation(data)
    _check_scaling(data)


def _check_layout(data: DataSet, name: str, split: Split) -> None:
    where, inputs, labels = f"{data.name}: {name} split", split.inputs, split.labels
    if data.dimensions == 1:
        kind, layout = "float32", "windows [n, channels, 1, samples]"
    else:
        kind, layout = "uint8", "images [n, channels, height, width]"
    if inputs.ndim != 4 or (data.dimensions == 1 and inputs.shape[2] != 1):
        raise NasError(f"{where} has inputs of shape {inputs.shape}; give {layout}")
    if inputs.dtype != np.dtype(kind):
        raise NasError(f"{where} has inputs of type {inputs.dtype}; give {kind} {layout}")
    if not len(inputs):
        raise NasError(f"{where} is empty; give it samples of every class")
    if 0 in inputs.shape:
        raise NasError(f"{where} has inputs of shape {inputs.shape}, no values; give {layout}")
    if inputs.shape[1:] != data.train.inputs.shape[1:]:
        raise NasError(
            f"{where} has samples of shape {inputs.shape[1:]}, the train split of "
            f"{data.train.inputs.shape[1:]}; make them alike"
        )
    if labels.ndim != 1 or labels.dtype != np.int64:
        raise NasError(
            f"{where} has labels {labels.dtype} of shape {labels.shape}; give int64 of shape [n]"
        )
    if len(labels) != len(inputs):
        raise NasError(f"{where} has {len(inputs)} inputs and {len(labels)} labels; give one each")


def _check_labels(data: DataSet, name: str, split: Split) -> None:
    where, count = f"{data.name}: {name} split", len(data.classes)
    wrong = np.flatnonzero((split.labels < 0) | (split.labels >= count))
    if wrong.size:
        raise NasError(
            f"{where} has label {split.labels[wrong[0]]} at sample {wrong[0]}; "
            f"{count} classes have the labels 0 to {count - 1}"
        )
    missing = np.flatnonzero(np.bincount(split.labels, minlength=count) == 0)
    if missing.size:
        names = ", ".join(repr(data.classes[index]) for index in missing[:5])
        more = f" and {missing.size - 5} more" if missing.size > 5 else ""
        raise NasError(
            f"{where} has no sample of class {names}{more}; add some, or leave the class out"
        )


def _check_finite(data: DataSet, name: str, split: Split) -> None:
    if split.inputs.dtype == np.uint8:
        return
    bad = np.flatnonzero(~np.isfinite(split.inputs).all(axis=(1, 2, 3)))
    if bad.size:
        what = "NaN" if np.isnan(split.inputs[bad[0]]).any() else "infinity"
        raise NasError(
            f"{data.name}: {name} split has {what} in sample {bad[0]} ({bad.size} sample(s) are "
            "not finite); repair or leave them out"
        )


def _check_variation(data: DataSet) -> None:
    inputs = data.train.inputs
    constant = (inputs.max(axis=(0, 2, 3)) == inputs.min(axis=(0, 2, 3))).nonzero()[0]
    if constant.size == inputs.shape[1]:
        raise NasError(
            f"{data.name}: all values of the train split are {inputs.flat[0]}, so nothing can be "
            "learnt; check how the inputs are read"
        )
    if constant.size:
        channel = constant[0]
        raise NasError(
            f"{data.name}: channel {channel} of the train split is always "
            f"{inputs[0, channel, 0, 0]}; leave it out"
        )


def _check_scaling(data: DataSet) -> None:
    channels = data.input[0]
    for name in ("offset", "divisor"):
        values = getattr(data, name)
        if len(values) != channels or not np.isfinite(values).all():
            raise NasError(f"{data.name}: {name} {values}; give a finite number for each channel")
    if 0 in data.divisor:
        raise NasError(f"{data.name}: divisor {data.divisor} has a 0; give the channel's spread")
