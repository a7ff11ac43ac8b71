# SPDX-License-Identifier: Apache-2.0
"""From a model file or a TVM module to a Network, through TVM's importers.

tvm is imported inside the functions: what only handles Networks runs without it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from ..dialects.choice import dialect_of
from ..errors import ModelError, TinyEngineError
from ..network import Mode, Network
from .load import load_model, refusals

if TYPE_CHECKING:
    import tvm

    from .input_shapes import InputShapes

__all__ = ["import_network", "load_model"]


def import_network(
    model: str | os.PathLike[str] | tvm.IRModule,
    *,
    name: str,
    interface: Literal["keep", "int8"] = "keep",
    mode: Mode | None = None,
    dialect: str | None = None,
    input_shapes: InputShapes | None = None,
    allow_slow: bool = False,
) -> Network:
    """Imports a quantised model through TVM and lowers it.

    Args:
        model: a .tflite or .onnx (QDQ) file, or a TVM module with bound parameters: of Relax in
            QDQ form, or of Relay in QDQ form or with operators of the qnn dialect.
        name: name of the network, a C identifier.
        interface: "int8" takes QUANTIZE off the inputs and DEQUANTIZE off the outputs.
        mode: the arithmetic; by default "tflite" for .tflite, for modules with operators of the qnn
            dialect and for Relax modules with convolutions or pools in NHWC; "onnx" for others.
        dialect: "relax" or "relay"; by default the module's, or that of the TVM installed.
        allow_slow: convolutions and dense layers without a kernel go through TVM as well.

        input_shapes: shapes by name of inputs that have none in the file.

    Returns:
        The verified network, before any rewrite.

    Raises:
        TinyEngineError: the dialect isn't there; a shape is of no input, or doesn't fit.
        ModelError: the model is missing, damaged, not quantised, or not of batch 1.
        UnsupportedOperators: lists every operator that can't be compiled.
    """
    if interface not in ("keep", "int8"):
        raise ModelError(f"interface '{interface}'; choose keep or int8")
    default: Mode | None = None
    if isinstance(model, (str, os.PathLike)):
        module, what = load_model(model, dialect, input_shapes, allow_slow), os.fspath(model)
        default = "tflite" if what.lower().endswith(".tflite") else "onnx"
    else:
        if input_shapes:
            raise TinyEngineError("input shapes are for model files; a TVM module states its own")
        module, what = model, "the TVM module"

    from ..dialects.interface import strip_float_interface
    from ..dialects.lower import lower

    with refusals(what):
        if dialect_of(module) == "relay":
            from relay_passes import relay_partition

            from ..dialects import relay

            default = default or relay.arithmetic_of(module)
            graph = relay.read(relay_partition.partition(module))
            network = lower(graph, name, mode or default or "onnx")
        else:
            from relay_passes import partition

            from ..dialects import relax

            arithmetic = mode or default or relax.arithmetic_of(module)
            parts = partition.partition(module)
            if arithmetic == "onnx":
                from ..fallback.network import network_of

                network = network_of(parts, name, arithmetic, allow_slow)
            else:
                # TVM's code isn't bit for bit what TFLite computes.
                network = lower(relax.read(parts), name, arithmetic)
    return strip_float_interface(network) if interface == "int8" else network
