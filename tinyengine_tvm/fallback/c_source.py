# SPDX-License-Identifier: Apache-2.0
"""From a lowered TIR function to plain C: raw pointers, no header or runtime of TVM.

TVM has a C code generator of its own. It emits calls of the packed function interface and of TVM's
allocator, and prints floats with seven digits, which isn't exact. Lowered TIR is a small language,
so what is left of it after TVM's passes is printed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from ..dialects.tree import offsets

C_TYPES = {
    "bool": "uint8_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float32": "float",
    "float64": "double",
}
"""Element types that C gets; others are refused."""
LOCAL_BYTES = 32
"""Buffers up to this size are variables of the function; larger ones lie in its scratch."""

_LIBM = frozenset(
    "acos acosh asin asinh atan atanh atan2 cbrt ceil copysign cos cosh erf exp exp2 exp10 expm1 "
    "fabs floor fmod hypot ldexp log log10 log1p log2 nearbyint nextafter pow rint round sin sinh "
    "sqrt tan tanh trunc tgamma lgamma".split()
)


class NotInC(Exception):
    """A construct of TIR that has no plain C; the message names it."""


@dataclass(frozen=True)
class CFunction:
    """A C function at file scope.

    `text` says `@NAME@` where its name stands. Its parameters are a pointer for each parameter of
    the TIR function in their order, and `void *scratch` if `scratch_bytes` isn't 0. Where there are
    several results, one pointer stands for the array that holds them all.
    """

    name: str
    text: str
    scratch_bytes: int
    alignment: int
    """Of every pointer, in bytes: 8 where 64-bit elements are touched, else 4."""
    helpers: tuple[str, ...]
    includes: tuple[str, ...]


def c_function(function: tirx.PrimFunc, name: str, writes: int = 1) -> CFunction:
    """Prints a function that `lower_to_loops` made; its last `writes` parameters are written.

    Raises:
        NotInC: it holds something that plain C can't express.
    """
    return _Printer(function, writes).finish(name)


def _dtype(expression: Any) -> str:
    return str(expression.ty.dtype)


def c_type(dtype: str) -> str:
    if dtype not in C_TYPES:
        raise NotInC(f"values of type {dtype}")
    return C_TYPES[dtype]


def _size(dtype: str) -> int:
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


class _Printer:
    def __init__(self, function: tirx.PrimFunc, writes: int) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[Any, str] = {}
        self.taken = {"scratch", "results"}
        self.helpers: dict[str, None] = {}
        self.includes: set[str] = set()
        self.scratch = 0
        self.alignment = 4
        self.used: set[str] = set()
        self.types: dict[Any, str] = {}
        """Buffer -> element type, where it has a name"""
        self.parameters: list[tuple[str, str]] = []
        count = len(function.params)
        places = offsets(
            [(_extents(p), _element_type(p)) for p in function.params[count - writes :]]
        )
        for index, parameter in enumerate(function.params):
            dtype = _element_type(parameter)
            written = index - (count - writes)
            name = self._unique(f"x{index}" if written < 0 else f"y{written}")
            self._declare(parameter, name, dtype)
            offset = parameter.elem_offset
            if type(offset).__name__ == "Var":
                # A whole tensor begins at its pointer.
                self.names[offset] = "0"
            if written < 0:
                self.parameters.append((f"const {c_type(dtype)} *{name}", name))
            elif writes == 1:
                self.parameters.append((f"{c_type(dtype)} *{name}", name))
            else:
                place = f"(void *)((uint8_t *)results + {places[written]})"
                self._line(f"{c_type(dtype)} *{name} = {place};")
        if writes > 1:
            self.parameters.append(("void *results", "results"))
            self.used.add("results")
        self.statement(function.body)

    def finish(self, name: str) -> CFunction:
        parameters = [declared for declared, _ in self.parameters]
        if self.scratch:
            parameters.append("void *scratch")
        unused = [f"    (void){name};" for _, name in self.parameters if name not in self.used]
        head = f"static void @NAME@({', '.join(parameters)})"
        if len(head) > 100:
            joined = ",\n    ".join(parameters)
            head = f"static void @NAME@(\n    {joined})"
        text = "\n".join([head, "{", *unused, *self.lines, "}", ""])
        return CFunction(
            name,
            text,
            self.scratch,
            self.alignment,
            tuple(self.helpers),
            tuple(sorted(self.includes)),
        )

    def _unique(self, wanted: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9_]+", "_", wanted).strip("_") or "v"
        if stem[0].isdigit():
            stem = f"v{stem}"
        name, count = stem, 1
        while name in self.taken or name in _RESERVED:
            count += 1
            name = f"{stem}_{count}"
        self.taken.add(name)
        return name

    def _declare(self, buffer: Any, name: str, dtype: str) -> None:
        c_type(dtype)
        self.names[buffer], self.types[buffer] = name, dtype
        if _size(dtype) == 8:
            self.alignment = 8

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    # Statements

    def statement(self, node: Any) -> None:
        kind = type(node).__name__
        method: Callable[[Any], None] | None = getattr(self, f"_{kind}", None)
        if method is None:
            raise NotInC(f"a statement {kind}")
        method(node)

    def _SeqStmt(self, node: Any) -> None:
        for part in node.seq:
            self.statement(part)

    def _For(self, node: Any) -> None:
        if node.kind not in (0, 1, 3) or node.thread_binding is not None:
            raise NotInC("a loop that isn't serial")
        outer = set(self.taken)
        step = node.step if getattr(node, "step", None) is not None else None
        dtype = _dtype(node.loop_var)
        name = self.names[node.loop_var] = self._unique(node.loop_var.name)
        low = self.expression(node.min)
        if isinstance(node.min, tirx.IntImm) and isinstance(node.extent, tirx.IntImm):
            high = self._integer(int(node.min) + int(node.extent), dtype)
        elif isinstance(node.min, tirx.IntImm) and int(node.min) == 0:
            high = self.expression(node.extent)
        else:
            high = f"{self.operand(node.min)} + {self.operand(node.extent)}"
        advance = f"++{name}" if step is None else f"{name} += {self.expression(step)}"
        self._line(f"for ({c_type(dtype)} {name} = {low}; {name} < {high}; {advance}) {{")
        self._block(node.body)
        self._line("}")
        self.taken = outer

    def _block(self, node: Any) -> None:
        self.depth += 1
        self.statement(node)
        self.depth -= 1

    def _While(self, node: Any) -> None:
        self._line(f"while ({self.expression(node.condition)}) {{")
        self._block(node.body)
        self._line("}")

    def _IfThenElse(self, node: Any) -> None:
        self._line(f"if ({self.expression(node.condition)}) {{")
        self._block(node.then_case)
        if node.else_case is not None:
            self._line("} else {")
            self._block(node.else_case)
        self._line("}")

    def _BufferStore(self, node: Any) -> None:
        target = self._element(node.buffer, node.indices)
        dtype = _element_type(node.buffer)
        self._line(
            f"{target} = {self._as(self.expression(node.value), _dtype(node.value), dtype)};"
        )

    def _Bind(self, node: Any) -> None:
        dtype = _dtype(node.var)
        value = self.expression(node.value)
        name = self.names[node.var] = self._unique(node.var.name)
        self._line(f"const {c_type(dtype)} {name} = {value};")

    def _AllocBuffer(self, node: Any) -> None:
        buffer, dtype = node.buffer, _element_type(node.buffer)
        count = math.prod(_extents(buffer))
        name = self._unique(buffer.name)
        self._declare(buffer, name, dtype)
        if count * _size(dtype) <= LOCAL_BYTES:
            self._line(f"{c_type(dtype)} {name}[{count}];")
            return
        offset = -(-self.scratch // 8) * 8
        self.scratch = offset + count * _size(dtype)
        self._line(f"{c_type(dtype)} *{name} = (void *)((uint8_t *)scratch + {offset});")

    def _DeclBuffer(self, node: Any) -> None:
        base = node.data.args[0] if _callee(node.data) == "buffer_data" else None
        if base is None or base not in self.names:
            raise NotInC("a buffer of unknown origin")
        name, dtype = self.names[base], _element_type(node.buffer)
        if dtype != self.types[base]:
            self.used.add(name)
            view = self._unique(node.buffer.name)
            self._line(f"{c_type(dtype)} *{view} = (void *){name};")
            name = view
        self._declare(node.buffer, name, dtype)

    def _AttrStmt(self, node: Any) -> None:
        if str(node.attr_key).startswith("pragma_"):
            # Advice on how to compile, such as the name of the loops.
            self.statement(node.body)
            return
        raise NotInC(f"an attribute {node.attr_key}")

    def _AssertStmt(self, node: Any) -> None:
        """What TVM asserts holds for tensors of fixed shape."""

    def _Evaluate(self, node: Any) -> None:
        if isinstance(node.value, tirx.IntImm):
            return
        raise NotInC(f"a call of {_callee(node.value)}")

    # Expressions

    def _element(self, buffer: Any, indices: Any) -> str:
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
            return self._integer(int(node.value), _dtype(node))
        if kind == "FloatImm":
            return self._float(float(node.value), _dtype(node))
        if kind == "Call":
            return self._call(node)
        if kind in ("BufferLoad", "TensorLoad"):
            return self._element(node.source, node.indices)
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
            return self._narrowed(f"~{self.operand(node.a)}", _dtype(node))
        raise NotInC(f"an expression {kind}")

    def _binary(self, kind: str, a: Any, b: Any) -> str:
        dtype = _dtype(a)
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
        dtype = _dtype(node)
        self.helpers["te_extrema"] = None
        return f"te_{word}_{_short(dtype)}({self.expression(node.a)}, {self.expression(node.b)})"

    def _narrowed(self, text: str, dtype: str) -> str:
        """C computes 8- and 16-bit integers in int; TVM wraps them."""
        if dtype in ("int8", "uint8", "int16", "uint16"):
            return f"({c_type(dtype)})({text})"
        return text

    def _cast(self, node: Any) -> str:
        source, dtype = _dtype(node.value), _dtype(node)
        if dtype == "bool":
            return f"{self.operand(node.value)} != 0"
        c_type(source)
        return f"({c_type(dtype)}){self.operand(node.value)}"

    def _as(self, text: str, source: str, dtype: str) -> str:
        if source == dtype or (source == "bool" and dtype in ("uint8", "int8")):
            return text
        inner = text if _atomic(text) else f"({text})"
        return f"({c_type(dtype)}){inner}"

    def _integer(self, value: int, dtype: str) -> str:
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
        name, arguments, dtype = _callee(node), list(node.args), _dtype(node)
        if name in ("call_pure_extern", "call_extern"):
            callee = str(arguments[0].value)
            stem = callee[:-1] if dtype == "float32" and callee.endswith("f") else callee
            if stem in _LIBM and dtype in ("float32", "float64"):
                return self._libm(stem, dtype, arguments[1:])
            raise NotInC(f"a call of {callee}")
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


_RESERVED = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while y0 y1 j0 j1 gamma index div exp log pow sin cos tan".split()
) - {"y0", "y1"}


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


def _callee(node: Any) -> str:
    if type(node).__name__ != "Call":
        return type(node).__name__
    name = node.op.name if hasattr(node.op, "name") else str(node.op)
    return str(name).rpartition(".")[2]


def _extents(buffer: Any) -> tuple[int, ...]:
    if not all(isinstance(extent, tirx.IntImm) for extent in buffer.shape):
        raise NotInC("a buffer of dynamic size")
    return tuple(int(extent) for extent in buffer.shape)


def _element_type(buffer: Any) -> str:
    return str(buffer.ty.dtype)
