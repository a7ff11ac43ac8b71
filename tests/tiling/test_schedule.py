# SPDX-License-Identifier: Apache-2.0
"""The steps of a region, and the checker that replays them: planted faults must be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiling.random_networks import random_network
from tinyengine_tvm.kernels.registry import select_kernels
from tinyengine_tvm.memory import PlanError
from tinyengine_tvm.network.macs import network_macs
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tiling.check import check_fusion
from tinyengine_tvm.tiling.lines import place_lines
from tinyengine_tvm.tiling.program import compress, expand
from tinyengine_tvm.tiling.region import Fusion
from tinyengine_tvm.tiling.search import Search
from tinyengine_tvm.tiling.ways import PLAIN, TILED, Way


def fusions(seed: int, way: Way, *, streamed: bool) -> list[Fusion]:
    """Every region of a random network that begins at its input, computed in this way."""
    network, target = random_network(seed), get_target("host")
    search = Search(network, target, select_kernels(network, target), streamed=streamed)
    found = [search.fused(0, end, way).choice for end in search.streamable()]
    return [choice.kernel.fusion for choice in found if choice is not None]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from((*PLAIN, *TILED)), st.booleans())
def test_regions_of_random_networks_pass_the_replay(seed, way, streamed):
    for fusion in fusions(seed, way, streamed=streamed):
        check_fusion(fusion)


def example() -> Fusion:
    """A region whose line buffers slide, and in which every kind of step occurs."""
    return max(
        (f for seed in range(12) for f in fusions(seed, Way(1), streamed=True)),
        key=lambda f: sum(step.dropped > 0 and step.kept > 0 for step in f.schedule.steps),
    )


def with_step(fusion: Fusion, index: int, **changes: object) -> Fusion:
    steps = list(fusion.schedule.steps)
    steps[index] = replace(steps[index], **changes)
    return replace(fusion, schedule=replace(fusion.schedule, steps=tuple(steps)))


def test_a_window_that_is_off_by_one_row_is_found():
    fusion = example()
    check_fusion(fusion)
    steps = fusion.schedule.steps
    sliding = [i for i, s in enumerate(steps) if s.dropped and s.kept]
    assert len(sliding) > 5
    for i in sliding:
        for change in (1, -1):
            with pytest.raises(PlanError):
                check_fusion(with_step(fusion, i, dropped=steps[i].dropped + change))
            with pytest.raises(PlanError):
                check_fusion(with_step(fusion, i, base=steps[i].base + change))
    reading = [i for i, s in enumerate(steps) if s.stage is not None]
    for i in reading:
        with pytest.raises(PlanError):
            wrong = tuple(base + 1 for base in steps[i].bases)
            check_fusion(with_step(fusion, i, bases=wrong))


def test_steps_left_out_or_in_another_order_are_found():
    fusion = example()
    steps = fusion.schedule.steps
    for i in range(len(steps)):
        fewer = (*steps[:i], *steps[i + 1 :])
        with pytest.raises(PlanError):
            check_fusion(replace(fusion, schedule=replace(fusion.schedule, steps=fewer)))


def test_line_buffers_over_one_another_are_found():
    fusion = example()
    names = list(fusion.schedule.capacity)
    caught = 0
    for a in names:
        for b in names:
            moved = {**fusion.offsets, a: fusion.offsets[b]}
            try:
                check_fusion(replace(fusion, offsets=moved))
            except PlanError:
                caught += 1
    # Buffers that never hold anything at the same time may lie over one another.
    assert caught >= len(names)


def test_an_output_that_runs_too_far_over_the_input_is_found():
    found = 0
    for seed in range(8):
        for fusion in fusions(seed, Way(1), streamed=False):
            ends = (*fusion.network.inputs, *fusion.network.outputs)
            if 0 < fusion.overlap < min(fusion.network.tensor(name).nbytes for name in ends):
                with pytest.raises(PlanError):
                    check_fusion(replace(fusion, overlap=fusion.overlap + 1))
                found += 1
    assert found >= 5


def test_each_row_is_computed_once():
    for fusion in fusions(3, Way(2), streamed=True):
        rows: dict[int | None, list[int]] = {}
        for step in fusion.schedule.steps:
            rows.setdefault(step.stage, []).extend(range(step.rows.begin, step.rows.end))
        for stage, computed in rows.items():
            assert computed == list(range(len(computed))), stage
        # No stage is tiled, so nothing is computed again.
        assert fusion.macs == network_macs(fusion.network)


@given(st.lists(st.integers(0, 3), max_size=60))
def test_a_table_with_a_loop_stands_for_its_sequence(sequence):
    assert expand(compress(sequence)) == sequence


def test_a_repeated_stretch_is_there_once():
    table = compress([9, *[1, 2, 3] * 50, 7, 7])
    assert len(table.steps) <= 7 and table.rounds >= 49


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.lists(st.booleans(), min_size=8, max_size=8)),
        min_size=1,
        max_size=8,
    )
)
def test_buffers_that_meet_lie_apart(buffers):
    names = [str(i) for i in range(len(buffers))]
    sizes = [size for size, _ in buffers]
    live = [np.array(steps) for _, steps in buffers]
    offsets, size = place_lines(names, sizes, live)
    for i, a in enumerate(names):
        assert offsets[a] % 4 == 0 and offsets[a] + sizes[i] <= size
        for j in range(i):
            if np.any(live[i] & live[j]):
                low, high = sorted([(offsets[a], sizes[i]), (offsets[names[j]], sizes[j])])
                assert low[0] + low[1] <= high[0]
