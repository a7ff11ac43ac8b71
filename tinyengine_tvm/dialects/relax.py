# SPDX-License-Identifier: Apache-2.0
"""Reads a partitioned Relax module into the dialect-neutral form of `tree.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relax

from ..errors import ModelError
from ..network import Mode, Quantisation
from .attributes import INPUT_NAMES, INPUT_SCALES, INPUT_ZERO_POINTS, OUTPUT_NAMES
from .tree import EXTERNAL, FIELD, Call, Constant, Expression, Graph, Node, Value, packed

PREFIX = "tinyengine."


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value)


def _optional_integers(value: Any) -> tuple[int, ...] | None:
    return None if value is None else _integers(value)


_WINDOW: dict[str, Callable[[Any], Any]] = {
    "strides": _integers,
    "padding": _integers,
    "dilation": _integers,
}
_POOL: dict[str, Callable[[Any], Any]] = {
    **_WINDOW,
    "pool_size": _integers,
    "ceil_mode": bool,
    "count_include_pad": bool,
    "layout": str,
}
_ATTRIBUTES: dict[str, dict[str, Callable[[Any], Any]]] = {
    "quantize": {"axis": int},
    "dequantize": {"axis": int},
    "nn.conv2d": {**_WINDOW, "groups": int, "data_layout": str, "kernel_layout": str},
    "nn.avg_pool2d": _POOL,
    "nn.max_pool2d": _POOL,
    "nn.softmax": {"axis": int},
    "nn.pad": {"pad_width": _integers, "pad_value": float, "pad_mode": str},
    "mean": {"axis": _optional_integers, "keepdims": bool},
    "permute_dims": {"axes": _optional_integers},
    "concat": {"axis": int},
    "image.resize2d": {
        "layout": str,
        "method": str,
        "coordinate_transformation_mode": str,
        "rounding_method": str,
    },
}
"""The attributes the lowering reads, with the Python type each becomes."""


def _shape(expression: Any, where: str) -> tuple[int, ...]:
    shape = getattr(expression.ty, "shape", None)
    if shape is None:
        raise ModelError(f"{where} has no static shape; export the model with fixed shapes")
    sizes = []
    for size in shape:
        if not hasattr(size, "value"):
            raise ModelError(f"{where} has a dynamic shape; export the model with fixed shapes")
        sizes.append(int(size.value))
    return tuple(sizes)


def _value(variable: relax.Var, taken: set[str]) -> Value:
    """The value of a variable, named after it; names in Relax aren't unique, values' are."""
    where = f"tensor '{variable.name}'"
    shape = _shape(variable, where)
    if 0 in shape:
        raise ModelError(f"{where} holds no element; remove what computes it from the model")
    return Value(_free(str(variable.name), taken), shape, str(variable.ty.dtype))


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it that isn't taken; it is then."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class _Reader:
    """Builds expression trees inside one function; `bound` holds what its variables stand for."""

    def __init__(self, bound: dict[relax.Var, Expression]) -> None:
        self.bound = bound

    def expression(self, expr: Any) -> Expression:
        if isinstance(expr, relax.Var):
            return self.bound[expr]
        if isinstance(expr, tvm.ir.GenericConst):
            return Constant(expr.value.numpy())
        if isinstance(expr, relax.Tuple):
            return Node("tuple", tuple(map(self.expression, expr.fields)), {}, (), "")
        if isinstance(expr, relax.Call):
            return self.call(expr)
        if isinstance(expr, (tvm.tirx.IntImm, tvm.tirx.FloatImm)):
            return Constant(np.array(expr.value, str(expr.ty.dtype)))
        raise ModelError(f"the TVM module holds a {type(expr).__name__} where a tensor belongs")

    def call(self, call: relax.Call) -> Node:
        op = call.op.name.removeprefix("relax.") if isinstance(call.op, tvm.ir.Op) else "call"
        attributes: dict[str, Any] = {
            name: convert(getattr(call.attrs, name))
            for name, convert in _ATTRIBUTES.get(op, {}).items()
        }
        operands = []
        for argument in call.args:
            if isinstance(argument, relax.ShapeExpr):
                attributes["shape"] = _integers(argument.values)
            elif hasattr(argument, "value") and not isinstance(argument, tvm.ir.GenericConst):
                attributes.setdefault("scalars", []).append(float(argument.value))
            elif not isinstance(argument, tvm.ir.GlobalVar):
                operands.append(self.expression(argument))
        shape = _shape(call, f"the result of {op}")
        return Node(op, tuple(operands), attributes, shape, str(call.ty.dtype))


Translator = Callable[[str, Any, int], Any]
"""(name, TIR function, how many results it has) -> what the lowering gets.

The function is None for one that only has a name.
"""


def read(module: tvm.IRModule, translate: Translator | None = None) -> Graph:
    """The graph of a module that `relay_passes.partition` made.

    `translate` is for TIR functions that main calls; the Node of such a call holds what it gave.

    Raises:
        ModelError: a shape is dynamic, or main isn't a plain sequence of operators.
    """
    return _read(module["main"], module, module.attrs or {}, translate)


def read_function(function: relax.Function) -> Graph:
    """The graph of a function on its own, which holds the functions that it calls.

    Raises:
        ModelError: a shape is dynamic, or the function isn't a plain sequence of operators.
    """
    return _read(function, None, {})


def read_composite(function: relax.Function) -> Graph:
    """The graph of a composite function on its own.

    Raises:
        ModelError: a shape is dynamic.
    """
    taken: set[str] = set()
    inputs = tuple(_value(parameter, taken) for parameter in function.params)
    root = _inside(function, inputs)
    result = _value(function.body.body, taken)
    composite = _composite_name(function)
    names = tuple(value.name for value in inputs)
    unknown = (None,) * len(inputs)
    return Graph(inputs, (Call(composite, root, result),), (result,), names, ("result",), unknown)


def arithmetic_of(module: tvm.IRModule) -> Mode:
    """ "tflite" for what was imported from such a model, else "onnx".

    Our importer leaves the inputs' quantisation. TVM's own is known by the layout of convolutions
    and pools, NHWC, which its ONNX importer never gives them.
    """
    if module.attrs and INPUT_SCALES in module.attrs:
        return "tflite"
    found = set()

    def visit(expr: Any) -> None:
        if isinstance(expr, relax.Call):
            for name in ("data_layout", "layout"):
                found.add(str(getattr(expr.attrs, name, "")))

    relax.analysis.post_order_visit(module["main"], visit)
    return "tflite" if "NHWC" in found else "onnx"


def _read(
    function: relax.Function,
    module: tvm.IRModule | None,
    attributes: Any,
    translate: Translator | None = None,
) -> Graph:
    taken: set[str] = set()
    inputs = tuple(_value(parameter, taken) for parameter in function.params)
    values: dict[relax.Var, Expression] = dict(zip(function.params, inputs, strict=True))
    tuples: dict[relax.Var, relax.Tuple] = {}
    functions: dict[relax.Var, relax.Function] = {}
    reader = _Reader(values)
    calls: list[Call] = []
    shifted: set[relax.Var] = set() if module is None else _shifted(module)

    for block in function.body.blocks:
        for binding in block.bindings:
            variable, expr = binding.var, binding.value
            if isinstance(expr, relax.Function):
                functions[variable] = expr
                continue
            if isinstance(expr, relax.Tuple):
                tuples[variable] = expr
                continue
            if isinstance(expr, relax.Var) and expr in tuples:
                tuples[variable] = tuples[expr]
                continue
            if isinstance(expr, relax.TupleGetItem) and expr.tuple_value in values:
                whole = values[expr.tuple_value]
                result = _value(variable, taken)
                field = Node(
                    "field", (whole,), {"index": int(expr.index)}, result.shape, result.dtype
                )
                composite, root = FIELD, field
            elif not isinstance(expr, relax.Call):
                values[variable] = reader.expression(expr)
                continue
            elif translate is not None and module is not None and _calls_external(expr):
                composite, root = EXTERNAL, _external(module, expr, reader, translate)
                if isinstance(variable.ty, tvm.ir.TupleType):
                    name = _free(str(variable.name), taken)
                    result = Value(name, root.shape, root.dtype)
                else:
                    result = _value(variable, taken)
            else:
                if not hasattr(variable.ty, "shape"):
                    raise ModelError(
                        f"'{variable.name}' isn't a tensor; such models aren't supported"
                    )
                composite, root = _composite(_callee(expr, module, functions), expr, reader)
                result = _value(variable, taken)
            if variable in shifted:
                result = Value(result.name, result.shape, "uint8")
            values[variable] = result
            calls.append(Call(composite, root, result))

    body = function.body.body
    body = tuples.get(body, body) if isinstance(body, relax.Var) else body
    fields = body.fields if isinstance(body, relax.Tuple) else [body]
    outputs = []
    for result_expr in fields:
        output = reader.expression(result_expr)
        if not isinstance(output, Value):
            raise ModelError("an output of the model is a constant; remove it from the model")
        outputs.append(output)
    input_names = [str(n) for n in attributes.get(INPUT_NAMES, [])]
    output_names = [str(n) for n in attributes.get(OUTPUT_NAMES, [])]
    if len(input_names) != len(inputs):
        input_names = [value.name for value in inputs]
    if len(output_names) != len(outputs):
        single = len(outputs) == 1
        output_names = ["output" if single else f"output_{i}" for i in range(len(outputs))]
    parameters = zip(
        attributes.get(INPUT_SCALES, []), attributes.get(INPUT_ZERO_POINTS, []), strict=True
    )
    known = [Quantisation(float(s), int(z)) if float(s) > 0 else None for s, z in parameters]
    return Graph(
        inputs,
        tuple(calls),
        tuple(outputs),
        tuple(input_names),
        tuple(output_names),
        tuple(known) if len(known) == len(inputs) else (None,) * len(inputs),
    )


def calls_tir(value: Any) -> bool:
    """Whether an expression calls a TIR function."""
    return isinstance(value, relax.Call) and str(getattr(value.op, "name", "")) == "relax.call_tir"


def calls_packed(value: Any) -> bool:
    """Whether an expression calls a function that TVM only knows by name."""
    name = str(getattr(getattr(value, "op", None), "name", ""))
    return isinstance(value, relax.Call) and name == "relax.call_dps_packed"


def _calls_external(value: Any) -> bool:
    return calls_tir(value) or calls_packed(value)


def _shifted(module: tvm.IRModule) -> set[relax.Var]:
    """Variables of int8 that stand for uint8, 128 less, since composites have them so."""
    found = set()
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            call = binding.value
            if not isinstance(call, relax.Call) or not isinstance(call.op, tvm.ir.GlobalVar):
                continue
            function = module[call.op]
            if not isinstance(function, relax.Function):
                continue
            ends = [(binding.var, function.ret_ty)]
            ends += [(a, p.ty) for a, p in zip(call.args, function.params, strict=True)]
            for variable, inside in ends:
                if str(inside.dtype) == "uint8" and isinstance(variable, relax.Var):
                    found.add(variable)
    return found


def _external(
    module: tvm.IRModule, call: relax.Call, reader: _Reader, translate: Translator
) -> Node:
    """The call of a TIR or C function; its results, if several, are fields of one packed array."""
    callee, fields = call.args[0], call.args[1]
    given = list(fields.fields) if isinstance(fields, relax.Tuple) else [fields]
    if len(call.args) > 2:
        raise ModelError(f"'{callee}' takes a shape that isn't known; fix all shapes")
    results = call.ty_args[0]
    parts = list(results.fields) if isinstance(results, tvm.ir.TupleType) else [results]
    outputs = [(tuple(int(n) for n in part.shape), str(part.dtype)) for part in parts]
    if calls_tir(call):
        name, function = callee.name_hint, module[callee]
    else:
        name, function = str(callee.global_symbol), None
    attributes = {
        "function": name,
        "code": translate(name, function, len(outputs)),
        "outputs": outputs,
    }
    shape, dtype = outputs[0] if len(outputs) == 1 else packed(outputs)
    return Node("call_tir", tuple(map(reader.expression, given)), attributes, shape, dtype)


def _callee(
    call: relax.Call, module: tvm.IRModule | None, functions: dict[relax.Var, relax.Function]
) -> relax.Function | None:
    if isinstance(call.op, tvm.ir.GlobalVar) and module is not None:
        return module[call.op]
    return functions.get(call.op) if isinstance(call.op, relax.Var) else None


def _composite_name(function: relax.Function) -> str:
    """The name without its prefix; empty for what isn't a composite of ours."""
    attributes = function.attrs
    name = str(attributes["Composite"]) if attributes and "Composite" in attributes else ""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else ""


def _composite(
    function: relax.Function | None, call: relax.Call, reader: _Reader
) -> tuple[str, Node]:
    composite = "" if function is None else _composite_name(function)
    if function is None or not composite:
        return "", reader.call(call)
    return composite, _inside(function, [reader.expression(a) for a in call.args])


def _inside(function: relax.Function, arguments: Sequence[Expression]) -> Node:
    """What a composite computes of these arguments."""
    # uint8 is stored as int8, 128 less; to the composite's own words it is uint8.
    inside: dict[relax.Var, Expression] = dict(zip(function.params, arguments, strict=True))
    inner = _Reader(inside)
    for block in function.body.blocks:
        for binding in block.bindings:
            inside[binding.var] = inner.expression(binding.value)
    root = inner.expression(function.body.body)
    assert isinstance(root, Node), _composite_name(function)
    return root
