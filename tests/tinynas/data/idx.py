# SPDX-License-Identifier: Apache-2.0
"""Small files of the layout of Fashion-MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def write_folder(folder: Path, train: int = 60, test: int = 20) -> dict[str, np.ndarray]:
    """Images of noise and labels 0, 1, .. 9, 0, ..; gives what was written."""
    random = np.random.default_rng(5)
    written = {}
    for stem, count in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count) % 10
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels)
        written.update({f"{stem} images": images, f"{stem} labels": labels})
    return written
