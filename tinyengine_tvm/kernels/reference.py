# SPDX-License-Identifier: Apache-2.0
"""Runs a network in numpy: the semantics that every kernel and rewrite is held to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..network import Network
from .registry import REFERENCE


def run_layers(network: Network, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor's value for one inference; `inputs` maps input tensor names to arrays."""
    values = {n: t.data for n, t in network.tensors.items() if t.data is not None}
    for name in network.inputs:
        tensor = network.tensor(name)
        value = np.asarray(inputs[name])
        if value.shape != tensor.shape or value.dtype != np.dtype(tensor.dtype):
            raise ValueError(
                f"input {name} is {value.dtype}{list(value.shape)}, "
                f"expected {tensor.dtype}{list(tensor.shape)}"
            )
        values[name] = value
    for layer in network.layers:
        result = REFERENCE[type(layer)](network, layer, [values[n] for n in layer.inputs])
        values[layer.output] = np.asarray(result).reshape(network.output_of(layer).shape)
    return values


def run_reference(network: Network, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of one inference, by tensor name."""
    values = run_layers(network, inputs)
    return {name: values[name] for name in network.outputs}
