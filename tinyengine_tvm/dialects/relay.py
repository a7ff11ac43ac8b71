# SPDX-License-Identifier: Apache-2.0
"""Reads a partitioned Relay module into the dialect-neutral form of `tree.py`.

Programmed against the upstream interface of Relay (TVM 0.11 to 0.18).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import relay

from ..errors import ModelError
from ..network import Mode, Quantisation
from .attributes import INPUT_NAMES, INPUT_SCALES, INPUT_ZERO_POINTS, OUTPUT_NAMES
from .relay_order import first_step, step_of
from .relay_quantised import PRODUCTS, SUMS, shape_of, translated
from .relay_words import operator
from .tree import Call, Constant, Graph, Value

PREFIX = "tinyengine."
_ENTER, _BIND, _LEAVE = range(3)


def read(module: tvm.IRModule) -> Graph:
    """The graph of a module that `relay_passes.relay_partition` made.

    Raises:
        ModelError: a shape is dynamic, or main isn't a plain sequence of operators.
    """
    return read_function(module["main"], module)


def arithmetic_of(module: tvm.IRModule) -> Mode:
    """ "tflite" for a module with operators of the qnn dialect, which come from such models."""
    found = set()

    def visit(expr: Any) -> None:
        found.add(operator(expr))

    relay.analysis.post_order_visit(module["main"].body, visit)
    return "tflite" if found & {*PRODUCTS, *SUMS, "qnn.requantize"} else "onnx"


def read_function(function: relay.Function, module: tvm.IRModule | None = None) -> Graph:
    """The graph of one function with inferred types; `module` holds the functions it calls.

    Raises:
        ModelError: a shape is dynamic, or the function isn't a plain sequence of operators.
    """
    reader = _Reader(module)
    for parameter in function.params:
        reader.values[parameter] = reader.value(parameter, str(parameter.name_hint))
    inputs = tuple(reader.values[parameter] for parameter in function.params)
    result = reader.run(function.body)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    if not all(isinstance(output, Value) for output in outputs):
        raise ModelError("an output of the model is a constant; remove it from the model")
    attributes = function.attrs or {}
    input_names = [str(n) for n in _attribute(attributes, INPUT_NAMES)]
    output_names = [str(n) for n in _attribute(attributes, OUTPUT_NAMES)]
    if len(input_names) != len(inputs):
        input_names = [value.name for value in inputs]
    if len(output_names) != len(outputs):
        single = len(outputs) == 1
        output_names = ["output" if single else f"output_{i}" for i in range(len(outputs))]
    scales = [float(getattr(s, "value", s)) for s in _attribute(attributes, INPUT_SCALES)]
    zero_points = [int(z) for z in _attribute(attributes, INPUT_ZERO_POINTS)]
    known = [
        Quantisation(s, z) if s > 0 else None for s, z in zip(scales, zero_points, strict=True)
    ]
    return Graph(
        inputs,
        tuple(_ordered(reader.steps)),
        tuple(outputs),
        tuple(input_names),
        tuple(output_names),
        tuple(known) if len(known) == len(inputs) else (None,) * len(inputs),
    )


def read_composite(function: relay.Function) -> Graph:
    """The graph of a composite function on its own, with inferred types.

    Raises:
        ModelError: a shape is dynamic.
    """
    reader = _Reader(None)
    inputs = tuple(reader.value(p, str(p.name_hint)) for p in function.params)
    root = translated(function.body, dict(zip(function.params, inputs, strict=True)))
    result = reader.value(function.body, "result")
    composite = _text(function, "Composite")[len(PREFIX) :]
    names = tuple(value.name for value in inputs)
    unknown = (None,) * len(inputs)
    return Graph(inputs, (Call(composite, root, result),), (result,), names, ("result",), unknown)


def _attribute(attributes: Any, name: str) -> Sequence[Any]:
    # Not every version of TVM gives these attributes a get().
    return attributes[name] if name in attributes else []  # noqa: SIM401


@dataclass(frozen=True, eq=False)
class _Step:
    call: Call
    reads: tuple[str, ...]
    position: int | None
    """Of its first operator in the model file, where that is known."""


class _Reader:
    """Collects the operators' calls, operands first; `values` holds what expressions stand for."""

    def __init__(self, module: tvm.IRModule | None) -> None:
        self.module = module
        self.values: dict[Any, Any] = {}
        self.steps: list[_Step] = []
        self._taken: set[str] = set()

    def value(self, expr: Any, wanted: str) -> Value:
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        kind = expr.checked_type
        if not isinstance(kind, tvm.ir.TensorType):
            raise ModelError(f"'{wanted}' isn't a tensor; such models aren't supported")
        return Value(name, shape_of(kind, f"tensor '{wanted}'"), str(kind.dtype))

    def run(self, body: Any) -> Any:
        """What an expression stands for: a value, a constant, or a list of them."""
        # A stack of our own: networks are deeper than Python's recursion limit allows.
        stack = [(_ENTER, body)]
        while stack:
            action, expr = stack.pop()
            if action == _BIND:
                self.values[expr.var] = self.values[expr.value]
            elif expr in self.values:
                continue
            elif action == _LEAVE:
                self.values[expr] = self._seen(expr)
            elif isinstance(expr, relay.Let):
                # The order of let-bindings is the order of execution.
                stack += [(_LEAVE, expr), (_ENTER, expr.body), (_BIND, expr), (_ENTER, expr.value)]
            else:
                stack.append((_LEAVE, expr))
                stack += [(_ENTER, child) for child in reversed(_children(expr))]
        return self.values[body]

    def _seen(self, expr: Any) -> Any:
        if isinstance(expr, relay.Let):
            return self.values[expr.body]
        if isinstance(expr, relay.Constant):
            return Constant(expr.data.numpy())
        if isinstance(expr, relay.Tuple):
            return [self.values[field] for field in expr.fields]
        if isinstance(expr, relay.TupleGetItem):
            return self.values[expr.tuple_value][expr.index]
        if isinstance(expr, relay.Call):
            return self._called(expr)
        raise ModelError(f"the TVM module holds a {type(expr).__name__} where a tensor belongs")

    def _called(self, call: relay.Call) -> Any:
        function = self._function(call)
        arguments = [self.values[argument] for argument in call.args]
        composite, body = "", call
        bound = dict(zip(call.args, arguments, strict=True))
        if function is not None:
            bound = dict(zip(function.params, arguments, strict=True))
            name = _text(function, "Composite")
            if not name.startswith(PREFIX):
                # A region of the partition: what stands in it counts.
                self.values.update(bound)
                return self.run(function.body)
            composite, body = name[len(PREFIX) :], function.body
        root = translated(body, bound)
        result = self.value(call, f"value_{len(self.steps)}")
        position = step_of(call) if function is None else first_step(body)
        reads = tuple(v.name for v in _values(arguments))
        self.steps.append(_Step(Call(composite, root, result), reads, position))
        return result

    def _function(self, call: relay.Call) -> relay.Function | None:
        if isinstance(call.op, tvm.ir.GlobalVar) and self.module is not None:
            return self.module[call.op]
        return call.op if isinstance(call.op, relay.Function) else None


def _children(expr: Any) -> list[Any]:
    if isinstance(expr, relay.Tuple):
        return list(expr.fields)
    if isinstance(expr, relay.TupleGetItem):
        return [expr.tuple_value]
    return list(expr.args) if isinstance(expr, relay.Call) else []


def _text(function: relay.Function, name: str) -> str:
    attributes = function.attrs
    return str(attributes[name]) if attributes and name in attributes else ""


def _values(arguments: Sequence[Any]) -> Iterator[Value]:
    for argument in arguments:
        if isinstance(argument, Value):
            yield argument
        elif isinstance(argument, list):
            yield from _values(argument)


def _ordered(steps: list[_Step]) -> Iterator[Call]:
    """The calls in the order of the model file where it is known, else as they were found.

    What has no position of its own runs right after the last of its operands.
    """
    made = {step.call.result.name: index for index, step in enumerate(steps)}
    positions: list[int] = []
    users: list[list[int]] = [[] for _ in steps]
    missing = []
    for index, step in enumerate(steps):
        before = [made[name] for name in step.reads if name in made]
        own = step.position
        positions.append(max([positions[b] for b in before], default=0) if own is None else own)
        missing.append(len(set(before)))
        for b in set(before):
            users[b].append(index)
    ready = [(positions[i], i) for i in range(len(steps)) if not missing[i]]
    heapq.heapify(ready)
    while ready:
        _, index = heapq.heappop(ready)
        yield steps[index].call
        for user in users[index]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, (positions[user], user))
