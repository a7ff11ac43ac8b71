# SPDX-License-Identifier: Apache-2.0
"""Shapes that the user gives to inputs which have none in the model file."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence

from ..errors import ModelError, TinyEngineError

InputShapes = Mapping[str, Sequence[int]]
Dimension = int | str | None
"""As a file states it: a size, a symbol, or nothing."""

_ITEM = re.compile(r"\s*,?\s*(?P<name>[^\s,\[\]][^\[\]]*?)\s*:\s*\[(?P<sizes>[^\[\]]*)\]\s*")


def parse_input_shapes(text: str) -> dict[str, tuple[int, ...]]:
    """Shapes by name of 'image:[1,3,96,96]'; several stand one after the other.

    Raises:
        TinyEngineError: the text isn't written so, or names an input twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    position = 0
    while position < len(text) or not shapes:
        found = _ITEM.match(text, position)
        sizes = found["sizes"].split(",") if found else []
        if found is None or not all(re.fullmatch(r"\s*-?\d+\s*", size) for size in sizes):
            raise TinyEngineError(
                f"input shapes '{text}'; write NAME:[SIZE,SIZE,...], as in \"data:[1,96,96,3]\""
            )
        if found["name"] in shapes:
            raise TinyEngineError(f"input '{found['name']}' is given two shapes; give one")
        shapes[found["name"]] = tuple(map(int, sizes))
        position = found.end()
    return shapes


def hint(name: str, dimensions: Sequence[Dimension] | None) -> str:
    """What to do about an input without a fixed shape, for an error message."""
    written = ["..."] if dimensions is None else [_written(d) for d in dimensions]
    free = list(dict.fromkeys(d for d in written if not d.isdigit()))
    numbers = f" with numbers for {', '.join(free)}" if free else ""
    return (
        f'give it one, --input-shapes "{name}:[{",".join(written)}]"{numbers}, or export the model '
        "with fixed shapes"
    )


def _written(dimension: Dimension) -> str:
    return str(dimension or "?")


def checked_shapes(
    stated: Mapping[str, Sequence[Dimension] | None], wanted: InputShapes
) -> dict[str, tuple[int, ...]]:
    """The shapes wanted, after a look at what the file states of its inputs.

    Raises:
        TinyEngineError: there is no such input; a size isn't positive; the rank or a fixed size is
            another in the file.
    """
    shapes = {}
    for name, sizes in wanted.items():
        if name not in stated:
            raise TinyEngineError(
                f"the model has no input '{name}'; its inputs are: {', '.join(stated)}"
            )
        try:
            shape = tuple(operator.index(size) for size in sizes)
        except TypeError:
            raise TinyEngineError(f"input '{name}': a shape is a list of whole numbers") from None
        wrong = next((size for size in shape if size < 1), None)
        if wrong is not None:
            raise TinyEngineError(f"input '{name}' can't have size {wrong}; give positive numbers")
        own = stated[name]
        fits = own is None or (
            len(own) == len(shape)
            and all(a == b for a, b in zip(own, shape, strict=True) if isinstance(a, int))
        )
        if own is not None and not fits:
            model = ", ".join(_written(d) for d in own)
            raise TinyEngineError(
                f"input '{name}' is [{model}] in the model, which {list(shape)} doesn't fit"
            )
        shapes[name] = shape
    return shapes


def check_against_tflite(
    stated: Mapping[str, tuple[Sequence[int], Sequence[int]]], wanted: InputShapes
) -> frozenset[str]:
    """Names of the inputs whose shape in a TFLite file is confirmed.

    Args:
        stated: shape and signature by input; -1 in the signature is a free size.

    Raises:
        TinyEngineError: as `checked_shapes`; or the shape isn't that in the file, where the shapes
            of all other tensors belong to it.
    """
    signatures = {
        name: [None if size < 0 else size for size in signature or shape]
        for name, (shape, signature) in stated.items()
    }
    shapes = checked_shapes(signatures, wanted)
    for name, shape in shapes.items():
        own = tuple(stated[name][0])
        if own != shape:
            raise ModelError(
                f"input '{name}' is {list(shape)} here, but the file holds the shapes of all its "
                f"tensors for {list(own)}; convert the model again with the shape you want"
            )
    return frozenset(shapes)
