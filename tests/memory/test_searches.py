# SPDX-License-Identifier: Apache-2.0
"""The searches of the placement, against an independent exact solver and on hard instances."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.hard_placements import DRAWS, KINDS, Draw, Kind, density, drawn, instance
from tests.memory.cp_sat import least_arena
from tinyengine_tvm.memory import (
    Buffer,
    Separation,
    Together,
    check_placement,
    climb,
    disjoint,
    exact,
    lower_bound,
    place,
)
from tinyengine_tvm.memory import beam as beams
from tinyengine_tvm.memory import placement as placements
from tinyengine_tvm.memory.bound import bound_of
from tinyengine_tvm.memory.buffer import Conflicts
from tinyengine_tvm.memory.climb import PATIENT, QUICK, Climb, Taste
from tinyengine_tvm.memory.exact import TECHNIQUES, BudgetExhausted, Search
from tinyengine_tvm.memory.greedy import end, fit, orders


def random_buffers(source: random.Random, count: int, steps: int = 8) -> list[Buffer]:
    buffers = []
    for i in range(count):
        first = source.randrange(steps)
        last = min(steps - 1, first + source.choice((0, 1, 1, 2, 5)))
        size = source.randint(1, 60)
        buffers.append(Buffer(f"b{i}", size, first, last, source.choice((4, 4, 8))))
    return buffers


def random_overlaps(source: random.Random, buffers: list[Buffer]) -> tuple[Separation, Together]:
    """Where one buffer begins as another one ends its life, they may share some bytes."""
    allowed: dict[tuple[str, str], int] = {}
    pairs: set[tuple[str, str]] = set()
    for a, b in itertools.permutations(buffers, 2):
        if a.last == b.first and a.first < b.first and source.random() < 0.5:
            allowed[a.name, b.name] = source.randint(0, a.size)
            allowed[b.name, a.name] = source.randint(0, b.size)
            if source.random() < 0.3:
                pairs |= {(a.name, b.name), (b.name, a.name)}

    def separation(a: Buffer, b: Buffer) -> int | None:
        return allowed.get((a.name, b.name), disjoint(a, b))

    return separation, frozenset(pairs)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("overlaps", [False, True], ids=["disjoint", "overlaps"])
def test_claims_of_optimality_hold(seed: int, overlaps: bool) -> None:
    source = random.Random(seed)
    buffers = random_buffers(source, 4 + seed)
    separation, together = random_overlaps(source, buffers) if overlaps else (disjoint, frozenset())
    found = place(buffers, separation, together=together)
    check_placement(buffers, found.offsets, found.size, separation, together)
    assert found.optimal
    assert found.size == least_arena(buffers, separation, together)


@pytest.mark.parametrize("least", [0, 10**6], ids=["beam", "no beam"])
@pytest.mark.parametrize("seed", range(6))
def test_the_searches_before_the_exact_one_do_not_change_the_optimum(
    seed: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placements, "_BEAM_FROM", least)
    buffers = random_buffers(random.Random(100 + seed), 9)
    found = place(buffers, budget=400_000)
    check_placement(buffers, found.offsets, found.size)
    assert found.optimal and found.size == least_arena(buffers)


@pytest.mark.parametrize("without", [(), *itertools.combinations(TECHNIQUES, 1), TECHNIQUES])
@pytest.mark.parametrize("overlaps", [False, True], ids=["disjoint", "overlaps"])
def test_no_technique_changes_the_answer(without: tuple[str, ...], overlaps: bool) -> None:
    for seed in range(4):
        source = random.Random(seed)
        buffers = random_buffers(source, 6, 5)
        separation, together = (
            random_overlaps(source, buffers) if overlaps else (disjoint, frozenset())
        )
        least = least_arena(buffers, separation, together)
        search = Search(buffers, separation, together, without=frozenset(without))
        offsets = search.decide(least, 5_000_000)
        assert offsets is not None and end(buffers, offsets) <= least
        named = {b.name: o for b, o in zip(buffers, offsets, strict=True)}
        check_placement(buffers, named, least, separation, together)
        assert search.decide(least - 1, 5_000_000) is None


@pytest.mark.parametrize("overlaps", [False, True], ids=["disjoint", "overlaps"])
def test_hill_climbing_mends_what_greedy_leaves(overlaps: bool) -> None:
    better = 0
    for seed in range(8):
        source = random.Random(seed)
        buffers = random_buffers(source, 40, 20)
        separation, together = (
            random_overlaps(source, buffers) if overlaps else (disjoint, frozenset())
        )
        conflicts = Conflicts(buffers, separation, together)
        greedy = min(
            (fit(conflicts, o) for o in orders(buffers).values()), key=lambda o: end(buffers, o)
        )
        size = end(buffers, greedy)
        if size == bound_of(conflicts):
            continue
        found = Climb(conflicts, 100_000).attempt(size - 1, greedy, 20_000)
        if found is not None:
            better += 1
            named = {b.name: o for b, o in zip(buffers, found, strict=True)}
            check_placement(buffers, named, size - 1, separation, together)
            if not overlaps:
                # What is found has fallen: no buffer can go lower.
                assert fit(conflicts, sorted(range(len(found)), key=found.__getitem__)) == found
    assert better >= 2


@pytest.mark.parametrize("tastes", [QUICK, PATIENT], ids=["quick", "patient"])
@pytest.mark.parametrize("overlaps", [False, True], ids=["disjoint", "overlaps"])
def test_compiled_hill_climbing_finds_the_same(overlaps: bool, tastes: Sequence[Taste]) -> None:
    """Success, offsets and effort: so plans are the same with a compiler and without."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    found = 0
    for seed in range(12):
        source = random.Random(seed)
        buffers = random_buffers(source, source.choice((5, 30, 60)), 12)
        separation, together = (
            random_overlaps(source, buffers) if overlaps else (disjoint, frozenset())
        )
        conflicts = Conflicts(buffers, separation, together)
        greedy = fit(conflicts, orders(buffers)["size"])
        size = end(buffers, greedy)
        for capacity in (size - 1, size * 95 // 100, size * 9 // 10):
            plain = Climb(conflicts, 9_000, tastes=tastes)
            compiled = Climb(conflicts, 9_000, engine=True, tastes=tastes)
            assert compiled.compiled and not plain.compiled
            offsets = plain.attempt(capacity, greedy, 8_000, seed)
            assert compiled.attempt(capacity, greedy, 8_000, seed) == offsets
            assert compiled.budget == plain.budget
            found += offsets is not None
    assert 5 < found < 31


def test_what_needs_large_tables_climbs_without_a_compiler() -> None:
    buffers = [Buffer("a", 3 << 20, 0, 1, 1), Buffer("b", 3 << 20, 1, 2, 1)]
    climb = Climb(Conflicts(buffers, disjoint, frozenset()), budget=1000, engine=True)
    assert not climb.compiled
    offsets = climb.attempt(6 << 20, [0, 4 << 20], 900)
    assert offsets is not None and sorted(offsets) == [0, 3 << 20]


def decided(search: Search, capacity: int, budget: int) -> tuple[list[int] | str | None, int]:
    """The offsets, or None, or that it's undecided; and the effort that is left."""
    found: list[int] | str | None
    try:
        found = search.decide(capacity, budget)
    except BudgetExhausted:
        found = "undecided"
    return found, search.budget


def test_compiled_branch_and_bound_decides_the_same() -> None:
    """With any techniques, and after any effort."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    answers = Counter[str]()
    for seed in range(100):
        source = random.Random(seed)
        buffers = random_buffers(
            source, source.choice((1, 4, 7, 10, 14, 40)), source.choice((3, 8, 20))
        )
        separation, together = (
            random_overlaps(source, buffers) if seed % 3 else (disjoint, frozenset())
        )
        without = frozenset(name for name in TECHNIQUES if source.random() < 0.25)
        plain = Search(buffers, separation, together, without, engine=False)
        compiled = Search(buffers, separation, together, without)
        assert compiled.compiled and not plain.compiled
        bound = lower_bound(buffers, separation, together)
        for capacity in (bound - 1, bound, bound + source.randint(1, 8), bound * 5 // 4):
            for budget in (source.randrange(60), source.randrange(2_000), 6_000):
                expected = decided(plain, capacity, budget)
                assert decided(compiled, capacity, budget) == expected
                answers[type(expected[0]).__name__] += 1
    assert min(answers[kind] for kind in ("list", "NoneType", "str")) >= 100


def test_compiled_branch_and_bound_is_not_limited_by_depth() -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    buffers = [Buffer(f"b{i}", 4, 0, 0) for i in range(1_500)]
    search = Search(buffers)
    assert search.decide(6_000, 10_000_000) == list(range(0, 6_000, 4))
    assert search.decide(5_999, 10_000_000) is None


def test_buffers_in_another_order_conflict_as_before() -> None:
    for seed in range(20):
        source = random.Random(seed)
        buffers = random_buffers(source, 12)
        separation, together = random_overlaps(source, buffers)
        order = source.sample(range(12), 12)
        found = Conflicts(buffers, separation, together).ordered(order)
        expected = Conflicts([buffers[i] for i in order], separation, together)
        assert (found.buffers, found.sections) == (expected.buffers, expected.sections)
        assert (found.above, found.partners) == (expected.above, expected.partners)


def test_without_a_compiler_the_searches_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = random_buffers(random.Random(3), 40, 20)
    expected = place(buffers, budget=20_000)
    assert expected.method != "greedy by size" and not expected.optimal
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engines = climb._engine, exact._engine
    for engine in engines:
        engine.cache_clear()
    try:
        assert not Climb(Conflicts(buffers), engine=True).compiled
        assert not Search(buffers).compiled
        assert place(buffers, budget=20_000) == expected
    finally:
        for engine in engines:
            engine.cache_clear()


def test_hill_climbing_does_not_claim_what_cannot_be() -> None:
    buffers = [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)]
    assert Climb(Conflicts(buffers), 10_000).attempt(15, [0, 8], 1_000) is None
    assert Climb(Conflicts(buffers), 10_000).attempt(7, [0, 8], 1_000) is None


def test_beam_search_is_for_buffers_that_lie_apart() -> None:
    buffers = [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)]
    assert beams.applies(Conflicts(buffers))
    assert not beams.applies(Conflicts(buffers, together=frozenset([("a", "b"), ("b", "a")])))
    assert not beams.applies(Conflicts(buffers, lambda a, b: 4))


SMALL = (
    (instance, Kind("A", 100, 60, 0.04, 0.55), 0.05),
    (drawn, Draw("R", 100, 60, (0.005, 0.4), (0.02, 0.8)), 0.05),
)


@pytest.mark.parametrize(("make", "kind", "most"), SMALL, ids=lambda x: getattr(x, "name", ""))
def test_hard_instances_are_placed_near_their_bound(make, kind, most) -> None:  # type: ignore[no-untyped-def]
    buffers = make(kind)
    found = place(buffers, budget=400_000)
    check_placement(buffers, found.offsets, found.size)
    assert found.gap <= most * found.lower_bound
    greedy = place(buffers, budget=0)
    assert found.size < greedy.size and not greedy.optimal
    shuffled = random.Random(1).sample(buffers, len(buffers))
    assert place(buffers, budget=50_000) == place(shuffled, budget=50_000)


def test_hard_instances_are_as_dense_as_they_claim() -> None:
    for kind in (*KINDS, *DRAWS):
        buffers = instance(kind) if isinstance(kind, Kind) else drawn(kind)
        assert len(buffers) == kind.count
        assert 0.6 < density(buffers) < 1.0, kind.name


def test_the_search_ends_where_the_largest_buffer_is_what_counts() -> None:
    """In place of one another, and of sizes that alignment makes equal."""
    buffers = [Buffer("a", 657, 0, 0), Buffer("b", 660, 0, 0)]
    together = frozenset({("a", "b"), ("b", "a")})
    found = place(buffers, disjoint, 20_000, together)
    assert (found.size, found.lower_bound, found.optimal) == (660, 660, True)
    climb = Climb(Conflicts(buffers, disjoint, together), budget=100)
    assert climb.attempt(659, [0, 0], 50) is None
    assert climb.budget < 100
