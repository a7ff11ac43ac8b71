# SPDX-License-Identifier: Apache-2.0
"""conv2d and dense for MVE, on an emulated Cortex-M55, against their semantics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels import random_gemm
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.kernels.test_gemm_dsp import PRICES
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network.macs import layer_macs
from tinyengine_tvm.targets import get_target

BOARD = "mps3-an547"
M55 = get_target("cortex-m55")


def mve_cases(kind: str, count: int, seed: int) -> list[Case]:
    """Random layers that an MVE kernel takes, each with a random configuration."""
    rng = np.random.default_rng(seed)
    taken: list[Case] = []
    for case in random_gemm.cases(kind, 2 * count, seed):
        best = kernels_for(case.network, case.layer, M55)[0]
        if best.name.endswith("_mve") and len(taken) < count:
            space = best.configurations(case.network, case.layer, M55)
            configuration = dict(space[int(rng.integers(len(space)))])
            taken.append(replace(case, kernel=best, configuration=configuration))
    assert len(taken) == count, f"only {len(taken)} of the layers have an MVE kernel"
    return taken


@pytest.mark.parametrize("kind", ["points", "windows", "dense"])
def test_random_layers(kind: str) -> None:
    require_board(BOARD)
    for batch in batches(mve_cases(kind, thorough(100, 2000), 1), 100):
        check_on_board(batch, board=BOARD, target="cortex-m55")


@pytest.mark.parametrize("kind", ["points", "windows", "dense"])
def test_output_over_input(kind: str) -> None:
    require_board(BOARD)
    cases = mve_cases(kind, thorough(60, 400), 2)
    overlapping = [c for c in cases if c.kernel.overlap(c.network, c.layer, c.configuration)[0] > 0]
    assert len(overlapping) > len(cases) // 4
    check_on_board(overlapping, board=BOARD, target="cortex-m55", overlapped=True)


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-flto")])
def test_compiler_options(flags: tuple[str, ...]) -> None:
    require_board(BOARD)
    cases = [c for kind in ("points", "windows", "dense") for c in mve_cases(kind, 12, 3)]
    check_on_board(cases, board=BOARD, target="cortex-m55", flags=flags)


MOST = {
    "8 to 16": 0.52,
    "16 to 32": 0.25,
    "64 to 64": 0.147,
    "64 to 64, any zero point": 0.147,
    "128 to 128": 0.135,
    "first layer": 0.297,
    "3x3 of 16": 0.161,
    "3x3 of 64": 0.127,
    "vector of 640": 0.147,
    "vector of 128": 0.168,
}
"""Instructions per multiply-accumulate that a layer may take at most."""


def test_instructions_per_mac() -> None:
    require_board(BOARD)
    cases = [PRICES[name][0] for name in MOST]
    # The first case bears the cost of what the emulator does once.
    results = check_on_board([cases[0], *cases], board=BOARD, target="cortex-m55", count=True)[1:]
    for (name, most), case, result in zip(MOST.items(), cases, results, strict=True):
        assert result.kernel.endswith("_mve")
        used = result.instructions / layer_macs(case.network, case.layer)
        assert used <= most, f"{name}: {used:.3f} per MAC"
