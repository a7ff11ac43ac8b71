# SPDX-License-Identifier: Apache-2.0
"""Partitions a Relax module into composites `tinyengine.<operator>`.

Each composite is one quantised operator together with the dequantize and quantize around it. What
stays outside of every composite has no kernel; the lowering reports it.
"""

from __future__ import annotations

from collections.abc import Iterator

import tvm
from tvm import relax
from tvm.relax.dpl import DFPattern, is_const, is_op, wildcard

from .sink_dequantize import sink_dequantize

PREFIX = "tinyengine."


def _dequantize(x: DFPattern) -> DFPattern:
    return is_op("relax.dequantize")(x, wildcard(), wildcard())


def _quantize(x: DFPattern) -> DFPattern:
    return is_op("relax.quantize")(x, is_const(), is_const())


def _clip(x: DFPattern) -> DFPattern:
    return is_op("relax.clip")(x, wildcard(), wildcard())


def _constant() -> DFPattern:
    """A constant, dequantised or float, in any arrangement the importers choose."""
    raw = is_const()
    moved = is_op("relax.permute_dims")(is_const()) | is_op("relax.reshape")(is_const(), wildcard())
    dequantised = _dequantize(raw | moved)
    return (
        dequantised
        | is_op("relax.reshape")(_dequantize(is_const()), wildcard())
        | is_op("relax.permute_dims")(_dequantize(is_const()))
        | is_op("relax.reshape")(is_const(), wildcard())
        | is_op("relax.permute_dims")(is_const())
        | is_const()
    )


def _activated(x: DFPattern) -> Iterator[DFPattern]:
    """The quantised result of a float expression, the longest form first."""
    for activation in (_clip, is_op("relax.nn.relu"), lambda y: y):
        quantised = _quantize(activation(x))
        yield _clip(quantised)
        yield quantised


def _operand() -> DFPattern:
    return _dequantize(wildcard())


def _table() -> Iterator[tuple[str, DFPattern]]:
    """Composite name and pattern; longer forms stand before the shorter ones they contain."""
    for name, weighted in (
        ("conv2d", is_op("relax.nn.conv2d")(_operand(), _constant())),
        ("dense", is_op("relax.matmul")(_operand(), _constant())),
    ):
        for accumulator in (is_op("relax.add")(weighted, _constant()), weighted):
            for pattern in _activated(accumulator):
                yield name, pattern
    for name, result in (
        ("add", is_op("relax.add")(_operand(), _operand())),
        ("multiply", is_op("relax.multiply")(_operand(), _operand())),
        ("mean", is_op("relax.mean")(_operand())),
        ("average_pool2d", is_op("relax.nn.avg_pool2d")(_operand())),
        ("softmax", is_op("relax.nn.softmax")(_operand())),
        ("pad", is_op("relax.nn.pad")(_operand())),
        ("resize2d", is_op("relax.image.resize2d")(_operand(), wildcard())),
        ("requantize", _operand()),
    ):
        for pattern in _activated(result):
            yield name, pattern
    scaled = is_op("relax.multiply")(_operand(), is_const())
    yield "softmax", _quantize(is_op("relax.nn.softmax")(scaled))
    # What TVM's TFLite importer makes of an int8 average pool.
    truncating = is_op("relax.astype")(
        is_op("relax.nn.avg_pool2d")(is_op("relax.astype")(wildcard()))
    )
    yield "average_pool2d", _clip(truncating)
    yield "average_pool2d", truncating
    pool = is_op("relax.nn.max_pool2d")(wildcard())
    yield "max_pool2d", _clip(pool)
    yield "max_pool2d", pool
    concat = is_op("relax.concat")(wildcard())
    yield "concat", _clip(concat)
    yield "concat", concat
    yield "softmax", is_op("relax.nn.softmax")(wildcard())
    yield "pad", is_op("relax.nn.pad")(wildcard())
    yield "resize2d", is_op("relax.image.resize2d")(wildcard(), wildcard())
    yield "transpose", is_op("relax.permute_dims")(wildcard())
    yield "reshape", is_op("relax.reshape")(wildcard(), wildcard())
    yield "reshape", is_op("relax.squeeze")(wildcard())
    yield "reshape", is_op("relax.expand_dims")(wildcard())
    yield "reshape", is_op("relax.flatten")(wildcard())
    yield "clip", _clip(wildcard())
    yield "quantize", _quantize(wildcard())
    yield "dequantize", _operand()


def pattern_table() -> list[tuple[str, DFPattern]]:
    """(composite name, pattern) in order of preference, for `FuseOpsByPattern`."""
    return [(PREFIX + name, pattern) for name, pattern in _table()]


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
