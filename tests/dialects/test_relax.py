# SPDX-License-Identifier: Apache-2.0
"""Partition and lowering of Relax modules that a user hands over directly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import numpy_helper

from tests.onnx_models import quantised, samples, save
from tinyengine_tvm.errors import ModelError, UnsupportedOperators
from tinyengine_tvm.importers import import_network, load_model
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import AveragePool2D, MaxPool2D, Padding

pytest.importorskip("tvm")

import tvm
from tvm import relax

from relay_passes.partition import PREFIX, partition
from relay_passes.sink_dequantize import sink_dequantize

op = relax.op


def composites(module: tvm.IRModule) -> Counter[str]:
    found: Counter[str] = Counter()
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            if isinstance(binding.value, relax.Call):
                callee = binding.value.op
                inside = isinstance(callee, tvm.ir.GlobalVar)
                found[module[callee].attrs["Composite"] if inside else callee.name] += 1
    return found


def module_of(shape, body, dtype="float32") -> tvm.IRModule:
    """A module of one function; `body(builder, x)` gives its result."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(shape, dtype))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(body(builder, x))
        builder.emit_func_output(result)
    return builder.get()


def scale(value: float):
    return relax.const(value, "float32"), relax.const(3, "int8")


def quantize(x, value=0.1):
    return op.quantize(x, *scale(value), axis=1, out_dtype="int8")


def dequantize(x, value=0.1):
    return op.dequantize(x, *scale(value), axis=1)


def test_partition_takes_every_operator_of_a_residual_network(tmp_path):
    module = load_model(save("residual", tmp_path))
    assert composites(partition(module)) == {
        PREFIX + "quantize": 1,
        PREFIX + "conv2d": 5,
        PREFIX + "add": 2,
        PREFIX + "dequantize": 1,
    }


def test_the_users_module_is_left_as_it_was(tmp_path):
    module = load_model(save("residual", tmp_path))
    before = module.script()
    partition(module)
    assert module.script() == before


def test_each_use_of_a_dequantised_value_gets_a_dequantize(tmp_path):
    def body(builder, x):
        real = builder.emit(dequantize(builder.emit(quantize(x))))
        return quantize(builder.emit(op.add(real, real)))

    module = sink_dequantize(module_of((1, 4), body))
    calls = [b.value for block in module["main"].body.blocks for b in block.bindings]
    names = Counter(call.op.name for call in calls if isinstance(call, relax.Call))
    assert names["relax.dequantize"] == 2
    found = composites(partition(module_of((1, 4), body)))
    assert found == {PREFIX + "quantize": 1, PREFIX + "add": 1}


def test_dequantize_sinks_below_moves_and_cancels():
    def body(builder, x):
        real = builder.emit(dequantize(builder.emit(quantize(x))))
        moved = builder.emit(op.permute_dims(real, [0, 2, 1]))
        flat = builder.emit(op.reshape(moved, (1, 12)))
        return quantize(flat)

    found = composites(partition(module_of((1, 3, 4), body)))
    assert found == {PREFIX + "quantize": 1, PREFIX + "transpose": 1, PREFIX + "reshape": 1}


def test_a_module_gives_the_network_of_its_file(tmp_path):
    path = save("classifier", tmp_path)
    from_file = import_network(path, name="net")
    from_module = import_network(load_model(path), name="net")
    assert [layer.op for layer in from_module.layers] == [layer.op for layer in from_file.layers]
    sample = samples("classifier", 1)[0]
    expected = run_reference(from_file, {from_file.inputs[0]: sample})
    result = run_reference(from_module, {from_module.inputs[0]: sample})
    np.testing.assert_array_equal(*expected.values(), *result.values())


def test_all_operators_that_c_cannot_express_are_listed():
    def body(builder, x):
        real = builder.emit(dequantize(builder.emit(quantize(x))))
        stored = builder.emit(quantize(builder.emit(op.sort(real))))
        half = builder.emit(op.astype(builder.emit(dequantize(stored)), "float16"))
        return quantize(builder.emit(op.astype(half, "float32")))

    with pytest.raises(UnsupportedOperators) as caught:
        import_network(module_of((1, 4), body), name="net")
    named = " ".join(line.split()[0] for line in caught.value.operators)
    assert "sort" in named and "cast" in named
    assert any("float16" in line for line in caught.value.operators)
    assert "\n" not in str(caught.value)


def test_dynamic_shapes_are_refused():
    size = tvm.tirx.Var("n", "int64")
    module = module_of((1, size), lambda builder, x: quantize(x))
    with pytest.raises(ModelError, match="dynamic shape"):
        import_network(module, name="net")


def test_a_value_read_with_another_scale_than_it_was_stored_goes_through_tvm():
    def body(builder, x):
        stored = builder.emit(quantize(x, 0.1))
        real = builder.emit(dequantize(stored, 0.2))
        return quantize(builder.emit(op.add(real, real)), 0.3)

    network = import_network(module_of((1, 64), body), name="net")
    assert any("but read with" in line for line in network.fallback)
    x = np.linspace(-20, 20, 64, dtype=np.float32).reshape(1, 64)
    (got,) = run_reference(network, {network.inputs[0]: x}).values()
    stored = np.clip(np.rint(x / np.float32(0.1)) + 3, -128, 127).astype(np.float32)
    real = (stored - 3) * np.float32(0.2)
    want = np.clip(np.rint((real + real) / np.float32(0.3)) + 3, -128, 127)
    np.testing.assert_array_equal(got, want.astype(np.int8))


@pytest.mark.parametrize(("pool", "kind"), [("max", MaxPool2D), ("avg", AveragePool2D)])
def test_ceil_mode_becomes_padding_at_the_end(pool, kind):
    """5 rows under a window of 2 with stride 2: the third window reaches one row beyond."""

    def body(builder, x):
        real = builder.emit(dequantize(builder.emit(quantize(x))))
        pooling = op.nn.max_pool2d if pool == "max" else op.nn.avg_pool2d
        return quantize(builder.emit(pooling(real, (2, 2), (2, 2), ceil_mode=True, layout="NHWC")))

    network = import_network(module_of((1, 5, 5, 3), body), name="net")
    (layer,) = (layer for layer in network.layers if isinstance(layer, kind))
    assert layer.padding == Padding(0, 0, 1, 1)
    assert network.output_of(layer).shape == (1, 3, 3, 3)
    x = np.arange(75, dtype=np.float32).reshape(1, 5, 5, 3) / 10
    result = run_reference(network, {"x": x})[network.outputs[0]]
    corner = result[0, 2, 2].astype(np.float32)
    np.testing.assert_array_equal(corner, np.rint(x[0, 4, 4] / np.float32(0.1)) + 3)


def test_scales_reach_the_network_without_rounding(tmp_path):
    """float32 scales survive TVM's constants and attributes bit for bit."""
    model = quantised("depthwise")
    network = import_network(save("depthwise", tmp_path), name="net")
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    wanted = {
        stored[n.input[1]].tobytes() for n in model.graph.node if n.op_type == "QuantizeLinear"
    }
    found = {np.float32(t.scale).tobytes() for t in network.tensors.values() if t.dtype == "int8"}
    assert found == wanted
