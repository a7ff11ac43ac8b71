# SPDX-License-Identifier: Apache-2.0
"""Data sets from users' own torch Datasets, or anything that is indexed like one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import NasError
from .check import check
from .dataset import Augmentation, DataSet, Split, image_scaling, standardisation


class Indexed(Protocol):
    """What a map-style torch Dataset offers: its length, and (input, label) of an index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_torch(
    train: Indexed,
    test: Indexed,
    validation: Indexed | None = None,
    *,
    name: str = "own",
    classes: Sequence[str] | None = None,
    dimensions: Literal[1, 2] | None = None,
    augment: Augmentation | None = None,
    validation_share: float = 0.1,
) -> DataSet:
    """Reads everything into memory, once: give Datasets without random transforms.

    An image is a tensor [height, width] or [channels, height, width], uint8 or float 0 to 1 (as
    torchvision's ToTensor makes it; kept as 8 bits). A window is a float tensor [channels, samples]
    or [channels, 1, samples], in any unit.

    Args:
        validation: by default the last `validation_share` of each class of `train`.
        classes: names; by default `train.classes`, or the numbers of the labels.
        dimensions: 1 for windows, 2 for images; by default 1 for float tensors [channels, samples]
            and [channels, 1, samples].
        augment: by default small shifts for images; shifts, gains and noise for windows.

    Raises:
        NasError: samples that are no such tensors or don't have one shape, or what `check` refuses.
    """
    if not 0 < validation_share < 1:
        raise NasError(f"{name}: validation share {validation_share}; give one between 0 and 1")
    known, tested = _read(train, name, "train"), _read(test, name, "test")
    held = None if validation is None else _read(validation, name, "validation")
    if dimensions is None:
        shape = known[0].shape[1:]
        flat = len(shape) == 2 or (len(shape) == 3 and shape[1] == 1)
        dimensions = 1 if flat and known[0].dtype.kind == "f" else 2
    convert = _windows if dimensions == 1 else _images

    def split(raw: tuple[np.ndarray, np.ndarray], part: str) -> Split:
        return Split(convert(raw[0], f"{name}: {part} split"), raw[1])

    everything = split(known, "train")
    if held is None:
        fitted, kept = _held_out(everything, validation_share)
    else:
        fitted, kept = everything, split(held, "validation")
    if classes is None:
        classes = getattr(train, "classes", None) or [
            str(label) for label in range(int(known[1].max()) + 1)
        ]
    channels = fitted.inputs.shape[1]
    if dimensions == 1:
        offset, divisor = standardisation(fitted.inputs)
        usual = Augmentation("windows", shift=0.1, scaling=0.1, jitter=0.05)
    else:
        offset, divisor = image_scaling(channels)
        usual = Augmentation("images", shift=1 / 14)
    data = DataSet(
        name=name,
        train=fitted,
        validation=kept,
        test=split(tested, "test"),
        classes=tuple(map(str, classes)),
        dimensions=dimensions,
        offset=offset,
        divisor=divisor,
        augment=usual if augment is None else augment,
    )
    check(data)
    return data


def _read(samples: Indexed, name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """All inputs [n, ...] and labels int64 [n]."""
    inputs: list[np.ndarray] = []
    labels: list[int] = []
    # Not by iteration: a Dataset without __iter__ would go on until it raises IndexError.
    for index in range(len(samples)):
        where = f"{name}: sample {index} of the {part} split"
        try:
            value, label = samples[index]
            array = np.asarray(value)
            labels.append(_label(label))
        # A tensor of several labels is a RuntimeError.
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise NasError(f"{where} is not a (tensor, int) pair ({reason})") from error
        if array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
            raise NasError(f"{where} is of type {array.dtype}; give a uint8 or float tensor")
        if type(value).__module__.startswith("PIL."):
            raise NasError(f"{where} is a Pillow image; give a tensor, as by PILToTensor()")
        if inputs and (array.shape != inputs[0].shape or array.dtype != inputs[0].dtype):
            raise NasError(
                f"{where} is {array.dtype} {array.shape}, the first {inputs[0].dtype} "
                f"{inputs[0].shape}; make them alike"
            )
        inputs.append(array)
    if not inputs:
        raise NasError(f"{name}: {part} split is empty; give it samples of every class")
    return np.stack(inputs), np.asarray(labels, np.int64)


def _label(label: Any) -> int:
    """A number without a fraction; one-hot labels and names are refused."""
    number = label.item() if hasattr(label, "item") else label
    if isinstance(number, bool | int) or (isinstance(number, float) and number.is_integer()):
        return int(number)
    raise TypeError(f"label {number!r}")


def _images(inputs: np.ndarray, where: str) -> np.ndarray:
    if inputs.ndim == 3:
        inputs = inputs[:, None]
    if inputs.dtype == np.uint8:
        return inputs
    low, high = inputs.min(), inputs.max()
    # Not within 0..1 is also what NaN is.
    if not (low >= 0 and high <= 1):
        raise NasError(
            f"{where} has pixels from {low} to {high}; give uint8, or float 0 to 1 without "
            "Normalize()"
        )
    return np.rint(inputs * 255).astype(np.uint8)


def _windows(inputs: np.ndarray, where: str) -> np.ndarray:
    if inputs.ndim == 3:
        inputs = inputs[:, :, None]
    return inputs.astype(np.float32)


def _held_out(split: Split, share: float) -> tuple[Split, Split]:
    """The split without the last samples of each class, and these."""
    kept = np.zeros(len(split), bool)
    for label in np.unique(split.labels):
        members = np.flatnonzero(split.labels == label)
        kept[members[-max(1, round(share * len(members))) :]] = True
    return (
        Split(split.inputs[~kept], split.labels[~kept]),
        Split(split.inputs[kept], split.labels[kept]),
    )
