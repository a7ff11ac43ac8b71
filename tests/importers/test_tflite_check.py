# SPDX-License-Identifier: Apache-2.0
"""The structural check of a flatbuffer finds each kind of damage, and passes sound files."""

from __future__ import annotations

import struct

import pytest
import tflite

from tests.networks import small_network
from tests.tflite_models import write_tflite
from tinyengine_tvm.errors import ModelError
from tinyengine_tvm.importers.tflite_check import check_structure

MODEL = write_tflite(small_network())


def graph(data):
    return tflite.Model.GetRootAs(data, 0).Subgraphs(0)


def field(table, number: int) -> int:
    """Position in the file of a field of a table."""
    raw = table._tab
    offset = raw.Offset(4 + 2 * number)
    assert offset
    return raw.Pos + offset


def entry(table, number: int) -> int:
    """Position of a field's entry in the table's vtable."""
    raw = table._tab
    return raw.Pos - struct.unpack_from("<i", raw.Bytes, raw.Pos)[0] + 4 + 2 * number


def vector(table, number: int) -> int:
    """Position of a vector's count."""
    at = field(table, number)
    return at + struct.unpack_from("<I", table._tab.Bytes, at)[0]


def weights(data):
    """The tensor of the first convolution's weights."""
    return graph(data).Tensors(graph(data).Operators(0).Inputs(1))


def operator(data):
    return graph(data).Operators(0)


DAMAGE = {
    "vector that leaves the file": (
        lambda d: vector(weights(d), 0),
        "I",
        1 << 30,
        "a vector reaches beyond the file",
    ),
    "offset that leaves the file": (
        lambda d: field(graph(d), 0),
        "I",
        1 << 30,
        "an offset leads out of the file",
    ),
    "offset to itself": (lambda d: field(graph(d), 3), "I", 0, "an offset leads nowhere"),
    "field beyond its table": (
        lambda d: entry(weights(d), 2),
        "H",
        4000,
        "a field lies outside of its table",
    ),
    "vtable that leaves the file": (
        lambda d: weights(d)._tab.Pos,
        "i",
        -(1 << 30),
        "an offset leads out of the file",
    ),
    "shape that doesn't fit the data": (
        lambda d: vector(weights(d), 0) + 4,
        "i",
        7,
        "doesn't fit its shape",
    ),
    "huge shape": (lambda d: vector(graph(d).Tensors(0), 0) + 8, "i", 1 << 30, "more than"),
    "negative size": (lambda d: vector(weights(d), 0) + 4, "i", -1, "dynamic shape"),
    "empty tensor": (lambda d: vector(weights(d), 0) + 4, "i", 0, "is empty"),
    "buffer that isn't there": (lambda d: field(weights(d), 2), "I", 999, "has no buffer"),
    "operator of unknown kind": (
        lambda d: field(graph(d).Operators(3), 0),
        "I",
        99,
        "an operator of unknown kind",
    ),
    "tensor index out of range": (
        lambda d: vector(operator(d), 1) + 4,
        "i",
        99,
        "reads a tensor that isn't computed",
    ),
    "cycle": (lambda d: vector(operator(d), 1) + 4, "i", 2, "reads a tensor that isn't computed"),
    "output written twice": (
        lambda d: vector(graph(d).Operators(1), 2) + 4,
        "i",
        1,
        "writes a tensor that exists already",
    ),
    "fewer scales than channels": (
        lambda d: vector(weights(d).Quantization(), 2),
        "I",
        5,
        "5 scales, 6 zero points",
    ),
    "scale that isn't a number": (
        lambda d: vector(weights(d).Quantization(), 2) + 4,
        "f",
        float("nan"),
        "negative or not finite",
    ),
    "another schema": (
        lambda d: field(tflite.Model.GetRootAs(d, 0), 0),
        "I",
        4,
        "schema version 4, not 3",
    ),
}


def test_a_sound_file_passes():
    check_structure(MODEL)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(name):
    where, kind, value, message = DAMAGE[name]
    data = bytearray(MODEL)
    struct.pack_into("<" + kind, data, where(bytearray(MODEL)), value)
    with pytest.raises(ModelError, match=message):
        check_structure(bytes(data))


def test_every_truncation_is_found():
    """A flatbuffer is written back to front: its root needs what stands at the end."""
    for length in range(0, len(MODEL) - 8, 37):
        with pytest.raises(ModelError):
            check_structure(MODEL[:length])
