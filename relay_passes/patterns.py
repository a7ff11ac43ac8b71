# SPDX-License-Identifier: Apache-2.0
"""The composites of QDQ graphs, described once for both dialects.

Each composite is one quantised operator together with the dequantize and quantize around it.
`Language` turns the description into the patterns of a dialect. Operators are named in the words of
`tinyengine_tvm.dialects.tree`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

PREFIX = "tinyengine."


class Language(ABC):
    """The pattern language of a dialect. Patterns of one language combine with `|`."""

    @abstractmethod
    def op(self, name: str, *operands: Any) -> Any:
        """A call of an operator; operands that the description leaves out may be anything.

        "bias_add" is the addition of a bias, "matmul" the product with a constant matrix.
        """

    @abstractmethod
    def constant(self) -> Any:
        """Any constant."""

    @abstractmethod
    def anything(self) -> Any:
        """Any expression."""

    def fields(self) -> Any:
        """Any tuple."""
        return self.anything()

    def dequantize(self, x: Any) -> Any:
        return self.op("dequantize", x, self.anything(), self.anything())

    def quantize(self, x: Any) -> Any:
        return self.op("quantize", x, self.constant(), self.constant())

    def operand(self) -> Any:
        """A quantised activation as the float operators see it."""
        return self.dequantize(self.anything())

    def parameter(self) -> Any:
        """A constant, dequantised or float, in any arrangement the importers choose."""
        moves = ("permute_dims", "reshape")
        pattern = self.dequantize(self.constant())
        for name in moves:
            pattern = pattern | self.dequantize(self.op(name, self.constant()))
        for name in moves:
            pattern = pattern | self.op(name, self.dequantize(self.constant()))
        for name in moves:
            pattern = pattern | self.op(name, self.constant())
        return pattern | self.constant()

    def activated(self, x: Any) -> Iterator[Any]:
        """The quantised result of a float expression, the longest form first."""
        for activation in ("clip", "nn.relu", ""):
            quantised = self.quantize(self.op(activation, x) if activation else x)
            yield self.op("clip", quantised)
            yield quantised


def composites(language: Language) -> Iterator[tuple[str, Any]]:
    """Composite name and pattern; longer forms stand before the shorter ones they contain."""
    op, operand, anything = language.op, language.operand, language.anything
    for name, weighted in (
        ("conv2d", op("nn.conv2d", operand(), language.parameter())),
        ("dense", op("matmul", operand(), language.parameter())),
    ):
        for accumulator in (op("bias_add", weighted, language.parameter()), weighted):
            for pattern in language.activated(accumulator):
                yield name, pattern
    for name, result in (
        ("add", op("add", operand(), operand())),
        ("multiply", op("multiply", operand(), operand())),
        ("mean", op("mean", operand())),
        ("average_pool2d", op("nn.avg_pool2d", operand())),
        ("softmax", op("nn.softmax", operand())),
        ("pad", op("nn.pad", operand())),
        ("resize2d", op("image.resize2d", operand())),
        ("requantize", operand()),
    ):
        for pattern in language.activated(result):
            yield name, pattern
    scaled = op("multiply", operand(), language.constant())
    yield "softmax", language.quantize(op("nn.softmax", scaled))
    # What TVM's TFLite importers make of an int8 average pool.
    truncating = op("astype", op("nn.avg_pool2d", op("astype", anything())))
    yield "average_pool2d", op("clip", truncating)
    yield "average_pool2d", truncating
    for name, moved in (
        ("max_pool2d", op("nn.max_pool2d", anything())),
        ("concat", op("concat", language.fields())),
    ):
        yield name, op("clip", moved)
        yield name, moved
    for name, word in (
        ("softmax", "nn.softmax"),
        ("pad", "nn.pad"),
        ("resize2d", "image.resize2d"),
        ("transpose", "permute_dims"),
        ("reshape", "reshape"),
        ("reshape", "squeeze"),
        ("reshape", "expand_dims"),
        ("reshape", "flatten"),
        ("clip", "clip"),
    ):
        yield name, op(word, anything())
    yield "quantize", language.quantize(anything())
    yield "dequantize", operand()
