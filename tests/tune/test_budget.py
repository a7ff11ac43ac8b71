# SPDX-License-Identifier: Apache-2.0
"""Choosing within budgets of SRAM and flash, against all choices of a small network."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.networks import generated, int8_tensor, small_network
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.errors import BudgetError
from tinyengine_tvm.network import Conv2D, DepthwiseConv2D, Network, Padding, verify
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Budgets, Measurement, Records, Workload
from tinyengine_tvm.tune.records import append, record_of

M4 = get_target("cortex-m4")
AROUND = Padding(1, 1, 1, 1)


def chain() -> Network:
    """Convolutions of which each needs scratch where the arena is fullest."""
    rng = np.random.default_rng(0)
    shapes = [(1, 8, 8, 4), (1, 8, 8, 8), (1, 8, 8, 8), (1, 8, 8, 8)]
    tensors = [int8_tensor(f"t{i}", shape) for i, shape in enumerate(shapes)]

    def constants(*shape: int, channels: int) -> tuple[np.ndarray, ...]:
        weight = rng.integers(-127, 128, shape).astype(np.int8)
        return weight, np.full(channels, 0.001, np.float32), np.zeros(channels, np.int32)

    layers = (
        Conv2D("wide", ("t0",), "t1", *constants(8, 3, 3, 4, channels=8), padding=AROUND),
        DepthwiseConv2D("deep", ("t1",), "t2", *constants(3, 3, 8, channels=8), padding=AROUND),
        Conv2D("point", ("t2",), "t3", *constants(8, 1, 1, 8, channels=8)),
    )
    made = Network("chain", "tflite", {t.name: t for t in tensors}, layers, ("t0",), ("t3",))
    return verify(made)


def made_up(network: Network, kept: int, seed: int) -> Records:
    """Records of some candidates of each layer: more scratch and more code tend to be faster."""
    rng, records = np.random.default_rng(seed), Records()
    for layer in network.layers:
        workload = Workload(network, layer, M4)
        others = rng.permutation(np.arange(1, len(workload.candidates)))[: kept - 1]
        for index in (0, *others):
            candidate = workload.candidates[int(index)]
            code = 4 * sum(f.text.count("\\n") for f in candidate.code.functions) + 300
            size = candidate.scratch_bytes + code + candidate.constant_bytes
            cycles = int(50_000 * rng.uniform(0.8, 1.2) * size**-0.3)
            measured = Measurement(
                "ok", "", cycles, cycles, code, candidate.constant_bytes, candidate.scratch_bytes
            )
            records.add(record_of(workload, candidate, measured, M4.name, "gcc 1.0"))
    return records


@pytest.mark.parametrize("seed", [0, 2])
def test_the_best_of_all_choices(seed):
    network = chain()
    budgets = Budgets(made_up(network, 8, seed), network, M4, 1 << 20)
    names = list(budgets.ways)
    every = []
    for ways in itertools.product(*budgets.ways.values()):
        plan = budgets._plan(dict(zip(names, ways, strict=True)))
        code = {name: size for way in ways for name, size in way.routines.items()}
        size = sum(code.values()) + sum(way.data for way in ways)
        every.append((sum(way.cost for way in ways), plan.arena_bytes, size))
    arenas, sizes = sorted({a for _, a, _ in every}), sorted({s for _, _, s in every})
    assert len(arenas) > 3
    found_at = set()
    for sram in arenas[:: max(1, len(arenas) // 5)]:
        limited = Budgets(made_up(network, 8, seed), network, M4, sram)
        for flash in (*sizes[:: max(1, len(sizes) // 6)], float("inf")):
            costs = [cost for cost, arena, size in every if arena <= sram and size <= flash]
            found = limited.choose(flash)
            if not costs:
                assert found is None
                continue
            assert found is not None
            assert found.arena <= sram
            assert found.size <= flash
            assert found.bound <= min(costs) <= found.cost
            # What is told of the gap holds, and it's small.
            assert found.cost <= min(costs) * (1 + found.gap) + 1
            assert found.cost <= 1.02 * min(costs)
            found_at.add(found.cost)
    assert len(found_at) > 4


def test_a_compile_keeps_both_budgets(tmp_path):
    """The fastest needs more scratch than the default; with less SRAM it isn't taken."""
    network, file = chain(), tmp_path / "records.jsonl"
    append(file, made_up(network, 40, 5))

    def compiled(**budgets):
        made = compile_network(network, records=file, **budgets)
        return made.report["memory"]["arena_bytes"], made.report["chosen"]

    large, chosen = compiled(sram=1 << 16)
    assert chosen["layers"] == 3
    assert chosen["gap"] == 0
    small, less = compiled(sram=large - 1)
    assert small < large
    assert less["cost"] > chosen["cost"]
    made = compile_network(network, records=file, sram=large)
    assert generated(made) == generated(compile_network(network, records=file, sram=large))
    with pytest.raises(BudgetError, match="no plan fits 100 bytes of SRAM"):
        compile_network(network, records=file, sram=100)


def test_flash_is_what_the_linker_says(board, tmp_path):
    network, file = chain(), tmp_path / "records.jsonl"
    append(file, made_up(network, 40, 6))

    def compiled(flash: int | None):
        made = compile_network(network, records=file, flash=flash, sram=1 << 16)
        used = made.profile(board).flash
        return used.weights + used.code, made.report["chosen"]

    whole, fastest = compiled(None)
    used, chosen = compiled(whole - 500)
    assert used <= whole - 500
    assert chosen["cost"] > fastest["cost"]
    with pytest.raises(BudgetError, match="no plan fits 700 bytes of flash"):
        compiled(700)


def test_without_records_of_its_layers_budgets_change_nothing(tmp_path):
    file = tmp_path / "records.jsonl"
    append(file, made_up(chain(), 2, 0))
    plain = compile_network(small_network(), sram=1 << 16)
    assert generated(compile_network(small_network(), sram=1 << 16, records=file)) == generated(
        plain
    )
