# SPDX-License-Identifier: Apache-2.0
"""Flows of Relax functions: each DataflowBlock is one, since within it any order will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import relax

from .flow import INPLACE, Flow, Step

_VIEWS = frozenset(
    {"relax.reshape", "relax.squeeze", "relax.expand_dims", "relax.flatten", "tinyengine.reshape"}
)


def graph_functions(module: tvm.IRModule) -> list[tvm.ir.GlobalVar]:
    """The functions whose operators run one after the other.

    Not those that are one operator, nor regions of other compilers than ours.
    """
    found = []
    for variable, function in module.functions.items():
        attributes = function.attrs or {}
        inner = any(name in attributes for name in ("Composite", "Primitive", "Codegen"))
        if "Codegen" in attributes and str(attributes["Codegen"]) == "tinyengine":
            inner = False
        if isinstance(function, relax.Function) and not inner:
            found.append(variable)
    return sorted(found, key=lambda v: str(v.name_hint))


def prepared(module: tvm.IRModule) -> tvm.IRModule:
    """The module itself: in Relax every expression has its type."""
    return module


def flows(module: tvm.IRModule, function: relax.Function) -> list[Flow]:
    """One flow per block; one without steps where nothing can be said of a block.

    That is a block with side effects, or with a value whose size isn't known.
    """
    if not isinstance(function.body, relax.SeqExpr):
        return []
    reader = _Reader(module, function)
    return [reader.flow(i) for i in range(len(function.body.blocks))]


class _Reader:
    def __init__(self, module: tvm.IRModule, function: relax.Function) -> None:
        self.module, self.function = module, function
        self.names: dict[relax.Var, str] = {}
        self.taken: set[str] = set()
        self.values: dict[relax.Var, tuple[str, ...]] = {}
        self.sizes: dict[str, int] = {}
        self.unknown = False
        # Functions that the function itself holds, such as the composites of a region.
        self.held: dict[relax.Var, relax.Function] = {}
        self.parameters = frozenset(name for p in function.params for name in self.new(p, p.ty))

    def new(self, variable: relax.Var, kind: Any) -> tuple[str, ...]:
        name, number = str(variable.name), 1
        while name in self.taken:
            number += 1
            name = f"{variable.name}#{number}"
        self.taken.add(name)
        self.names[variable] = name
        self.values[variable] = (name,)
        self.sizes[name] = self.bytes(kind)
        return (name,)

    def bytes(self, kind: Any) -> int:
        if isinstance(kind, relax.TupleType):
            return sum(self.bytes(field) for field in kind.fields)
        shape = getattr(kind, "shape", None)
        if shape is None:
            # Shapes and objects take no room that counts; a tensor of unknown shape does.
            self.unknown = self.unknown or isinstance(kind, relax.TensorType)
            return 0
        total = 1
        for size in shape:
            if not hasattr(size, "value"):
                self.unknown = True
                return 0
            total *= int(size.value)
        return (total * tvm.DataType(str(kind.dtype)).bits + 7) // 8

    def read(self, expr: Any) -> tuple[str, ...]:
        """The values that an expression reads."""
        found: list[str] = []

        def visit(part: Any) -> None:
            if isinstance(part, relax.Var) and part in self.values:
                found.extend(self.values[part])

        relax.analysis.post_order_visit(expr, visit)
        return tuple(dict.fromkeys(found))

    def depends(self, expr: Any) -> tuple[str, ...]:
        """The variables that an expression names."""
        found: list[str] = []

        def visit(part: Any) -> None:
            if isinstance(part, relax.Var) and part in self.names:
                found.append(self.names[part])

        relax.analysis.post_order_visit(expr, visit)
        return tuple(dict.fromkeys(found))

    def flow(self, index: int) -> Flow:
        block = self.function.body.blocks[index]
        before = {value for values in self.values.values() for value in values}
        self.unknown = False
        steps = []
        for binding in block.bindings:
            steps.append(self.step(binding))
        own = {step.name for step in steps}
        steps = [
            Step(s.name, s.reads, s.writes, tuple(n for n in s.after if n in own), s.depthwise)
            for s in steps
        ]
        read = {value for step in steps for value in step.reads}
        later = set(self.read(self.function.body.body))
        for following in self.function.body.blocks[index + 1 :]:
            for binding in following.bindings:
                later.update(self.read(binding.value))
        known = isinstance(block, relax.DataflowBlock) and not self.unknown
        return Flow(
            tuple(steps) if known else (),
            dict(self.sizes),
            tuple(sorted(before & (read | later))),
            tuple(sorted(later)),
            self.parameters,
        )

    def step(self, binding: relax.Binding) -> Step:
        variable, expr = binding.var, binding.value
        if isinstance(expr, relax.Function):
            self.held[variable] = expr
            self.new(variable, variable.ty)
            self.values[variable] = ()
            return Step(self.names[variable], (), (), ())
        reads, after = self.read(expr), self.depends(expr)
        moves_nothing = not isinstance(expr, relax.Call) or self.operator(expr) in _VIEWS
        if moves_nothing and reads:
            writes = reads
            self.new(variable, relax.ObjectType())
            self.values[variable] = reads
        else:
            writes = self.new(variable, variable.ty)
        return Step(self.names[variable], reads, writes, after, self.is_depthwise(expr))

    def operator(self, call: relax.Call) -> str:
        if isinstance(call.op, tvm.ir.Op):
            return str(call.op.name)
        callee = self.callee(call)
        if callee is not None and callee.attrs and "Composite" in callee.attrs:
            return str(callee.attrs["Composite"])
        return ""

    def callee(self, call: relax.Call) -> Any:
        """The function that a call runs, None for operators."""
        if isinstance(call.op, tvm.ir.GlobalVar):
            return self.module[call.op]
        return self.held.get(call.op) if isinstance(call.op, relax.Var) else None

    def is_depthwise(self, expr: Any) -> bool:
        if not isinstance(expr, relax.Call):
            return False
        callee = self.callee(expr)
        if callee is not None:
            body = getattr(callee, "body", None)
            inner = [
                binding.value
                for block in getattr(body, "blocks", ())
                for binding in block.bindings
                if isinstance(binding.value, relax.Call)
            ]
            convolutions = [c for c in inner if self.operator(c) == "relax.nn.conv2d"]
            return len(convolutions) == 1 and self.is_depthwise(convolutions[0])
        if self.operator(expr) != "relax.nn.conv2d":
            return False
        data, result = expr.args[0].ty.shape, expr.ty.shape
        layout = str(expr.attrs.data_layout)
        channels = layout.index("C")
        groups = int(expr.attrs.groups)
        return groups > 1 and groups == int(data[channels]) == int(result[channels])


def in_order(
    function: relax.Function, module: tvm.IRModule, orders: Sequence[Sequence[str]]
) -> relax.Function:
    """The function with the bindings of each block in the order of these steps' names."""
    reader = _Reader(module, function)
    blocks = []
    for i, (block, names) in enumerate(zip(function.body.blocks, orders, strict=True)):
        reader.flow(i)
        if names:
            of_name = {reader.names[binding.var]: binding for binding in block.bindings}
            block = relax.DataflowBlock([of_name[name] for name in names])
        blocks.append(block)
    return _with_body(function, relax.SeqExpr(blocks, function.body.body))


def with_marks(
    function: relax.Function, module: tvm.IRModule, names: Sequence[str]
) -> relax.Function:
    """The function with the attribute INPLACE; names that aren't unique in it are left out."""
    unique = [name for name in names if "#" not in name]
    return function.with_attr(INPLACE, unique)


def _with_body(function: relax.Function, body: Any) -> relax.Function:
    return relax.Function(
        function.params, body, function.ret_ty, function.is_pure, function.attrs, function.span
    )


def finished(module: tvm.IRModule, functions: Mapping[tvm.ir.GlobalVar, Any]) -> tvm.IRModule:
    """The module with these functions, normalised and checked."""
    module = relax.transform.Normalize()(tvm.IRModule(functions, attrs=module.attrs))
    relax.analysis.well_formed(module)
    return module
