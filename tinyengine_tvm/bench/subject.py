# SPDX-License-Identifier: Apache-2.0
"""A model that the engines are measured with, and the inputs that all of them get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..boards.artifact import Port
from ..errors import ModelError
from ..network import Network
from ..network.macs import network_macs

SAMPLES = 4


@dataclass(frozen=True)
class Subject:
    """A model as all engines take it: without the conversions of float inputs and outputs.

    flatbuffer: the .tflite file without these; None for another format.
    inputs: reproducible noise by input, [SAMPLES, *shape]; the first sample is the one counted.
    """

    name: str
    network: Network
    flatbuffer: bytes | None
    inputs: dict[str, np.ndarray] = field(repr=False)

    @property
    def macs(self) -> int:
        return network_macs(self.network)

    def by_field(self, ports: Sequence[Port]) -> dict[str, np.ndarray]:
        """The inputs by the C fields of `ports`, whose names are the network's."""
        return {port.field: self.inputs[port.name] for port in ports}

    @classmethod
    def load(cls, path: Path) -> Subject:
        """Reads a .tflite or .onnx file.

        Raises:
            ModelError: it isn't there, or no model that this compiler takes.
        """
        from ..importers import import_network
        from ..importers.tflite_operators import without_conversions

        if not path.is_file():
            problem = "is not a file" if path.exists() else "doesn't exist"
            raise ModelError(f"model '{path}' {problem}; give a .tflite or .onnx file")
        network = import_network(path, name="net", interface="int8")
        flatbuffer = None
        if path.suffix.lower() == ".tflite":
            flatbuffer = without_conversions(path.read_bytes())
        return cls(path.stem, network, flatbuffer, _noise(network))


def _noise(network: Network) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    inputs = {}
    for name in network.inputs:
        tensor = network.tensor(name)
        shape = (SAMPLES, *tensor.shape)
        if tensor.dtype == "float32":
            inputs[name] = random.uniform(-1, 1, shape).astype(np.float32)
        elif tensor.dtype == "bool":
            inputs[name] = random.integers(0, 2, shape).astype(np.bool_)
        else:
            info = np.iinfo(np.dtype(tensor.dtype))
            inputs[name] = random.integers(info.min, info.max, shape, tensor.dtype, endpoint=True)
    return inputs
