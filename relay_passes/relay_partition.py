# SPDX-License-Identifier: Apache-2.0
"""Partitions a Relay module into composites `tinyengine.<operator>` and regions of them.

Takes quantised operators in both forms that Relay's importers make: those of the qnn dialect
(TFLite), and float operators between dequantize and quantize (ONNX).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tvm
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, is_tuple, wildcard

from tinyengine_tvm.dialects.relay_build import function_like, module_like

from .patterns import PREFIX, Language, composites
from .relay_graph import inlined, rebuilt, same_call
from .relay_sink_dequantize import sink_dequantize

COMPILER = "tinyengine"
_NAMES = {
    "astype": ("cast",),
    "bias_add": ("nn.bias_add", "add"),
    "concat": ("concatenate",),
    "dequantize": ("qnn.dequantize",),
    "flatten": ("nn.batch_flatten",),
    "matmul": ("nn.dense",),
    "mean": ("mean", "nn.global_avg_pool2d"),
    "permute_dims": ("transpose",),
    "quantize": ("qnn.quantize",),
}


class _Relay(Language):
    def op(self, name: str, *operands: DFPattern) -> DFPattern:
        more = [is_constant()] if name == "nn.pad" else []
        pattern = None
        for word in _NAMES.get(name, (name,)):
            call = is_op(word)(*operands, *more)
            pattern = call if pattern is None else pattern | call
        assert pattern is not None
        return pattern

    def dequantize(self, x: DFPattern) -> DFPattern:
        # MergeComposite crashes where a wildcard stands for a constant of the model.
        return self.op("dequantize", x, is_constant(), is_constant())

    def constant(self) -> DFPattern:
        return is_constant()

    def anything(self) -> DFPattern:
        return wildcard()

    def fields(self) -> DFPattern:
        return is_tuple(None)


def _constants(count: int) -> list[DFPattern]:
    return [is_constant() for _ in range(count)]


def _requantize(x: DFPattern) -> DFPattern:
    return is_op("qnn.requantize")(x, *_constants(4))


def _qnn(language: Language) -> Iterator[tuple[str, DFPattern]]:
    """Composites of the qnn dialect; `clipped` ones stand before the plain."""
    found: list[tuple[str, DFPattern]] = []
    for name, word in (("conv2d", "qnn.conv2d"), ("dense", "qnn.dense")):
        product = is_op(word)(wildcard(), *_constants(5))
        found.append((name, _requantize(language.op("bias_add", product, is_constant()))))
        found.append((name, _requantize(product)))
    for name, word in (("add", "qnn.add"), ("multiply", "qnn.mul")):
        found.append((name, is_op(word)(wildcard(), wildcard(), *_constants(6))))
    found.append(("mean", _requantize(is_op("mean")(is_op("cast")(wildcard())))))
    tuples = [is_tuple(None) for _ in range(3)]
    concat = is_op("qnn.concatenate")(*tuples, *_constants(2))
    found.append(("concat", concat))
    found.append(("requantize", _requantize(wildcard())))
    for name, pattern in found:
        yield name, is_op("clip")(pattern)
        yield name, pattern


def pattern_table() -> list[tuple[str, DFPattern]]:
    """(composite name, pattern) in order of preference, for `MergeComposite`."""
    language = _Relay()
    table = [*_qnn(language), *composites(language)]
    return [(PREFIX + name, pattern) for name, pattern in table]


def composite_of(function: Any) -> str:
    """The composite's name, with its prefix; empty for any other function."""
    attributes = function.attrs if isinstance(function, relay.Function) else None
    found = attributes and "Composite" in attributes and str(attributes["Composite"])
    return found if found and found.startswith(PREFIX) else ""


def _released(takes: Callable[[relay.Function], bool] | None) -> tvm.transform.Pass:
    """Gives the operators of composites that aren't wanted back to TVM."""

    def replace(call: relay.Call, operands: Sequence[Any]) -> Any:
        if takes is not None and composite_of(call.op) and not takes(call.op):
            return inlined(call.op, operands)
        return same_call(call, operands)

    def run(module: tvm.IRModule, _: Any) -> tvm.IRModule:
        if takes is None:
            return module
        result, main = module_like(module), module["main"]
        result["main"] = function_like(main, rebuilt(main.body, replace), typed=False)
        return relay.transform.InferType()(result)

    return tvm.ir.transform.module_pass(run, opt_level=0, name="ReleaseComposites")


def partition(
    module: tvm.IRModule,
    takes: Callable[[relay.Function], bool] | None = None,
    mod_name: str = "default",
) -> tvm.IRModule:
    """Groups the quantised operators of `main` into composites, and those into regions.

    Args:
        module: a Relay module with parameters bound as constants.
        takes: whether a composite function is wanted; by default every one is.
        mod_name: the name that relay.build gets, which the regions' symbols begin with.

    Returns:
        A new module. `main` calls one global function with attribute `Compiler` "tinyengine" per
        region; in it stands a function with attribute `Composite` "tinyengine.*" per operator.
    """
    # Patterns don't reach across let-bindings.
    bound = isinstance(module["main"].body, relay.Let)
    passes = tvm.transform.Sequential(
        [
            *([relay.transform.ToGraphNormalForm()] if bound else []),
            relay.transform.InferType(),
            sink_dequantize,
            relay.transform.InferType(),
            relay.transform.MergeComposite(pattern_table()),
            _released(takes),
            relay.transform.AnnotateTarget(COMPILER),
            relay.transform.MergeCompilerRegions(),
            relay.transform.PartitionGraph(mod_name=mod_name),
            relay.transform.InferType(),
        ]
    )
    with tvm.transform.PassContext(opt_level=3):
        return passes(module)
