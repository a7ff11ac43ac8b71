# SPDX-License-Identifier: Apache-2.0
"""Functions of one int8 value as tables: lowered TIR evaluated for all 256 values.

Arithmetic is float32, an operation at a time, as the C would have it. What comes from libm is
computed in double and rounded once, so that the table is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tvm_ffi
from tvm import tirx


class _NotPointwise(Exception):
    pass


def table_of(function: tirx.PrimFunc) -> np.ndarray | None:
    """int8 [256]: what a lowered function makes of -128 to 127, each element on its own.

    None where it isn't such a function: of one int8 tensor to one of the same shape, each result
    computed from the value at its own place alone.
    """
    if len(function.params) != 2 or any(str(p.ty.dtype) != "int8" for p in function.params):
        return None
    x, y = function.params
    if not tvm_ffi.structural_equal(x.shape, y.shape):
        return None
    values = _Values(x)
    try:
        with np.errstate(all="ignore"):
            values.run(function.body)
    except _NotPointwise:
        return None
    result = values.stored.get(y)
    return None if result is None else np.broadcast_to(result, (256,)).astype(np.int8)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    # As the C has it: of an unordered pair the second.
    "Max": lambda a, b: np.where(a > b, a, b),
    "Min": lambda a, b: np.where(a < b, a, b),
}
_EXACT: dict[str, Callable[[Any], Any]] = {
    "fabs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "rint": np.rint,
    "nearbyint": np.rint,
    "sqrt": np.sqrt,
    "round": lambda v: np.trunc(v + np.copysign(v.dtype.type(0.5), v)),
}
_LIBM = frozenset(
    "acos acosh asin asinh atan atanh cos cosh erf exp expm1 log log10 log1p log2 pow sin sinh tan "
    "tanh".split()
)


class _Values:
    """Values of expressions, arrays of 256 or scalars, as loops store them one after another.

    Each nest of loops may only read other buffers than it writes, where it writes: what lies at a
    place then depends on the input at that place alone, however often the loops come by.
    """

    def __init__(self, source: Any) -> None:
        self.stored: dict[Any, Any] = {source: np.arange(-128, 128).astype(np.int8)}
        self.base: dict[Any, Any] = {}
        """View -> the buffer it shows."""
        self.bound: dict[Any, Any] = {}
        self.place: Any = None
        self.target: Any = None

    def run(self, node: Any) -> None:
        kind = type(node).__name__
        if kind == "SeqStmt":
            for part in node.seq:
                self.run(part)
        elif kind == "For":
            self.run(node.body)
        elif kind == "DeclBuffer":
            shown = node.data.args[0]
            self.base[node.buffer] = self.base.get(shown, shown)
        elif kind == "Bind":
            self.bound[node.var] = node.value
        elif kind == "BufferStore":
            self.place = node.indices
            self.target = buffer = self.base.get(node.buffer, node.buffer)
            value = np.asarray(self.of(node.value))
            if value.dtype != np.dtype(str(node.buffer.ty.dtype)):
                raise _NotPointwise
            self.stored[buffer] = value
        elif kind != "AllocBuffer":
            raise _NotPointwise

    def of(self, node: Any) -> Any:
        kind = type(node).__name__
        if kind in ("IntImm", "FloatImm"):
            return _numpy_type(node).type(node.value)
        if kind == "Var" and node in self.bound:
            return self.of(self.bound[node])
        if kind == "TensorLoad":
            buffer = self.base.get(node.source, node.source)
            found = self.stored.get(buffer)
            same = tvm_ffi.structural_equal(node.indices, self.place) and buffer != self.target
            if found is None or not same or found.dtype != _numpy_type(node):
                raise _NotPointwise
            return found
        if kind == "Cast":
            value = self.of(node.value)
            return np.asarray(value).astype(_numpy_type(node))
        if kind in _ARITHMETIC:
            return _ARITHMETIC[kind](self.of(node.a), self.of(node.b))
        if kind == "Div" and str(node.ty.dtype).startswith("float"):
            return np.divide(self.of(node.a), self.of(node.b))
        if kind == "Not":
            return np.logical_not(self.of(node.a))
        if kind == "Select":
            parts = (node.condition, node.true_value, node.false_value)
            return np.where(*map(self.of, parts))
        if kind == "Call":
            return self._call(node)
        raise _NotPointwise

    def _call(self, node: Any) -> Any:
        name, arguments = str(node.op.name).rpartition(".")[2], list(node.args)
        if name in ("call_pure_extern", "call_extern"):
            name = str(arguments.pop(0).value)
            if name.endswith("f") and name != "erf":
                name = name[:-1]
        values = [self.of(argument) for argument in arguments]
        if name == "if_then_else":
            return np.where(*values)
        if name == "isnan":
            return np.isnan(values[0])
        if name in _EXACT and len(values) == 1:
            return _EXACT[name](np.asarray(values[0]))
        if name in _LIBM:
            return _rounded(name, values, _numpy_type(node))
        raise _NotPointwise


def _numpy_type(node: Any) -> np.dtype[Any]:
    return np.dtype(str(node.ty.dtype))


def _rounded(name: str, values: list[Any], dtype: np.dtype[Any]) -> np.ndarray:
    arrays = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in values))
    results = [_one(name, *map(float, row)) for row in zip(*(a.flat for a in arrays), strict=True)]
    return np.array(results, np.float64).reshape(arrays[0].shape).astype(dtype)


def _one(name: str, *values: float) -> float:
    """libm's result, with infinities and NaN where Python raises."""
    try:
        return float(getattr(math, name)(*values))
    except OverflowError:
        negative = name in ("sinh", "pow") and values[0] < 0
        return -math.inf if negative else math.inf
    except ValueError:
        return -math.inf if name.startswith("log") and values[0] == 0 else math.nan
