# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST from the IDX files of the Debian package dataset-fashion-mnist.

Splits: the official test set is left alone until the end; validation images are the last
VALIDATION of the official training set, so every choice is made without looking at the test set.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
VALIDATION = 5000
CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_idx(path: Path) -> np.ndarray:
    """uint8 array of a gzipped IDX file.

    Raises:
        ValueError: the file isn't IDX, or its length differs from what its header says.
    """
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    rank = raw[3]
    shape = tuple(int(d) for d in np.frombuffer(raw, ">u4", rank, 4))
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * rank).reshape(shape).copy()


def load(folder: Path = DEFAULT_FOLDER) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 [n, 28, 28] and labels uint8 [n] of "train", "validation" and "test".

    Raises:
        FileNotFoundError: the data set isn't there.
    """
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    return {
        "train": (images[:-VALIDATION], labels[:-VALIDATION]),
        "validation": (images[-VALIDATION:], labels[-VALIDATION:]),
        "test": (
            read_idx(folder / "t10k-images-idx3-ubyte.gz"),
            read_idx(folder / "t10k-labels-idx1-ubyte.gz"),
        ),
    }


def as_input(images: np.ndarray) -> np.ndarray:
    """The network's input, float32 [n, 1, 28, 28] in 0..1, of uint8 images [n, 28, 28]."""
    return (images.astype(np.float32) / np.float32(255))[:, None]
