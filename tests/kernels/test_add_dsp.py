# SPDX-License-Identifier: Apache-2.0
"""add on cores with the DSP extension."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case, case_of
from tests.kernels.in_place import in_place
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.random_layers import clamp, one_layer, quantisation, values
from tinyengine_tvm.kernels.add import KERNELS, reference
from tinyengine_tvm.kernels.dsp.fitted_sum import STORED, fit_sum
from tinyengine_tvm.network import Add, Mode, Network, Quantisation, Tensor
from tinyengine_tvm.targets import get_target

KERNEL = next(k for k in KERNELS if k.name == "add_s8_4_dsp")
CORES = {
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
}


def addition(
    mode: Mode, shape: tuple[int, ...], quantisations: list[Quantisation], bounds: tuple[int, int]
) -> Network:
    a, b, y = (Tensor(n, shape, "int8", q) for n, q in zip("aby", quantisations, strict=True))
    return one_layer(mode, Add("add", ("a", "b"), "y", bounds), [a, b], y)


def random_addition(rng: np.random.Generator, mode: Mode) -> Network:
    qa, qb = quantisation(rng), quantisation(rng, 0.02)
    scale = max(qa.scale, qb.scale) * float(np.exp(rng.uniform(-1.5, 2)))
    qy = Quantisation(scale, quantisation(rng).zero_point)
    if rng.random() < 0.2:
        # Equal scales put many sums on a tie.
        qb = Quantisation(qa.scale * float(rng.choice([0.5, 1, 2])), qb.zero_point)
        qy = Quantisation(qa.scale * float(rng.choice([0.5, 1, 2, 4])), qy.zero_point)
    shape = tuple(int(d) for d in rng.integers(1, 8, int(rng.integers(1, 5))))
    bounds = clamp(rng, qy)
    if rng.random() < 0.3:
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        bounds = (low, high)
    return addition(mode, shape, [qa, qb, qy], bounds)


def cases(count: int, seed: int) -> list[Case]:
    """Layers that the kernel takes."""
    rng = np.random.default_rng(seed)
    target = get_target("cortex-m4")
    found: list[Case] = []
    tried = 0
    while len(found) < count:
        network = random_addition(rng, ("tflite", "onnx")[tried % 2])
        tried += 1
        (layer,) = network.layers
        if KERNEL.supports(network, layer, target):
            inputs = [values(rng, t.shape) for t in (network.tensors["a"], network.tensors["b"])]
            configuration = {"words": int(rng.choice([1, 2, 4]))}
            found.append(Case(network, inputs, layer, KERNEL, configuration))
    # A kernel that declines most layers is of no use.
    assert tried < 1.35 * count + 5
    return found


def test_random_layers_on_the_board():
    require_board()
    for batch in batches(cases(thorough(300, 2000), 1)):
        check_on_board(batch)


@pytest.mark.parametrize("core", list(CORES)[1:])
def test_other_cores(core):
    require_board(CORES[core])
    check_on_board(cases(30, 2), board=CORES[core], target=core)


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-flto")])
def test_any_optimisation_level(flags):
    require_board()
    check_on_board(cases(20, 3), flags=flags)


def pairs(mode: Mode, scales: tuple[float, float, float], bounds=(-128, 127)) -> Case:
    """All 65,536 pairs of stored values."""
    zeros = (-128, 5, -20)
    quantisations = [Quantisation(s, z) for s, z in zip(scales, zeros, strict=True)]
    network = addition(mode, (256, 256), quantisations, bounds)
    a, b = np.meshgrid(STORED.astype(np.int8), STORED.astype(np.int8))
    return case_of(network, [a, b], KERNEL)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_every_pair_and_its_price(mode):
    require_board()
    scales = (0.0417, 0.0293, 0.0511)
    # What comes before the first case is counted with it.
    given = [*cases(1, 4), pairs(mode, scales), pairs(mode, scales, (-20, 90))]
    _, plain, clamped = check_on_board(given, count=True)
    assert plain.instructions / 65536 < 5.51
    assert clamped.instructions / 65536 < 6.01


def test_ties_away_from_zero_have_a_plane():
    assert KERNEL.supports(*_layer(pairs("tflite", (0.5, 1.0, 1.0))))


def test_ties_to_even_have_none():
    assert not KERNEL.supports(*_layer(pairs("onnx", (1.0, 1.0, 2.0))))


def _layer(case: Case):
    return case.network, case.layer, get_target("cortex-m4")


def test_a_wrong_table_is_refused():
    case = pairs("tflite", (0.0417, 0.0293, 0.0511))
    stored = STORED.astype(np.int8)
    table = reference(case.network, case.layer, [stored[:, None], stored[None, :]])
    slopes = (0.0417 / 0.0511, 0.0293 / 0.0511)
    assert fit_sum(table, (-128, 127), slopes, (-128, 5), -20) is not None
    table[77, 200] += 2
    assert fit_sum(table, (-128, 127), slopes, (-128, 5), -20) is None


def test_needs_the_dsp_extension():
    case = pairs("tflite", (0.0417, 0.0293, 0.0511))
    assert not KERNEL.supports(case.network, case.layer, get_target("cortex-m3"))


@pytest.mark.parametrize("operand", [0, 1])
def test_the_output_may_lie_over_an_operand(operand):
    require_board()
    check_on_board([in_place(case, operand) for case in cases(50, 6)])
