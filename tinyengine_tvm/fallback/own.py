# SPDX-License-Identifier: Apache-2.0
"""A user's own operators: as C, as TIR, or as a composition of TVM's operators."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tvm import relax

from ..errors import TinyEngineError
from ..network import C_TYPES
from .c_source import CFunction
from .external import ExternalCode

Converter = Callable[..., Any]
"""(block builder, input expressions, attributes by name) -> the operator's result."""

_OPERATORS: dict[str, Converter] = {}
_KERNELS: dict[str, CFunction] = {}
_CALL = "tinyengine.c."
"""What a call of a C kernel is named in TVM: the kernel's number follows."""
_HEAD = "static void @NAME@("


def onnx_operator(name: str) -> Callable[[Converter], Converter]:
    """Registers how an ONNX operator is computed, one of ONNX's or of a domain of your own.

    `name`: the operator's type with its domain before it, as "com.example.Snake"; without one it is
    ONNX's. The function that is decorated gets TVM's block builder, an expression of Relax for each
    input, and the attributes by name. It gives an expression of Relax: `c_kernel`, operators of
    `tvm.relax.op`, or a TIR function through `builder.call_te` or `relax.call_tir`.
    """

    def register(converter: Converter) -> Converter:
        _OPERATORS[name] = converter
        return converter

    return register


def own_operator(name: str) -> Converter | None:
    """The converter of this name, if it has been registered."""
    return _OPERATORS.get(name)


def c_kernel(
    builder: relax.BlockBuilder,
    text: str,
    inputs: Sequence[Any],
    shape: Sequence[int],
    dtype: str = "float32",
    *,
    name: str = "te_own",
    scratch_bytes: int = 0,
    includes: Sequence[str] = (),
) -> Any:
    """An expression that a C function computes.

    Args:
        text: the function, beginning with `static void @NAME@(`. Its parameters are a pointer to
            the elements of each input, one to those of the result, and a `void *` to the scratch
            if there is any. No two of them overlap. It may call nothing but what `includes`
            declares.
        inputs: expressions of Relax.
        shape, dtype: of the result.
        name: of the C function.
        scratch_bytes: bytes in the arena, aligned to 8, while it runs.
        includes: headers, such as "math.h".

    Raises:
        TinyEngineError: the text isn't such a function, or the type isn't one that C has.
    """
    if not text.lstrip().startswith(_HEAD):
        raise TinyEngineError(f"the text of a C kernel must begin with '{_HEAD}'")
    if dtype not in C_TYPES:
        raise TinyEngineError(f"a C kernel can't give {dtype}; choose one of: {', '.join(C_TYPES)}")
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise TinyEngineError(f"name '{name}' of a C kernel is no C identifier in lower case")
    function = CFunction(name, text.strip() + "\n", scratch_bytes, 8, (), tuple(includes))
    symbol = f"{_CALL}{len(_KERNELS)}"
    _KERNELS[symbol] = function
    call = relax.call_dps_packed(
        symbol, relax.Tuple(list(inputs)), relax.TensorType([int(n) for n in shape], dtype)
    )
    return builder.emit(call)


def own_code(symbol: str) -> ExternalCode | None:
    """The C that stands behind the name of a call, if `c_kernel` made it."""
    function = _KERNELS.get(symbol)
    return None if function is None else ExternalCode(function, (function.name,), 0)
