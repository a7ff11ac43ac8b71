# SPDX-License-Identifier: Apache-2.0
"""A data set as the search uses it: three splits, and how inputs become the network's input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import NasError
from .resample import resampled


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of one purpose.

    `inputs`: images uint8 [n, channels, height, width], or sensor windows float32
    [n, channels, 1, samples] in the sensor's own unit. `labels`: int64 [n], indices of the classes.
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def joined(parts: Sequence[Split]) -> Split:
    """One split of all the samples."""
    return Split(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training sample without changing its class; `augment.py` does it.

    Attributes:
        kind: images, windows of samples, or nothing at all.
        shift: the largest move in each direction, as a share of the height and width, or of the
            window's length.
        mirror: whether the mirror image is of the same class. Images only.
        erase: the probability that a rectangle is overwritten with noise. Images only.
        turn: standard deviation in degrees of the angle that the sensor is turned by; the channels
            are vectors of three. Windows only.
        stretch: standard deviation of the logarithm of the speed. Windows only.
        scaling: standard deviation of the factor of each channel. Windows only.
        jitter: standard deviation of added noise, in standard deviations of the channel. Windows
            only.
    """

    kind: Literal["none", "images", "windows"]
    shift: float = 0.0
    mirror: bool = False
    erase: float = 0.0
    turn: float = 0.0
    stretch: float = 0.0
    scaling: float = 0.0
    jitter: float = 0.0


@dataclass(frozen=True, eq=False)
class DataSet:
    """What a network is searched for.

    Training fits weights, validation makes every choice, and test is looked at once, at the end.

    Attributes:
        classes: names; a label is an index of this.
        dimensions: 2 for images, 1 for sensor windows.
        offset, divisor: per channel; the network's input is (value - offset) / divisor. They are
            part of the deployed program: 0 and 255 for images, the training split's mean and
            standard deviation for windows.
        augment: for training only.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    dimensions: Literal[1, 2]
    offset: tuple[float, ...]
    divisor: tuple[float, ...]
    augment: Augmentation = Augmentation("none")

    @property
    def input(self) -> tuple[int, int, int]:
        """(channels, height, width) of one sample; the height of a window is 1."""
        channels, height, width = self.train.inputs.shape[1:]
        return int(channels), int(height), int(width)

    def splits(self) -> Iterator[tuple[str, Split]]:
        """Each split with its name."""
        for name in ("train", "validation", "test"):
            yield name, getattr(self, name)

    def refitted(self) -> DataSet:
        """The data set when every choice is made: validation is trained on, too."""
        return replace(self, train=joined([self.train, self.validation]))

    def as_input(self, inputs: np.ndarray) -> np.ndarray:
        """The network's input, float32 NCHW, of samples of a split. Images are exactly pixel / 255.

        It's four times the memory of uint8 images: convert batches where that matters.
        """
        offset = np.asarray(self.offset, np.float32)[:, None, None]
        divisor = np.asarray(self.divisor, np.float32)[:, None, None]
        converted: np.ndarray = (inputs.astype(np.float32) - offset) / divisor
        return converted

    def resized(self, resolution: int) -> DataSet:
        """The data set with images of resolution x resolution, or windows of that many samples.

        A window of fewer samples spans the same time: it's what a slower sampling rate gives, the
        faster one averaged.

        Raises:
            NasError: the resolution isn't positive.
        """
        if resolution < 1:
            raise NasError(f"resolution {resolution} is not positive; give 1 or more")
        size = (1 if self.dimensions == 1 else resolution, resolution)
        if self.input[1:] == size:
            return self
        train, validation, test = (
            Split(resampled(split.inputs, size), split.labels) for _, split in self.splits()
        )
        return replace(self, train=train, validation=validation, test=test)


def image_scaling(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Offset and divisor of images: the network's input is pixel / 255."""
    return (0.0,) * channels, (255.0,) * channels


def standardisation(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of float32 [n, channels, height, width].

    A channel that never changes gets the divisor 1, and no samples 0 and 1: `check` refuses both.
    """
    if not inputs.size:
        return (0.0,) * inputs.shape[1], (1.0,) * inputs.shape[1]
    with np.errstate(all="ignore"):
        mean = inputs.mean(axis=(0, 2, 3), dtype=np.float64)
        deviation = inputs.std(axis=(0, 2, 3), dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1.0)
    # As float32, so that a device that holds these constants computes the same inputs.
    return (
        tuple(float(np.float32(m)) for m in mean),
        tuple(float(np.float32(d)) for d in deviation),
    )
