# SPDX-License-Identifier: Apache-2.0
"""Structural check of a TFLite flatbuffer.

The generated flatbuffer readers follow offsets without looking where they lead: on a damaged file
they raise anything, read garbage or loop for hours. So before any reader sees the file, each table,
vector and string that they will follow is checked to lie inside the file, and what indexes what to
be in range.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from ..errors import ModelError

MAX_ELEMENTS = 1 << 28
"""Elements of one tensor; far above any microcontroller, far below what could exhaust the host."""

_SIZES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 15: 4, 16: 2}
"""TensorType -> bytes per element, for the types a model of ours may hold."""

_NUMBERS = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "q": 8, "f": 4}


class _Damaged(Exception):
    pass


class _Buffer:
    """Bounds-checked little-endian reads."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: str, position: int) -> int:
        if position < 0 or position + _NUMBERS[kind] > len(self.data):
            raise _Damaged("an offset leads out of the file")
        return int(struct.unpack_from("<" + kind, self.data, position)[0])

    def follow(self, position: int) -> int:
        offset = self.number("I", position)
        if offset < 4:
            raise _Damaged("an offset leads nowhere")
        return position + offset


class _Table:
    """A flatbuffer table; fields are counted from 0 as in the schema."""

    def __init__(self, buffer: _Buffer, position: int) -> None:
        self.buffer, self.position = buffer, position
        self.vtable = position - buffer.number("i", position)
        self.length = buffer.number("H", self.vtable)
        size = buffer.number("H", self.vtable + 2)
        if self.length < 4 or self.length % 2 or self.vtable + self.length > len(buffer.data):
            raise _Damaged("a table has no valid layout")
        if size < 4 or position + size > len(buffer.data):
            raise _Damaged("a table reaches beyond the file")
        self.size = size

    def where(self, field: int, width: int) -> int | None:
        entry = 4 + 2 * field
        offset = self.buffer.number("H", self.vtable + entry) if entry < self.length else 0
        if offset == 0:
            return None
        if offset < 4 or offset + width > self.size:
            raise _Damaged("a field lies outside of its table")
        return self.position + offset

    def number(self, field: int, kind: str, default: int = 0) -> int:
        position = self.where(field, _NUMBERS[kind])
        return default if position is None else self.buffer.number(kind, position)

    def table(self, field: int) -> _Table | None:
        position = self.where(field, 4)
        return None if position is None else _Table(self.buffer, self.buffer.follow(position))

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Position of the first element and their count; (0, 0) when the field is absent."""
        position = self.where(field, 4)
        if position is None:
            return 0, 0
        start = self.buffer.follow(position)
        count = self.buffer.number("I", start)
        if start + 4 + count * width > len(self.buffer.data):
            raise _Damaged("a vector reaches beyond the file")
        return start + 4, count

    def array(self, field: int, dtype: str) -> np.ndarray:
        kind = np.dtype(dtype).newbyteorder("<")
        start, count = self.vector(field, kind.itemsize)
        return np.frombuffer(self.buffer.data, kind, count, start)

    def tables(self, field: int) -> Iterator[_Table]:
        start, count = self.vector(field, 4)
        for index in range(count):
            position = start + 4 * index
            yield _Table(self.buffer, self.buffer.follow(position))

    def text(self, field: int) -> str:
        start, count = self.vector(field, 1)
        return self.buffer.data[start : start + count].decode("utf-8")


def check_structure(data: bytes) -> None:
    """Checks everything that the importer will read.

    Raises:
        ModelError: says what is wrong with the file.
    """
    try:
        if len(data) < 16 or data[4:8] != b"TFL3":
            raise _Damaged("the mark TFL3 is missing")
        buffer = _Buffer(data)
        _check_model(_Table(buffer, buffer.follow(0)))
    except _Damaged as error:
        raise ModelError(f"not a valid TFLite file: {error}; export the model again") from error
    except UnicodeDecodeError as error:
        raise ModelError(
            "not a valid TFLite file: a name isn't UTF-8; export the model again"
        ) from error


def _check_model(model: _Table) -> None:
    if model.number(0, "I") != 3:
        raise _Damaged(f"schema version {model.number(0, 'I')}, not 3")
    codes = list(model.tables(1))
    for code in codes:
        code.number(0, "b")
        code.text(1)
        code.number(2, "i", 1)
        code.number(3, "i")
    graphs = list(model.tables(2))
    if len(graphs) != 1:
        raise ModelError(
            f"the model has {len(graphs)} subgraphs; control flow isn't supported, export one graph"
        )
    buffers = []
    for content in model.tables(4):
        if content.number(1, "q") or content.number(2, "q"):
            raise _Damaged("a buffer outside of the flatbuffer")
        buffers.append(content.vector(0, 1)[1])
    _check_graph(graphs[0], len(codes), buffers)


def _check_graph(graph: _Table, codes: int, buffers: list[int]) -> None:
    names: set[str] = set()
    constant = []
    for tensor in graph.tables(0):
        name = tensor.text(3)
        if not name or name in names:
            raise _Damaged(f"two tensors are named '{name}'" if name else "a tensor has no name")
        names.add(name)
        constant.append(_check_tensor(tensor, name, buffers))
    count = len(constant)
    inputs, outputs = graph.array(1, "i4"), graph.array(2, "i4")
    for indices in (inputs, outputs):
        if indices.size == 0:
            raise _Damaged("the model has no input or no output")
        if np.any(indices < 0) or np.any(indices >= count) or len(set(indices)) != len(indices):
            raise _Damaged("inputs or outputs name tensors that don't exist")
    ready = {int(i) for i in inputs}
    if any(constant[i] for i in ready):
        raise _Damaged("an input of the model has constant data")
    ready |= {i for i in range(count) if constant[i]}
    for operator in graph.tables(3):
        if operator.number(0, "I") >= codes:
            raise _Damaged("an operator of unknown kind")
        _check_options(operator)
        reads, writes = operator.array(1, "i4"), operator.array(2, "i4")
        for index in reads:
            if index != -1 and (index < 0 or index >= count or int(index) not in ready):
                raise _Damaged("an operator reads a tensor that isn't computed before it")
        for index in writes:
            if index < 0 or index >= count or int(index) in ready:
                raise _Damaged("an operator writes a tensor that exists already")
            ready.add(int(index))
    if not {int(i) for i in outputs} <= ready:
        raise _Damaged("an output of the model is never computed")


def _check_tensor(tensor: _Table, name: str, buffers: list[int]) -> bool:
    """Checks one tensor and tells whether it is constant."""
    shape = tensor.array(0, "i4").astype(np.int64)
    tensor.array(7, "i4")
    elements = 1
    for size in shape:
        if size < 0:
            raise ModelError(
                f"tensor '{name}' has a dynamic shape; export the model with fixed shapes"
            )
        if size == 0:
            raise _Damaged(f"tensor '{name}' is empty")
        elements *= int(size)
        if elements > MAX_ELEMENTS:
            raise _Damaged(f"tensor '{name}' has more than {MAX_ELEMENTS} elements")
    if len(shape) > 8:
        raise _Damaged(f"tensor '{name}' has {len(shape)} dimensions")
    kind = tensor.number(1, "b")
    index = tensor.number(2, "I")
    if index >= len(buffers):
        raise _Damaged(f"tensor '{name}' has no buffer")
    if tensor.number(5, "B") or tensor.table(6) is not None:
        raise ModelError(f"tensor '{name}' is sparse or a variable; export a plain int8 model")
    if buffers[index] and (kind not in _SIZES or buffers[index] != elements * _SIZES[kind]):
        raise _Damaged(f"the data of tensor '{name}' doesn't fit its shape")
    _check_quantisation(tensor, name, shape)
    return buffers[index] > 0


def _check_quantisation(tensor: _Table, name: str, shape: np.ndarray) -> None:
    parameters = tensor.table(4)
    if parameters is None:
        return
    scale, zero_point = parameters.array(2, "f4"), parameters.array(3, "i8")
    parameters.array(0, "f4")
    parameters.array(1, "f4")
    axis = parameters.number(6, "i")
    if parameters.number(4, "B"):
        raise ModelError(f"tensor '{name}' has a custom quantisation; export a plain int8 model")
    if scale.size != zero_point.size:
        raise _Damaged(f"tensor '{name}' has {scale.size} scales, {zero_point.size} zero points")
    if not (np.all(np.isfinite(scale)) and np.all(scale >= 0)):
        raise _Damaged(f"tensor '{name}' has a scale that is negative or not finite")
    if np.any(np.abs(zero_point) > 255):
        raise _Damaged(f"tensor '{name}' has a zero point beyond 8 bits")
    if scale.size > 1:
        if not 0 <= axis < len(shape) or shape[axis] != scale.size:
            raise _Damaged(f"tensor '{name}' has {scale.size} scales for other channels")
        if np.any(zero_point):
            raise _Damaged(f"tensor '{name}' has a zero point per channel")


def _check_options(operator: _Table) -> None:
    """The options' table and every scalar a reader may take from it."""
    kind = operator.number(3, "B")
    options = operator.table(4)
    operator.vector(5, 1)
    operator.number(6, "b")
    operator.vector(7, 1)
    operator.array(8, "i4")
    if (options is None) != (kind == 0):
        raise _Damaged("an operator's options don't fit their kind")
    if options is not None:
        for field, width in _OPTION_FIELDS.get(kind, {}).items():
            if width == 0:
                options.vector(field, 4)
            else:
                options.where(field, width)


_OPTION_FIELDS: dict[int, dict[int, int]] = {
    1: {0: 1, 1: 4, 2: 4, 3: 1, 4: 4, 5: 4, 6: 1},  # Conv2DOptions
    2: {0: 1, 1: 4, 2: 4, 3: 4, 4: 1, 5: 4, 6: 4},  # DepthwiseConv2DOptions
    5: {0: 1, 1: 4, 2: 4, 3: 4, 4: 4, 5: 1},  # Pool2DOptions
    8: {0: 1, 1: 1, 2: 1, 3: 1, 4: 1},  # FullyConnectedOptions
    9: {0: 4},  # SoftmaxOptions
    10: {0: 4, 1: 1},  # ConcatenationOptions
    11: {0: 1, 1: 1},  # AddOptions
    17: {0: 0},  # ReshapeOptions
    21: {0: 1},  # MulOptions
    27: {0: 1},  # ReducerOptions
    30: {0: 0},  # SqueezeOptions
    74: {0: 1, 1: 1},  # ResizeNearestNeighborOptions
}
"""BuiltinOptions -> field -> bytes of its scalar, 0 for a vector of int32."""
