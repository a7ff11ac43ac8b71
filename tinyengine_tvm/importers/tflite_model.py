# SPDX-License-Identifier: Apache-2.0
"""What both dialects' importers take from a TFLite file themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tflite

from ..dialects.attributes import (
    INPUT_NAMES,
    INPUT_SCALES,
    INPUT_ZERO_POINTS,
    OUTPUT_NAMES,
)
from ..errors import ModelError
from .input_shapes import InputShapes
from .tflite_check import check_structure
from .tflite_support import check_operators


def parsed(data: bytes, shapes: InputShapes | None = None) -> Any:
    """The model of a flatbuffer's bytes, looked through; `load_model` documents the errors.

    `shapes` confirm those of inputs that the file leaves free.
    """
    check_structure(data)
    model = tflite.Model.GetRootAs(data, 0)
    check_operators(model, shapes or {})
    return model


def interface(model: Any) -> dict[str, list[Any]]:
    """Names and quantisations of the inputs and outputs, by the names of `dialects.attributes`."""
    graph = model.Subgraphs(0)

    def names(indices: Any) -> list[str]:
        return [name_of(graph.Tensors(int(i))) for i in indices]

    parameters = [_parameters(graph.Tensors(int(i))) for i in graph.InputsAsNumpy()]
    return {
        INPUT_SCALES: [scale for scale, _ in parameters],
        INPUT_ZERO_POINTS: [zero_point for _, zero_point in parameters],
        INPUT_NAMES: names(graph.InputsAsNumpy()),
        OUTPUT_NAMES: names(graph.OutputsAsNumpy()),
    }


def name_of(tensor: Any) -> str:
    return str(tensor.Name().decode(errors="replace"))


def _parameters(tensor: Any) -> tuple[float, int]:
    found = tensor.Quantization()
    if found is None or found.ScaleLength() != 1:
        return 0.0, 0
    return float(found.Scale(0)), int(found.ZeroPoint(0))


def check_shape(operator: str, tensor: Any, computed: tuple[int, ...]) -> None:
    """Holds the shape that TVM computes against what the file declares.

    Raises:
        ModelError: they differ.
    """
    declared = tuple(int(d) for d in np.atleast_1d(tensor.ShapeAsNumpy()))
    if tensor.ShapeLength() and declared != computed:
        raise ModelError(
            f"{operator} '{name_of(tensor)}' gives shape {computed}, the file says {declared}; "
            "the file is damaged"
        )


def activation_bounds(
    activation: int, scale: float, zero_point: int, dtype: str
) -> tuple[float, float] | None:
    """Least and greatest stored value of a fused activation, None for none.

    TFLite divides in float32 and rounds halves away from zero; TVM's importers do neither.
    """
    kinds = tflite.ActivationFunctionType
    bounds = {
        kinds.RELU: (0.0, math.inf),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
        kinds.RELU6: (0.0, 6.0),
    }
    if activation == kinds.NONE:
        return None
    low, high = bounds[activation]
    limits = np.iinfo(dtype)

    def stored(real: float) -> float:
        quotient = float(np.float32(real) / np.float32(scale))
        rounded = math.copysign(math.floor(abs(quotient) + 0.5), quotient)
        return min(max(rounded + zero_point, limits.min), limits.max)

    return stored(low), float(limits.max) if math.isinf(high) else stored(high)


def softmax_beta(op: Any) -> float:
    """The factor before a SOFTMAX, which TVM's importers leave out."""
    options = tflite.SoftmaxOptions()
    table = op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return float(options.Beta())
