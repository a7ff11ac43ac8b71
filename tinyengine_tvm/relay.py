# SPDX-License-Identifier: Apache-2.0
"""For users of Relay: our kernels as an external code generator in a TVM pipeline.

    module = tinyengine_tvm.relay.partition_for_tinyengine(module, params, target="cortex-m4")
    with tvm.transform.PassContext(opt_level=3, config={"tir.usmp.enable": True}):
        built = relay.build(module, target="c", runtime=Runtime("crt"), executor=Executor(
            "aot", {"interface-api": "c", "unpacked-api": True}))

Each region of quantised operators becomes one C function with its kernels and its own plan of
memory; what no kernel of ours takes stays with TVM. Regions run one after the other, so they share
one workspace: the array `tinyengine_workspace`, as large as the largest region needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from .dialects.lower import lower, read_as
from .errors import ModelError, TinyEngineError
from .network import Mode, Network, Quantisation, Reshape
from .targets import get_target

if TYPE_CHECKING:
    import tvm
    from tvm import relay

    from .dialects.tree import Graph

TARGET, MODE = "tinyengine.target", "tinyengine.mode"
"""Attributes of a region."""


def partition_for_tinyengine(
    mod: tvm.IRModule,
    params: Mapping[str, Any] | None = None,
    target: str = "cortex-m4",
    mode: Mode | None = None,
    mod_name: str = "default",
) -> tvm.IRModule:
    """Partitions a module for relay.build, and registers our code generator with TVM.

    Args:
        mod: an int8 network: operators of the qnn dialect, or dequantize, float operator, quantize.
        params: arrays by the names of main's parameters.
        target: the core to generate kernels for, one of `tinyengine targets`.
        mode: the arithmetic: "tflite" rounds as TFLite does, "onnx" as QDQ networks do. By default
            "tflite" for a module with operators of the qnn dialect.
        mod_name: as given to relay.build.

    Returns:
        The module for relay.build. Operators that no kernel takes stay as they were.

    Raises:
        TinyEngineError: the target or mode is unknown, or `mod` is no Relay module.
    """
    from .dialects.choice import dialect_of

    get_target(target)
    if mode is not None and mode not in get_args(Mode):
        raise TinyEngineError(f"mode '{mode}'; choose tflite or onnx")
    if dialect_of(mod) != "relay":
        raise TinyEngineError("this isn't a Relay module; give what relay.frontend makes")

    from relay_passes.relay_partition import partition
    from relay_passes.relay_plugin import bound, keep, register

    from .dialects.relay import arithmetic_of, read_composite, read_function

    mod = bound(mod, params or {})
    arithmetic: Mode = mode or arithmetic_of(mod)

    def takes(function: relay.Function) -> bool:
        return _network(read_composite, function, arithmetic) is not None

    def wanted(function: relay.Function) -> bool:
        network = _network(read_function, function, arithmetic)
        return network is not None and not all(isinstance(x, Reshape) for x in network.layers)

    register(generate)
    return keep(partition(mod, takes, mod_name), wanted, {TARGET: target, MODE: arithmetic})


def generate(function: relay.Function) -> str:
    """The C of a region: one function `int32_t <symbol>(inputs..., outputs...)` that gives 0.

    Args:
        function: with the attributes that `partition_for_tinyengine` sets.
    """
    from .api import compile_network
    from .dialects.relay import read_function

    symbol = str(function.attrs["global_symbol"])
    mode: Mode = "tflite" if str(function.attrs[MODE]) == "tflite" else "onnx"
    graph = read_function(function)
    name = symbol.removeprefix("tvmgen_")
    network = lower(_described(graph), name, mode)
    files = compile_network(network, target=str(function.attrs[TARGET]), name=name).files
    header, source = files["model.h"].decode(), files["model.c"].decode()
    text = source.replace('#include "model.h"\n', header, 1)
    return ARENA.format(name=name) + text + _entry(symbol, name, graph)


ARENA = """\
/* Regions share one workspace; the linker makes it as large as the largest. */
#define TINYENGINE_ARENA_EXTERN
#define tvmgen_{name}_arena tinyengine_workspace

"""


def _entry(symbol: str, name: str, graph: Graph) -> str:
    """The function that TVM calls: tensors one by one, outputs last."""
    types = {"int8": "int8_t", "float32": "float"}
    inputs = [f"{types[v.dtype]} *input_{i}" for i, v in enumerate(graph.inputs)]
    outputs = [f"{types[v.dtype]} *output_{i}" for i, v in enumerate(graph.outputs)]

    def names(parameters: list[str]) -> str:
        return ", ".join(parameter.split("*")[1] for parameter in parameters)

    size = f"TVMGEN_{name.upper()}_ARENA_SIZE"
    return f"""
#if {size}
__attribute__((common, aligned(16))) uint8_t tinyengine_workspace[{size}];
#endif

int32_t {symbol}({", ".join(inputs + outputs)})
{{
    struct tvmgen_{name}_inputs inputs = {{ {names(inputs)} }};
    struct tvmgen_{name}_outputs outputs = {{ {names(outputs)} }};
    return tvmgen_{name}_run(&inputs, &outputs);
}}
"""


def _network(
    read: Callable[[relay.Function], Graph], function: relay.Function, mode: Mode
) -> Network | None:
    """What a function computes, None where our kernels don't."""
    try:
        return lower(_described(read(function)), "region", mode)
    except ModelError:
        return None


def _described(graph: Graph) -> Graph:
    """The graph with a quantisation for every int8 input.

    One that no operator reads with its scale is only moved and compared: any will do.
    """
    known = tuple(
        stated or read_as(graph, value) or Quantisation(1.0, 0) if value.dtype == "int8" else None
        for value, stated in zip(graph.inputs, graph.input_quantisations, strict=True)
    )
    return replace(graph, input_quantisations=known)
