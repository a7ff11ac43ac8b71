# SPDX-License-Identifier: Apache-2.0
"""The float model beside the quantised one: how much of each layer's signal quantisation leaves.

A compiled network has lost the names of the model's tensors. What a layer computes is found by its
values among the tensors of the QDQ model, which bear the names of the float model's tensors.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..kernels.reference import run_layers
from ..network import Network
from .data import dequantised
from .original import by_tensor, onnx_session
from .result import LayerResult

SUFFIXES = ("_DequantizeLinear_Output", "_dequantized", "_QuantizeLinear_Output")
"""What quantisers append to the names of tensors."""
SHARE = 0.95
"""Of the values that must be equal for a tensor to be a layer's: ties may be rounded otherwise."""


def float_outputs(
    model: Path, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The float model's outputs [samples, *shape], under the compiled network's names.

    Raises:
        ModelError: it can't be run, or has other inputs or outputs.
    """
    session = _session(model, None)
    given = _inputs_for(session, model, metadata, inputs)
    names = [output.name for output in session.get_outputs()]
    if len(names) != len(metadata["outputs"]):
        raise ModelError(
            f"float model '{model}' has {len(names)} outputs, the network "
            f"{len(metadata['outputs'])}; give the model it was quantised from"
        )
    count = len(next(iter(inputs.values())))
    rows = [_run(session, names, {n: a[i] for n, a in given.items()}, model) for i in range(count)]
    return {
        port["name"]: np.stack([row[index] for row in rows])
        for index, port in enumerate(metadata["outputs"])
    }


def compare_floats(
    float_model: Path,
    model: Path,
    metadata: Mapping[str, Any],
    network: Network,
    inputs: Mapping[str, np.ndarray],
) -> list[LayerResult]:
    """Every layer's error against the float model, where its tensor is found.

    Raises:
        ModelError: a model can't be run.
    """
    exact = _tensors(float_model, metadata, inputs)
    stored = _tensors(model, metadata, inputs) if model.suffix == ".onnx" else {}
    named = {_base(name): values for name, values in stored.items()}
    count = len(next(iter(inputs.values())))
    tensors = by_tensor(network, inputs)
    runs = [run_layers(network, {n: a[i] for n, a in tensors.items()}) for i in range(count)]
    results = []
    for layer in metadata["layers"]:
        tensor = network.tensors.get(layer["output"])
        found, values = None, None
        if tensor is not None and tensor.dtype in ("int8", "float32"):
            scale = tensor.quantisation and tensor.quantisation.scale
            port = {"scale": scale, "zero_point": tensor.zero_point if scale else None}
            values = np.stack([dequantised(run[tensor.name], port) for run in runs])
            shares = {n: _share(values, want) for n, want in named.items() if n in exact}
            best = max(shares, key=shares.__getitem__, default=None)
            found = best if best is not None and shares[best] >= SHARE else None
        if found is None or values is None:
            results.append(LayerResult(layer["name"], layer["op"], tensor is not None))
            continue
        results.append(_result(layer, found, values, _as_ours(exact[found], values)))
    return results


def _result(
    layer: Mapping[str, Any], name: str, values: np.ndarray, exact: np.ndarray
) -> LayerResult:
    error = values.astype(np.float64) - exact
    signal, noise = float(np.mean(np.square(exact, dtype=np.float64))), float(np.mean(error**2))
    snr = None if not signal or not noise else round(10 * float(np.log10(signal / noise)), 2)
    mean, most = float(np.mean(np.abs(error))), float(np.abs(exact).max())
    relative = mean / most if most else None
    return LayerResult(layer["name"], layer["op"], True, name, snr, mean, relative)


def _base(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _as_ours(values: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """[samples, *shape] in the compiled network's order of dimensions: NCHW becomes NHWC."""
    shape = ours.shape
    if values.ndim == 5 and values.shape != shape:
        values = values.transpose(0, 1, 3, 4, 2)
    return values.reshape(shape)


def _share(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The share of equal values; a tensor whose values are all the same is like any other."""
    if ours.size != theirs.size or not float(np.ptp(ours)):
        return 0.0
    close = 1e-7 * float(np.abs(ours).max())
    return float(np.mean(np.isclose(ours, _as_ours(theirs, ours), rtol=1e-5, atol=close)))


def _tensors(
    model: Path, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Every float tensor of a model, [samples, *shape]."""
    import onnx

    try:
        graph = onnx.load(str(model))
    except Exception as error:
        raise ModelError(f"'{model}' is no ONNX model: {error}") from error
    known = {output.name for output in graph.graph.output}
    for node in graph.graph.node:
        for name in node.output:
            if name and name not in known:
                known.add(name)
                graph.graph.output.append(onnx.ValueInfoProto(name=name))
    session = _session(model, graph.SerializeToString())
    given = _inputs_for(session, model, metadata, inputs)
    names = [o.name for o in session.get_outputs() if o.type == "tensor(float)"]
    count = len(next(iter(inputs.values())))
    rows = [_run(session, names, {n: a[i] for n, a in given.items()}, model) for i in range(count)]
    # What stands later in the model wins where names are the same but for what quantisers append.
    found = dict(given)
    return found | {name: np.stack([row[i] for row in rows]) for i, name in enumerate(names)}


def _session(model: Path, content: bytes | None) -> Any:
    if not model.is_file():
        raise ModelError(
            f"float model '{model}' doesn't exist; give the .onnx it was quantised from"
        )
    if not importlib.util.find_spec("onnxruntime"):
        raise ModelError("a float model needs onnxruntime: pip install 'tinyengine-tvm[quantize]'")
    try:
        return onnx_session(str(model) if content is None else content)
    except Exception as error:
        raise ModelError(f"'{model}' can't be run: {error}") from error


def _run(
    session: Any, names: list[str], given: Mapping[str, np.ndarray], model: Path
) -> list[np.ndarray]:
    try:
        return [np.asarray(values) for values in session.run(names, dict(given))]
    except Exception as error:
        raise ModelError(f"'{model}' can't be run: {error}") from error


def _inputs_for(
    session: Any, model: Path, metadata: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The network's inputs in real values, under the model's names and in its shapes."""
    wanted = session.get_inputs()
    if len(wanted) != len(metadata["inputs"]):
        raise ModelError(
            f"'{model}' has {len(wanted)} inputs, the network {len(metadata['inputs'])}; give the "
            "model it was quantised from"
        )
    given = {}
    for own, port in zip(wanted, metadata["inputs"], strict=True):
        values = dequantised(inputs[port["name"]], port).astype(np.float32)
        shape = [s if isinstance(s, int) else 1 for s in own.shape]
        if np.prod(shape) != np.prod(port["shape"]):
            raise ModelError(
                f"input '{own.name}' of '{model}' has shape {own.shape}, the network's "
                f"{port['shape']}; give the model it was quantised from"
            )
        given[own.name] = values.reshape(len(values), *shape)
    return given
