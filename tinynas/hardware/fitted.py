# SPDX-License-Identifier: Apache-2.0
"""Coefficients fitted to measured networks: what a layer takes, and what code a network has.

They are in coefficients/<core>.json, which benchmarks/hardware_model.py makes. Time is a linear
function of sizes per kernel; code is linear in what is generated: bytes of assembly as the compiler
estimates them, functions of C by kind, layers by kernel, and helpers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tinyengine_tvm.kernels.base import Function
from tinyengine_tvm.kernels.dsp.assembly import code_bytes
from tinyengine_tvm.network import Layer, Network
from tinyengine_tvm.network.macs import layer_macs

COEFFICIENTS = Path(__file__).with_name("coefficients")


def sizes_of(network: Network, layer: Layer, estimate: int) -> list[float]:
    """What a layer's time is linear in, whatever its kernel.

    `estimate`: instructions as the kernel estimates them, 0 where it doesn't.
    """
    x, y = network.input_of(layer), network.output_of(layer)
    height, _, depth = x.shape[1:] if len(x.shape) == 4 else (1, 1, x.shape[-1])
    rows, columns, channels = y.shape[1:] if len(y.shape) == 4 else (1, 1, y.shape[-1])
    kh, kw = getattr(layer, "kernel", (1, 1))
    pairs, words = columns // 2 + 1, (kw + 1) // 2
    sizes = [
        1,
        estimate,
        layer_macs(network, layer),
        x.elements,
        y.elements,
        depth * height,
        channels * rows,
        channels,
        rows * columns,
        rows * columns * kh,
        channels * rows * pairs * kh * words,
        channels * rows * pairs,
        channels * rows * kh * words,
    ]
    return [float(size) for size in sizes]


def family(name: str) -> str:
    """The kind of a C function, by its name."""
    return "_".join(
        re.split(r"[0-9]|_(?:s|w|x|any|mod|left|packed|wide)\d*", name)[0].split("_")[:4]
    )


def code_parts(
    kernel: str, functions: Iterable[Function]
) -> tuple[str, dict[str, tuple[str, int]]]:
    """What a layer adds to a network's code: a feature of its own, and those that layers share.

    The latter map what identifies a piece of code to a feature and how much of it there is.
    """
    shared: dict[str, tuple[str, int]] = {}
    for function in functions:
        size = code_bytes(function.text)
        kind = family(function.name)
        shared[function.text] = (f"assembly {kind}", size) if size else (f"function {kind}", 1)
        for helper in function.helpers:
            shared[f"helper {helper}"] = f"helper {helper}", 1
    return f"layer {kernel}", shared


@dataclass(frozen=True)
class Fitted:
    """The coefficients of one core.

    instructions, cycles: by kernel, one per size of `sizes_of`. code: bytes by feature. errors: on
    networks that were held out, relative, by what is estimated ("code", "cycles", ...): "mean" and
    "largest".
    """

    instructions: Mapping[str, Sequence[float]]
    cycles: Mapping[str, Sequence[float]]
    code: Mapping[str, float]
    static: int
    errors: Mapping[str, Mapping[str, float]]

    def time(self, kernel: str, sizes: Sequence[float]) -> tuple[float, float]:
        """Instructions and cycles of a layer; 0 for kernels that weren't measured."""
        values = []
        for table in (self.instructions, self.cycles):
            weights = table.get(kernel)
            values.append(max(0.0, float(np.dot(weights, sizes))) if weights else 0.0)
        return values[0], values[1]


@lru_cache
def fitted(core: str) -> Fitted | None:
    """The coefficients of a core, or None where it wasn't measured."""
    path = COEFFICIENTS / f"{core}.json"
    if not path.is_file():
        return None
    facts = json.loads(path.read_text())
    return Fitted(
        facts["instructions"], facts["cycles"], facts["code"], facts["static"], facts["errors"]
    )
