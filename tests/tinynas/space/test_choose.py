# SPDX-License-Identifier: Apache-2.0
"""The choice of width and resolution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tinynas.budget import Budget
from tinynas.errors import NasError
from tinynas.report.cdf import draw_cdfs
from tinynas.space import (
    Architecture,
    Singly,
    Space,
    SpaceChoice,
    Stage,
    choose_space,
    rank_spaces,
)
from tinynas.space.choose import RANKS, Draws
from tinynas.space.mcunet import mcunet_space
from tinynas.space.peak import TINY_ENGINE, Population, needs

SPACE = Space(1, 10, (Stage(16, 2), Stage(32, 2, depths=(1, 2))), (0.5, 1.0, 1.5), (20, 24, 28))


def judge(network: Architecture) -> tuple[float, float]:
    sram = max(int(np.prod(y.inputs)) + int(np.prod(y.outputs)) for y in network.layers())
    return sram, network.weights


def test_without_limits_the_largest_pair_wins() -> None:
    choice = choose_space(SPACE, Singly(judge), Budget(10**9, 10**9), 20)
    assert (choice.best.width, choice.best.resolution) == (1.5, 28)
    assert all(c.fraction == 1 and c.draws == 20 for c in choice.candidates)
    scores = [c.score for c in choice.candidates]
    assert scores == sorted(scores, reverse=True) and len(scores) == 9


def test_what_fits_is_what_the_judge_says() -> None:
    seen: list[tuple[Architecture, tuple[float, float]]] = []

    def noting(networks: Sequence[Architecture]) -> list[tuple[float, float]]:
        seen.extend((network, judge(network)) for network in networks)
        return [judge(network) for network in networks]

    budget = Budget(12_000, 30_000)
    choice = choose_space(SPACE, noting, budget, 30, seed=3)
    for candidate in choice.candidates:
        macs = [
            network.macs
            for network, (sram, flash) in seen
            if network.input[1] == candidate.resolution
            and network.stem_width == SPACE.scaled(SPACE.stem, candidate.width)
            and sram <= budget.sram
            and flash <= budget.flash
        ]
        assert candidate.fitting == len(macs)
        assert candidate.score == pytest.approx(sum(macs) / 30)
        if macs:
            assert candidate.mean == pytest.approx(np.mean(macs))
            assert (candidate.quantiles[0], candidate.quantiles[-1]) == (min(macs), max(macs))
    assert 0 < choice.best.fitting
    assert any(0 < c.fitting < 30 for c in choice.candidates)


def test_a_wrong_judge_is_seen() -> None:
    """A judge that swaps SRAM and flash, or sees small networks as large, chooses otherwise."""
    budget = Budget(12_000, 30_000)
    right = choose_space(SPACE, Singly(judge), budget, 30)
    swapped = choose_space(SPACE, Singly(lambda n: judge(n)[::-1]), budget, 30)
    upside_down = choose_space(SPACE, Singly(lambda n: (2e8 / judge(n)[0], 1.0)), budget, 30)
    assert [c.fitting for c in swapped.candidates] != [c.fitting for c in right.candidates]
    assert (upside_down.best.width, upside_down.best.resolution) != (
        right.best.width,
        right.best.resolution,
    )


def test_ranks_differ_in_what_does_not_fit() -> None:
    """Wide: nine in ten don't fit, the tenth is large. Narrow: all fit."""
    macs = np.arange(1, 101, dtype=float)
    narrow = Draws(0.5, 24, macs, np.tile([1.0, 1.0], (100, 1)))
    costs = np.where(np.arange(100)[:, None] < 90, 3.0, 1.0) * np.ones((1, 2))
    wide = Draws(1.0, 24, macs + 50, costs)
    best = {rank: rank_spaces([wide, narrow], Budget(2, 2), rank=rank).best.width for rank in RANKS}
    assert best == {"expected": 0.5, "mean": 1.0, "quantile": 1.0, "likely": 0.5}
    scores = {r: rank_spaces([narrow], Budget(2, 2), rank=r).best.score for r in RANKS}
    assert scores == pytest.approx(
        {"expected": 50.5, "mean": 50.5, "quantile": 80.2, "likely": 20.8}
    )


def test_same_seed_same_choice_with_any_executor() -> None:
    budget = Budget(12_000, 30_000)
    alone = choose_space(SPACE, Singly(judge), budget, 15, seed=5)
    with ThreadPoolExecutor(2) as pool:
        assert choose_space(SPACE, Singly(judge), budget, 15, seed=5, executor=pool) == alone
    assert choose_space(SPACE, Singly(judge), budget, 15, seed=6) != alone
    assert SpaceChoice.from_json(json.loads(json.dumps(alone.to_json()))) == alone


def test_a_budget_that_nothing_fits_names_the_nearest_that_works() -> None:
    with pytest.raises(NasError) as caught:
        choose_space(SPACE, Singly(judge), Budget(500, 10**6), 20)
    message = str(caught.value)
    assert "no network of the space fits 500 bytes of SRAM" in message and "\n" not in message
    words = message.split("budget: ")[1].split()
    nearest = Budget(int(words[1]), int(words[3]))
    assert words[::2] == ["--sram", "--flash"] and nearest.flash == 10**6
    assert choose_space(SPACE, Singly(judge), nearest, 20).best.fitting
    with pytest.raises(NasError):
        choose_space(SPACE, Singly(judge), Budget(nearest.sram - 1, nearest.flash), 20)


def test_latency_counts_where_the_judge_tells_it() -> None:
    def timed(network: Architecture) -> tuple[float, float, float]:
        return (*judge(network), 2.0 * network.macs)

    free, tight = Budget(10**9, 10**9), Budget(10**9, 10**9, 1e6)
    assert choose_space(SPACE, Singly(timed), free, 10).best.resolution == 28
    limited = choose_space(SPACE, Singly(timed), tight, 10)
    assert all(2 * c.quantiles[-1] <= 1e6 for c in limited.candidates if c.fitting)
    with pytest.raises(NasError, match="latency"):
        choose_space(SPACE, Singly(judge), tight, 10)
    with pytest.raises(NasError, match=r"--latency \d+us@1MHz"):
        choose_space(SPACE, Singly(timed), Budget(10**9, 10**9, 1.0), 10)


@pytest.mark.parametrize("wrong", [[], [(1, 2, 3, 4)] * 10, [(float("nan"), 1)] * 10])
def test_a_judge_that_gives_nonsense_is_an_error(wrong: list[tuple[float, ...]]) -> None:
    with pytest.raises(NasError, match="judge"):
        choose_space(SPACE, lambda networks: wrong, Budget(1, 1), 10)


def test_unknown_rank_and_no_samples() -> None:
    with pytest.raises(NasError, match="expected, mean, quantile, likely"):
        choose_space(SPACE, Singly(judge), Budget(10**9, 10**9), 2, rank="best")
    with pytest.raises(NasError, match="at least 1"):
        choose_space(SPACE, Singly(judge), Budget(10**9, 10**9), 0)


def test_published_choice_for_320_kb_and_1_mb() -> None:
    """Width 0.5 and resolution 144, from rules like TinyEngine's."""
    space = mcunet_space()
    random = np.random.default_rng(0)
    people = Population.of([space.sample(random) for _ in range(300)])
    drawn = []
    for width in space.widths:
        for resolution in space.resolutions:
            n = needs(space, width, resolution, people, TINY_ENGINE)
            drawn.append(Draws(width, resolution, n.macs, np.stack([n.sram, n.flash], axis=1)))
    best = rank_spaces(drawn, Budget(320 * 1024, 1024 * 1024)).best
    assert (best.width, best.resolution) == (0.5, 144)


@pytest.mark.parametrize("name", ["cdf.png", "cdf.svg"])
def test_picture(tmp_path: Path, name: str) -> None:
    choice = choose_space(SPACE, Singly(judge), Budget(12_000, 30_000), 30)
    draw_cdfs(choice, tmp_path / name, best=2)
    once = (tmp_path / name).read_bytes()
    draw_cdfs(choice, tmp_path / name, best=2)
    assert (tmp_path / name).read_bytes() == once
    if name.endswith("svg"):
        assert once.count(b"mean ") == 2 and f"width {choice.best.width:g}".encode() in once
    with pytest.raises(NasError, match=r"use \.png or \.svg"):
        draw_cdfs(choice, tmp_path / "cdf.doc")
    assert not (tmp_path / "cdf.doc").exists()
