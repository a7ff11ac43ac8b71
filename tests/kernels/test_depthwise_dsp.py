# SPDX-License-Identifier: Apache-2.0
"""Depthwise kernels for the DSP extension, on an emulated Cortex-M4, against their semantics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tinyengine_tvm.kernels.base import Code, Kernel, Operands
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import (
    DepthwiseConv2D,
    Network,
    Padding,
    Quantisation,
    Tensor,
    verify,
)
from tinyengine_tvm.targets import get_target

M4 = get_target("cortex-m4")


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TFLite's SAME padding before and after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def random_layer(rng: np.random.Generator, kernel: int, stride: int) -> Network:
    """A layer of any size, padding, quantisation and mode that the kernels may meet."""
    height, width = (int(v) for v in rng.choice([1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 17, 25], 2))
    channels = int(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 17]))
    if rng.random() < 0.6:
        (top, bottom), (left, right) = same(height, kernel, stride), same(width, kernel, stride)
    else:
        top, left, bottom, right = (int(v) for v in rng.integers(0, kernel // 2 + 1, 4))
    if height + top + bottom < kernel or width + left + right < kernel:
        top = left = bottom = right = kernel // 2
    out_height = (height + top + bottom - kernel) // stride + 1
    out_width = (width + left + right - kernel) // stride + 1
    mode = "tflite" if rng.random() < 0.7 else "onnx"
    zero_in = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    zero_out = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)], p=[0.5, 0.1, 0.2, 0.2]))
    clamp = (-128, 127)
    chance = rng.random()
    if chance < 0.4:
        clamp = (zero_out, 127)
    elif chance < 0.6:
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        clamp = (max(low, zero_out) if rng.random() < 0.5 else low, 127)
        clamp = (clamp[0], max(high, clamp[0]))
    weight = rng.integers(-128, 128, (kernel, kernel, channels)).astype(np.int8)
    if rng.random() < 0.3:
        weight = rng.choice(np.array([-128, -127, 0, 127], np.int8), weight.shape)
    weight[..., rng.random(channels) < 0.1] = 0
    least = rng.uniform(2, 7)
    shifts = rng.uniform(least, least + rng.choice([1, 3, 5, 9]), channels)
    scale = np.exp2(-shifts).astype(np.float32)
    scale[rng.random(channels) < 0.05] = 1e-12
    reach = int(rng.choice([100, 20_000, 1_000_000]))
    bias = rng.integers(-reach, reach, channels).astype(np.int32)
    tensors = {
        "x": Tensor("x", (1, height, width, channels), "int8", Quantisation(1.0, zero_in)),
        "y": Tensor("y", (1, out_height, out_width, channels), "int8", Quantisation(1.0, zero_out)),
    }
    padding = Padding(top, left, bottom, right)
    layer = DepthwiseConv2D("d", ("x",), "y", weight, scale, bias, clamp, (stride, stride), padding)
    return verify(Network("n", mode, tensors, (layer,), ("x",), ("y",)))


def random_input(rng: np.random.Generator, network: Network) -> np.ndarray:
    """Random bytes, a fifth of them at the ends of the range."""
    x = rng.integers(-128, 128, network.tensor("x").shape).astype(np.int8)
    extreme = rng.random(x.shape) < 0.2
    return np.where(extreme, rng.choice(np.array([-128, 127], np.int8), x.shape), x)


def random_cases(seed: int, count: int, kernel: int, stride: int) -> list[Case]:
    """Layers that a DSP kernel takes, each with a random point of its configuration space."""
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    while len(cases) < count:
        network = random_layer(rng, kernel, stride)
        (layer,) = network.layers
        best = kernels_for(network, layer, M4)[0]
        if not best.name.endswith("_dsp"):
            continue
        space = best.configurations(network, layer, M4)
        configuration = dict(
            space[int(rng.integers(len(space)))] if rng.random() < 0.7 else space[0]
        )
        cases.append(Case(network, [random_input(rng, network)], layer, best, configuration))
    return cases


def relu_case(size: tuple[int, int, int], kernel: int, stride: int) -> Case:
    """A layer as networks have them: SAME padding, and a relu."""
    rng = np.random.default_rng(9)
    height, width, channels = size
    (top, bottom), (left, right) = same(height, kernel, stride), same(width, kernel, stride)
    out = (-(-height // stride), -(-width // stride), channels)
    tensors = {
        "x": Tensor("x", (1, *size), "int8", Quantisation(0.02, -128)),
        "y": Tensor("y", (1, *out), "int8", Quantisation(0.02, -128)),
    }
    layer = DepthwiseConv2D(
        "d",
        ("x",),
        "y",
        rng.integers(-127, 128, (kernel, kernel, channels)).astype(np.int8),
        np.exp2(-rng.uniform(6, 9, channels)).astype(np.float32),
        rng.integers(-5000, 5000, channels).astype(np.int32),
        (-128, 127),
        (stride, stride),
        Padding(top, left, bottom, right),
    )
    network = verify(Network("n", "tflite", tensors, (layer,), ("x",), ("y",)))
    return Case(network, [random_input(rng, network)], layer)


MEASURED = [
    ((48, 48, 8), 3, 1, 1.43),
    ((24, 24, 32), 3, 1, 1.45),
    ((12, 12, 64), 3, 1, 1.50),
    ((6, 6, 128), 3, 1, 1.59),
    ((3, 3, 256), 3, 1, 2.35),
    ((25, 5, 64), 3, 1, 1.57),
    ((48, 48, 16), 3, 2, 2.17),
    ((24, 24, 32), 3, 2, 2.22),
    ((10, 10, 120), 5, 1, 1.03),
    ((5, 5, 240), 7, 1, 0.72),
    ((24, 24, 16), 7, 1, 0.69),
    ((20, 20, 48), 7, 2, 1.06),
]
"""Size, kernel, stride, and instructions per multiply-accumulate with 4 kB of scratch."""


def test_instruction_counts() -> None:
    require_board()
    cases = [relu_case(*entry[:3]) for entry in MEASURED]
    # The first case bears the cost of what the emulator does once.
    results = check_on_board([cases[1], *cases], count=True)[1:]
    for (size, kernel, stride, bound), result in zip(MEASURED, results, strict=True):
        used = result.instructions / (result.output.size * kernel * kernel)
        assert used <= bound, f"{size} {kernel}x{kernel} stride {stride}: {used:.3f} per MAC"


def test_large_sizes() -> None:
    """Beyond what the random layers reach: wide planes, many channels, long rows of output."""
    require_board()
    sizes = [
        ((5, 61, 8), 3, 1),
        ((3, 112, 4), 3, 1),
        ((6, 96, 3), 3, 1),
        ((5, 64, 5), 3, 2),
        ((4, 120, 4), 3, 2),
        ((9, 100, 4), 5, 2),
        ((7, 60, 2), 7, 1),
        ((5, 7, 300), 3, 1),
        ((5, 7, 300), 3, 2),
        ((3, 40, 130), 3, 1),
        ((70, 4, 4), 3, 1),
        ((40, 3, 4), 7, 1),
        ((1, 1, 8), 3, 1),
        ((1, 1, 8), 7, 1),
        ((2, 1, 8), 5, 2),
    ]
    cases = [relu_case(*size) for size in sizes]
    results = check_on_board(cases)
    assert all(r.kernel.endswith("_dsp") for r in results)
    # Where nothing else fits, the portable kernel does.
    (result,) = check_on_board([relu_case((2, 300, 3), 3, 2)])
    assert result.kernel.endswith("_portable")


def test_layers_share_routines_whatever_their_scales() -> None:
    # A tuned network has layers of many scales; code for each of them would be kilobytes.
    for kernel in (3, 5, 7):
        routines = set()
        for scale in (1.0, 0.5, 0.25, 0.125, 0.0625):
            network = relu_case((14, 14, 8), kernel, 1).network
            (layer,) = network.layers
            assert isinstance(layer, DepthwiseConv2D)
            # As trained networks have them: relu hides the kink of rounding ties away from zero.
            scales = (4 * scale * layer.weight_scale).astype(np.float32)
            changed = replace(layer, weight_scale=scales)
            network = verify(replace(network, layers=(changed,)))
            best = kernels_for(network, changed, M4)[0]
            code = best.emit(network, changed, best.choose(network, changed, M4, "speed"))
            routines.add(tuple(function.name for function in code.functions))
        assert len(routines) == 1, routines


def test_size_objective() -> None:
    """Little code, at few instructions more."""
    require_board()
    cases = [relu_case(*entry[:3]) for entry in MEASURED]
    small = []
    for case in cases:
        kernel = kernels_for(case.network, case.layer, M4)[0]
        chosen = dict(kernel.choose(case.network, case.layer, M4, "size"))
        small.append(replace(case, kernel=kernel, configuration=chosen))
    fast_results = check_on_board([cases[0], *cases], count=True)[1:]
    small_results = check_on_board([small[0], *small], count=True)[1:]
    fast_counts = np.array([result.instructions for result in fast_results])
    small_counts = np.array([result.instructions for result in small_results])
    # Rows of a few pixels are all border to the routine that widens rows of any width.
    assert np.all(small_counts <= 1.45 * fast_counts), small_counts / fast_counts
    assert small_counts.sum() <= 1.15 * fast_counts.sum()


class InPlace(Kernel[DepthwiseConv2D]):
    """A kernel run with its output in its input's place, at the end of a larger scratch."""

    layer = DepthwiseConv2D

    def __init__(self, kernel: Kernel[DepthwiseConv2D]) -> None:
        self.kernel = kernel
        self.name = f"{kernel.name}_in_place"  # type: ignore[misc]

    def scratch(self, network, layer, configuration) -> int:
        own = self.kernel.scratch(network, layer, configuration)
        return -(-own // 4) * 4 + network.input_of(layer).nbytes

    def emit(self, network, layer, configuration) -> Code:
        code = self.kernel.emit(network, layer, configuration)
        at = -(-self.kernel.scratch(network, layer, configuration) // 4) * 4
        place = f"((int8_t *)scratch + {at})"

        def call(operands: Operands, names: Sequence[str]) -> str:
            inner = Operands((place,), place, operands.scratch, operands.constant)
            return (
                f"memcpy({place}, {operands.inputs[0]}, {network.input_of(layer).nbytes});\n"
                f"{code.call(inner, names)}\n"
                f"memcpy({operands.output}, {place}, {network.output_of(layer).nbytes});"
            )

        return Code(code.functions, code.constants, call)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_in_place(kernel: int, stride: int) -> None:
    require_board()
    cases = []
    for case in random_cases(7000 + 10 * kernel + stride, thorough(60, 200), kernel, stride):
        base = case.kernel
        if base.in_place(case.network, case.layer, case.configuration):
            cases.append(replace(case, kernel=InPlace(base)))
    assert len(cases) > 30
    check_on_board(cases)


@pytest.mark.parametrize(
    "board, target", [("mps2-an500", "cortex-m7"), ("mps2-an505", "cortex-m33")]
)
def test_other_cores(board: str, target: str) -> None:
    """The same counts, within 3 %, and the same outputs."""
    require_board(board)
    cases = [c for k, s in ((3, 1), (3, 2), (5, 1), (7, 2)) for c in random_cases(k, 10, k, s)]
    first = check_on_board(cases, count=True)
    other = check_on_board(cases, board=board, target=target, count=True)
    for a, b in zip(first[1:], other[1:], strict=True):
        assert b.instructions <= 1.03 * a.instructions + 30


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-flto")])
def test_compiler_options(flags: tuple[str, ...]) -> None:
    require_board()
    cases = [c for k, s in ((3, 1), (3, 2), (5, 1), (7, 2)) for c in random_cases(k + 1, 8, k, s)]
    check_on_board(cases, flags=flags)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_random_layers(kernel: int, stride: int) -> None:
    require_board()
    cases = random_cases(100 * kernel + stride, thorough(60, 400), kernel, stride)
    for batch in batches(cases, 60):
        check_on_board(batch)
