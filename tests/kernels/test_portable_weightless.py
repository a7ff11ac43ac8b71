# SPDX-License-Identifier: Apache-2.0
"""The portable C of layers without weights equals their numpy semantics."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.kernel_harness import (
    RECKLESS,
    SANITISED,
    case_of,
    check_cross_compiles,
    run_kernels,
)
from tests.random_layers import (
    WEIGHTLESS,
    Sample,
    one_layer,
    quantisation,
    samples,
    tensor,
    values,
)
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Concat,
    Mean,
    Mul,
    Padding,
    Quantisation,
    Quantize,
    Requantize,
    Reshape,
    Softmax,
    Tensor,
    Transpose,
)
from tinyengine_tvm.targets import get_target

MODES = ("tflite", "onnx")
WITH_FLOATS = {
    "tflite": ("quantize", "dequantize"),
    "onnx": ("add", "mul", "average_pool", "mean", "quantize", "dequantize"),
}
"""Whose results a careless compiler could change."""


def expected(sample: Sample) -> np.ndarray:
    network, inputs = sample
    result = run_reference(network, dict(zip(network.inputs, inputs, strict=True)))
    return result[network.outputs[0]]


def assert_c_equals_semantics(chosen: list[Sample], reckless: bool = True) -> None:
    cases = [case_of(network, inputs) for network, inputs in chosen]
    for flags in (SANITISED, RECKLESS) if reckless else (SANITISED,):
        for sample, output in zip(chosen, run_kernels(cases, flags), strict=True):
            np.testing.assert_array_equal(output, expected(sample), str(sample[0].layers))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operator", WEIGHTLESS)
def test_random_layers(operator, mode):
    assert_c_equals_semantics(samples(operator, mode, 60), operator in WITH_FLOATS[mode])


@pytest.mark.parametrize("mode", MODES)
def test_multipliers_at_the_ends_of_their_range(mode):
    rng = np.random.default_rng(3)
    chosen = []
    for low in (-9, -4, 0, 4):
        for kind in (Add, Mul, Mean, Requantize):
            scales = [float(10 ** rng.uniform(low, low + 5)) for _ in range(3)]
            q = [Quantisation(s, quantisation(rng).zero_point) for s in scales]
            names = ("a", "b") if kind in (Add, Mul) else ("a",)
            inputs = [tensor(n, (1, 97), qx) for n, qx in zip(names, q, strict=False)]
            extra = {"axes": (1,)} if kind is Mean else {}
            y = tensor("y", (1, 1) if kind is Mean else (1, 97), q[2])
            network = one_layer(mode, kind("l", names, "y", **extra), inputs, y)
            chosen.append((network, [values(rng, t.shape) for t in inputs]))
    assert_c_equals_semantics(chosen)


@pytest.mark.parametrize("kind", [Add, Mul])
def test_onnx_near_ties_of_every_pair(kind):
    # Quotients of scales that no binary fraction holds put many results next to a tie.
    a, b = (g.ravel().astype(np.int8) for g in np.meshgrid(*[np.arange(-128, 128)] * 2))
    chosen = []
    for scales in ((0.1, 0.1, 0.3), (0.1, 0.3, 0.2), (0.7, 0.05, 0.7), (0.013, 0.039, 0.0013)):
        qa, qb, qy = (Quantisation(v, zero) for v, zero in zip(scales, (3, -128, 60), strict=True))
        if kind is Mul:
            qy = Quantisation(scales[0] * scales[1] * 6, qy.zero_point)
        inputs = [tensor("a", a.shape, qa), tensor("b", a.shape, qb)]
        layer = kind("l", ("a", "b"), "y")
        chosen.append((one_layer("onnx", layer, inputs, tensor("y", a.shape, qy)), [a, b]))
    assert_c_equals_semantics(chosen)


@pytest.mark.parametrize("kind", [Mean, AveragePool2D])
def test_onnx_near_ties_of_means(kind):
    rng = np.random.default_rng(10)
    chosen = []
    for height, width in ((2, 3), (6, 5), (5, 8), (12, 14)):
        # All around one value, so that every mean is within int8 and few distinct sums occur.
        x = rng.integers(20, 24, (1, height, width, 500)).astype(np.int8)
        q = Quantisation(0.0123, -7)
        if kind is Mean:
            layer, shape = Mean("l", ("x",), "y", (1, 2)), (1, 500)
        else:
            layer = AveragePool2D("l", ("x",), "y", (2, 3))
            shape = (1, height - 1, width - 2, 500)
        chosen.append(
            (one_layer("onnx", layer, [tensor("x", x.shape, q)], tensor("y", shape, q)), [x])
        )
    assert_c_equals_semantics(chosen)


def test_average_pool_that_counts_padding_is_one_over_a_padded_map():
    rng = np.random.default_rng(9)
    q = Quantisation(0.1, -77)
    x = values(rng, (1, 7, 6, 3))
    around = Padding(1, 2, 2, 1)
    padded = np.pad(x, ((0, 0), (1, 2), (2, 1), (0, 0)), constant_values=q.zero_point)
    outputs = []
    for data, padding in ((x, around), (padded, Padding())):
        layer = AveragePool2D("p", ("x",), "y", (3, 3), (2, 1), padding, count_padding=True)
        tensors = tensor("x", data.shape, q), tensor("y", (1, 4, 7, 3), q)
        sample = one_layer("tflite", layer, [tensors[0]], tensors[1]), [data]
        outputs.append(run_kernels([case_of(*sample)])[0])
        np.testing.assert_array_equal(outputs[-1], expected(sample))
    np.testing.assert_array_equal(*outputs)


def test_float32_layout_layers():
    rng = np.random.default_rng(4)

    def real(name: str, *shape: int) -> Tensor:
        return Tensor(name, shape, "float32")

    layers = [
        (Transpose("t", ("x",), "y", (0, 3, 1, 2)), [real("x", 1, 4, 3, 5)], (1, 5, 4, 3)),
        (Transpose("t", ("x",), "y", (1, 0, 2)), [real("x", 4, 3, 5)], (3, 4, 5)),
        (Transpose("t", ("x",), "y", (1, 0, 2)), [real("x", 1, 3, 5)], (3, 1, 5)),
        (Concat("c", ("x", "z"), "y", 1), [real("x", 2, 3), real("z", 2, 1)], (2, 4)),
        (Reshape("r", ("x",), "y"), [real("x", 2, 6)], (3, 4)),
    ]
    chosen = []
    for layer, inputs, shape in layers:
        network = one_layer("tflite", layer, inputs, real("y", *shape))
        arrays = [rng.normal(size=t.shape).astype(np.float32) for t in inputs]
        chosen.append((network, arrays))
    assert_c_equals_semantics(chosen)


@pytest.mark.parametrize("mode", MODES)
def test_quantize_of_values_that_are_no_numbers_within_range(mode):
    x = np.array([[np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45]], np.float32)
    q = Quantisation(0.25, 5)
    layer = Quantize("q", ("x",), "y")
    sample = (
        one_layer(mode, layer, [Tensor("x", x.shape, "float32")], tensor("y", x.shape, q)),
        [x],
    )
    (output,) = run_kernels([case_of(*sample)])
    np.testing.assert_array_equal(output, [[127, -128, -128, 127, -128, 5]])
    np.testing.assert_array_equal(expected(sample), output)


def test_float32_softmax():
    rng = np.random.default_rng(5)
    x = rng.normal(0, 5, (7, 33)).astype(np.float32)
    x[0] = 80
    real = [Tensor(n, x.shape, "float32") for n in ("x", "y")]
    network = one_layer("tflite", Softmax("s", ("x",), "y", 1.5), real[:1], real[1])
    (output,) = run_kernels([case_of(network, [x])])
    np.testing.assert_allclose(output, expected((network, [x])), rtol=2e-6)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)


def test_layers_of_equal_shape_share_a_function():
    rng = np.random.default_rng(6)
    texts = set()
    for shape in ((1, 5, 5, 8), (3, 7)):
        q = [quantisation(rng) for _ in range(3)]
        inputs = [tensor(n, shape, qx) for n, qx in zip("ab", q, strict=False)]
        network = one_layer("tflite", Add("add", ("a", "b"), "y"), inputs, tensor("y", shape, q[2]))
        case = case_of(network, [])
        texts.add(case.chosen_kernel().emit(network, case.layer, {}).functions[0].text)
    assert len(texts) == 1


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is missing")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
@pytest.mark.parametrize("mode", MODES)
def test_compiles_for_cortex_m_without_warnings(mode, core):
    chosen = [s for operator in WEIGHTLESS for s in samples(operator, mode, 6, seed=1)]
    check_cross_compiles([case_of(*s) for s in chosen], get_target(core))
