# SPDX-License-Identifier: Apache-2.0
"""Partitions a Relax module into composites `tinyengine.<operator>`.

What stays outside of every composite has no kernel; the lowering reports it.
"""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.relax.dpl import DFPattern, is_const, is_op, wildcard

from .patterns import PREFIX, Language, composites
from .sink_dequantize import sink_dequantize

__all__ = ["PREFIX", "partition", "pattern_table"]


_MORE = {"clip": 2, "image.resize2d": 1, "reshape": 1}
"""Operands that stand for attributes: a shape, or bounds."""


class _Relax(Language):
    def op(self, name: str, *operands: DFPattern) -> DFPattern:
        word = "add" if name == "bias_add" else name
        more = (wildcard() for _ in range(_MORE.get(name, 0)))
        return is_op(f"relax.{word}")(*operands, *more)

    def constant(self) -> DFPattern:
        return is_const()

    def anything(self) -> DFPattern:
        return wildcard()


def pattern_table() -> list[tuple[str, DFPattern]]:
    """(composite name, pattern) in order of preference, for `FuseOpsByPattern`."""
    return [(PREFIX + name, pattern) for name, pattern in composites(_Relax())]


def partition(module: tvm.IRModule) -> tvm.IRModule:
    """Groups the quantised operators of `main` into composite functions `tinyengine.*`.

    Args:
        module: a Relax module in QDQ form, parameters bound as constants.

    Returns:
        A new module; `main` calls one function with attribute `Composite` per operator.
    """
    module = sink_dequantize(module)
    return relax.transform.FuseOpsByPattern(
        pattern_table(), bind_constants=True, annotate_codegen=False
    )(module)
