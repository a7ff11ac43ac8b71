# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph as its checks look at it: constants, shapes, and who makes and reads what."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import ModelError

MAX_ELEMENTS = 1 << 28
_MOVES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "MaxPool")


class Unsupported(Exception):
    pass


class UnknownShape(Unsupported):
    """Behind an operator of the user's own, whose shapes only its converter knows."""


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise Unsupported(reason)


@dataclass
class Graph:
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    producers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    consumers: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)

    def rank(self, name: str) -> int:
        if name not in self.shapes:
            raise UnknownShape("its input has no known shape")
        return len(self.shapes[name])

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray | None:
        """The constant input of this position, None where it is left out."""
        if index >= len(node.input) or not node.input[index]:
            return None
        require(node.input[index] in self.constants, f"its {what} isn't constant")
        return self.constants[node.input[index]]

    def required(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray:
        found = self.constant(node, index, what)
        if found is None:
            raise Unsupported(f"its {what} is missing")
        return found

    def from_dequantize(self, name: str) -> bool:
        producer = self.producers.get(name)
        while producer is not None and producer.op_type in _MOVES:
            producer = self.producers.get(producer.input[0])
        return producer is not None and producer.op_type == "DequantizeLinear"

    def constant_dequantize(self, name: str) -> bool:
        producer = self.producers.get(name)
        while producer is not None and producer.op_type in ("Reshape", "Transpose"):
            producer = self.producers.get(producer.input[0])
        return (
            producer is not None
            and producer.op_type == "DequantizeLinear"
            and producer.input[0] in self.constants
        )


def graph_of(proto: onnx.GraphProto) -> Graph:
    constants: dict[str, np.ndarray] = {}
    for tensor in proto.initializer:
        constants[tensor.name] = _array(tensor)
    for node in proto.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = _array(attribute.t)
                elif attribute.name in ("value_float", "value_floats"):
                    value = helper.get_attribute_value(attribute)
                    constants[node.output[0]] = np.array(value, np.float32)
                elif attribute.name in ("value_int", "value_ints"):
                    value = helper.get_attribute_value(attribute)
                    constants[node.output[0]] = np.array(value, np.int64)
    shapes = {name: value.shape for name, value in constants.items()}
    for info in [*proto.value_info, *proto.input, *proto.output]:
        tensor_type = info.type.tensor_type
        if tensor_type.HasField("shape"):
            sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor_type.shape.dim]
            if all(size > 0 for size in sizes):
                shapes.setdefault(info.name, tuple(sizes))
    graph = Graph(constants, shapes)
    for node in proto.node:
        for name in node.output:
            graph.producers[name] = node
        for name in node.input:
            graph.consumers.setdefault(name, []).append(node)
    for name, shape in shapes.items():
        if len(shape) > 8 or int(np.prod(shape, dtype=np.float64)) > MAX_ELEMENTS:
            raise ModelError(f"tensor '{name}' has shape {shape}; too large for a microcontroller")
    return graph


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    if np.prod(tensor.dims, dtype=np.float64) > MAX_ELEMENTS or min(tensor.dims, default=1) < 0:
        raise ModelError(f"constant '{tensor.name}' has shape {list(tensor.dims)}; it is damaged")
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelError(f"constant '{tensor.name}' is damaged; export the model again") from error
