# SPDX-License-Identifier: Apache-2.0
"""Proposers offer every candidate once, repeatably; the learning ones find good ones sooner."""

from __future__ import annotations

import numpy as np
import pytest

from tests.networks import int8_tensor
from tinyengine_tvm.network import DepthwiseConv2D, Network, Padding, verify
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Workload
from tinyengine_tvm.tune.proposers import Genetic, Greedy, Grid, Random
from tinyengine_tvm.tune.ranking import RankingModel


def workload(size: int = 24, channels: int = 8) -> Workload:
    """A depthwise layer, whose space has a few hundred points."""
    random = np.random.default_rng(0)
    tensors = [int8_tensor(name, (1, size, size, channels)) for name in "xy"]
    layer = DepthwiseConv2D(
        "depthwise",
        ("x",),
        "y",
        random.integers(-127, 128, (3, 3, channels)).astype(np.int8),
        np.full(channels, 0.001, np.float32),
        np.zeros(channels, np.int32),
        padding=Padding(1, 1, 1, 1),
    )
    network = Network("one", "tflite", {t.name: t for t in tensors}, (layer,), ("x",), ("y",))
    return Workload(verify(network), layer, get_target("cortex-m4"))


def price(work: Workload, index: int) -> float:
    """Made up: parameters matter to different degrees, and a tenth of all fails."""
    point = {
        "unroll": 1,
        "spread": "",
        "sizes": "",
        "row": 64,
        **work.candidates[index].configuration,
    }
    if point["unroll"] == 3 and point["spread"] == "row":
        return float("inf")
    rounds = -(-work.facts["output"][1] // point["band"])
    fixed = point["sizes"] == "fixed"
    return 1000 + 90 * rounds + 400 / point["unroll"] - 70 * fixed + 3 * point["row"]


def learner(work: Workload, seed: int) -> tuple[Greedy, RankingModel]:
    pytest.importorskip("xgboost", reason="xgboost, of the extra tune, is not installed")
    model = RankingModel(seed)
    return Greedy(work, seed, model.score), model


def search(work: Workload, kind, seed: int, count: int, batch: int = 8) -> list[int]:
    """The candidates proposed, in order."""
    proposer, model = learner(work, seed) if kind is Greedy else (kind(work, seed), None)
    order: list[int] = []
    while len(order) < count:
        found = proposer.propose(min(batch, count - len(order)))
        if not found:
            break
        for index in found:
            candidate, spent = work.candidates[index], price(work, index)
            proposer.learn(index, spent)
            if model is not None:
                how = (candidate.configuration, candidate.kernel.name, spent)
                model.learn(work.key, work.facts, *how)
        order += found
    return order


@pytest.mark.parametrize("kind", [Grid, Random, Genetic, Greedy])
def test_every_candidate_is_proposed_once(kind):
    work = workload(8)
    order = search(work, kind, 1, 10_000)
    assert sorted(order) == list(range(len(work.candidates)))
    assert order == search(workload(8), kind, 1, 10_000)


@pytest.mark.parametrize("kind", [Random, Genetic, Greedy])
def test_seeds_differ(kind):
    assert search(workload(), kind, 1, 16) != search(workload(), kind, 2, 16)


@pytest.mark.parametrize("kind", [Genetic, Greedy])
def test_learning_pays(kind):
    """The regret after 32 of more than a hundred trials, over forty seeds."""
    work = workload()
    assert len(work.candidates) > 100
    best = min(price(work, i) for i in range(len(work.candidates)))

    def regret(kind) -> float:
        runs = [search(work, kind, seed, 32) for seed in range(40)]
        return float(np.mean([min(price(work, i) for i in run) - best for run in runs]))

    assert regret(kind) < 0.8 * regret(Random)


def test_what_is_learnt_carries_over():
    """With records of other layers alone, the first batch is far better than chance."""
    target = workload(24)
    proposer, model = learner(target, 0)
    for other in (workload(12), workload(48), workload(16)):
        for index, candidate in enumerate(other.candidates):
            how = (candidate.configuration, candidate.kernel.name, price(other, index))
            model.learn(other.key, other.facts, *how)
    costs = sorted(price(target, i) for i in range(len(target.candidates)))
    first = proposer.propose(8)
    assert np.median([price(target, i) for i in first]) <= costs[len(costs) // 10]
