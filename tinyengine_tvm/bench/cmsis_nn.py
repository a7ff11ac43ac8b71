# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN called directly: a C program in the network's order, with buffers placed by our planner.

What a network needs beside its activations is the library's own to say: a first program asks its
functions for the sizes of their buffers, on the board, and the second one is planned with these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards.artifact import LayerFacts, Port
from ..boards.qemu import QemuBoard
from ..errors import BoardError
from ..memory import plan_memory
from ..network import Network, Reshape
from ..network.macs import layer_macs
from ..rewrites import apply
from ..targets import Target
from .cmsis_nn_calls import Call, call_of, lacking
from .cmsis_nn_source import SIZES, network_source, sizes_source
from .library import Library, open_library, require_header
from .program import Adapter, build, failures_of, interface_header, measure, ports
from .rows import Row, Unable
from .subject import Subject

ENGINE = "CMSIS-NN called directly"
LIBRARY, INCLUDE = "--cmsis-nn-lib", "--cmsis-nn-include"
LEFT_OUT = ("dead_channels", "whole_average_pool")
"""Rewrites that change what is computed, or into what CMSIS-NN has no function for."""


@dataclass(frozen=True)
class CmsisNN:
    """A library of CMSIS-NN for one core, with its headers."""

    library: Library
    includes: tuple[Path, ...]
    engine: str = ENGINE

    @classmethod
    def open(cls, pattern: str, includes: Sequence[Path], target: Target) -> CmsisNN:
        """Raises TinyEngineError: the library or headers are missing, or not for this core."""
        library = open_library(pattern, LIBRARY, target)
        require_header(includes, INCLUDE, "arm_nnfunctions.h")
        return cls(library, tuple(includes))

    def check(self, subject: Subject, target: Target) -> None:
        """Raises Unable where CMSIS-NN, or this adapter, lacks an operator of the model."""
        prepared(subject)

    def measure(
        self, subject: Subject, board: QemuBoard, target: Target, work: Path
    ) -> tuple[Row, list[np.ndarray]]:
        """The row of one model, and its outputs; `work` is a folder for builds.

        Raises:
            Unable: CMSIS-NN, or this adapter, lacks an operator of the model.
            BoardError: it doesn't build, or fails on the board.
        """
        network, calls = prepared(subject)
        functions = {function for call in calls.values() for function in call.functions}
        self.library.require(functions, LIBRARY, f"{subject.name} needs")
        with failures_of(self.engine, subject):
            sizes = self._sizes(network, calls, board, target, work / "sizes")
            adapter = self._adapter(network, calls, sizes)
            inputs = subject.by_field(adapter.inputs)
            measured = measure(adapter, board, target, inputs, work)
        footprint = measured.footprint
        row = measured.row(self.engine, subject, board, footprint.arena + footprint.static)
        return row, list(measured.outputs.values())

    def _sizes(
        self,
        network: Network,
        calls: Mapping[str, Call],
        board: QemuBoard,
        target: Target,
        folder: Path,
    ) -> dict[str, int]:
        """Bytes of the buffer of every layer that has one."""
        asking = [name for name, call in calls.items() if call.size]
        if not asking:
            return {}
        port = Port(SIZES, SIZES, (len(asking),), "int32", 4 * len(asking))
        files = {
            "model.h": interface_header((), (port,)),
            "adapter.c": sizes_source([calls[name] for name in asking]),
        }
        adapter = Adapter(files, (), (port,), (), (self.library.path,), {".c": self._flags()})
        done = board.emulate(build(adapter, board, target, folder), {})
        sizes = dict(zip(asking, done.outputs[SIZES][0].tolist(), strict=True))
        if min(sizes.values()) < 0:
            raise BoardError("a function refuses to tell the size of its buffer")
        return {name: size for name, size in sizes.items() if size}

    def _adapter(
        self, network: Network, calls: Mapping[str, Call], sizes: Mapping[str, int]
    ) -> Adapter:
        inputs, outputs = ports(network)
        plan = plan_memory(network, sizes)
        source, constants = network_source(network, calls, plan, sizes, inputs, outputs)
        return Adapter(
            {"model.h": interface_header(inputs, outputs), "adapter.c": source},
            inputs,
            outputs,
            tuple(
                LayerFacts(layer.name, layer.op, layer_macs(network, layer), 0)
                for layer in network.layers
                if not isinstance(layer, Reshape)
            ),
            (self.library.path,),
            {".c": self._flags()},
            constants,
        )

    def _flags(self) -> tuple[str, ...]:
        return ("-std=c11", "-O2", "-w", *(f"-I{folder}" for folder in self.includes))


def prepared(subject: Subject) -> tuple[Network, dict[str, Call]]:
    """The network as it is called, and the call of each layer but reshapes, by its name.

    Raises:
        Unable: CMSIS-NN, or this adapter, lacks an operator of the model.
    """
    if subject.network.mode != "tflite":
        raise Unable("CMSIS-NN has TFLite's arithmetic, and the model ONNX's")
    network = apply(subject.network, LEFT_OUT)
    missing = lacking(network)
    if missing:
        raise Unable(f"the adapter for CMSIS-NN lacks {', '.join(missing)}")
    layers = [layer for layer in network.layers if not isinstance(layer, Reshape)]
    return network, {layer.name: call_of(network, layer) for layer in layers}
