# SPDX-License-Identifier: Apache-2.0
"""external: layers that bring their own C."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TinyEngineError
from ..network import External, Network
from ..paths import runtime_c
from .base import Code, Configuration, Function, Kernel, Operands


def external_reference(network: Network, layer: External, inputs: list[np.ndarray]) -> np.ndarray:
    """What the layer's own C gives on this machine: it is its only definition.

    Raises:
        TinyEngineError: there is no C compiler here, or it refuses the function.
    """
    y = network.output_of(layer)
    result = np.zeros(y.shape, y.dtype)
    scratch = np.zeros(layer.scratch_bytes // 8 + 1, np.int64)
    arrays = [np.ascontiguousarray(x) for x in inputs]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, result)]
    if layer.scratch_bytes:
        pointers.append(scratch.ctypes.data_as(ctypes.c_void_p))
    _library(layer.function, layer.helpers, layer.includes).kernel(*pointers)
    return result


@cache
def _library(function: str, helpers: tuple[str, ...], includes: tuple[str, ...]) -> Any:
    lines = [f"#include <{name}>" for name in ("stdint.h", "string.h", *includes)]
    lines += [f'#include "{runtime_c() / "kernels" / name}.h"' for name in helpers]
    text = function.replace("static void @NAME@(", "void kernel(", 1).replace("@NAME@", "kernel")
    with tempfile.TemporaryDirectory(prefix="tinyengine-") as folder:
        source, library = Path(folder, "kernel.c"), Path(folder, "kernel.so")
        source.write_text("\n".join([*lines, text]), encoding="utf-8")
        command = ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", str(source), "-o", str(library)]
        try:
            done = subprocess.run(
                [*command, "-lm"], capture_output=True, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise TinyEngineError(f"can't run gcc ({error.strerror}); install gcc") from error
        if done.returncode:
            reason = " ".join(done.stderr.split())[:300]
            raise TinyEngineError(f"the C of a layer doesn't compile: {reason}")
        return ctypes.CDLL(str(library))


class ExternalC(Kernel[External]):
    """Any layer that brings its C; nothing is known of the order in which it reads."""

    name = "external_c"
    layer = External

    def scratch(self, network: Network, layer: External, configuration: Configuration) -> int:
        return layer.scratch_bytes

    def emit(self, network: Network, layer: External, configuration: Configuration) -> Code:
        function = Function(
            layer.symbol, _apart(layer.function), ("te_noinline", *layer.helpers), layer.includes
        )

        def call(operands: Operands, names: Sequence[str]) -> str:
            arguments = [*operands.inputs, operands.output]
            if layer.scratch_bytes:
                arguments.append(operands.scratch)
            return f"{names[0]}({', '.join(arguments)});"

        return Code(functions=(function,), call=call)


def _apart(text: str) -> str:
    """A function that stays one, so that its code can be counted."""
    return text.replace("static void @NAME@(", "TE_NOINLINE static void @NAME@(", 1)


KERNELS = (ExternalC(),)
REFERENCE = {External: external_reference}
