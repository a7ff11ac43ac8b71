# SPDX-License-Identifier: Apache-2.0
"""Flows of Relay functions: the whole graph is one, and an order is a chain of lets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import relay

from .flow import INPLACE, Flow, Step
from .relay_build import function_like, module_like

_VIEWS = frozenset({"reshape", "squeeze", "expand_dims", "nn.batch_flatten", "tinyengine.reshape"})


def graph_functions(module: tvm.IRModule) -> list[Any]:
    """The functions whose operators run one after the other.

    Not those that are one operator, nor regions of other compilers than ours.
    """
    found = []
    for variable, function in module.functions.items():
        attributes = function.attrs or {}
        inner = any(name in attributes for name in ("Composite", "Primitive", "Compiler"))
        if "Compiler" in attributes and str(attributes["Compiler"]) == "tinyengine":
            inner = False
        if isinstance(function, relay.Function) and not inner:
            found.append(variable)
    return sorted(found, key=lambda v: str(v.name_hint))


def prepared(module: tvm.IRModule) -> tvm.IRModule:
    """The module with the type of every expression."""
    return relay.transform.InferType()(module)


def flows(module: tvm.IRModule, function: Any) -> list[Flow]:
    """The function's only flow; it has no steps where the size of a value isn't known."""
    reader = _Reader(module, function)
    return [reader.flow()]


class _Reader:
    def __init__(self, module: tvm.IRModule, function: Any) -> None:
        self.module = module
        self.values: dict[Any, tuple[str, ...]] = {}
        self.sizes: dict[str, int] = {}
        self.unknown = False
        self.calls: dict[str, Any] = {}
        self.steps: list[Step] = []
        # What a variable bound by a let, or any other expression, is made by.
        self.makers: dict[Any, tuple[str, ...]] = {}
        self.aliases: dict[Any, Any] = {}
        taken: set[str] = set()
        for parameter in function.params:
            name = str(parameter.name_hint)
            while name in taken:
                name += "_"
            taken.add(name)
            self.values[parameter] = (name,)
            self.sizes[name] = self.bytes(parameter.checked_type)
        self.parameters = tuple(name for p in function.params for name in self.values[p])
        body = function.body
        while isinstance(body, relay.Let):
            self.walk(body.value)
            self.aliases[body.var] = body.value
            self.values[body.var] = self.values.get(body.value, ())
            self.makers[body.var] = self.makers.get(body.value, ())
            body = body.body
        self.walk(body)
        self.body = body

    def walk(self, root: Any) -> None:
        """Visits every expression that hasn't been yet, operands first."""
        stack = [(root, False)]
        while stack:
            expr, ready = stack.pop()
            if expr in self.values or isinstance(expr, (relay.Var, relay.Constant)):
                continue
            if isinstance(expr, relay.Call):
                children = list(expr.args)
            elif isinstance(expr, relay.Tuple):
                children = list(expr.fields)
            elif isinstance(expr, relay.TupleGetItem):
                children = [expr.tuple_value]
            else:
                # Branches and the like: nothing can be said of their order.
                self.unknown = True
                continue
            if not ready:
                stack.append((expr, True))
                stack += [(child, False) for child in reversed(children)]
                continue
            reads = tuple(dict.fromkeys(v for c in children for v in self.values.get(c, ())))
            after = tuple(dict.fromkeys(n for c in children for n in self.makers.get(c, ())))
            if not isinstance(expr, relay.Call):
                self.values[expr], self.makers[expr] = reads, after
                continue
            operator = self.operator(expr)
            name = f"step{len(self.steps)}_{operator.rsplit('.', 1)[-1] or 'call'}"
            if operator in _VIEWS and reads:
                writes = reads
            else:
                writes = (name,)
                self.sizes[name] = self.bytes(expr.checked_type)
            self.values[expr], self.makers[expr] = writes, (name,)
            self.calls[name] = expr
            self.steps.append(Step(name, reads, writes, after, self.is_depthwise(expr)))

    def bytes(self, kind: Any) -> int:
        if isinstance(kind, relay.TupleType):
            return sum(self.bytes(field) for field in kind.fields)
        if not isinstance(kind, relay.TensorType):
            self.unknown = True
            return 0
        total = 1
        for size in kind.shape:
            if not isinstance(size, tvm.tir.IntImm):
                self.unknown = True
                return 0
            total *= int(size)
        return (total * tvm.DataType(str(kind.dtype)).bits + 7) // 8

    def flow(self) -> Flow:
        outputs = self.values.get(self.body, ())
        steps = () if self.unknown else tuple(self.steps)
        return Flow(steps, self.sizes, self.parameters, outputs, frozenset(self.parameters))

    def callee(self, call: Any) -> Any:
        return self.module[call.op] if isinstance(call.op, relay.GlobalVar) else call.op

    def operator(self, call: Any) -> str:
        if isinstance(call.op, tvm.ir.Op):
            return str(call.op.name)
        attributes = getattr(self.callee(call), "attrs", None)
        return str(attributes["Composite"]) if attributes and "Composite" in attributes else ""

    def is_depthwise(self, call: Any) -> bool:
        if isinstance(call.op, tvm.ir.Op):
            if call.op.name not in ("nn.conv2d", "qnn.conv2d"):
                return False
            data, result = call.args[0].checked_type.shape, call.checked_type.shape
            channels = str(call.attrs.data_layout).index("C")
            groups = int(call.attrs.groups)
            return groups > 1 and groups == int(data[channels]) == int(result[channels])
        inner: list[Any] = []

        def visit(part: Any) -> None:
            if isinstance(part, relay.Call) and isinstance(part.op, tvm.ir.Op):
                inner.append(part)

        function = self.callee(call)
        if not isinstance(function, relay.Function):
            return False
        relay.analysis.post_order_visit(function.body, visit)
        convolutions = [c for c in inner if c.op.name in ("nn.conv2d", "qnn.conv2d")]
        return len(convolutions) == 1 and self.is_depthwise(convolutions[0])


def in_order(function: Any, module: tvm.IRModule, orders: Sequence[Sequence[str]]) -> Any:
    """The function as a chain of lets, in the order of these steps' names, which they bear."""
    (names,) = orders
    if not names:
        return function
    reader = _Reader(module, function)
    made: dict[Any, Any] = {}

    def new(expr: Any) -> Any:
        if expr in made:
            return made[expr]
        if expr in reader.aliases:
            return new(reader.aliases[expr])
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([new(field) for field in expr.fields], expr.span)
        if isinstance(expr, relay.TupleGetItem):
            return relay.TupleGetItem(new(expr.tuple_value), expr.index)
        return expr

    bindings = []
    for name in names:
        call = reader.calls[name]
        operands = [new(operand) for operand in call.args]
        value = relay.Call(call.op, operands, call.attrs, call.type_args, call.span)
        variable = relay.Var(name, call.checked_type)
        made[call] = variable
        bindings.append((variable, value))
    body = new(reader.body)
    for variable, value in reversed(bindings):
        body = relay.Let(variable, value, body)
    return function_like(function, body)


def with_marks(function: Any, module: tvm.IRModule, names: Sequence[str]) -> Any:
    """The function as a chain of lets in its own order, with the attribute INPLACE."""
    steps = [step.name for step in flows(module, function)[0].steps]
    return in_order(function, module, [steps]).with_attr(INPLACE, list(names))


def finished(module: tvm.IRModule, functions: Mapping[Any, Any]) -> tvm.IRModule:
    """The module with these functions, checked."""
    return relay.transform.InferType()(module_like(module, functions))
