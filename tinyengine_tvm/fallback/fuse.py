# SPDX-License-Identifier: Apache-2.0
"""Parts of a partitioned Relax module become TIR functions, fused as TVM does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

_OPAQUE = "tinyengine.composite."
"""What stands for a composite while TVM fuses: its function and its variable follow."""


@dataclass(frozen=True)
class Fused:
    """A module whose main calls composites, and TIR functions through `call_tir`.

    Composites take and give int8 where they had uint8, with 128 less. operators: what each TIR
    function computes, in TVM's words. origins: the variable of a composite -> its name before.
    """

    module: tvm.IRModule
    operators: dict[str, tuple[str, ...]]
    origins: dict[str, str]


def fused(module: tvm.IRModule, names: Collection[str]) -> Fused:
    """The module with the bindings of these names computed by TIR functions.

    Args:
        module: what `relay_passes.partition` made.
        names: variables of main; a composite among them is taken apart again.
    """
    opened = _Rebuilt(module, frozenset(names)).run()
    passes = [
        # Sums along an axis, which have no legalisation.
        relax.backend.DispatchSortScan(),
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FoldConstant(),
        relax.transform.DeadCodeElimination(["main"]),
        relax.transform.FuseOps(),
    ]
    with tvm.target.Target("llvm"), tvm.transform.PassContext(opt_level=3):
        grouped = tvm.transform.Sequential(passes)(opened)
        operators = _operators(grouped)
        lowered = relax.transform.FuseTIR()(grouped)
    restored, origins = _restored(uniquely_named(lowered), module)
    return Fused(restored, operators, origins)


def bindings(function: relax.Function) -> list[Any]:
    return [binding for block in function.body.blocks for binding in block.bindings]


def composite_of(module: tvm.IRModule, value: Any) -> relax.Function | None:
    """The composite function that an expression calls, if it calls one."""
    if not isinstance(value, relax.Call) or not isinstance(value.op, tvm.ir.GlobalVar):
        return None
    function = module[value.op]
    attributes = getattr(function, "attrs", None)
    return function if attributes and "Composite" in attributes else None


def uniquely_named(module: tvm.IRModule) -> tvm.IRModule:
    """The module with a name of its own for each variable of main, and shapes as constants.

    Fields of tuples are bound to variables.
    """
    main = module["main"]
    replacement: dict[relax.Var, Any] = {}
    taken = {str(parameter.name) for parameter in main.params}
    blocks = []
    for block in main.body.blocks:
        kept: list[Any] = []

        def bind(wanted: str, kind: Any, value: Any, typed: Any, kept: list[Any] = kept) -> Any:
            name, count = wanted, 0
            while name in taken:
                count += 1
                name = f"{wanted}_{count}"
            taken.add(name)
            variable = kind(name, typed)
            kept.append(relax.VarBinding(variable, value))
            return variable

        for binding in block.bindings:
            value = substituted(binding.value, replacement)
            known = _shape_value(value)
            if known is not None:
                replacement[binding.var] = known
                continue
            for item in _fields_in(value):
                if item not in replacement:
                    kind = type(binding.var)
                    replacement[item] = bind("field", kind, item, _field_type(item))
            value = substituted(value, replacement)
            name = str(binding.var.name)
            replacement[binding.var] = bind(name, type(binding.var), value, binding.var.ty)
        blocks.append(_like(block, kept))
    body = relax.SeqExpr(blocks, substituted(main.body.body, replacement))
    # New calls have no type before this.
    return relax.transform.Normalize()(_with_main(module, main, body))


def _field_type(item: relax.TupleGetItem) -> Any:
    return item.tuple_value.ty.fields[item.index]


def _fields_in(value: Any) -> list[Any]:
    """The fields of tuples that stand where a variable might, as operands of a call or a tuple."""
    if isinstance(value, relax.Call):
        inner = list(value.args)
    elif isinstance(value, relax.Tuple):
        inner = list(value.fields)
    else:
        return []
    found = []
    for part in inner:
        found += [part] if isinstance(part, relax.TupleGetItem) else _fields_in(part)
    return found


def _shape_value(value: Any) -> Any:
    """What a computation on static shapes gives: a shape, or a constant."""
    if isinstance(value, relax.ShapeExpr):
        return value
    name = str(getattr(getattr(value, "op", None), "name", ""))
    if name == "relax.shape_of":
        shape = getattr(value.args[0].ty, "shape", None)
        return shape if isinstance(shape, relax.ShapeExpr) and _static(shape) else None
    if name == "relax.shape_to_tensor":
        shape = value.args[0]
        if isinstance(shape, relax.ShapeExpr) and _static(shape):
            return relax.const(np.array([int(n) for n in shape.values], np.int64), "int64")
    return None


def _static(shape: relax.ShapeExpr) -> bool:
    return all(isinstance(n, tirx.IntImm) for n in shape.values)


def substituted(expr: Any, replacement: Mapping[relax.Var, Any]) -> Any:
    """An expression with other variables; new only where one occurs in it."""
    if isinstance(expr, relax.Var):
        return replacement.get(expr, expr)
    if isinstance(expr, relax.Tuple):
        return relax.Tuple([substituted(field, replacement) for field in expr.fields])
    if isinstance(expr, relax.TupleGetItem):
        if expr in replacement:
            return replacement[expr]
        return relax.TupleGetItem(substituted(expr.tuple_value, replacement), expr.index)
    if isinstance(expr, relax.Call):
        arguments = [substituted(argument, replacement) for argument in expr.args]
        return relax.Call(expr.op, arguments, expr.attrs, expr.ty_args, expr.span)
    return expr


def _like(block: Any, kept: list[Any]) -> Any:
    kind = relax.DataflowBlock if isinstance(block, relax.DataflowBlock) else relax.BindingBlock
    return kind(kept)


def _with_main(module: tvm.IRModule, main: relax.Function, body: relax.SeqExpr) -> tvm.IRModule:
    functions = dict(module.functions.items())
    functions[module.get_global_var("main")] = relax.Function(
        main.params, body, main.ret_ty, main.is_pure, main.attrs
    )
    return tvm.IRModule(functions, attrs=module.attrs)


class _Rebuilt:
    """main anew: composites of other names opaque, those of the names given inlined."""

    def __init__(self, module: tvm.IRModule, names: frozenset[str]) -> None:
        self.module, self.names = module, names
        self.builder = relax.BlockBuilder()
        self.replacement: dict[relax.Var, Any] = {}
        self.stored: dict[relax.Var, Any] = {}
        """A value of uint8 -> the same as int8, with 128 less."""

    def run(self) -> tvm.IRModule:
        main = self.module["main"]
        with self.builder.function("main", list(main.params)):
            with self.builder.dataflow():
                for binding in bindings(main):
                    self.replacement[binding.var] = self._bound(binding)
                result = self.builder.emit_output(self._used(main.body.body))
            self.builder.emit_func_output(result)
        built = self.builder.get()
        functions = dict(built.functions.items())
        for variable, function in self.module.functions.items():
            if isinstance(function, tirx.PrimFunc):
                functions[variable] = function
        return tvm.IRModule(functions, attrs=self.module.attrs)

    def _used(self, expr: Any) -> Any:
        return substituted(expr, self.replacement)

    def _bound(self, binding: Any) -> Any:
        value, name = binding.value, str(binding.var.name)
        composite = composite_of(self.module, value)
        if composite is None:
            return self._kept(self.builder.emit(self._used(value), name))
        if name in self.names:
            for parameter, argument in zip(composite.params, value.args, strict=True):
                self.replacement[parameter] = self._used(argument)
            for inner in bindings(composite):
                self.replacement[inner.var] = self.builder.emit(
                    self._used(inner.value), f"{name}_inner"
                )
            return self._kept(self._used(composite.body.body))
        arguments = [self._as_int8(self._used(a)) for a in value.args]
        result = binding.var.ty
        kept = "int8" if str(result.dtype) == "uint8" else str(result.dtype)
        call = relax.call_dps_packed(
            f"{_OPAQUE}{value.op.name_hint}|{name}",
            relax.Tuple(arguments),
            relax.TensorType(result.shape, kept),
        )
        given = self.builder.emit(call, name)
        return self._as_uint8(given) if str(result.dtype) == "uint8" else given

    def _kept(self, value: Any) -> Any:
        """A result of TVM's: stored as int8 where it is uint8, as composites have it."""
        if str(getattr(value.ty, "dtype", "")) != "uint8":
            return value
        return self._as_uint8(self._as_int8(value))

    def _as_uint8(self, given: Any) -> Any:
        value = self._moved(given, 128, "uint8")
        self.stored[value] = given
        return value

    def _as_int8(self, value: Any) -> Any:
        if str(value.ty.dtype) != "uint8":
            return value
        if value not in self.stored:
            self.stored[value] = self._moved(value, -128, "int8")
        return self.stored[value]

    def _moved(self, x: Any, step: int, dtype: str) -> Any:
        wide = self.builder.emit(relax.op.astype(x, "int16"))
        moved = self.builder.emit(relax.op.add(wide, relax.const(step, "int16")))
        return self.builder.emit(relax.op.astype(moved, dtype))


def _operators(module: tvm.IRModule) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for variable, function in module.functions.items():
        if isinstance(function, tirx.PrimFunc):
            found[variable.name_hint] = (_plain(variable.name_hint),)
        elif function.attrs and "Primitive" in function.attrs:
            found[variable.name_hint] = tuple(
                _plain(binding.value.args[0].name_hint)
                for binding in bindings(function)
                if _calls_tir(binding.value)
            )
    return found


def _calls_tir(value: Any) -> bool:
    return isinstance(value, relax.Call) and str(getattr(value.op, "name", "")) in (
        "relax.call_tir",
        "relax.call_tir_inplace",
    )


def _plain(name: str) -> str:
    return name.rstrip("0123456789").removeprefix("tir_").removeprefix("te_") or name


def _restored(lowered: tvm.IRModule, module: tvm.IRModule) -> tuple[tvm.IRModule, dict[str, str]]:
    """The composites again in place of what stood for them, and their names before."""
    main = lowered["main"]
    composites = {v.name_hint: (v, f) for v, f in module.functions.items()}
    functions: dict[Any, Any] = dict(lowered.functions.items())
    blocks = []
    origins: dict[str, str] = {}
    for block in main.body.blocks:
        kept = []
        for binding in block.bindings:
            value = binding.value
            stood_for = _stood_for(value)
            if stood_for is not None:
                name, origins[str(binding.var.name)] = stood_for
                variable, function = composites[name]
                functions[variable] = function
                fields = value.args[1]
                arguments = list(fields.fields) if isinstance(fields, relax.Tuple) else [fields]
                value = relax.Call(variable, arguments)
            kept.append(relax.VarBinding(binding.var, value))
        blocks.append(_like(block, kept))
    merged = tvm.IRModule(functions, attrs=module.attrs)
    return _with_main(merged, main, relax.SeqExpr(blocks, main.body.body)), origins


def _stood_for(value: Any) -> tuple[str, str] | None:
    """The composite function that is called, and the variable that it was bound to."""
    if not isinstance(value, relax.Call):
        return None
    if str(getattr(value.op, "name", "")) != "relax.call_dps_packed":
        return None
    symbol = str(value.args[0].global_symbol)
    if not symbol.startswith(_OPAQUE):
        return None
    name, _, variable = symbol.removeprefix(_OPAQUE).partition("|")
    return name, variable
