# SPDX-License-Identifier: Apache-2.0
"""One operator of a TFLite file and its tensors, as the checks of `tflite_support` read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

_TYPES = {v: k.lower() for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}


class Unsupported(Exception):
    """An operator that this compiler doesn't take; the message says why."""


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise Unsupported(reason)


@dataclass(frozen=True)
class Operator:
    """One operator of the file with its tensors."""

    model: Any
    graph: Any
    operator: Any

    def tensor(self, index: int) -> Any:
        found = self.maybe(index)
        require(found is not None, f"input {index} is missing")
        return found

    def maybe(self, index: int) -> Any:
        if index >= self.operator.InputsLength() or self.operator.Inputs(index) < 0:
            return None
        return self.graph.Tensors(self.operator.Inputs(index))

    @property
    def result(self) -> Any:
        return self.graph.Tensors(self.operator.Outputs(0))

    def options(self, kind: type[Any], number: int) -> Any:
        require(self.operator.BuiltinOptionsType() == number, "its options are missing")
        table, options = self.operator.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def constant(self, index: int, kinds: tuple[str, ...]) -> np.ndarray:
        tensor = self.tensor(index)
        buffer = self.model.Buffers(tensor.Buffer())
        require(buffer.DataLength() > 0, f"input {index} isn't constant")
        kind = type_of(tensor)
        require(kind in kinds, f"input {index} is {kind}")
        return buffer.DataAsNumpy().view(kind)

    def inputs(self, least: int, most: int) -> None:
        count = self.operator.InputsLength()
        require(least <= count <= most, f"{count} inputs")


def type_of(tensor: Any) -> str:
    return _TYPES.get(tensor.Type(), f"type {tensor.Type()}")


def parameters_of(tensor: Any) -> tuple[float, int] | None:
    found = tensor.Quantization()
    if found is None or found.ScaleLength() == 0:
        return None
    return float(found.Scale(0)), int(found.ZeroPoint(0))


def shape_of(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def signature_of(tensor: Any) -> tuple[int, ...]:
    """The shape with -1 for each size that the model leaves free; empty if it says nothing."""
    return tuple(int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength()))


def require_int8(tensor: Any, what: str) -> None:
    kind = type_of(tensor)
    require(kind == "int8", f"its {what} is {kind}, not int8")
    found = tensor.Quantization()
    require(found is not None and found.ScaleLength() == 1, f"its {what} has no single scale")
    scale, zero_point = parameters_of(tensor) or (0.0, 0)
    require(scale > 0, f"its {what} has scale {scale}")
    require(-128 <= zero_point <= 127, f"its {what} has zero point {zero_point}")
