# SPDX-License-Identifier: Apache-2.0
"""Brings a QDQ graph into the form that the patterns of a partition expect, in any dialect.

- Every use of a dequantised value gets a dequantize of its own: a shared one would make a composite
  with two results and keep the second user from matching.
- A dequantize moves down through operators that only move or compare values (reshape, transpose,
  maximum pooling, ...), which then work on the stored integers.
- A quantize that directly undoes a dequantize disappears, and one after a concatenation moves to
  the inputs.

All of it is exact: the values that any operator sees stay the same, bit for bit. Operators are
named in the words of `tinyengine_tvm.dialects.tree`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

DEQUANTIZE, QUANTIZE, CONCAT = "dequantize", "quantize", "concat"
MOVABLE = frozenset(
    {"expand_dims", "flatten", "nn.max_pool2d", "permute_dims", "reshape", "squeeze"}
)
"""Operators of one tensor that commute with an increasing map of its elements."""
_CONSTANT_VIEWS = frozenset({DEQUANTIZE, "reshape", "permute_dims"})
"""What may stand for a value instead of a bound value, and so is built anew at each use."""


class Sinking(ABC):
    """The rules; a dialect gives the means to look at expressions and to build them.

    `replacement` maps each value met so far to what replaces it: a bound value, or an expression
    that is built anew wherever it is used.
    """

    def __init__(self) -> None:
        self.replacement: dict[Any, Any] = {}

    @abstractmethod
    def operator(self, expr: Any) -> str:
        """The operator's word, empty for what isn't an operator's call."""

    @abstractmethod
    def constant(self, expr: Any) -> np.ndarray | None:
        """The data of a constant."""

    @abstractmethod
    def dtype(self, expr: Any) -> str:
        """The element type of a tensor."""

    @abstractmethod
    def fields(self, expr: Any) -> Sequence[Any] | None:
        """The fields of a tuple, None for anything else."""

    @abstractmethod
    def tuple(self, fields: Sequence[Any]) -> Any:
        """A tuple of operands."""

    @abstractmethod
    def rebuilt(self, call: Any, operands: Sequence[Any]) -> Any:
        """The same operator on other operands."""

    @abstractmethod
    def bind(self, expr: Any) -> Any:
        """The expression as a value that several users may share."""

    @abstractmethod
    def shared(self, expr: Any) -> bool:
        """Whether the expression may be used as it is: a bound value, a parameter, a constant."""

    @abstractmethod
    def value_of(self, expr: Any) -> Any:
        """The call in the original graph that computes a value."""

    @abstractmethod
    def joined(self, concat: Any, parts: Sequence[Any]) -> Any:
        """The concatenation `concat` of other parts."""

    def stored(self, expr: Any) -> Any:
        return self.replacement.get(expr, expr)

    def used(self, expr: Any) -> Any:
        """The expression as an operand: a value, a constant, or a tuple of them."""
        fields = self.fields(expr)
        if fields is not None:
            return self.tuple([self.used(field) for field in fields])
        found = self.stored(expr)
        if self.shared(found):
            return found
        # A call of its own at each use: partitions take one call object in two places for one
        # operator, and leave the second out of its composite.
        return self.bind(self.rebuilt(found, [self.used(a) for a in found.args]))

    def rewritten(self, value: Any) -> Any:
        """What replaces an operator's call of the original graph."""
        name = self.operator(value)
        first = self.stored(value.args[0]) if value.args else None
        if name == DEQUANTIZE or (name in _CONSTANT_VIEWS and self._is_constant(first)):
            return self.rebuilt(value, [first, *value.args[1:]])
        if first is not None and self.operator(first) == DEQUANTIZE:
            if name in MOVABLE and not self._is_constant(first) and self._one_parameter(first):
                moved = self.bind(self.rebuilt(value, [first.args[0], *value.args[1:]]))
                return self.rebuilt(first, [moved, *first.args[1:]])
            if name == QUANTIZE and self._undoes(value, first):
                return first.args[0]
        if name == QUANTIZE:
            concat = self.value_of(value.args[0])
            if self.operator(concat) == CONCAT and self.fields(concat.args[0]) is not None:
                return self.bind(self._concatenated(value, concat))
        return self.bind(self.rebuilt(value, [self.used(a) for a in value.args]))

    def _concatenated(self, quantize: Any, concat: Any) -> Any:
        """A quantised concatenation joins integers; each input is requantised if need be."""
        parts = []
        for field in self.fields(concat.args[0]) or ():
            part = self.stored(field)
            if self.operator(part) == DEQUANTIZE and self._undoes(quantize, part):
                parts.append(part.args[0])
            else:
                operands = [self.used(field), *quantize.args[1:]]
                parts.append(self.bind(self.rebuilt(quantize, operands)))
        return self.joined(concat, parts)

    def _is_constant(self, expr: Any) -> bool:
        while expr is not None and self.operator(expr) in _CONSTANT_VIEWS:
            expr = expr.args[0]
        return expr is not None and self.constant(expr) is not None

    def _parameters(self, call: Any) -> list[np.ndarray | None]:
        return [self.constant(c) for c in call.args[1:3]]

    def _one_parameter(self, call: Any) -> bool:
        """Whether one scale and one zero point hold for the whole tensor."""
        return all(data is not None and data.size == 1 for data in self._parameters(call))

    def _undoes(self, quantize: Any, dequantize: Any) -> bool:
        if not (self._one_parameter(quantize) and self._one_parameter(dequantize)):
            return False
        if self.dtype(dequantize.args[0]) != quantize.attrs.out_dtype:
            return False
        pairs = zip(self._parameters(quantize), self._parameters(dequantize), strict=True)
        return all(a is not None and b is not None and a.item() == b.item() for a, b in pairs)
