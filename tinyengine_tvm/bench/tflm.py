# SPDX-License-Identifier: Apache-2.0
"""TFLite Micro on a board: a C++ adapter around its interpreter, and the user's library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards.artifact import LayerFacts, Port
from ..boards.qemu import QemuBoard
from ..boards.tools import library_file, require_tools
from ..importers.tflite_operators import operators
from ..targets import Target
from .library import Library, open_library, require_header
from .program import NAME, Adapter, failures_of, interface_header, measure, ports
from .rows import Row, Unable
from .subject import Subject
from .tflm_source import BEGIN, INVOKE, METHODS, USED, adapter_source, model_source

REFERENCE = "tflite-micro reference kernels"
CMSIS_NN = "tflite-micro + CMSIS-NN"
LIBRARY, INCLUDE = "--tflm-lib", "--tflm-include"
CXX_LIBRARY, CXX_NANO = "libstdc++.a", "libstdc++_nano.a"
_INVOKE = "_ZN6tflite16MicroInterpreter6InvokeEv"
_LOG = "_Z11MicroPrintfPKcz"
_NESTED = (
    "tensorflow/lite/micro/tools/make/downloads/flatbuffers/include",
    "tensorflow/lite/micro/tools/make/downloads/gemmlowp",
    "tensorflow/lite/micro/tools/make/downloads/ruy",
    "third_party/flatbuffers/include",
    "third_party/gemmlowp",
    "third_party/ruy",
)
"""Where TFLite Micro's own build, and the trees that it makes, keep what its headers include."""


@dataclass(frozen=True)
class TfliteMicro:
    """A library of TFLite Micro for one core, with its headers; `engine` is its name in rows."""

    engine: str
    library: Library
    includes: tuple[Path, ...]
    further: tuple[Library, ...] = ()

    @classmethod
    def open(
        cls, named: str, includes: Sequence[Path], target: Target, further: Sequence[Library] = ()
    ) -> TfliteMicro:
        """The library of an option's value, PATH or NAME=PATH.

        `further`: libraries that its kernels may need, if they aren't in it.

        Raises:
            TinyEngineError: the library or headers are missing, or not for this core.
        """
        name, found, path = named.partition("=")
        if not found or "/" in name:
            found, path = "", named
        library = open_library(path, LIBRARY, target)
        library.require((_INVOKE,), LIBRARY, "is TFLite Micro's interpreter")
        require_header(includes, INCLUDE, "tensorflow/lite/micro/micro_interpreter.h")
        nested = [folder / place for folder in includes for place in _NESTED]
        folders = (*includes, *(folder for folder in nested if folder.is_dir()))
        require_header(folders, INCLUDE, "flatbuffers/flatbuffers.h")
        require_tools((CXX_LIBRARY,), "TFLite Micro")
        own = CMSIS_NN if _uses_cmsis_nn(library) else REFERENCE
        engine = f"tflite-micro, {name}" if found else own
        return cls(engine, library, folders, tuple(further))

    def check(self, subject: Subject, target: Target) -> None:
        """Raises Unable where the model isn't for TFLite Micro, or for this adapter."""
        self.adapter(subject, target)

    def measure(
        self, subject: Subject, board: QemuBoard, target: Target, work: Path
    ) -> tuple[Row, list[np.ndarray]]:
        """The row of one model, and its outputs; `work` is a folder for builds.

        Raises:
            Unable: the model isn't for TFLite Micro, or for this adapter.
            BoardError: it doesn't build, or fails on the board.
        """
        adapter = self.adapter(subject, target)
        with failures_of(self.engine, subject):
            measured = measure(adapter, board, target, subject.by_field(adapter.inputs), work)
        outputs = dict(measured.outputs)
        used = int(outputs.pop(USED)[0, 0])
        row = measured.row(self.engine, subject, board, used + measured.footprint.static)
        return row, list(outputs.values())

    def adapter(self, subject: Subject, target: Target) -> Adapter:
        """The C++ of one model.

        Raises:
            Unable: the model is no .tflite file, or has an operator that METHODS lacks.
        """
        if subject.flatbuffer is None:
            raise Unable("TFLite Micro takes .tflite files alone")
        layers = operators(subject.flatbuffer)
        lacking = sorted({layer.kind for layer in layers} - set(METHODS))
        if lacking:
            raise Unable(f"the adapter for TFLite Micro lacks {', '.join(lacking)}")
        inputs, outputs = ports(subject.network)
        reported = (*outputs, Port(USED, USED, (1,), "int32", 4))
        model = f"tvmgen_{NAME}_model"
        cxx = library_file(CXX_NANO, target.gcc_flags)
        flags = ["-std=c++17", "-Os", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics"]
        flags += ["-DTF_LITE_STATIC_MEMORY", "-w"]
        # A library without messages doesn't define what prints them.
        flags += [] if _LOG in self.library.defines else ["-DTF_LITE_STRIP_ERROR_STRINGS"]
        # Its headers ask for this before they declare the kernels for int8 alone.
        flags += ["-DCMSIS_NN"] if _uses_cmsis_nn(self.library) else []
        flags += [f"-I{folder}" for folder in self.includes]
        return Adapter(
            {
                "model.h": interface_header(inputs, reported),
                "adapter.cc": adapter_source(layers, inputs, outputs, self.library.defines),
                "network.S": model_source(),
                "network.tflite": subject.flatbuffer,
            },
            inputs,
            reported,
            tuple(LayerFacts(layer.name, layer.kind, layer.macs, 0) for layer in layers),
            (*(library.path for library in (self.library, *self.further)), cxx),
            {".cc": tuple(flags), ".S": ()},
            ((model, len(subject.flatbuffer)),),
            (BEGIN, INVOKE),
        )


def _uses_cmsis_nn(library: Library) -> bool:
    return any(s.startswith("arm_convolve") for s in library.defines | library.wants)
