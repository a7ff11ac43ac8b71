# SPDX-License-Identifier: Apache-2.0
"""A .tflite file as other engines see it: its operators, and the file without its conversions."""

from __future__ import annotations

import math
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any

import tflite

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators whose second input holds weights."""
_INPUTS, _OUTPUTS, _OPERATORS = 6, 8, 10
"""Fields of a SubGraph in its table, by the schema."""
_WORD = 4
_KINDS = {
    value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)
}


@dataclass(frozen=True)
class Operator:
    """One operator: its name in the schema (CONV_2D), its number among its kind, and its MACs.

    int8: whether what it computes with, its first input, its weights and its output, is int8.
    """

    kind: str
    number: int
    macs: int
    int8: bool

    @property
    def name(self) -> str:
        return f"{self.kind.lower()}_{self.number}"


def operators(data: bytes) -> list[Operator]:
    """The operators of a model in the order of execution."""
    model = tflite.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    seen: Counter[str] = Counter()
    found = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        kind = _kind(model, operator)
        macs = _macs(graph, operator, kind)
        found.append(Operator(kind, seen[kind], macs, _is_int8(graph, operator, kind)))
        seen[kind] += 1
    return found


def without_conversions(data: bytes) -> bytes:
    """The model without the QUANTIZE of each input and the DEQUANTIZE of each output that it has.

    Its inputs and outputs are then the stored values. The file keeps its size: the tables of the
    operators stay in it, unused.
    """
    changed = bytearray(data)
    model = tflite.Model.GetRootAs(changed, 0)
    graph = model.Subgraphs(0)
    for field, kind, other in ((_INPUTS, "QUANTIZE", 1), (_OUTPUTS, "DEQUANTIZE", 0)):
        begin = graph._tab.Vector(graph._tab.Offset(field))
        ends = graph.InputsAsNumpy() if field == _INPUTS else graph.OutputsAsNumpy()
        for position, tensor in enumerate(ends.tolist()):
            index = _only_conversion(model, graph, tensor, kind, field == _INPUTS)
            if index is None:
                continue
            operator = graph.Operators(index)
            new = int(operator.Outputs(0) if other else operator.Inputs(0))
            struct.pack_into("<i", changed, begin + _WORD * position, new)
            _remove(changed, graph, index)
    return bytes(changed)


def _only_conversion(model: Any, graph: Any, tensor: int, kind: str, is_input: bool) -> int | None:
    """The operator that converts a float input or output, if nothing else touches that tensor."""
    if graph.Tensors(tensor).Type() != tflite.TensorType.FLOAT32:
        return None
    touching = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        around = operator.InputsAsNumpy() if is_input else operator.OutputsAsNumpy()
        if tensor in around.tolist():
            touching.append(index)
    if len(touching) == 1 and _kind(model, graph.Operators(touching[0])) == kind:
        return touching[0]
    return None


def _remove(changed: bytearray, graph: Any, index: int) -> None:
    begin = graph._tab.Vector(graph._tab.Offset(_OPERATORS))
    length = graph.OperatorsLength()
    for slot in range(index, length - 1):
        (offset,) = struct.unpack_from("<I", changed, begin + _WORD * (slot + 1))
        # An offset counts from where it stands, and this one moves a word down.
        struct.pack_into("<I", changed, begin + _WORD * slot, offset + _WORD)
    struct.pack_into("<I", changed, begin - _WORD, length - 1)


def _kind(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files of old writers hold small codes in the other field alone.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return _KINDS.get(number, f"operator {number}")


def _is_int8(graph: Any, operator: Any, kind: str) -> bool:
    tensors = [operator.Inputs(0), operator.Outputs(0)]
    tensors += [operator.Inputs(1)] if kind in WEIGHTED else []
    return all(graph.Tensors(t).Type() == tflite.TensorType.INT8 for t in tensors)


def _macs(graph: Any, operator: Any, kind: str) -> int:
    if kind not in WEIGHTED:
        return 0
    result = graph.Tensors(operator.Outputs(0)).ShapeAsNumpy().tolist()
    weight = graph.Tensors(operator.Inputs(1)).ShapeAsNumpy().tolist()
    each = weight[1:3] if kind == "DEPTHWISE_CONV_2D" else weight[1:]
    return math.prod(result) * math.prod(each)
