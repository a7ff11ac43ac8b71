# SPDX-License-Identifier: Apache-2.0
"""Reading Relay modules that a user hands over directly."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
import tvm
from tvm import relay

from relay_passes.inplace import InplaceDepthwise
from relay_passes.relay_partition import partition, pattern_table
from relay_passes.relay_plugin import regions
from relay_passes.schedule import MemoryAwareSchedule
from tests.relay.test_plugin import SCALE, convolution, module_of, zero
from tinyengine_tvm.dialects.relay import read
from tinyengine_tvm.dialects.tree import Call, Constant, walk
from tinyengine_tvm.errors import ModelError, TinyEngineError, UnsupportedOperators
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Add, Clip, Conv2D, DepthwiseConv2D, Requantize
from tinyengine_tvm.relay import partition_for_tinyengine


def weight_of(call: Call) -> np.ndarray:
    constants = [part.data for part in walk(call.root) if isinstance(part, Constant)]
    return max(constants, key=np.size)


def two_branches(x: relay.Expr) -> relay.Expr:
    parameters = [SCALE, zero(3)] * 3
    return relay.qnn.op.add(convolution(x, 4, 8, 1), convolution(x, 4, 8, 2), *parameters)


def test_let_bindings_tell_the_order_of_execution():
    module = module_of(two_branches)
    first, second, _ = read(partition(module)).calls
    merged = relay.transform.MergeComposite(pattern_table())(module)["main"]
    left, right = merged.body.args
    a, b, c = (
        relay.var(name, type_annotation=value.checked_type)
        for name, value in (("a", left), ("b", right), ("c", merged.body))
    )
    result = relay.Let(c, relay.Call(merged.body.op, [a, b]), c)
    body = relay.Let(b, right, relay.Let(a, left, result))
    module = tvm.IRModule.from_expr(relay.Function(merged.params, body))
    calls = read(relay.transform.InferType()(module)).calls
    assert [call.composite for call in calls] == ["conv2d", "conv2d", "add"]
    assert not np.array_equal(weight_of(first), weight_of(second))
    np.testing.assert_array_equal(weight_of(calls[0]), weight_of(second))
    np.testing.assert_array_equal(weight_of(calls[1]), weight_of(first))


def test_a_module_in_a_normal_form_is_partitioned_as_well():
    module = module_of(two_branches)
    bound = relay.transform.InferType()(relay.transform.ToANormalForm()(module))
    assert isinstance(bound["main"].body, relay.Let)
    names = [type(layer) for layer in import_network(bound, name="net").layers]
    assert names == [type(layer) for layer in import_network(module, name="net").layers]
    assert names == [Conv2D, Conv2D, Add]


def test_both_forms_of_a_convolution_become_one_layer():
    """qnn.conv2d and requantize; and dequantize, conv2d, quantize with the same numbers."""
    random = np.random.default_rng(0)
    weight = relay.const(random.integers(-127, 128, (3, 3, 4, 8), np.int8))
    scales = relay.const(random.uniform(0.001, 0.01, 8).astype(np.float32))
    steps = relay.const(np.float32(0.1) * scales.data.numpy())
    bias = relay.const(random.integers(-500, 500, 8, np.int32))
    options = {"padding": (1, 1, 1, 1), "kernel_size": (3, 3), "channels": 8}
    options |= {"data_layout": "NHWC", "kernel_layout": "HWIO"}

    def integer(x: relay.Expr) -> relay.Expr:
        sums = relay.qnn.op.conv2d(x, weight, zero(3), zero(), SCALE, scales, **options)
        sums = relay.nn.bias_add(sums, bias, axis=3)
        y = relay.qnn.op.requantize(sums, steps, zero(), SCALE, zero(-5), axis=3)
        return relay.clip(y, -5, 127)

    def real(x: relay.Expr) -> relay.Expr:
        dequantize, quantize = relay.qnn.op.dequantize, relay.qnn.op.quantize
        sums = relay.nn.conv2d(
            dequantize(x, SCALE, zero(3)), dequantize(weight, scales, zero(), axis=3), **options
        )
        sums = relay.nn.bias_add(sums, dequantize(bias, steps, zero(), axis=0), axis=3)
        return quantize(relay.nn.relu(sums), SCALE, zero(-5))

    layers = []
    for build in (integer, real):
        network = import_network(module_of(build), name="net", mode="onnx")
        (layer,) = network.layers
        assert isinstance(layer, Conv2D)
        assert network.output_of(layer).zero_point == -5
        layers.append(layer)
    a, b = layers
    assert (a.clamp, a.stride, a.padding) == (b.clamp, b.stride, b.padding)
    assert a.clamp == (-5, 127)
    for name in ("weight", "weight_scale", "bias"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_depthwise_weights_of_a_multiplier_lie_channel_by_channel():
    weight = np.arange(2 * 2 * 4 * 2, dtype=np.int8).reshape(2, 2, 4, 2)
    scales = np.linspace(0.01, 0.02, 8, dtype=np.float32)

    def build(x: relay.Expr) -> relay.Expr:
        sums = relay.qnn.op.conv2d(
            x,
            relay.const(weight),
            zero(3),
            zero(),
            SCALE,
            relay.const(scales),
            kernel_size=(2, 2),
            channels=8,
            groups=4,
            data_layout="NHWC",
            kernel_layout="HWOI",
        )
        steps = relay.const(np.float32(0.1) * scales)
        return relay.qnn.op.requantize(sums, steps, zero(), SCALE, zero(), axis=3)

    (layer,) = import_network(module_of(build), name="net").layers
    assert isinstance(layer, DepthwiseConv2D) and layer.multiplier == 2
    np.testing.assert_array_equal(layer.weight, weight.reshape(2, 2, 8))
    np.testing.assert_array_equal(layer.weight_scale, scales)


def test_the_arithmetic_follows_the_form():
    assert import_network(module_of(two_branches), name="net").mode == "tflite"

    def real(x: relay.Expr) -> relay.Expr:
        value = relay.qnn.op.dequantize(x, SCALE, zero(3))
        return relay.qnn.op.quantize(relay.nn.relu(value), SCALE, zero(3))

    network = import_network(module_of(real), name="net")
    assert network.mode == "onnx"
    assert [type(layer) for layer in network.layers] == [Clip]


def test_a_requantize_that_is_none_is_dropped_and_another_is_not():
    def changed(scale: float):
        def build(x: relay.Expr) -> relay.Expr:
            y = convolution(x, 4, 8, 1)
            other = relay.const(np.float32(scale))
            return relay.qnn.op.requantize(y, SCALE, zero(3), other, zero(3))

        return [type(x) for x in import_network(module_of(build), name="net").layers]

    assert changed(0.1) == [Conv2D]
    assert changed(0.2) == [Conv2D, Requantize]


def test_all_operators_without_a_kernel_are_listed():
    module = module_of(lambda x: relay.abs(relay.negative(convolution(x, 4, 8, 1))))
    with pytest.raises(UnsupportedOperators) as caught:
        import_network(module, name="net")
    assert [line.split()[0] for line in caught.value.operators] == ["negative", "abs"]


def test_dynamic_shapes_are_refused():
    x = relay.var("x", shape=(1, relay.Any(), 6, 4), dtype="int8")
    body = relay.qnn.op.dequantize(x, SCALE, zero())
    module = tvm.IRModule.from_expr(relay.Function([x], body))
    with pytest.raises(ModelError, match="dynamic shape"):
        import_network(module, name="net")


def test_relax_is_refused_with_a_reason(shared_models):
    with pytest.raises(TinyEngineError, match="too old for Relax"):
        import_network(shared_models / "ad01_int8.tflite", name="net", dialect="relax")


def test_only_what_every_relay_has_is_used_to_build(monkeypatch):
    """TVM 0.11 knows no span of a projection or function, nor a module made with attributes."""

    def limited(kind: type, count: int) -> None:
        original = kind.__init__

        def init(self, *arguments, **named):
            caller = sys._getframe(1).f_globals["__name__"]
            if caller.startswith(("relay_passes", "tinyengine_tvm")):
                assert len(arguments) <= count and not named, f"{kind.__name__} in {caller}"
                seen.add(kind)
            original(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", init)

    seen: set[type] = set()
    for kind, count in ((relay.TupleGetItem, 2), (relay.Function, 5), (tvm.IRModule, 2)):
        limited(kind, count)

    def build(x: relay.Expr) -> relay.Expr:
        parts = relay.split(relay.abs(convolution(x, 4, 8, 1)), 2, axis=3)
        whole = relay.concatenate([parts[1], parts[0]], axis=3)
        return convolution(relay.nn.relu(whole), 8, 2, 2, groups=1)

    module = module_of(build).with_attr("mine", tvm.runtime.convert("kept"))
    passes = [MemoryAwareSchedule(), InplaceDepthwise()]
    done = tvm.transform.Sequential(passes)(partition_for_tinyengine(module))
    assert len(regions(done)) == 3
    assert str(done.get_attr("mine")) == "kept"
    import_network(module_of(two_branches), name="net")
    assert seen == {relay.TupleGetItem, relay.Function, tvm.IRModule}


def test_shapes_may_be_given_with_the_file(onnx_networks, tmp_path):
    model = onnx.load(onnx_networks / "residual-plain.onnx")
    shape = model.graph.input[0].type.tensor_type.shape
    sizes = [dimension.dim_value for dimension in shape.dim]
    for dimension in shape.dim[2:]:
        dimension.dim_param = f"any_{dimension.dim_value}"
    onnx.save(model, tmp_path / "open.onnx")
    with pytest.raises(ModelError, match="--input-shapes"):
        import_network(tmp_path / "open.onnx", name="net")
    given = {"input": sizes}
    network = import_network(tmp_path / "open.onnx", name="net", input_shapes=given)
    fixed = import_network(onnx_networks / "residual-plain.onnx", name="net")
    assert network.tensors.keys() == fixed.tensors.keys()
    assert [t.shape for t in network.tensors.values()] == [t.shape for t in fixed.tensors.values()]
