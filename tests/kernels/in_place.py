# SPDX-License-Identifier: Apache-2.0
"""Runs a kernel with its output over an operand, as far as the kernel says that it may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.kernel_harness import Case
from tinyengine_tvm.kernels.base import Code, Configuration, Kernel, Operands
from tinyengine_tvm.network import Layer, Network


class InPlace(Kernel[Any]):
    """Copies an operand into scratch and lets the output end `overlap` bytes past its beginning."""

    def __init__(self, inner: Kernel[Any], operand: int = 0) -> None:
        self.inner, self.operand = inner, operand
        self.name = f"{inner.name}_in_place"  # type: ignore[misc]
        self.layer = inner.layer  # type: ignore[misc]

    def supports(self, network: Network, layer: Layer, target: Any) -> bool:
        return self.inner.supports(network, layer, target)

    def configurations(self, network: Network, layer: Layer, target: Any) -> Any:
        return self.inner.configurations(network, layer, target)

    def scratch(self, network: Network, layer: Layer, configuration: Configuration) -> int:
        x = network.input_of(layer, self.operand).nbytes
        out = network.output_of(layer).nbytes
        return self._lead(network, layer, configuration) + max(x, out) + 8

    def _lead(self, network: Network, layer: Layer, configuration: Configuration) -> int:
        """Bytes from the output's beginning to the operand's, which keeps its alignment."""
        overlap = self.inner.overlap(network, layer, configuration)[self.operand]
        return -(-(network.output_of(layer).nbytes - overlap) // 4) * 4

    def emit(self, network: Network, layer: Layer, configuration: Configuration) -> Code:
        assert not self.inner.scratch(network, layer, configuration)
        code = self.inner.emit(network, layer, configuration)
        lead = self._lead(network, layer, configuration)
        x, y = network.input_of(layer, self.operand), network.output_of(layer)

        def call(operands: Operands, names: Sequence[str]) -> str:
            begin = f"(int8_t *)((uint32_t)((int8_t *){operands.scratch} + 3) & ~3u)"
            moved = f"({begin} + {lead})"
            inputs = list(operands.inputs)
            copied = f"memcpy({moved}, {inputs[self.operand]}, {x.nbytes});\n"
            inputs[self.operand] = moved
            inner = replace(operands, inputs=tuple(inputs), output=begin)
            return (
                copied
                + code.call(inner, names)
                + f"\nmemcpy({operands.output}, {begin}, {y.nbytes});"
            )

        return replace(code, call=call)


def in_place(case: Case, operand: int = 0) -> Case:
    """The same layer, the output over one of its operands."""
    assert case.kernel is not None
    return replace(case, kernel=InPlace(case.kernel, operand))
