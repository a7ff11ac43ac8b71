# SPDX-License-Identifier: Apache-2.0
"""MemoryAwareSchedule and InplaceDepthwise on Relax modules, alone and in pipelines."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tvm")

import tvm
from tvm import relax

import tinyengine_tvm.relax
from relay_passes.inplace import INPLACE, InplaceDepthwise
from relay_passes.partition import partition
from relay_passes.schedule import MemoryAwareSchedule, operator_graph
from tests.onnx_models import samples, save
from tinyengine_tvm.dialects import relax_flow
from tinyengine_tvm.importers import import_network, load_model
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.memory.order import Tables

op = relax.op


def names(module: tvm.IRModule) -> list[str]:
    return [b.var.name for block in module["main"].body.blocks for b in block.bindings]


def peak(module: tvm.IRModule) -> int:
    (flow,) = [f for f in relax_flow.flows(module, module["main"]) if f.steps]
    tables = Tables(operator_graph(flow))
    return tables.peak(range(tables.count))


def branches() -> tvm.IRModule:
    """Two branches that swell and shrink, opened before either is closed."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 8), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            column = builder.emit(op.reshape(x, (8, 1)))
            wide_a = builder.emit(op.broadcast_to(column, (8, 64)))
            wide_b = builder.emit(op.broadcast_to(column, (8, 32)))
            small_a = builder.emit(op.sum(wide_a, axis=1))
            small_b = builder.emit(op.max(wide_b, axis=1))
            result = builder.emit_output(op.add(small_a, small_b))
        builder.emit_func_output(result)
    return builder.get()


def run(module: tvm.IRModule, *inputs: np.ndarray, pipeline: str | None = None) -> np.ndarray:
    options = {} if pipeline is None else {"relax_pipeline": pipeline}
    built = relax.build(module, "llvm", **options)
    machine = relax.VirtualMachine(built, tvm.cpu())
    return machine["main"](*[tvm.runtime.tensor(i) for i in inputs]).numpy()


def test_the_order_with_the_smallest_peak() -> None:
    module = branches()
    before = names(module)
    better = MemoryAwareSchedule()(module)
    assert names(module) == before, "the caller's module has changed"
    assert sorted(names(better)) == sorted(before) != names(better)
    assert (peak(module), peak(better)) == (3104, 2112)
    x = np.arange(8, dtype=np.float32).reshape(1, 8)
    np.testing.assert_array_equal(run(better, x), run(module, x))
    again = MemoryAwareSchedule()(better)
    assert names(again) == names(better)


def test_in_a_sequence_and_as_a_pipeline() -> None:
    module = branches()
    passes = tvm.transform.Sequential([MemoryAwareSchedule(), relax.transform.LegalizeOps()])
    assert "sum" in [v.name_hint for v in passes(module).get_global_vars()]
    tinyengine_tvm.relax.register()
    tinyengine_tvm.relax.register()
    x = np.arange(8, dtype=np.float32).reshape(1, 8)
    np.testing.assert_array_equal(run(module, x, pipeline="tinyengine"), run(module, x))


def test_unknown_shapes_and_side_effects_keep_their_order() -> None:
    builder = relax.BlockBuilder()
    n = tvm.tirx.Var("n", "int64")
    x = relax.Var("x", relax.TensorType((n,), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            a = builder.emit(op.add(x, x))
            b = builder.emit(op.multiply(x, x))
            result = builder.emit_output(op.subtract(b, a))
        printed = builder.emit(relax.call_pure_packed("f", result, ty_args=[result.ty]))
        builder.emit_func_output(printed)
    module = builder.get()
    assert names(MemoryAwareSchedule()(module)) == names(module)


def depthwise_chain(keep: bool) -> tvm.IRModule:
    """Depthwise and pointwise layers; `keep` has the pointwise result read once more at the end."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 4, 8, 8), "float32"))
    weight = relax.const(np.ones((4, 1, 3, 3), np.float32))
    pointwise = relax.const(np.ones((4, 4, 1, 1), np.float32))
    with builder.function("main", [x]):
        with builder.dataflow():
            own = builder.emit(op.nn.conv2d(x, weight, padding=1, groups=4), "of_the_input")
            first = builder.emit(op.nn.conv2d(own, pointwise), "pointwise")
            second = builder.emit(op.nn.conv2d(first, weight, padding=1, groups=4), "same")
            third = builder.emit(
                op.nn.conv2d(second, weight, padding=1, strides=2, groups=4), "halved"
            )
            if keep:
                pooled = builder.emit(op.nn.max_pool2d(first, (2, 2), (2, 2)), "pooled")
                third = builder.emit(op.add(third, pooled), "sum")
            result = builder.emit_output(third)
        builder.emit_func_output(result)
    return builder.get()


def test_depthwise_convolutions_whose_input_dies_are_marked() -> None:
    """Not the one that reads the caller's input, nor one whose input is read again."""
    marked = InplaceDepthwise()(depthwise_chain(keep=False))
    assert list(marked["main"].attrs[INPLACE]) == ["same", "halved"]
    kept = InplaceDepthwise()(depthwise_chain(keep=True))
    assert list(kept["main"].attrs[INPLACE]) == ["halved"]
    assert INPLACE not in depthwise_chain(keep=False)["main"].attrs


def test_composites_are_ordered_and_marked_and_still_lowered(shared_models) -> None:
    path = shared_models / "vww_96_int8.tflite"
    module = load_model(path, None)
    done = tvm.transform.Sequential([MemoryAwareSchedule(), InplaceDepthwise()])(partition(module))
    # Thirteen depthwise layers, none of them on the input.
    assert len(done["main"].attrs[INPLACE]) == 13
    plain = import_network(path, name="net")
    assert names(done) == names(partition(module))
    assert sum(layer.op == "depthwise_conv2d" for layer in plain.layers) == 13


def test_the_order_survives_the_import(tmp_path) -> None:
    """A module reordered by the pass gives a network of the same outputs."""
    path = save("concat", tmp_path)
    module = load_model(path, None)
    networks = [import_network(m, name="net") for m in (module, MemoryAwareSchedule()(module))]
    for x in samples("concat", 2):
        outputs = []
        for network in networks:
            (name,) = network.inputs
            source = np.asarray(x).reshape(network.tensor(name).shape)
            outputs.append(run_reference(network, {name: source}))
        for a, b in zip(outputs[0].values(), outputs[1].values(), strict=True):
            np.testing.assert_array_equal(a, b)
