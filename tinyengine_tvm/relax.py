# SPDX-License-Identifier: Apache-2.0
"""For users of Relax: our kernels as an external code generator in a TVM pipeline.

    import tinyengine_tvm.relax

    built = relax.build(module, "llvm", relax_pipeline="tinyengine")
    machine = relax.VirtualMachine(built, tvm.cpu())

Importing this module registers the pipeline and the code generator `relax.ext.tinyengine`. The
pipeline partitions the module, or takes it as `partition_for_tinyengine` left it. Each region of
quantised operators becomes one C function with its kernels and its own plan of memory; what no
kernel of ours takes stays with TVM. TVM's virtual machine runs on this machine, so the kernels are
those in portable C.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import TinyEngineError
from .network import C_TYPES, Mode
from .plugin import (
    MODE,
    TARGET,
    Port,
    Region,
    check_options,
    compiled_region,
    is_worth_a_region,
    network_of,
)
from .targets import TARGETS, get_target

if TYPE_CHECKING:
    import tvm
    from tvm import relax


def partition_for_tinyengine(
    mod: tvm.IRModule,
    params: Mapping[str, Any] | None = None,
    target: str = "host",
    mode: Mode | None = None,
) -> tvm.IRModule:
    """Partitions a module for relax.build, and registers our code generator with TVM.

    Args:
        mod: an int8 network: dequantize, float operator, quantize.
        params: arrays by the names of main's parameters.
        target: the core whose kernels are taken. It must be one without DSP or vector extension:
            this machine runs them.
        mode: the arithmetic: "tflite" rounds as TFLite does, "onnx" as QDQ networks do. By default
            "tflite" for what our importer made of such a file, and for modules with convolutions
            or pools in NHWC; "onnx" for others.

    Returns:
        The module for relax.build. Operators that no kernel takes stay as they were. A main with
        branches or side effects stays as it is.

    Raises:
        TinyEngineError: the target or mode is unknown, or `mod` is no Relax module.
    """
    from .dialects.choice import dialect_of

    check_options(target, mode)
    core = get_target(target)
    if core.has("dsp") or core.has("mve"):
        portable = [t.name for t in TARGETS.values() if not (t.has("dsp") or t.has("mve"))]
        raise TinyEngineError(
            f"kernels for {target} don't run on this machine, where TVM's virtual machine runs; "
            f"choose one of: {', '.join(portable)}, or use tinyengine compile"
        )
    if dialect_of(mod) != "relax":
        raise TinyEngineError("this isn't a Relax module; give what relax.frontend makes")

    from relay_passes.relax_plugin import bound
    from relay_passes.relax_regions import partition_regions

    from .dialects.relax import arithmetic_of, read_composite, read_function

    register()
    mod = bound(mod, params or {})
    arithmetic: Mode = mode or arithmetic_of(mod)

    def takes(function: relax.Function) -> bool:
        return network_of(read_composite, function, arithmetic) is not None

    def wanted(function: relax.Function) -> bool:
        return is_worth_a_region(network_of(read_function, function, arithmetic))

    return partition_regions(mod, takes, wanted, {TARGET: target, MODE: arithmetic})


def register() -> None:
    """Registers `relax.ext.tinyengine` and the pipeline "tinyengine". Once is enough.

    Raises:
        TinyEngineError: the TVM that is installed has no Relax, or an older one.
    """
    from .dialects.choice import choose_dialect

    choose_dialect("relax")
    from relay_passes import relax_plugin

    relax_plugin.register(generate, partition_for_tinyengine)


def generate(function: relax.Function) -> str:
    """The C of a region, for TVM and for anyone else.

    It defines `int32_t <symbol>(inputs..., outputs...)`, which gives 0, and around it
    `__tvm_ffi_<symbol>`, which TVM calls. The text is C11 and C++11. Scratch and activations are in
    an array of each thread's own, so that threads may run the same module.

    Args:
        function: a region. Without the attributes that `partition_for_tinyengine` sets it gets
            portable kernels and the arithmetic of ONNX.
    """
    from .dialects.relax import read_function

    attributes = function.attrs
    target = str(attributes[TARGET]) if TARGET in attributes else "host"
    tflite = MODE in attributes and str(attributes[MODE]) == "tflite"
    symbol = str(attributes["global_symbol"])
    region = compiled_region(
        read_function(function), symbol, target, "tflite" if tflite else "onnx"
    )
    return source_text(region)


def source_text(region: Region) -> str:
    """What `generate` gives, for a region that is compiled."""
    from .emit.source import helper_text

    # Fields and places in the arena are void *, which C++ doesn't convert.
    header = re.sub(r"^    void \*(\w+);$", r"    te_pointer \1;", region.header, flags=re.M)
    source = region.source.replace('#include "model.h"\n', "", 1)
    source = source.replace("((void *)(tvmgen_", "((te_pointer)(tvmgen_")
    arena = ARENA.format(name=region.name, size=region.arena_size, header=header)
    parts = (helper_text("te_pointer", "relax"), arena, source, region.entry())
    return "\n".join((*parts, helper_text("te_tensor", "relax"), _wrapper(region)))


ARENA = """\
/* The arena is this thread's own. */
#define TINYENGINE_ARENA_EXTERN
#define tvmgen_{name}_arena tvmgen_{name}_elsewhere
{header}
#undef tvmgen_{name}_arena
#if {size}
static __thread __attribute__((aligned(16))) uint8_t tvmgen_{name}_arena[{size}];
#endif
"""
_CODES = {"int8": ("kDLInt", 8, 1), "uint8": ("kDLUInt", 8, 1), "float32": ("kDLFloat", 32, 4)}


def _wrapper(region: Region) -> str:
    """The function that TVM calls: packed arguments, outputs last."""
    ports = [*region.inputs, *region.outputs]
    lines = [f"if (count != {len(ports)}) {{", *_failure(region, f"takes {len(ports)} tensors")]
    for i, port in enumerate(ports):
        code, bits, size = _CODES[port.dtype]
        lines.append("}")
        lines.append(
            f"void *const tensor_{i} = te_tensor(&arguments[{i}], {code}, {bits}, "
            f"{port.bytes // size});"
        )
        lines.append(f"if (tensor_{i} == NULL) {{")
        lines += _failure(region, f"argument {i}: {_wanted(port, size)}")
    given = ", ".join(f"({C_TYPES[port.dtype]} *)tensor_{i}" for i, port in enumerate(ports))
    lines += [
        "}",
        "(void)self;",
        "result->type_index = kTVMFFINone;",
        "result->zero_padding = 0;",
        "result->v_int64 = 0;",
        f"return {region.symbol}({given});",
    ]
    body = "\n".join("    " + line for line in lines)
    return f"""\
#ifdef __cplusplus
extern "C"
#endif
TVM_FFI_DLL_EXPORT int __tvm_ffi_{region.symbol}(
    void *self, const TVMFFIAny *arguments, int32_t count, TVMFFIAny *result)
{{
{body}
}}
"""


def _failure(region: Region, what: str) -> list[str]:
    return [f'    return te_failed("{region.symbol}: {what}");']


def _wanted(port: Port, size: int) -> str:
    return f"wants {port.bytes // size} {port.dtype} without gaps, at a multiple of 4 bytes"


register()
