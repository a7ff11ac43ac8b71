# SPDX-License-Identifier: Apache-2.0
"""Users' own images: a folder per class.

Either DIR/<class>/<image>, which is split here, or DIR/{train,validation,test}/<class>/<image>;
without a folder for validation, a part of the training images is taken. Needs Pillow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NasError
from .dataset import Augmentation, DataSet, Split, image_scaling
from .resample import resampled

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# Fewer of a class can't be parted into three splits that say anything.
LEAST = 10
GREY_MODES = ("1", "L", "LA")


def load(
    path: Path | None = None,
    resolution: int = 96,
    channels: int | None = None,
    mirror: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
) -> DataSet:
    """The images of a folder, cut to a square in their middle and resized.

    Args:
        path: the folder; its classes are its folders' names in alphabetical order.
        resolution: height and width of the network's input.
        channels: 1 for grey, 3 for RGB; by default 1 where all images are grey.
        mirror: whether an image's mirror image is of the same class; used in training.
        validation, test: shares of each class where the folder isn't split already. Which images
            they are follows from their paths alone: adding images moves few of the others.

    Raises:
        NasError: the folder is missing or empty, a class has too few images, an image can't be
            read, or an option is out of range.
    """
    if path is None:
        raise NasError("the task folder needs the path of a folder with a folder per class")
    if not path.is_dir():
        raise NasError(f"{path} is not a folder; give one with a folder of images per class")
    if resolution < 1 or channels not in (None, 1, 3):
        raise NasError(
            f"images of {resolution} x {resolution} with {channels} channels; give a positive "
            "resolution, and 1 or 3 channels"
        )
    if min(validation, test) <= 0 or validation + test >= 1:
        raise NasError(
            f"shares of {validation} for validation and {test} for the test; give positive ones "
            "that leave something to train on"
        )
    parts, classes = _files(path, validation, test)
    if channels is None:
        channels = 1 if _are_grey(file for part in parts for files in part for file in files) else 3
    train, held, tested = (_split(part, resolution, channels) for part in parts)
    offset, divisor = image_scaling(channels)
    return DataSet(
        name=path.resolve().name,
        train=train,
        validation=held,
        test=tested,
        classes=tuple(classes),
        dimensions=2,
        offset=offset,
        divisor=divisor,
        augment=Augmentation("images", shift=1 / 14, mirror=mirror),
    )


# Files of each class in order.
_Part = list[list[Path]]


def _files(root: Path, validation: float, test: float) -> tuple[list[_Part], list[str]]:
    """The files of the three splits, and the names of the classes."""
    given = {folder.name for folder in _folders(root)}
    if not {"train", "test"} <= given:
        classes = _classes(root)
        every = [_images(root / name) for name in classes]
        for name, files in zip(classes, every, strict=True):
            if len(files) < LEAST:
                raise NasError(
                    f"class {name!r} in {root} has {len(files)} image(s) ({', '.join(SUFFIXES)}); "
                    f"give at least {LEAST}"
                )
        drawn = [_drawn(root, files, (test, validation)) for files in every]
        return [[parts[index] for parts in drawn] for index in (2, 1, 0)], classes
    classes = _classes(root / "train")
    names = ["train", "test"] + (["validation"] if "validation" in given else [])
    parts = {}
    for name in names:
        unknown = sorted(set(_classes(root / name)) - set(classes))
        if unknown:
            raise NasError(
                f"{root / name} has class {unknown[0]!r}, which {root / 'train'} hasn't; add its "
                "images there, or remove it"
            )
        parts[name] = [_images(root / name / label) for label in classes]
        for label, files in zip(classes, parts[name], strict=True):
            if not files:
                raise NasError(
                    f"{root / name} has no image of class {label!r}; add some, or leave the class "
                    "out of all splits"
                )
    if "validation" not in given:
        for label, files in zip(classes, parts["train"], strict=True):
            if len(files) < LEAST:
                raise NasError(
                    f"class {label!r} in {root / 'train'} has {len(files)} image(s), too few to "
                    f"take some for validation; give at least {LEAST}, or {root / 'validation'}"
                )
        drawn = [_drawn(root, files, (validation,)) for files in parts["train"]]
        parts["validation"] = [files for files, _ in drawn]
        parts["train"] = [files for _, files in drawn]
    return [parts["train"], parts["validation"], parts["test"]], classes


def _folders(root: Path) -> list[Path]:
    return sorted(
        entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def _classes(root: Path) -> list[str]:
    names = [folder.name for folder in _folders(root)]
    if len(names) < 2:
        raise NasError(f"{root} has {len(names)} folder(s); give a folder of images per class")
    return names


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
    )


def _drawn(root: Path, files: Sequence[Path], shares: Sequence[float]) -> list[list[Path]]:
    """A part of each share, at least one file, and then the rest; each in alphabetical order."""

    def rank(file: Path) -> bytes:
        return hashlib.sha256(file.relative_to(root).as_posix().encode()).digest()

    ranked, parts = sorted(files, key=rank), []
    for share in shares:
        count = max(1, round(share * len(files)))
        parts.append(sorted(ranked[:count]))
        ranked = ranked[count:]
    return [*parts, sorted(ranked)]


def _pillow() -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise NasError(
            "reading images needs Pillow; install it with `pip install 'tinyengine-tvm[nas]'`"
        ) from error
    return Image, ImageOps


def _are_grey(files: Iterable[Path]) -> bool:
    return all(_open(file, lambda image: image.mode in GREY_MODES) for file in files)


def _open(file: Path, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of the opened image."""
    library, _ = _pillow()
    try:
        with library.open(file) as image:
            return use(image)
    # A damaged file makes decoders raise nearly anything.
    except (OSError, ValueError, SyntaxError, EOFError, library.DecompressionBombError) as error:
        reason = str(error).partition("\n")[0]
        raise NasError(f"{file} can't be read ({reason}); repair or remove it") from error


def _pixels(file: Path, resolution: int, channels: int) -> np.ndarray:
    """uint8 [channels, resolution, resolution]: the middle of the image, upright as the camera."""
    _, operations = _pillow()

    def decoded(image: Any) -> np.ndarray:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"mode {image.mode} has more than 8 bits a channel; convert it")
        upright = operations.exif_transpose(image)
        return np.asarray(upright.convert("L" if channels == 1 else "RGB"))

    values = _open(file, decoded)
    height, width = values.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = values[top : top + side, left : left + side].reshape(side, side, channels)
    return resampled(square.transpose(2, 0, 1)[None], (resolution, resolution))[0]


def _split(part: _Part, resolution: int, channels: int) -> Split:
    labels = [label for label, files in enumerate(part) for _ in files]
    inputs = np.empty((len(labels), channels, resolution, resolution), np.uint8)
    for index, file in enumerate(file for files in part for file in files):
        inputs[index] = _pixels(file, resolution, channels)
    return Split(inputs, np.asarray(labels, np.int64))
