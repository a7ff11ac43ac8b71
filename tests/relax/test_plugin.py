# SPDX-License-Identifier: Apache-2.0
"""Our kernels inside of a user's own Relax pipeline, on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("tvm")

import tvm
from tvm import relax

from relay_passes.inplace import INPLACE, InplaceDepthwise
from relay_passes.relax_regions import regions
from relay_passes.schedule import MemoryAwareSchedule
from tests.networks import small_network
from tests.onnx_models import NETWORKS, samples, save
from tests.tflite_models import write_tflite
from tinyengine_tvm import compile_model
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network, load_model
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.relax import partition_for_tinyengine

op = relax.op
KINDS = ("plain", "unsigned", "symmetric")
MODELS = ("ad01_int8", "kws_ref_model", "mcunet_vww", "pretrainedResnet_quant", "vww_96_int8")


def operators(module: tvm.IRModule) -> set[str]:
    """Names of the operators that main leaves to TVM."""
    found: set[str] = set()

    def visit(expr) -> None:
        if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op):
            found.add(expr.op.name.removeprefix("relax."))

    relax.analysis.post_order_visit(module["main"], visit)
    return found


def machine(module: tvm.IRModule, target: str = "llvm", pipeline: str = "tinyengine", **options):
    built = relax.build(module, target, relax_pipeline=pipeline)
    return relax.VirtualMachine(built.jit(**options), tvm.cpu())


def run(vm: relax.VirtualMachine, *inputs: np.ndarray) -> list[np.ndarray]:
    result = vm["main"](*[tvm.runtime.tensor(x) for x in inputs])
    return (
        [result.numpy()] if isinstance(result, tvm.runtime.Tensor) else [r.numpy() for r in result]
    )


def module_of(
    build: Callable[[relax.BlockBuilder, relax.Var], relax.Expr],
    shape: tuple[int, ...] = (1, 4, 6, 6),
    dtype: str = "int8",
) -> tvm.IRModule:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(shape, dtype))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(build(builder, x))
        builder.emit_func_output(result)
    return builder.get()


def convolution(
    builder: relax.BlockBuilder,
    x: relax.Expr,
    channels_in: int,
    channels: int,
    seed: int,
    dtype: str = "int8",
    **options,
) -> relax.Expr:
    """What TVM's ONNX importer makes of a quantised convolution with 3 x 3 kernels."""
    random = np.random.default_rng(seed)
    shape = (channels, channels_in // options.get("groups", 1), 3, 3)
    scale, zero = relax.const(np.float32(0.125)), relax.const(np.array(7, dtype))
    step, none = relax.const(np.float32(2**-6)), relax.const(np.int8(0))
    weight = relax.const(random.integers(-127, 128, shape, np.int8))
    real = builder.emit(op.dequantize(x, scale, zero, axis=0))
    weights = builder.emit(op.dequantize(weight, step, none, axis=0))
    y = builder.emit(op.nn.conv2d(real, weights, padding=1, **options))
    return builder.emit(op.quantize(y, scale, zero, axis=0, out_dtype=dtype))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_onnx_networks_give_what_ours_give(name, kind, tmp_path):
    path = save(name, tmp_path, **({} if kind == "plain" else {kind: True}))
    module = load_model(path)
    partitioned = partition_for_tinyengine(module)
    assert len(regions(partitioned)) == 1
    assert not operators(partitioned)
    vm, network = machine(module), import_network(path, name="net")
    for x in samples(name, 2):
        expected = run_reference(network, {network.inputs[0]: x})
        for got, output in zip(run(vm, x), network.outputs, strict=True):
            assert got.tobytes() == expected[output].tobytes()


@pytest.mark.parametrize("model", MODELS)
def test_real_models_give_the_golden_outputs(model, shared_dir):
    module = load_model(shared_dir / "models" / f"{model}.tflite")
    partitioned = partition_for_tinyengine(module)
    assert len(regions(partitioned)) == 1
    assert not operators(partitioned)
    vm = machine(partitioned)
    golden = np.load(shared_dir / "golden" / f"{model}.npz")
    for x, y in zip(golden["inputs"], golden["outputs"], strict=True):
        (got,) = run(vm, x.reshape([int(d) for d in module["main"].params[0].ty.shape]))
        np.testing.assert_array_equal(got.reshape(y.shape), y)


@pytest.mark.parametrize("target", ["llvm", "c"])
@pytest.mark.parametrize("compiler", ["g++", "gcc"])
def test_targets_and_compilers_of_the_host(target, compiler, tmp_path):
    """TVM takes a C++ compiler unless it is told another."""
    path = save("classifier", tmp_path)
    vm = machine(load_model(path), target, cc=compiler)
    x = samples("classifier", 3)
    (expected,) = compile_model(path, target="host").run("host", x).values()
    for sample, y in zip(x, expected, strict=True):
        (got,) = run(vm, sample)
        assert got.tobytes() == y.tobytes()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_an_operator_of_tvms_stands_between_two_regions(dtype):
    """The whole equals what TVM computes without us, also where uint8 crosses the borders."""

    def build(builder, x):
        y = convolution(builder, x, 4, 8, 1, dtype)
        y = builder.emit(op.maximum(y, relax.const(np.array(20, dtype))))
        return convolution(builder, y, 8, 2, 2, dtype)

    module = module_of(build, dtype=dtype)
    partitioned = partition_for_tinyengine(module)
    assert [str(v.name_hint) for v, _ in regions(partitioned)] == [
        "tinyengine_main_0",
        "tinyengine_main_1",
    ]
    assert operators(partitioned) == {"maximum"}
    ours, plain = machine(module), machine(module, pipeline="default_build")
    limits = np.iinfo(dtype)
    for seed in range(3):
        x = np.random.default_rng(seed).integers(limits.min, limits.max + 1, (1, 4, 6, 6), dtype)
        (got,), (expected,) = run(ours, x), run(plain, x)
        assert got.dtype == expected.dtype == dtype
        np.testing.assert_array_equal(got, expected)
        assert len(np.unique(got)) > 5


@pytest.mark.parametrize("options", [{"dilation": 2}, {"groups": 2}])
def test_what_no_kernel_takes_stays_with_tvm(options):
    def build(builder, x):
        y = convolution(builder, x, 4, 8, 1, **options)
        return convolution(builder, y, 8, 2, 2)

    module = module_of(build)
    partitioned = partition_for_tinyengine(module)
    assert len(regions(partitioned)) == 1
    assert "nn.conv2d" in operators(partitioned)
    x = np.random.default_rng(3).integers(-128, 128, (1, 4, 6, 6), np.int8)
    np.testing.assert_array_equal(
        run(machine(module), x), run(machine(module, pipeline="default_build"), x)
    )


def test_float_networks_and_moves_alone_make_no_region():
    for build, dtype in (
        (lambda b, x: b.emit(op.nn.relu(op.add(x, x))), "float32"),
        (lambda b, x: b.emit(op.reshape(x, (1, 144))), "int8"),
    ):
        module = module_of(build, dtype=dtype)
        partitioned = partition_for_tinyengine(module)
        assert not regions(partitioned)
        x = np.arange(144).reshape(1, 4, 6, 6).astype(dtype)
        expected = run(machine(module, pipeline="default_build"), x)
        np.testing.assert_array_equal(run(machine(module), x), expected)


def test_side_effects_stay_in_their_place():
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 4, 6, 6), "int8"))
    with builder.function("main", [x], pure=False):
        with builder.dataflow():
            y = builder.emit_output(convolution(builder, x, 4, 8, 1))
        seen = relax.Call(relax.ExternFunc("tests.seen"), [y], ty_args=[relax.TupleType([])])
        builder.emit(seen)
        builder.emit_func_output(y)
    module = builder.get()
    partitioned = partition_for_tinyengine(module)
    assert not regions(partitioned)
    tvm.ir.assert_structural_equal(partitioned, relax.transform.ConvertToDataflow()(module))


def test_threads_run_the_same_module(tmp_path):
    """Each has an arena of its own."""
    path = save("residual", tmp_path)
    library = relax.build(load_model(path), "llvm", relax_pipeline="tinyengine").jit()
    inputs = samples("residual", 2)
    expected = [run(relax.VirtualMachine(library, tvm.cpu()), x)[0] for x in inputs]
    wrong = []

    def work(x: np.ndarray, y: np.ndarray) -> None:
        region = library.get_function("tinyengine_main_0", query_imports=True)
        source, target = tvm.runtime.tensor(x), tvm.runtime.empty(y.shape, "float32")
        for _ in range(2000):
            region(source, target)
            wrong.extend([0] if target.numpy().tobytes() != y.tobytes() else [])

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_region_refuses_what_it_was_not_made_for():
    module = module_of(lambda b, x: convolution(b, x, 4, 8, 1))
    library = relax.build(module, "llvm", relax_pipeline="tinyengine").jit()
    region = library.get_function("tinyengine_main_0", query_imports=True)
    x, y = (tvm.runtime.empty((1, c, 6, 6), "int8") for c in (4, 8))
    region(x, y)
    large = tvm.runtime.empty((2, 4, 6, 6), "int8")
    other = tvm.runtime.empty((1, 4, 6, 6), "uint8")
    wide = tvm.runtime.empty((1, 4, 6, 6), "int32")
    raw = np.zeros(256, np.int8)
    start = -raw.ctypes.data % 64
    good, off = (raw[start + i :][:144].reshape(1, 4, 6, 6) for i in (0, 1))
    region(good, y)
    for wrong in (large, other, wide, good.transpose(0, 1, 3, 2), off, 3):
        with pytest.raises(ValueError, match="argument 0: wants 144 int8"):
            region(wrong, y)
    with pytest.raises(ValueError, match="argument 1: wants 288 int8"):
        region(x, x)
    with pytest.raises(ValueError, match="takes 2 tensors"):
        region(x)


def test_the_passes_on_order_and_place_see_into_regions(tmp_path):
    """The steps of the pipeline one by one, as a user would put them into another."""
    path = save("depthwise", tmp_path)
    partitioned = partition_for_tinyengine(load_model(path))
    passes = [MemoryAwareSchedule(), InplaceDepthwise()]
    done = tvm.transform.Sequential(passes)(partitioned)
    (_, region), (_, before) = *regions(done), *regions(partitioned)
    network = import_network(path, name="net")
    assert len(region.attrs[INPLACE]) >= 1
    assert INPLACE not in before.attrs
    own = [relax.transform.RunCodegen(), relax.transform.LegalizeOps()]
    module = tvm.transform.Sequential(own)(done)
    assert len(module.attrs["external_mods"]) == 1
    vm = machine(module, pipeline="default_build")
    for x in samples("depthwise", 2):
        (expected,) = run_reference(network, {network.inputs[0]: x}).values()
        (got,) = run(vm, x)
        assert got.tobytes() == expected.tobytes()


def test_the_pipeline_runs_the_passes_in_their_order():
    ran: list[str] = []

    @tvm.ir.instrument.pass_instrument
    class Names:
        def run_before_pass(self, module, info) -> None:
            ran.append(str(info.name))

    module = module_of(lambda b, x: convolution(b, x, 4, 8, 1))
    with tvm.transform.PassContext(instruments=[Names()]):
        relax.build(module, "llvm", relax_pipeline="tinyengine")
    ours = ["tinyengine.MemoryAwareSchedule", "tinyengine.InplaceDepthwise", "RunCodegen"]
    places = [ran.index(name) for name in (*ours, "LegalizeOps")]
    assert places == sorted(places)


def test_a_region_is_ordered_for_the_smallest_peak():
    """Of two branches that swell and shrink, one is closed before the other is opened."""

    def build(builder, x):
        swollen = [convolution(builder, x, 4, 64, seed) for seed in (1, 2)]
        small = [convolution(builder, y, 64, 2, 3) for y in swollen]
        return builder.emit(op.concat(small, axis=1))

    partitioned = partition_for_tinyengine(module_of(build))
    channels = []
    for module in (partitioned, MemoryAwareSchedule()(partitioned)):
        ((_, region),) = regions(module)
        calls = [b for b in region.body.blocks[1].bindings if isinstance(b.value, relax.Call)]
        channels.append([int(b.var.ty.shape[1]) for b in calls])
    assert channels == [[64, 64, 2, 2, 4], [64, 2, 64, 2, 4]]


def test_the_arithmetic_follows_the_model(tmp_path):
    import tflite
    from tvm.relax.frontend.tflite import from_tflite

    data = write_tflite(small_network())
    (tmp_path / "small.tflite").write_bytes(data)
    theirs = from_tflite(tflite.Model.GetRootAs(data, 0))
    ours = load_model(tmp_path / "small.tflite")
    onnx = load_model(save("residual", tmp_path))
    modes = [
        {str(f.attrs["tinyengine.mode"]) for _, f in regions(partition_for_tinyengine(m))}
        for m in (theirs, ours, onnx)
    ]
    assert modes == [{"tflite"}, {"tflite"}, {"onnx"}]
    assert import_network(theirs, name="net").mode == "tflite"
    forced = partition_for_tinyengine(ours, mode="onnx")
    assert {str(f.attrs["tinyengine.mode"]) for _, f in regions(forced)} == {"onnx"}


def test_parameters_may_come_apart():
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 8), "int8"))
    w = relax.Var("w", relax.TensorType((8, 4), "int8"))
    scale, zero = relax.const(np.float32(0.125)), relax.const(np.int8(0))
    with builder.function("main", [x, w]):
        with builder.dataflow():
            a, b = (builder.emit(op.dequantize(v, scale, zero, axis=0)) for v in (x, w))
            y = builder.emit(op.matmul(a, b))
            result = builder.emit_output(op.quantize(y, scale, zero, axis=0, out_dtype="int8"))
        builder.emit_func_output(result)
    module = builder.get()
    weight = np.random.default_rng(0).integers(-127, 128, (8, 4), np.int8)
    partitioned = partition_for_tinyengine(module, {"w": weight})
    assert len(regions(partitioned)) == 1 and len(partitioned["main"].params) == 1
    vm, plain = machine(partitioned), machine(module, pipeline="default_build")
    x = np.random.default_rng(1).integers(-127, 128, (1, 8), np.int8)
    np.testing.assert_array_equal(run(vm, x), run(plain, x, weight))


def test_the_users_module_is_left_as_it_was(tmp_path):
    module = load_model(save("residual", tmp_path))
    before = module.script(show_meta=True)
    partition_for_tinyengine(module)
    machine(module)
    assert module.script(show_meta=True) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "cortex-x"}, "unknown target"),
        ({"target": "cortex-m4"}, "choose one of: host, cortex-m0plus, cortex-m3"),
        ({"mode": "float"}, "choose tflite or onnx"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, words):
    module = module_of(lambda b, x: convolution(b, x, 4, 8, 1))
    with pytest.raises(TinyEngineError, match=words) as caught:
        partition_for_tinyengine(module, **options)
    assert "\n" not in str(caught.value)
