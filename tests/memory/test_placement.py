# SPDX-License-Identifier: Apache-2.0
"""Placement: against brute force, against the bound, and how much effort it takes."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyengine_tvm.memory import (
    Buffer,
    PlanError,
    Separation,
    Together,
    check_placement,
    disjoint,
    lower_bound,
    place,
)
from tinyengine_tvm.memory.exact import BudgetExhausted, Search
from tinyengine_tvm.memory.greedy import lowest_fit


def chain(sizes: list[int]) -> list[Buffer]:
    """The buffers of a network without branches: each lives in two consecutive layers."""
    last = len(sizes) - 2
    return [Buffer(f"t{i}", s, max(i - 1, 0), min(i, last)) for i, s in enumerate(sizes)]


# Activations of the MLPerf Tiny person detector (MobileNetV1 0.25 on 96 x 96 x 3), input first.
VWW_96 = [27648, 18432, 18432, 36864, 9216, 18432, 18432, 18432, 4608, 9216, 9216, 9216]
VWW_96 += [2304] + [4608] * 11 + [1152] + [2304] * 3 + [256, 2, 2]


def end(buffers: list[Buffer], offsets: list[int]) -> int:
    return max(o + b.size for b, o in zip(buffers, offsets, strict=True))


@st.composite
def instances(draw: st.DrawFn, most: int) -> list[Buffer]:
    def one(i: int) -> Buffer:
        first = draw(st.integers(0, 6))
        return Buffer(
            f"b{i}",
            draw(st.integers(1, 40)),
            first,
            draw(st.integers(first, min(first + 3, 7))),
            draw(st.sampled_from([1, 2, 4, 16])),
        )

    return [one(i) for i in range(draw(st.integers(1, most)))]


def least_size(
    buffers: list[Buffer], separation: Separation, together: Together = frozenset()
) -> int:
    """The optimum, by trying every order in which buffers could lie above one another.

    Buffers that may begin together are tried as if they had to, and as if they couldn't.
    """
    joinable = [
        (a, b)
        for a, b in itertools.combinations(buffers, 2)
        if (a.name, b.name) in together and separation(a, b) is not None
    ]
    sizes = []
    for count in range(len(joinable) + 1):
        for joined in itertools.combinations(joinable, count):
            names = {frozenset((a.name, b.name)) for a, b in joined}
            sizes += [_stacked(o, separation, names) for o in itertools.permutations(buffers)]
    return min(size for size in sizes if size is not None)


def _stacked(
    order: tuple[Buffer, ...], separation: Separation, joined: set[frozenset[str]]
) -> int | None:
    """The size when each buffer lies above all before it that it meets, or None if none can."""
    placed: dict[str, int] = {}
    for b in order:
        low, equal = 0, set()
        for a in order[: len(placed)]:
            distance = separation(a, b)
            if frozenset((a.name, b.name)) in joined:
                equal.add(placed[a.name])
            elif distance is not None:
                low = max(low, placed[a.name] + distance)
        low = -(-low // b.alignment) * b.alignment
        if equal:
            (place_of_all,) = equal if len(equal) == 1 else (-1,)
            if place_of_all < low or place_of_all % b.alignment:
                return None
            low = place_of_all
        placed[b.name] = low
    return max(placed[b.name] + b.size for b in order)


@settings(max_examples=150, deadline=None)
@given(instances(5))
def test_small_instances_are_solved_to_the_optimum(buffers: list[Buffer]) -> None:
    placement = place(buffers)
    check_placement(buffers, placement.offsets, placement.size)
    assert placement.optimal
    assert placement.size == least_size(buffers, disjoint)
    assert placement.lower_bound <= placement.size


def draw_overlaps(buffers: list[Buffer], data: st.DataObject) -> Separation:
    """A buffer that begins where another one ends its life may run over it, or be run over."""
    allowed = {}
    for a, b in itertools.permutations(buffers, 2):
        if a.last == b.first and a.first < b.first:
            allowed[a.name, b.name] = data.draw(st.integers(0, a.size))
            allowed[b.name, a.name] = data.draw(st.integers(0, b.size))

    def overlapping(a: Buffer, b: Buffer) -> int | None:
        return allowed.get((a.name, b.name), disjoint(a, b))

    return overlapping


def draw_together(buffers: list[Buffer], data: st.DataObject) -> Together:
    """Some of the pairs of which one begins where the other ends its life may begin together.

    They have one alignment, as all buffers of a network without operators of a user's have.
    """
    pairs = [
        (a.name, b.name)
        for a, b in itertools.combinations(buffers, 2)
        if (a.last == b.first or b.last == a.first) and a.alignment == b.alignment
    ]
    chosen = [p for p in pairs[:4] if data.draw(st.booleans())]
    return frozenset([*chosen, *((b, a) for a, b in chosen)])


@settings(max_examples=150, deadline=None)
@given(instances(5), st.data())
def test_buffers_in_place_are_solved_to_the_optimum(
    buffers: list[Buffer], data: st.DataObject
) -> None:
    overlapping = draw_overlaps(buffers, data)
    together = draw_together(buffers, data)
    placement = place(buffers, overlapping, together=together)
    check_placement(buffers, placement.offsets, placement.size, overlapping, together)
    least = least_size(buffers, overlapping, together)
    assert placement.lower_bound <= least
    assert placement.optimal
    assert placement.size == least
    search = Search(buffers, overlapping, together)
    offsets = search.decide(least, 100_000)
    assert offsets is not None and end(buffers, offsets) == least
    assert search.decide(least - 1, 100_000) is None


def test_a_buffer_lies_higher_than_it_could_for_another_to_begin_with_it() -> None:
    # b3 could begin with b1, at 0; above b1 it takes b0 in, which may not begin with b1.
    buffers = [Buffer("b0", 3, 0, 0, 1), Buffer("b1", 1, 0, 0, 4), Buffer("b3", 17, 0, 0, 2)]
    pairs = [("b0", "b3"), ("b1", "b3")]
    together = frozenset([*pairs, *((b, a) for a, b in pairs)])
    for engine in (True, False):
        search = Search(buffers, disjoint, together, engine=engine)
        assert search.decide(19, 1000) == [2, 0, 2]
        assert search.decide(18, 1000) is None


def test_an_output_takes_its_inputs_place_although_it_is_smaller() -> None:
    """As of a depthwise convolution of stride 2: then the rest of the input is free at once."""
    buffers = [Buffer("in", 40, 0, 1), Buffer("out", 12, 1, 2), Buffer("next", 28, 2, 3)]
    together = frozenset([("in", "out"), ("out", "in")])
    placement = place(buffers, together=together)
    assert placement.size == placement.lower_bound == 40
    assert placement.offsets["in"] == placement.offsets["out"]
    check_placement(buffers, placement.offsets, 40, disjoint, together)
    with pytest.raises(PlanError, match="overlap"):
        check_placement(buffers, placement.offsets, 40)
    with pytest.raises(PlanError, match="overlap"):
        check_placement(buffers, {"in": 0, "out": 4, "next": 16}, 44, disjoint, together)


def test_a_buffer_begins_where_another_one_does_only_at_its_own_alignment() -> None:
    buffers = [
        Buffer("below in", 3, 0, 0, 1),
        Buffer("below out", 2, 2, 2, 1),
        Buffer("in", 3, 0, 1, 1),
        Buffer("out", 2, 1, 2, 2),
    ]
    together = frozenset([("in", "out"), ("out", "in")])
    offsets = Search(buffers, disjoint, together).decide(6, 1_000)
    assert offsets is not None
    named = {b.name: o for b, o in zip(buffers, offsets, strict=True)}
    check_placement(buffers, named, 6, disjoint, together)


@settings(max_examples=150, deadline=None)
@given(instances(5), st.data())
def test_overlaps_are_solved_to_the_optimum(buffers: list[Buffer], data: st.DataObject) -> None:
    overlapping = draw_overlaps(buffers, data)
    placement = place(buffers, overlapping)
    check_placement(buffers, placement.offsets, placement.size, overlapping)
    assert placement.optimal
    assert placement.size == least_size(buffers, overlapping)
    assert placement.lower_bound <= placement.size


@settings(max_examples=200, deadline=None)
@given(instances(4), st.data())
def test_the_search_alone_finds_the_optimum(buffers: list[Buffer], data: st.DataObject) -> None:
    """In the order given, with no greedy placement before it and no other order after it."""
    overlapping = draw_overlaps(buffers, data)
    least = least_size(buffers, overlapping)
    search = Search(buffers, overlapping)
    offsets = search.decide(least, 100_000)
    assert offsets is not None and end(buffers, offsets) == least
    named = {b.name: o for b, o in zip(buffers, offsets, strict=True)}
    check_placement(buffers, named, least, overlapping)
    assert search.decide(least - 1, 100_000) is None


def test_a_buffer_that_may_begin_where_another_one_does() -> None:
    """Both begin at 0, and it's the second one in the list that must be placed first."""
    buffers = [Buffer("in", 8, 0, 1), Buffer("out", 8, 1, 2)]

    def over(a: Buffer, b: Buffer) -> int | None:
        return 0 if (a.name, b.name) == ("out", "in") else disjoint(a, b)

    assert Search(buffers, over).decide(8, 100) == [0, 0]


def test_greedy_fills_a_hole_that_just_fits() -> None:
    """The first buffer dies, and leaves below the second one what the third one needs."""
    stack = [Buffer("a", 8, 0, 0), Buffer("b", 4, 0, 1), Buffer("c", 8, 1, 1)]
    assert lowest_fit(stack, [0, 1, 2]) == [0, 8, 0]


@settings(max_examples=60, deadline=None)
@given(instances(25))
def test_larger_instances_are_valid_and_repeatable(buffers: list[Buffer]) -> None:
    placement = place(buffers, budget=5_000)
    check_placement(buffers, placement.offsets, placement.size)
    live = max(sum(b.size for b in buffers if b.first <= step <= b.last) for step in range(8))
    assert live <= placement.lower_bound <= placement.size
    shuffled = random.Random(1).sample(buffers, len(buffers))
    assert place(shuffled, budget=5_000) == placement


def test_the_person_detector_meets_its_bound() -> None:
    buffers = chain(VWW_96)
    by_size = sorted(range(len(buffers)), key=lambda i: -buffers[i].size)
    assert end(buffers, lowest_fit(buffers, by_size)) == 64_512
    placement = place(buffers)
    assert placement.size == placement.lower_bound == 55_296
    assert placement.optimal and placement.gap == 0


# Greedy leaves a hole here (59 bytes), and alignment keeps every placement above the bound.
HARD = [
    Buffer("b0", 16, 5, 6, 8),
    Buffer("b1", 9, 3, 5, 8),
    Buffer("b2", 26, 0, 2, 4),
    Buffer("b3", 20, 2, 5, 8),
    Buffer("b4", 3, 5, 6, 8),
]


def test_the_optimum_of_a_hard_instance_is_proven() -> None:
    placement = place(HARD)
    assert placement.optimal
    assert placement.size == least_size(HARD, disjoint) == 57


def test_an_optimum_above_the_bound_is_proven() -> None:
    """Each buffer ends 8 bytes before the one whose place it takes: the three climb down."""
    buffers = [Buffer(f"t{i}", 100, max(0, i - 1), min(i, 1)) for i in range(3)]

    def over(a: Buffer, b: Buffer) -> int | None:
        return 8 if int(a.name[1:]) == int(b.name[1:]) + 1 else disjoint(a, b)

    placement = place(buffers, over)
    assert placement.optimal
    assert (placement.lower_bound, placement.size, placement.gap) == (108, 116, 8)


def test_without_budget_greedy_answers_and_claims_nothing() -> None:
    placement = place(HARD, budget=0)
    assert placement.method.startswith("greedy")
    assert placement.size > place(HARD).size
    assert not placement.optimal


def test_search_stops_at_its_budget() -> None:
    with pytest.raises(BudgetExhausted):
        Search(chain(VWW_96)).decide(55_296, 20)


@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_buffers_are_solved_within_the_effort(seed: int) -> None:
    """Dense instances with odd sizes."""
    source = random.Random(seed)
    buffers = []
    for i in range(100):
        first = source.randrange(100)
        last = min(99, first + source.randrange(40))
        buffers.append(Buffer(f"b{i}", source.randint(1, 1000), first, last))
    placement = place(buffers, budget=6_000_000)
    check_placement(buffers, placement.offsets, placement.size)
    # All of these are solved; the gap is what alignment costs.
    assert placement.optimal
    assert placement.gap < 0.005 * placement.lower_bound


def test_deep_searches_do_not_run_out_of_stack() -> None:
    """All live at once, so that nothing splits the search."""
    buffers = [Buffer(f"b{i}", 7 + 4 * (i % 9), 0, 1, 8 if i % 7 else 4) for i in range(300)]
    placement = place(buffers, budget=200_000)
    check_placement(buffers, placement.offsets, placement.size)
    assert placement.gap < 0.2 * placement.lower_bound


def test_no_buffers() -> None:
    placement = place([])
    assert (placement.size, placement.lower_bound, placement.offsets) == (0, 0, {})
    assert placement.optimal


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="one name"):
        place([Buffer("a", 1, 0, 0), Buffer("a", 2, 0, 0)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"first": 2, "last": 1},
        {"first": -1},
        {"alignment": 3},
        {"alignment": 0},
    ],
)
def test_buffers_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="buffer x"):
        Buffer(**{"name": "x", "size": 1, "first": 0, "last": 1, "alignment": 4, **wrong})


@pytest.mark.parametrize(
    ("offsets", "size", "message"),
    [
        ({"a": 0, "b": 4}, 16, "overlap"),
        ({"a": 2, "b": 8}, 16, "aligned"),
        ({"a": 0, "b": 8}, 15, "leaves"),
        ({"a": -8, "b": 8}, 16, "leaves"),
    ],
)
def test_the_checker_finds_each_fault(offsets: dict[str, int], size: int, message: str) -> None:
    buffers = [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)]
    check_placement(buffers, {"a": 8, "b": 0}, 16)
    with pytest.raises(PlanError, match=message):
        check_placement(buffers, offsets, size)


def test_the_checker_finds_one_shared_byte() -> None:
    buffers = [Buffer("a", 8, 0, 1, 1), Buffer("b", 5, 1, 2, 1)]
    check_placement(buffers, {"a": 0, "b": 8}, 13)
    check_placement(buffers, {"a": 5, "b": 0}, 13)
    for offsets in ({"a": 0, "b": 7}, {"a": 4, "b": 0}):
        with pytest.raises(PlanError, match="overlap"):
            check_placement(buffers, offsets, 16)


def test_the_bound_counts_what_overlap_cannot_save() -> None:
    buffers = [Buffer("in", 100, 0, 1), Buffer("out", 40, 1, 2)]

    def over(a: Buffer, b: Buffer) -> int | None:
        return 0 if (a.name, b.name) == ("out", "in") else disjoint(a, b)

    assert lower_bound(buffers) == 140
    assert lower_bound(buffers, over) == 100
    assert place(buffers, over).size == 100
