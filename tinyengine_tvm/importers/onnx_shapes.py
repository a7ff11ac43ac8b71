# SPDX-License-Identifier: Apache-2.0
"""Shapes of the inputs of ONNX models: what the file states, and what the user adds."""

from __future__ import annotations

import onnx

from ..errors import ModelError, TinyEngineError
from .input_shapes import Dimension, InputShapes, checked_shapes, hint


def dimensions_of(info: onnx.ValueInfoProto) -> list[Dimension] | None:
    """What an ONNX file states of a tensor, None where it doesn't even state the rank."""
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [d.dim_value if d.dim_value > 0 else d.dim_param or None for d in kind.shape.dim]


def require_ranks(graph: onnx.GraphProto) -> None:
    """Raises ModelError if an input has not even a rank, which onnx calls damaged."""
    for info in graph.input:
        if info.type.HasField("tensor_type") and dimensions_of(info) is None:
            raise ModelError(f"input '{info.name}' has a dynamic shape; {hint(info.name, None)}")


def fix_shapes(model: onnx.ModelProto, wanted: InputShapes) -> None:
    """Writes the shapes wanted into an ONNX model; those that follow from them are left out.

    Raises:
        TinyEngineError: as `checked_shapes`, or one symbol would stand for two sizes.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {info.name: info for info in graph.input if info.name not in constants}
    stated = {name: dimensions_of(info) for name, info in inputs.items()}
    symbols: dict[str, int] = {}
    for name, shape in checked_shapes(stated, wanted).items():
        for symbol, size in zip(stated[name] or (), shape, strict=False):
            if isinstance(symbol, str) and symbols.setdefault(symbol, size) != size:
                raise TinyEngineError(
                    f"'{symbol}' would be {symbols[symbol]} and {size}; it is one size in the model"
                )
        tensor = inputs[name].type.tensor_type
        del tensor.shape.dim[:]
        for size in shape:
            tensor.shape.dim.add().dim_value = size
    for info in (*inputs.values(), *graph.output):
        for dimension in info.type.tensor_type.shape.dim:
            if dimension.dim_param in symbols:
                dimension.dim_value = symbols[dimension.dim_param]
            elif info.name not in inputs and dimension.dim_value < 1:
                dimension.Clear()
    del graph.value_info[:]
