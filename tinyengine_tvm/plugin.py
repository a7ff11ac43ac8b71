# SPDX-License-Identifier: Apache-2.0
"""What our code generators in TVM's pipelines share, whichever the dialect.

A region is a function of TVM's that only holds operators with kernels of ours. It becomes one C
function, with its kernels and a plan of memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from .dialects.lower import lower, read_as
from .errors import ModelError, TinyEngineError
from .network import C_TYPES, Mode, Network, Quantisation, Reshape
from .targets import get_target

if TYPE_CHECKING:
    from .artifact import Artifact
    from .dialects.tree import Graph, Value

TARGET, MODE = "tinyengine.target", "tinyengine.mode"
"""Attributes of a region."""


def check_options(target: str, mode: str | None) -> None:
    """Raises TinyEngineError if the target or mode is unknown."""
    get_target(target)
    if mode is not None and mode not in get_args(Mode):
        raise TinyEngineError(f"mode '{mode}'; choose tflite or onnx")


def network_of(read: Callable[[Any], Graph], function: Any, mode: Mode) -> Network | None:
    """What a function computes, None where our kernels don't."""
    try:
        return lower(_described(read(function)), "region", mode)
    except ModelError:
        return None


def is_worth_a_region(network: Network | None) -> bool:
    """Whether a region is more than moves of names."""
    return network is not None and not all(isinstance(x, Reshape) for x in network.layers)


@dataclass(frozen=True)
class Port:
    """An input or output of a region: its field in C, and its element type in TVM."""

    field: str
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Region:
    """The C of a region: model.h, model.c, and the function `int32_t <symbol>(inputs, outputs)`.

    The files' names begin with `name`. Tensors are given one by one, outputs last.
    """

    symbol: str
    name: str
    header: str
    source: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def arena_size(self) -> str:
        """The macro of the arena's bytes."""
        return f"TVMGEN_{self.name.upper()}_ARENA_SIZE"

    def entry(self) -> str:
        """The C of the function, which gives 0.

        Our kernels know int8 only. A uint8 input is shifted into its place in the arena, a uint8
        output where it is.
        """
        ports = [("input", i, p) for i, p in enumerate(self.inputs)]
        ports += [("output", i, p) for i, p in enumerate(self.outputs)]
        parameters = [f"{C_TYPES[port.dtype]} *{kind}_{i}" for kind, i, port in ports]
        before, after = [], []
        for kind, i, port in ports:
            here = f"{kind}s.{port.field}"
            if port.dtype == "uint8" and kind == "input":
                before.append(f"{here} = tvmgen_{self.name}_map_inputs().{port.field};")
                before.append(_shifted(f"(int8_t *){here}", f"input_{i}", port.bytes))
            elif port.dtype == "uint8":
                after.append(_shifted(f"output_{i}", f"output_{i}", port.bytes))
        lines = [
            *(_struct(self.name, kind, len(group)) for kind, group in self._groups()),
            *before,
            f"const int32_t status = tvmgen_{self.name}_run(&inputs, &outputs);",
            *after,
            "return status;",
        ]
        body = "\n".join("    " + line for line in lines)
        return f"\nint32_t {self.symbol}({', '.join(parameters)})\n{{\n{body}\n}}\n"

    def _groups(self) -> list[tuple[str, tuple[Port, ...]]]:
        return [("input", self.inputs), ("output", self.outputs)]


def _struct(name: str, kind: str, count: int) -> str:
    values = ", ".join(f"{kind}_{i}" for i in range(count))
    return f"struct tvmgen_{name}_{kind}s {kind}s = {{ {values} }};"


def _shifted(to: str, source: str, count: int) -> str:
    kind = "uint8_t" if to == source else "int8_t"
    value = f"({kind})(((const uint8_t *){source})[i] ^ 0x80u)"
    return f"for (int32_t i = 0; i < {count}; ++i) {{ ({to})[i] = {value}; }}"


def compiled_region(graph: Graph, symbol: str, target: str, mode: Mode) -> Region:
    """Generates the C of a region.

    Raises:
        ModelError: an operator has no kernel; `network_of` gives None then.
    """
    from .api import compile_network

    name = symbol.removeprefix("tvmgen_")
    network = lower(_described(graph), name, mode)
    artifact = compile_network(network, target=target, name=name)
    types = [[value.dtype for value in group] for group in (graph.inputs, graph.outputs)]
    return region_of(artifact, symbol, *types)


def region_of(
    artifact: Artifact, symbol: str, inputs: Sequence[str], outputs: Sequence[str]
) -> Region:
    """A compiled network as a region, whose tensors have these types in TVM."""

    def ports(kind: str, types: Sequence[str]) -> tuple[Port, ...]:
        facts = artifact.metadata[kind]
        return tuple(
            Port(str(fact["field"]), dtype, int(fact["bytes"]))
            for fact, dtype in zip(facts, types, strict=True)
        )

    return Region(
        symbol,
        artifact.name,
        artifact.files["model.h"].decode(),
        artifact.files["model.c"].decode(),
        ports("inputs", inputs),
        ports("outputs", outputs),
    )


def _described(graph: Graph) -> Graph:
    """The graph with an int8 interface, and a quantisation for each int8 input.

    An input that no operator reads with its scale is only moved and compared: any will do.
    """
    known = tuple(
        stated or read_as(graph, value) or Quantisation(1.0, 0) if "int8" in value.dtype else None
        for value, stated in zip(graph.inputs, graph.input_quantisations, strict=True)
    )
    return replace(
        graph,
        inputs=_as_int8(graph.inputs),
        outputs=_as_int8(graph.outputs),
        input_quantisations=known,
    )


def _as_int8(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(replace(v, dtype="int8") if v.dtype == "uint8" else v for v in values)
