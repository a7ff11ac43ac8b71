# SPDX-License-Identifier: Apache-2.0
"""Moves one transpose below one of its readers: a rule per kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..network import (
    Add,
    Clip,
    Concat,
    Dequantize,
    Layer,
    Lookup,
    Mean,
    Mul,
    Pad,
    Quantize,
    Requantize,
    Softmax,
    Transpose,
)
from .edit import Edit, inverse, moves_only_ones


def sink(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    """Lets `reader` work before the transpose; False when it can't.

    The reader's result gets a transpose of its own under the old name. The first transpose stays
    for other readers; nobody reads it otherwise, and it is dead.
    """
    rule = _RULES.get(type(reader))
    return rule is not None and rule(edit, transpose, reader)


def _moved(
    edit: Edit,
    reader: Layer,
    inputs: tuple[str, ...],
    shape: tuple[int, ...],
    permutation: tuple[int, ...],
    **fields: object,
) -> bool:
    """Puts the reader on `inputs`, with a result of `shape`, and a transpose behind it."""
    result = edit.tensors[reader.output]
    early = edit.new_tensor(reader.name, replace(result, shape=shape))
    behind = Transpose(edit.fresh("transpose"), (early.name,), reader.output, permutation)
    moved = replace(reader, inputs=inputs, output=early.name, **fields)  # type: ignore[arg-type]
    edit.put(reader, [moved, behind])
    return True


def _before(shape: tuple[int, ...], permutation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[p] for p in inverse(permutation))


def _elementwise(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    shape = edit.tensors[transpose.inputs[0]].shape
    return _moved(edit, reader, transpose.inputs, shape, transpose.permutation)


def _binary(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    permutation = transpose.permutation
    inputs = _untransposed(edit, transpose, reader)
    if inputs is None:
        return False
    shape = _before(edit.tensors[reader.output].shape, permutation)
    return _moved(edit, reader, inputs, shape, permutation)


def _concat(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    assert isinstance(reader, Concat)
    permutation = transpose.permutation
    inputs = _untransposed(edit, transpose, reader)
    if inputs is None:
        return False
    shape = _before(edit.tensors[reader.output].shape, permutation)
    return _moved(edit, reader, inputs, shape, permutation, axis=permutation[reader.axis])


def _untransposed(edit: Edit, transpose: Transpose, reader: Layer) -> tuple[str, ...] | None:
    """The reader's inputs in the order of axes before the transpose, None if that costs more.

    Another input may come from a transpose of the same kind; be constant; have its values in the
    same order either way; or exist in that order already.
    """
    permutation = transpose.permutation
    back = inverse(permutation)
    inputs: list[str] = []
    added: list[Layer] = []
    for name in reader.inputs:
        tensor, producer = edit.tensors[name], edit.producer(name)
        if len(tensor.shape) != len(permutation):
            return None
        if isinstance(producer, Transpose) and producer.permutation == permutation:
            inputs.append(producer.inputs[0])
        elif tensor.data is not None:
            data = tensor.data.transpose(back).copy()
            inputs.append(
                edit.new_tensor("constant", replace(tensor, shape=data.shape, data=data)).name
            )
        elif (twin := _twin(edit, reader, name, back)) and _dies(edit, transpose, reader):
            inputs.append(twin)
        elif moves_only_ones(tensor.shape, back) and not moves_only_ones(
            edit.tensors[transpose.inputs[0]].shape, permutation
        ):
            shape = tuple(tensor.shape[p] for p in back)
            moved = edit.new_tensor("transposed", replace(tensor, shape=shape))
            added.append(Transpose(edit.fresh("transpose"), (name,), moved.name, back))
            inputs.append(moved.name)
        else:
            return None
    for layer in added:
        edit.layers.insert(edit.position(reader), layer)
    return tuple(inputs)


def _twin(edit: Edit, reader: Layer, name: str, permutation: tuple[int, ...]) -> str | None:
    """A transpose of this tensor that runs before the reader anyway."""
    for layer in edit.layers[: edit.position(reader)]:
        same = isinstance(layer, Transpose) and layer.permutation == permutation
        if same and layer.inputs[0] == name:
            return layer.output
    return None


def _dies(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    """Whether the transpose is dead afterwards. Otherwise two twins could swap places for ever."""
    return edit.only_consumer(transpose.output) is reader


def _mean(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    assert isinstance(reader, Mean)
    permutation = transpose.permutation
    source = edit.tensors[transpose.inputs[0]].shape
    axes = tuple(permutation[axis] for axis in reader.axes)
    if edit.original.mode == "onnx" and list(axes) != sorted(axes):
        # The float32 sum would take its terms in another order and round differently.
        return False
    axes = tuple(sorted(axes))
    if len(edit.tensors[reader.output].shape) == len(source):
        shape = tuple(1 if i in axes else size for i, size in enumerate(source))
        return _moved(edit, reader, transpose.inputs, shape, permutation, axes=axes)
    kept = [axis for axis in range(len(source)) if axis not in axes]
    shape = tuple(source[axis] for axis in kept)
    remaining = tuple(kept.index(axis) for axis in permutation if axis not in axes)
    return _moved(edit, reader, transpose.inputs, shape, remaining, axes=axes)


def _pad(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    assert isinstance(reader, Pad)
    permutation = transpose.permutation
    shape = _before(edit.tensors[reader.output].shape, permutation)
    pads = tuple(reader.pads[p] for p in inverse(permutation))
    return _moved(edit, reader, transpose.inputs, shape, permutation, pads=pads)


def _softmax(edit: Edit, transpose: Transpose, reader: Layer) -> bool:
    last = len(transpose.permutation) - 1
    return transpose.permutation[last] == last and _elementwise(edit, transpose, reader)


_RULES: dict[type[Layer], Callable[[Edit, Transpose, Layer], bool]] = {
    Add: _binary,
    Clip: _elementwise,
    Concat: _concat,
    Dequantize: _elementwise,
    Lookup: _elementwise,
    Mean: _mean,
    Mul: _binary,
    Pad: _pad,
    Quantize: _elementwise,
    Requantize: _elementwise,
    Softmax: _softmax,
}
