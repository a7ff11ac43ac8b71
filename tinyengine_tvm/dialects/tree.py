# SPDX-License-Identifier: Apache-2.0
"""A partitioned model without its dialect: what `relax.py` gives to the lowering.

Operator names and attributes follow Relax without the prefix `relax.`; another dialect translates
into the same words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..network import DTYPES, Quantisation

EXTERNAL, FIELD = "external", "field"
"""Calls that aren't composites: of a function that brings its C, and for one of its results."""


def offsets(outputs: Sequence[tuple[tuple[int, ...], str]]) -> list[int]:
    """Where each of several results begins in the array that holds them all, and its end; bytes."""
    found, at = [], 0
    for shape, dtype in outputs:
        found.append(at)
        at += -(-math.prod(shape) * DTYPES.get(dtype, 8) // 8) * 8
    return [*found, at]


def packed(outputs: Sequence[tuple[tuple[int, ...], str]]) -> tuple[tuple[int, ...], str]:
    """Shape and element type of the array that holds several results."""
    return (offsets(outputs)[-1] // 8,), "int64"


@dataclass(frozen=True)
class Value:
    """An activation: a graph input, or the result of a call. `name` is unique in the graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant operand."""

    data: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> str:
        return str(self.data.dtype)


@dataclass(frozen=True, eq=False)
class Node:
    """An operator applied to operands. A tuple of operands is a Node with op "tuple"."""

    op: str
    operands: tuple[Expression, ...]
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: int) -> Expression:
        return self.operands[index]


Expression: TypeAlias = Value | Constant | Node


@dataclass(frozen=True, eq=False)
class Call:
    """One composite in execution order: `result` = `root`."""

    composite: str
    """Without the prefix `tinyengine.`; empty for an operator that no pattern took."""
    root: Node
    result: Value


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole partitioned model. `..._names` are the names in the model file."""

    inputs: tuple[Value, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Value, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_quantisations: tuple[Quantisation | None, ...]
    """What the file says of each input; None where only its readers tell."""


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything under it, the root first."""
    yield expression
    if isinstance(expression, Node):
        for operand in expression.operands:
            yield from walk(operand)


def leaves(expression: Expression) -> list[Value]:
    """The activations that an expression reads, in order of appearance."""
    return [part for part in walk(expression) if isinstance(part, Value)]
