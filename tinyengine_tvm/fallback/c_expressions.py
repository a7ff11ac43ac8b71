# SPDX-License-Identifier: Apache-2.0
"""Expressions of TIR as C."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..network import C_TYPES

_LIBM = frozenset(
    "acos acosh asin asinh atan atanh atan2 cbrt ceil copysign cos cosh erf exp exp2 exp10 expm1 "
    "fabs floor fmod hypot ldexp log log10 log1p log2 nearbyint nextafter pow rint round sin sinh "
    "sqrt tan tanh trunc tgamma lgamma".split()
)


class NotInC(Exception):
    """A construct of TIR that has no plain C; the message names it."""


def dtype_of(expression: Any) -> str:
    return str(expression.ty.dtype)


def c_type(dtype: str) -> str:
    if dtype not in C_TYPES:
        raise NotInC(f"values of type {dtype}")
    return C_TYPES[dtype]


def size_of(dtype: str) -> int:
    return 1 if dtype == "bool" else np.dtype(dtype).itemsize


_BINARY = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%",
    "EQ": "==", "NE": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">=",
    "And": "&&", "Or": "||",
    "BitwiseAnd": "&", "BitwiseOr": "|", "BitwiseXor": "^",
    "LShift": "<<", "RShift": ">>",
}  # fmt: skip
_COMPARISONS = frozenset(("EQ", "NE", "LT", "LE", "GT", "GE", "And", "Or"))
_BITS = {
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
    "shift_left": "LShift",
    "shift_right": "RShift",
}
"""The same as calls."""


class Expressions:
    """Prints expressions, and collects the headers that they need.

    names: C expressions of variables and buffers; types: element types of buffers.
    """

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.types: dict[Any, str] = {}
        self.helpers: dict[str, None] = {}
        self.includes: set[str] = set()
        self.used: set[str] = set()
        """Names of buffers that are read or written."""

    def element(self, buffer: Any, indices: Any) -> str:
        if len(indices) != 1:
            raise NotInC("a buffer that isn't flat")
        if buffer not in self.names:
            raise NotInC(f"a buffer {buffer.name} of unknown origin")
        self.used.add(self.names[buffer])
        return f"{self.names[buffer]}[{self.expression(indices[0])}]"

    def operand(self, node: Any) -> str:
        """The expression, in parentheses unless it binds as tightly as a name does."""
        text = self.expression(node)
        return text if _atomic(text) else f"({text})"

    def expression(self, node: Any) -> str:
        kind = type(node).__name__
        if kind in ("Var", "SizeVar"):
            if node not in self.names:
                raise NotInC(f"a variable {node.name} of unknown value")
            return self.names[node]
        if kind == "IntImm":
            return self.integer(int(node.value), dtype_of(node))
        if kind == "FloatImm":
            return self._float(float(node.value), dtype_of(node))
        if kind == "Call":
            return self._call(node)
        if kind in ("BufferLoad", "TensorLoad"):
            return self.element(node.source, node.indices)
        if kind == "Cast":
            return self._cast(node)
        if kind == "Let":
            # As text: the value may only be computed where the body guards it.
            self.names[node.var] = self.operand(node.value)
            return self.expression(node.body)
        if kind == "Not":
            return f"!{self.operand(node.a)}"
        if kind == "Select":
            parts = (node.condition, node.true_value, node.false_value)
            return " ? ".join([self.operand(parts[0]), " : ".join(map(self.operand, parts[1:]))])
        if kind in ("Min", "Max"):
            return self._extremum(node, kind.lower())
        if kind in _BINARY:
            return self._binary(kind, node.a, node.b)
        if kind == "BitwiseNot":
            return self._narrowed(f"~{self.operand(node.a)}", dtype_of(node))
        raise NotInC(f"an expression {kind}")

    def _binary(self, kind: str, a: Any, b: Any) -> str:
        dtype = dtype_of(a)
        c_type(dtype)
        if kind == "Mod" and dtype.startswith("float"):
            return self._libm("fmod", dtype, (a, b))
        if kind == "LShift" and dtype.startswith("int"):
            # Shifting ones out of a signed integer is undefined in C.
            unsigned = c_type(f"u{dtype}")
            return f"({c_type(dtype)})(({unsigned}){self.operand(a)} << {self.operand(b)})"
        text = f"{self.operand(a)} {_BINARY[kind]} {self.operand(b)}"
        return text if kind in _COMPARISONS else self._narrowed(text, dtype)

    def _extremum(self, node: Any, word: str) -> str:
        dtype = dtype_of(node)
        self.helpers["te_extrema"] = None
        return f"te_{word}_{_short(dtype)}({self.expression(node.a)}, {self.expression(node.b)})"

    def _narrowed(self, text: str, dtype: str) -> str:
        """C computes 8- and 16-bit integers in int; TVM wraps them."""
        if dtype in ("int8", "uint8", "int16", "uint16"):
            return f"({c_type(dtype)})({text})"
        return text

    def _cast(self, node: Any) -> str:
        source, dtype = dtype_of(node.value), dtype_of(node)
        if dtype == "bool":
            return f"{self.operand(node.value)} != 0"
        c_type(source)
        return f"({c_type(dtype)}){self.operand(node.value)}"

    def as_type(self, text: str, source: str, dtype: str) -> str:
        if source == dtype or (source == "bool" and dtype in ("uint8", "int8")):
            return text
        inner = text if _atomic(text) else f"({text})"
        return f"({c_type(dtype)}){inner}"

    def integer(self, value: int, dtype: str) -> str:
        if dtype == "bool":
            return str(int(bool(value)))
        if dtype == "int64":
            if value == -(1 << 63):
                return "INT64_MIN"
            return f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"
        if dtype == "uint64":
            return f"UINT64_C({value % (1 << 64)})"
        if dtype == "uint32":
            return f"{value % (1 << 32)}u"
        if value == -(1 << 31):
            return "INT32_MIN"
        c_type(dtype)
        return str(value) if value >= 0 else f"({value})"

    def _float(self, value: float, dtype: str) -> str:
        """Exact: hexadecimal."""
        c_type(dtype)
        if dtype == "float32":
            with np.errstate(over="ignore"):
                value = float(np.float32(value))
        if value != value:
            self.includes.add("math.h")
            return "NAN"
        if value in (float("inf"), float("-inf")):
            self.includes.add("math.h")
            return "INFINITY" if value > 0 else "(-INFINITY)"
        suffix = "f" if dtype == "float32" else ""
        short = f"{value:.1f}"
        text = short if float(short) == value and abs(value) < 1e6 else value.hex()
        text += suffix
        return f"({text})" if text.startswith("-") else text

    def _libm(self, name: str, dtype: str, arguments: Any) -> str:
        self.includes.add("math.h")
        suffix = "f" if dtype == "float32" else ""
        return f"{name}{suffix}({', '.join(map(self.expression, arguments))})"

    def _call(self, node: Any) -> str:
        name, arguments, dtype = callee(node), list(node.args), dtype_of(node)
        if name in ("call_pure_extern", "call_extern"):
            called = str(arguments[0].value)
            stem = called[:-1] if dtype == "float32" and called.endswith("f") else called
            if stem in _LIBM and dtype in ("float32", "float64"):
                return self._libm(stem, dtype, arguments[1:])
            raise NotInC(f"a call of {called}")
        if name in _BITS:
            return self._binary(_BITS[name], *arguments)
        if name == "bitwise_not":
            return self._narrowed(f"~{self.operand(arguments[0])}", dtype)
        if name == "if_then_else":
            condition, then, otherwise = map(self.operand, arguments)
            return f"{condition} ? {then} : {otherwise}"
        if name == "likely":
            return self.expression(arguments[0])
        if name == "isnan":
            self.includes.add("math.h")
            return f"(isnan({self.expression(arguments[0])}) != 0)"
        if name in _LIBM and dtype in ("float32", "float64"):
            return self._libm(name, dtype, arguments)
        raise NotInC(f"a call of {name}")


def _short(dtype: str) -> str:
    letters = {"float": "f", "int": "s", "uint": "u"}
    found = re.fullmatch(r"(float|int|uint)(\d+)", dtype)
    if found is None:
        raise NotInC(f"the lesser of two values of type {dtype}")
    return letters[found[1]] + found[2]


def _atomic(text: str) -> bool:
    """Whether it's a name, a number, a call or an element, or stands in parentheses already."""
    if re.fullmatch(r"[\w.+-]*", text) and not re.search(r"(?<![pe])[+-]", text):
        return True
    depth = 0
    for position, letter in enumerate(text):
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth == 0 and position < len(text) - 1:
                return False
        elif depth == 0 and not (letter.isalnum() or letter == "_"):
            return False
    return True


def callee(node: Any) -> str:
    if type(node).__name__ != "Call":
        return type(node).__name__
    name = node.op.name if hasattr(node.op, "name") else str(node.op)
    return str(name).rpartition(".")[2]
