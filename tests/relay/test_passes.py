# SPDX-License-Identifier: Apache-2.0
"""MemoryAwareSchedule and InplaceDepthwise on Relay modules."""

from __future__ import annotations

import platform
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relay

from relay_passes.inplace import INPLACE, InplaceDepthwise
from relay_passes.relay_partition import partition
from relay_passes.schedule import MemoryAwareSchedule, operator_graph
from tinyengine_tvm.dialects import relay_flow
from tinyengine_tvm.dialects.lower import lower
from tinyengine_tvm.dialects.relay import read
from tinyengine_tvm.importers import load_model
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.memory.order import Tables


def peak(module: tvm.IRModule) -> int:
    module = relay_flow.prepared(module)
    (flow,) = relay_flow.flows(module, module["main"])
    tables = Tables(operator_graph(flow))
    return tables.peak(range(tables.count))


def lets(module: tvm.IRModule) -> list[str]:
    found, body = [], module["main"].body
    while isinstance(body, relay.Let):
        found.append(str(body.value.op.name))
        body = body.body
    return found


def branches() -> tvm.IRModule:
    """Two branches that swell and shrink, opened before either is closed."""
    x = relay.var("x", shape=(8, 1), dtype="float32")
    a, b = relay.var("a"), relay.var("b")
    closed = relay.add(relay.sum(a, axis=1), relay.max(b, axis=1))
    opened = relay.Let(b, relay.broadcast_to(x, (8, 32)), closed)
    body = relay.Let(a, relay.broadcast_to(x, (8, 64)), opened)
    return tvm.IRModule.from_expr(relay.Function([x], body))


def run(module: tvm.IRModule, x: np.ndarray) -> np.ndarray:
    # "llvm" alone means another machine in one of the wheels that have Relay.
    host = f"llvm -mtriple={platform.machine()}-unknown-linux-gnu"
    return relay.create_executor("debug", mod=module, target=host).evaluate()(x).numpy()


def test_the_order_with_the_smallest_peak() -> None:
    module = branches()
    better = tvm.transform.Sequential([MemoryAwareSchedule()])(module)
    assert lets(module)[:2] == ["broadcast_to", "broadcast_to"]
    order = lets(better)
    assert order[0] == order[2] == "broadcast_to" and len(order) == 5
    assert (peak(module), peak(better)) == (3104, 2112)
    x = np.arange(8, dtype=np.float32).reshape(8, 1)
    np.testing.assert_array_equal(run(better, x), run(module, x))
    assert lets(MemoryAwareSchedule()(better)) == order


def depthwise_chain(keep: bool) -> tvm.IRModule:
    x = relay.var("x", shape=(1, 4, 8, 8), dtype="float32")
    weight = relay.const(np.ones((4, 1, 3, 3), np.float32))
    pointwise = relay.const(np.ones((4, 4, 1, 1), np.float32))

    def depthwise(data: relay.Expr, stride: int = 1) -> relay.Expr:
        return relay.nn.conv2d(
            data, weight, (stride, stride), 1, groups=4, channels=4, kernel_size=(3, 3)
        )

    own = depthwise(x)
    first = relay.nn.conv2d(own, pointwise, channels=4, kernel_size=(1, 1))
    result = depthwise(depthwise(first), 2)
    if keep:
        result = relay.add(result, relay.nn.max_pool2d(first, (2, 2), (2, 2)))
    return tvm.IRModule.from_expr(relay.Function([x], result))


def test_depthwise_convolutions_whose_input_dies_are_marked() -> None:
    marked = InplaceDepthwise()(depthwise_chain(keep=False))
    assert [str(n) for n in marked["main"].attrs[INPLACE]] == ["step2_conv2d", "step3_conv2d"]
    assert isinstance(marked["main"].body, relay.Let)
    assert str(marked["main"].body.var.name_hint) == "step0_conv2d"
    kept = InplaceDepthwise()(depthwise_chain(keep=True))
    assert [str(n) for n in kept["main"].attrs[INPLACE]] == ["step3_conv2d"]


@pytest.mark.parametrize("model", ["pretrainedResnet_quant", "vww_96_int8"])
def test_regions_keep_what_they_compute(shared_models: Path, model: str) -> None:
    """Composites inside our regions are ordered and marked; the lowering follows the lets."""
    module = partition(load_model(shared_models / f"{model}.tflite", None))
    done = tvm.transform.Sequential([MemoryAwareSchedule(), InplaceDepthwise()])(module)
    networks = [lower(read(m), "net", "tflite") for m in (module, done)]
    ops = [Counter(layer.op for layer in network.layers) for network in networks]
    assert ops[0] == ops[1]
    (source,) = networks[0].inputs
    shape = networks[0].tensor(source).shape
    x = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    results = []
    for network in networks:
        (value,) = run_reference(network, dict.fromkeys(network.inputs, x)).values()
        results.append(value)
    np.testing.assert_array_equal(*results)
    marks = [
        len(function.attrs[INPLACE])
        for function in done.functions.values()
        if function.attrs and INPLACE in function.attrs
    ]
    assert sum(marks) == ops[0]["depthwise_conv2d"]
