# SPDX-License-Identifier: Apache-2.0
"""What is estimated of code and time, against networks that are built, linked and counted."""

from __future__ import annotations

import pytest

from tests.tinynas.spaces import drawn
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.budget import flash_bytes
from tinynas.errors import NasError
from tinynas.hardware import Twin, latency_cycles, network_of


@pytest.fixture(scope="module")
def board() -> str:
    if get_board("mps2-an386").missing():
        pytest.skip(get_board("mps2-an386").describe())
    return "mps2-an386"


@pytest.mark.parametrize("space", ["grey", "colour", "sensor", "attention"])
def test_code_and_time_are_nearly_what_is_counted(space: str, board: str) -> None:
    # None of those that the coefficients are fitted to.
    (architecture,) = drawn(space, 1, seed=77)
    costs = Twin().judge(architecture)
    artifact = compile_network(network_of(architecture))
    weights, code = flash_bytes(artifact)
    # Of constants that are equal, such as the four words of two additions, the linker keeps one.
    assert weights <= costs.weights <= weights + 64
    assert costs.code == pytest.approx(code, rel=0.03)
    assert costs.flash == costs.weights + costs.code
    profile = artifact.profile(board)
    assert costs.static == profile.sram.static
    assert costs.sram == profile.sram.arena + profile.sram.static
    assert costs.instructions == pytest.approx(profile.instructions, rel=0.06)
    assert costs.cycles == pytest.approx(profile.cycles, rel=0.06)
    assert latency_cycles(architecture) == costs.cycles


def test_without_measurements_there_is_no_latency() -> None:
    (architecture,) = drawn("grey", 1)
    with pytest.raises(NasError, match="no latency model for cortex-m0plus; there are: cortex-m4"):
        latency_cycles(architecture, "cortex-m0plus")
    assert Twin("cortex-m0plus").judge(architecture).cycles == 0
