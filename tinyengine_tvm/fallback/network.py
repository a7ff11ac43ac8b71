# SPDX-License-Identifier: Apache-2.0
"""A Network of any Relax module: operators without a kernel of ours are computed by TVM's code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tvm
from tvm import relax

from ..dialects import relax as dialect
from ..dialects.lower import Problem, lower, unsupported
from ..errors import UnsupportedOperators
from ..network import Mode, Network
from .c_expressions import NotInC
from .external import ExternalCode, external_code
from .fuse import bindings, composite_of, fused, uniquely_named
from .own import own_code

SLOW = frozenset(
    "nn.conv1d nn.conv2d nn.conv3d nn.conv1d_transpose nn.conv2d_transpose nn.conv3d_transpose "
    "matmul nn.linear linear einsum nn.attention nn.attention_bias outer".split()
)
"""Sums of products, where a network spends its time. Plain loops take many times as long."""
SLOW_ADVICE = (
    "These are where a network spends its time: quantise the model to int8 and keep to what "
    "docs/operators.md lists, or give --allow-slow"
)
NO_KERNEL = "no kernel takes it in this place"
REFUSED = "docs/onnx-operators.md lists what TVM's code generator covers"


def network_of(module: tvm.IRModule, name: str, mode: Mode, allow_slow: bool = False) -> Network:
    """Lowers a module that `relay_passes.partition` made, what has no kernel through TVM.

    Raises:
        UnsupportedOperators: lists every convolution and dense layer without a kernel, unless
            `allow_slow`; or every operator that can't be emitted as C.
        ModelError: a shape isn't known, or the model contradicts itself.
    """
    module = uniquely_named(module)
    main = bindings(module["main"])
    known = {str(binding.var.name) for binding in main}
    # TVM lowers whatever isn't in a composite.
    outside = [
        Problem(str(b.var.name), f"{_word(b.value)} ('{b.var.name}')", NO_KERNEL)
        for b in main
        if isinstance(b.value, relax.Call) and composite_of(module, b.value) is None
    ]
    found = {problem.result: problem for problem in outside}
    new = outside
    while True:
        if not allow_slow:
            _refuse_slow(module, new)
        graph, problems = _attempt(module, set(found), name, mode)
        if not problems:
            network = lower(graph, name, mode, fallback=True)
            computed = _computed(module)
            told = tuple(str(p) for p in found.values() if p.result in computed)
            return replace(network, fallback=told)
        new = [p for p in problems if p.result in known - set(found)]
        if not new:
            raise UnsupportedOperators([str(p) for p in problems], REFUSED)
        found.update((problem.result, problem) for problem in new)


def _computed(module: tvm.IRModule) -> set[str]:
    """The variables of main that depend on an input; others are constants."""
    main = module["main"]
    reached = set(main.params)
    for binding in bindings(main):
        if any(v in reached for v in relax.analysis.free_vars(binding.value)):
            reached.add(binding.var)
    return {str(variable.name) for variable in reached}


def _word(call: relax.Call) -> str:
    if dialect.calls_packed(call):
        code = own_code(str(call.args[0].global_symbol))
        return code.c.name if code is not None else str(call.args[0].global_symbol)
    return str(getattr(call.op, "name", "a function")).removeprefix("relax.")


def _attempt(
    module: tvm.IRModule, names: set[str], name: str, mode: Mode
) -> tuple[Any, list[Problem]]:
    if not names:
        graph = dialect.read(module)
        return graph, unsupported(graph, name, mode)
    made = fused(module, _with_conversions(module, names))

    def translate(function: str, body: Any, writes: int) -> ExternalCode | str:
        if body is None:
            return own_code(function) or f"it calls '{function}', which has no C"
        try:
            return external_code(body, made.operators.get(function, (function,)), writes)
        except NotInC as problem:
            return f"it needs {problem}, which plain C hasn't"

    graph = dialect.read(made.module, translate)
    found = unsupported(graph, name, mode)
    return graph, [replace(p, result=made.origins.get(p.result, "")) for p in found]


def _with_conversions(module: tvm.IRModule, names: set[str]) -> set[str]:
    """The names, and those of dequantize before and quantize after them: they join in."""
    main = bindings(module["main"])
    users: dict[Any, set[str]] = {}
    for binding in main:
        for variable in relax.analysis.free_vars(binding.value):
            users.setdefault(variable, set()).add(str(binding.var.name))
    made = {binding.var: str(binding.var.name) for binding in main}
    result = set(names)
    for binding in main:
        own = str(binding.var.name)
        kind = _composite_name(module, binding.value)
        if kind == "dequantize" and users.get(binding.var, {""}) <= names:
            result.add(own)
        if kind == "quantize":
            (source,) = binding.value.args
            if made.get(source) in names and users.get(source) == {own}:
                result.add(own)
    return result


def _composite_name(module: tvm.IRModule, value: Any) -> str:
    function = composite_of(module, value)
    return str(function.attrs["Composite"]).rpartition(".")[2] if function is not None else ""


def _refuse_slow(module: tvm.IRModule, problems: list[Problem]) -> None:
    by_name = {str(b.var.name): b.value for b in bindings(module["main"])}
    slow = [p for p in problems if _operators(module, by_name[p.result]) & SLOW]
    if slow:
        raise UnsupportedOperators([str(p) for p in slow], SLOW_ADVICE)


def _operators(module: tvm.IRModule, value: Any) -> set[str]:
    composite = composite_of(module, value)
    values = [value] if composite is None else [b.value for b in bindings(composite)]
    return {
        str(getattr(v.op, "name", "")).removeprefix("relax.")
        for v in values
        if isinstance(v, relax.Call)
    }
