# SPDX-License-Identifier: Apache-2.0
"""What both dialects' importers take from an ONNX file themselves."""

from __future__ import annotations

import onnx

from ..dialects.attributes import INPUT_NAMES, OUTPUT_NAMES
from ..errors import ModelError
from .input_shapes import InputShapes
from .onnx_shapes import fix_shapes, require_ranks
from .onnx_support import Fallback, check_operators


def parsed(
    data: bytes, shapes: InputShapes | None = None, fallback: Fallback | None = None
) -> tuple[onnx.ModelProto, int]:
    """The checked model of a file's bytes, with all shapes, and the version of its operator set.

    `shapes` are those of inputs that have none in the file; `fallback` is as in `check_operators`.
    `load_model` documents the errors.
    """
    try:
        model = onnx.load_from_string(data)
    except Exception as error:
        raise ModelError("not a valid ONNX file: it can't be parsed; export it again") from error
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        raise ModelError("the ONNX file keeps weights in another file; embed them")
    if shapes:
        fix_shapes(model, shapes)
    require_ranks(model.graph)
    try:
        onnx.checker.check_model(model, full_check=True)
        # Shape inference writes what the file leaves out; the checks that follow rely on it.
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0].strip()
        if shapes:
            raise ModelError(f"the model doesn't take these input shapes: {reason}") from error
        raise ModelError(f"not a valid ONNX file: {reason}; export it again") from error
    return model, check_operators(model, fallback)


def interface(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Names of the inputs and outputs, by the names of `dialects.attributes`."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return {
        INPUT_NAMES: [i.name for i in model.graph.input if i.name not in constants],
        OUTPUT_NAMES: [o.name for o in model.graph.output],
    }
