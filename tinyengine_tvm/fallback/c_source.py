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

from tvm import tirx

from ..dialects.tree import offsets
from .c_expressions import Expressions, NotInC, c_type, callee, dtype_of, size_of

LOCAL_BYTES = 32
"""Buffers up to this size are variables of the function; larger ones lie in its scratch."""


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


class _Printer(Expressions):
    def __init__(self, function: tirx.PrimFunc, writes: int) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.depth = 1
        self.taken = {"scratch", "results"}
        self.scratch = 0
        self.alignment = 4
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
        if size_of(dtype) == 8:
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
        dtype = dtype_of(node.loop_var)
        name = self.names[node.loop_var] = self._unique(node.loop_var.name)
        low = self.expression(node.min)
        if isinstance(node.min, tirx.IntImm) and isinstance(node.extent, tirx.IntImm):
            high = self.integer(int(node.min) + int(node.extent), dtype)
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
        target = self.element(node.buffer, node.indices)
        dtype = _element_type(node.buffer)
        self._line(
            f"{target} = {self.as_type(self.expression(node.value), dtype_of(node.value), dtype)};"
        )

    def _Bind(self, node: Any) -> None:
        dtype = dtype_of(node.var)
        value = self.expression(node.value)
        name = self.names[node.var] = self._unique(node.var.name)
        self._line(f"const {c_type(dtype)} {name} = {value};")

    def _AllocBuffer(self, node: Any) -> None:
        buffer, dtype = node.buffer, _element_type(node.buffer)
        count = math.prod(_extents(buffer))
        name = self._unique(buffer.name)
        self._declare(buffer, name, dtype)
        if count * size_of(dtype) <= LOCAL_BYTES:
            self._line(f"{c_type(dtype)} {name}[{count}];")
            return
        offset = -(-self.scratch // 8) * 8
        self.scratch = offset + count * size_of(dtype)
        self._line(f"{c_type(dtype)} *{name} = (void *)((uint8_t *)scratch + {offset});")

    def _DeclBuffer(self, node: Any) -> None:
        base = node.data.args[0] if callee(node.data) == "buffer_data" else None
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
        raise NotInC(f"a call of {callee(node.value)}")


_RESERVED = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while y0 y1 j0 j1 gamma index div exp log pow sin cos tan".split()
) - {"y0", "y1"}


def _extents(buffer: Any) -> tuple[int, ...]:
    if not all(isinstance(extent, tirx.IntImm) for extent in buffer.shape):
        raise NotInC("a buffer of dynamic size")
    return tuple(int(extent) for extent in buffer.shape)


def _element_type(buffer: Any) -> str:
    return str(buffer.ty.dtype)
