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

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import TinyEngineError
from .network import Mode
from .plugin import (
    MODE,
    TARGET,
    Region,
    check_options,
    compiled_region,
    is_worth_a_region,
    network_of,
)

if TYPE_CHECKING:
    import tvm
    from tvm import relay


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

    check_options(target, mode)
    if dialect_of(mod) != "relay":
        raise TinyEngineError("this isn't a Relay module; give what relay.frontend makes")

    from relay_passes.relay_partition import partition
    from relay_passes.relay_plugin import bound, keep, register

    from .dialects.relay import arithmetic_of, read_composite, read_function

    mod = bound(mod, params or {})
    arithmetic: Mode = mode or arithmetic_of(mod)

    def takes(function: relay.Function) -> bool:
        return network_of(read_composite, function, arithmetic) is not None

    def wanted(function: relay.Function) -> bool:
        return is_worth_a_region(network_of(read_function, function, arithmetic))

    register(generate)
    return keep(partition(mod, takes, mod_name), wanted, {TARGET: target, MODE: arithmetic})


def generate(function: relay.Function) -> str:
    """The C of a region: one function `int32_t <symbol>(inputs..., outputs...)` that gives 0.

    Args:
        function: with the attributes that `partition_for_tinyengine` sets.
    """
    from .dialects.relay import read_function

    mode: Mode = "tflite" if str(function.attrs[MODE]) == "tflite" else "onnx"
    symbol, target = str(function.attrs["global_symbol"]), str(function.attrs[TARGET])
    region = compiled_region(read_function(function), symbol, target, mode)
    text = region.source.replace('#include "model.h"\n', region.header, 1)
    return ARENA.format(name=region.name) + text + _workspace(region) + region.entry()


ARENA = """\
/* Regions share one workspace; the linker makes it as large as the largest. */
#define TINYENGINE_ARENA_EXTERN
#define tvmgen_{name}_arena tinyengine_workspace

"""


def _workspace(region: Region) -> str:
    size = region.arena_size
    return f"""
#if {size}
__attribute__((common, aligned(16))) uint8_t tinyengine_workspace[{size}];
#endif
"""
