# SPDX-License-Identifier: Apache-2.0
"""The outputs of the model itself, by whoever can run it on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..kernels.reference import run_reference
from ..network import Network
from .data import dequantised, quantised

SEMANTICS = "the compiler's own semantics"


def run_original(
    model: Path,
    network: Network,
    metadata: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray],
) -> tuple[str, dict[str, np.ndarray]]:
    """Who ran the model, and its outputs [samples, *shape] as the compiled network gives them.

    onnxruntime or TFLite Micro where they are installed; else `network`, the model as it was
    imported, in numpy.

    Raises:
        ModelError: the model can't be run.
    """
    try:
        if model.suffix == ".onnx" and importlib.util.find_spec("onnxruntime"):
            return "onnxruntime", _in_onnxruntime(model, metadata, inputs)
        if model.suffix == ".tflite" and importlib.util.find_spec("tflite_micro"):
            return "TFLite Micro", _in_tflite_micro(model, metadata, inputs)
    except Exception as error:
        raise ModelError(f"'{model}' can't be run: {type(error).__name__}: {error}") from error
    return SEMANTICS, _in_numpy(network, metadata, inputs)


def _in_numpy(
    network: Network, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    tensors = by_tensor(network, inputs)
    count = len(next(iter(inputs.values())))
    runs = [run_reference(network, {n: a[i] for n, a in tensors.items()}) for i in range(count)]
    return {
        network.source.get(name, name): np.stack([run[name] for run in runs])
        for name in network.outputs
    }


def by_tensor(network: Network, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays by the network's tensors instead of by the model's names of its inputs."""
    return {name: arrays[network.source.get(name, name)] for name in network.inputs}


def _in_onnxruntime(
    model: Path, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    session = onnx_session(str(model))
    types = {i.name: i.type for i in session.get_inputs()}
    given = {
        port["name"]: _for_model(inputs[port["name"]], port, types[port["name"]] == "tensor(float)")
        for port in metadata["inputs"]
    }
    names = [port["name"] for port in metadata["outputs"]]
    count = len(next(iter(inputs.values())))
    rows = [session.run(names, {n: a[i] for n, a in given.items()}) for i in range(count)]
    return _of_model(metadata["outputs"], rows)


def onnx_session(model: str | bytes) -> Any:
    """A session that computes what the file says, one operator after the other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Fused operators round otherwise.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _in_tflite_micro(
    model: Path, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(model), arena_size=1 << 24)
    ports = metadata["inputs"]
    floats = [interpreter.get_input_details(i)["dtype"] == np.float32 for i in range(len(ports))]
    given = [_for_model(inputs[p["name"]], p, real) for p, real in zip(ports, floats, strict=True)]
    rows = []
    for sample in range(len(given[0])):
        for index, array in enumerate(given):
            interpreter.set_input(np.ascontiguousarray(array[sample]), index)
        interpreter.invoke()
        rows.append([np.array(interpreter.get_output(i)) for i in range(len(metadata["outputs"]))])
    return _of_model(metadata["outputs"], rows)


def _for_model(array: np.ndarray, port: Mapping[str, Any], real: bool) -> np.ndarray:
    """An input as the model takes it: a network with an int8 interface may have a float model."""
    return dequantised(array, port) if real and array.dtype == np.int8 else array


def _of_model(
    ports: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    found = {}
    for index, port in enumerate(ports):
        values = np.stack([np.asarray(row[index]).reshape(port["shape"]) for row in rows])
        if values.dtype.kind == "f" and port["scale"] is not None:
            values = quantised(values, port)
        found[port["name"]] = values
    return found
