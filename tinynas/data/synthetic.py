# SPDX-License-Identifier: Apache-2.0
"""Small made-up sets that a small network learns in seconds, the same on every machine.

For tests and for trying out commands. Whole-number arithmetic makes the patterns, so that no
library's rounding shows in them.
"""

from __future__ import annotations

import numpy as np

from ..errors import NasError
from .dataset import Augmentation, DataSet, Split, image_scaling, standardisation

STRIPES = ("horizontal", "vertical", "falling", "rising")
COLOURS = ("warm horizontal", "warm vertical", "cold horizontal", "cold vertical")
WAVES = ("square", "sawtooth", "pulses")


def load(samples: int = 480, size: int = 16, seed: int = 0) -> DataSet:
    """Grey images uint8 [n, 1, size, size] of noisy stripes in four directions."""
    return _images("synthetic", STRIPES, samples, size, seed)


def load_rgb(samples: int = 480, size: int = 16, seed: int = 0) -> DataSet:
    """RGB images uint8 [n, 3, size, size]: the class is the colour and the direction of stripes."""
    return _images("synthetic-rgb", COLOURS, samples, size, seed)


def load_1d(samples: int = 480, size: int = 64, seed: int = 0) -> DataSet:
    """Windows float32 [n, 2, 1, size] of noisy waves with three forms, in two phases."""
    random, labels = _labels(samples, size, seed, len(WAVES))
    period = random.integers(10, 17, (samples, 1, 1))
    # The second channel is a quarter of a period late.
    late = np.arange(2).reshape(1, 2, 1) * (period // 4)
    place = np.arange(size) + random.integers(0, 64, (samples, 1, 1)) + late
    phase = place % period
    square = np.where(2 * phase < period, 100, -100)
    sawtooth = 200 * phase // (period - 1) - 100
    pulses = np.where(phase < 2, 200, -20)
    clean = np.stack([square, sawtooth, pulses])[labels, np.arange(samples)]
    gain = random.integers(5, 16, (samples, 1, 1))
    noise = random.integers(-400, 401, clean.shape)
    values = ((clean * gain + noise) / 1000).astype(np.float32)[:, :, None, :]
    train, validation, test = _parts(values, labels)
    offset, divisor = standardisation(train.inputs)
    return DataSet(
        name="synthetic-1d",
        train=train,
        validation=validation,
        test=test,
        classes=WAVES,
        dimensions=1,
        augment=Augmentation("windows", shift=0.1, scaling=0.1, jitter=0.05),
        offset=offset,
        divisor=divisor,
    )


def _images(name: str, classes: tuple[str, ...], samples: int, size: int, seed: int) -> DataSet:
    random, labels = _labels(samples, size, seed, len(classes))
    row, column = np.mgrid[:size, :size]
    along = np.stack([row, column, row - column, row + column])
    colours = classes is COLOURS
    shape = (samples, 1, 1)
    place = along[labels % 2 if colours else labels] + random.integers(0, 32, shape)
    stripes = place // random.integers(2, 4, shape) % 2
    bright, dark = random.integers(120, 200, shape), random.integers(20, 90, shape)
    grey = np.where(stripes == 1, bright, dark)[:, None]
    if colours:
        # Red and blue trade places, so that neither brightness nor one channel tells the class.
        tint = np.where(labels < 2, 1, -1).reshape(-1, 1, 1, 1) * 30
        grey = grey + tint * np.array([1, 0, -1]).reshape(1, 3, 1, 1)
    noisy = grey + random.integers(-40, 41, grey.shape)
    train, validation, test = _parts(np.clip(noisy, 0, 255).astype(np.uint8), labels)
    offset, divisor = image_scaling(grey.shape[1])
    return DataSet(
        name=name,
        train=train,
        validation=validation,
        test=test,
        classes=classes,
        dimensions=2,
        augment=Augmentation("images", shift=1 / 16),
        offset=offset,
        divisor=divisor,
    )


def _labels(
    samples: int, size: int, seed: int, classes: int
) -> tuple[np.random.Generator, np.ndarray]:
    """The generator, and labels 0, 1, .. in turn."""
    if samples < 4 * classes or size < 8:
        raise NasError(
            f"synthetic data of {samples} samples of size {size}; give at least {4 * classes} "
            "samples of size 8"
        )
    return np.random.default_rng(seed), np.arange(samples) % classes


def _parts(inputs: np.ndarray, labels: np.ndarray) -> list[Split]:
    """Half for training, a quarter each for validation and test, every class in each."""
    ends = [len(labels) // 2, len(labels) * 3 // 4]
    return [
        Split(part, label)
        for part, label in zip(np.split(inputs, ends), np.split(labels, ends), strict=True)
    ]
