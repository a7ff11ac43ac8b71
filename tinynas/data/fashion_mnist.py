# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST from the IDX files of the Debian package dataset-fashion-mnist.

Splits: the official test set is left alone until the end; validation images are the last
VALIDATION of the official training set, so every choice is made without looking at the test set.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from ..errors import NasError
from .dataset import Augmentation, DataSet, Split, image_scaling

FOLDER = Path("/usr/share/datasets/fashion-mnist")
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
# By up to two of the 28 pixels.
AUGMENTATION = Augmentation("images", shift=2 / 28, mirror=True)


def read_idx(path: Path) -> np.ndarray:
    """uint8 array of a gzipped IDX file.

    Raises:
        NasError: the file isn't gzip or IDX, or its length differs from what its header says.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise NasError(f"{path} can't be read ({error}); install the data set again") from error
    if raw[:3] != b"\x00\x00\x08" or len(raw) < 4 + 4 * raw[3]:
        raise NasError(f"{path} is not an IDX file of unsigned bytes; install the data set again")
    rank = raw[3]
    shape = tuple(int(d) for d in np.frombuffer(raw, ">u4", rank, 4))
    values = np.frombuffer(raw, np.uint8, -1, 4 + 4 * rank)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise NasError(
            f"{path} has {values.size} values where its header says {shape}; "
            "install the data set again"
        )
    return values.reshape(shape).copy()


def load(path: Path | None = None, validation: int = VALIDATION) -> DataSet:
    """The data set of the folder `path`, by default the Debian package's.

    Args:
        path: the folder of the four gzipped IDX files.
        validation: how many images at the end of the training set are for validation.

    Raises:
        NasError: the data set isn't there, or a file is damaged.
    """
    folder = FOLDER if path is None else path

    def read(stem: str) -> Split:
        names = (f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz")
        for name in names:
            if not (folder / name).is_file():
                raise NasError(
                    f"Fashion-MNIST: {folder / name} is not there; install it with `sudo apt-get "
                    "install dataset-fashion-mnist`, or give the folder of the IDX files"
                )
        images, labels = (read_idx(folder / name) for name in names)
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise NasError(
                f"Fashion-MNIST: {names[0]} {images.shape} and {names[1]} {labels.shape} don't "
                "belong together; install the data set again"
            )
        return Split(images[:, None], labels.astype(np.int64))

    known, test = read("train"), read("t10k")
    if not 0 < validation < len(known):
        raise NasError(
            f"Fashion-MNIST: {validation} images for validation of {len(known)} for training; "
            f"give 1 to {len(known) - 1}"
        )
    offset, divisor = image_scaling(1)
    return DataSet(
        name="fashion-mnist",
        train=Split(known.inputs[:-validation], known.labels[:-validation]),
        validation=Split(known.inputs[-validation:], known.labels[-validation:]),
        test=test,
        classes=CLASSES,
        dimensions=2,
        offset=offset,
        divisor=divisor,
        augment=AUGMENTATION,
    )
