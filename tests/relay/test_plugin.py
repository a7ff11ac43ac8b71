# SPDX-License-Identifier: Apache-2.0
"""Our kernels inside of a user's own Relay pipeline, on emulated boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tflite
import tvm
from tvm import relay

from benchmarks import microtvm
from relay_passes.relay_plugin import regions
from tests.relay.test_same_c import MODELS
from tinyengine_tvm import compile_model
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.relay import partition_for_tinyengine

SCALE = relay.const(np.float32(0.1))


def zero(value: int = 0) -> relay.Expr:
    return relay.const(np.int32(value))


def convolution(x: relay.Expr, channels_in: int, channels: int, seed: int, **options) -> relay.Expr:
    """What TVM's TFLite importer makes of a CONV_2D with 3 x 3 kernels."""
    random = np.random.default_rng(seed)
    groups = options.get("groups", 1)
    shape = (3, 3, channels_in // groups, channels)
    weight = relay.const(random.integers(-127, 128, shape, np.int8))
    bias = relay.const(random.integers(-500, 500, channels, np.int32))
    step = relay.const(np.float32(0.01))
    sums = relay.qnn.op.conv2d(
        x,
        weight,
        zero(3),
        zero(),
        SCALE,
        step,
        kernel_size=(3, 3),
        channels=channels,
        padding=(1, 1, 1, 1),
        data_layout="NHWC",
        kernel_layout="HWIO",
        **options,
    )
    sums = relay.nn.bias_add(sums, bias, axis=3)
    accumulator = relay.const(np.float32(0.1) * np.float32(0.01))
    return relay.qnn.op.requantize(sums, accumulator, zero(), SCALE, zero(3), axis=3)


def module_of(build, channels: int = 4) -> tvm.IRModule:
    x = relay.var("x", shape=(1, 6, 6, channels), dtype="int8")
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], build(x))))


def operators(module: tvm.IRModule) -> set[str]:
    """Names of the operators that main leaves to TVM."""
    found: set[str] = set()

    def visit(expr) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            found.add(expr.op.name)

    relay.analysis.post_order_visit(module["main"].body, visit)
    return found


def run(module: tvm.IRModule, folder: Path, board: str, x: np.ndarray, target: str) -> np.ndarray:
    """The single output of a module, for samples of its single input."""
    microtvm.export(microtvm.build(module), folder)
    inputs, outputs = microtvm.ports(module, folder)
    microtvm.as_compiled_model(folder, target, inputs, outputs)
    (result,) = microtvm.run(folder, board, {inputs[0].field: x}).outputs.values()
    return result


def reference(module: tvm.IRModule, x: np.ndarray) -> np.ndarray:
    """The single output by our numpy semantics."""
    network = import_network(module, name="net")
    (y,) = run_reference(network, {network.inputs[0]: x}).values()
    return y


@pytest.mark.parametrize("model", MODELS)
def test_real_models_give_the_golden_outputs(model, shared_dir, tmp_path):
    data = (shared_dir / "models" / f"{model}.tflite").read_bytes()
    module, params = relay.frontend.from_tflite(tflite.Model.GetRootAs(data, 0))
    # One model's output is named by a number, of which TVM makes a C struct that doesn't compile.
    module["main"] = module["main"].with_attr("output_tensor_names", ["output"])
    partitioned = partition_for_tinyengine(module, params, target="cortex-m4")
    assert len(regions(partitioned)) == 1
    assert not operators(partitioned)
    golden = np.load(shared_dir / "golden" / f"{model}.npz")
    result = run(partitioned, tmp_path, "mps2-an386", golden["inputs"], "cortex-m4")
    np.testing.assert_array_equal(result, golden["outputs"].reshape(result.shape))
    # Weights are constants of the C, and not parameters of TVM's as well.
    assert (tmp_path / "parameters/default.params").stat().st_size < 100


@pytest.mark.parametrize("case", ["residual-plain", "concat-symmetric", "pools-unsigned"])
def test_onnx_networks_give_what_compile_gives(case, onnx_networks, tmp_path):
    path = onnx_networks / f"{case}.onnx"
    module, params = relay.frontend.from_onnx(onnx.load(path))
    partitioned = partition_for_tinyengine(module, params, target="cortex-m55")
    assert len(regions(partitioned)) == 1
    shape = [int(d) for d in partitioned["main"].params[0].type_annotation.shape]
    x = np.random.default_rng(0).normal(0, 1, (4, *shape)).astype(np.float32)
    (expected,) = compile_model(path, target="host").run("host", x).values()
    result = run(partitioned, tmp_path, "mps3-an547", x, "cortex-m55")
    np.testing.assert_array_equal(result, expected)


def test_an_operator_of_tvms_stands_between_two_regions(tmp_path):
    """Both regions' results are right, and they share one workspace."""
    one = module_of(lambda x: convolution(x, 4, 8, 1))
    two = module_of(lambda x: convolution(x, 8, 2, 2), channels=8)
    whole = module_of(lambda x: convolution(relay.abs(convolution(x, 4, 8, 1)), 8, 2, 2))
    partitioned = partition_for_tinyengine(whole)
    assert len(regions(partitioned)) == 2
    assert operators(partitioned) == {"abs"}

    x = np.random.default_rng(3).integers(-127, 128, (3, 1, 6, 6, 4), np.int8)
    expected = [reference(two, np.abs(reference(one, sample))) for sample in x]
    result = run(partitioned, tmp_path, "mps2-an386", x, "cortex-m4")
    np.testing.assert_array_equal(result, np.stack(expected))
    symbols = Image(tmp_path / "build/program.elf").symbols
    sources = [p.read_text() for p in (tmp_path / "codegen/host/src").glob("*.c")]
    sizes = [
        int(line.split()[-1])
        for source in sources
        for line in source.splitlines()
        if line.startswith("#define") and "_ARENA_SIZE " in line
    ]
    assert len(sizes) == 2
    assert symbols["tinyengine_workspace"].size == max(sizes)


@pytest.mark.parametrize("options", [{"dilation": (2, 2)}, {"groups": 2}])
def test_what_no_kernel_takes_stays_with_tvm(options):
    module = module_of(lambda x: relay.clip(convolution(x, 4, 8, 1, **options), -100, 100))
    partitioned = partition_for_tinyengine(module)
    assert "qnn.conv2d" in operators(partitioned)
    microtvm.build(partitioned)


def test_moves_alone_make_no_region():
    module = module_of(lambda x: relay.reshape(x, (1, -1)))
    partitioned = partition_for_tinyengine(module)
    assert not regions(partitioned) and operators(partitioned) == {"reshape"}


def test_the_users_module_is_left_as_it_was():
    module = module_of(lambda x: convolution(x, 4, 8, 1))
    before = module.astext()
    partition_for_tinyengine(module)
    assert module.astext() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [({"target": "cortex-x"}, "unknown target"), ({"mode": "float"}, "choose tflite or onnx")],
)
def test_wrong_options_are_refused_in_one_line(options, words):
    module = module_of(lambda x: convolution(x, 4, 8, 1))
    with pytest.raises(TinyEngineError, match=words) as caught:
        partition_for_tinyengine(module, **options)
    assert "\n" not in str(caught.value)
