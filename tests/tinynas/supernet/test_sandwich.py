# SPDX-License-Identifier: Apache-2.0
"""What a step of the supernet's training trains, phase by phase."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.tinynas.spaces import IMAGES  # noqa: E402
from tinynas.supernet import Sandwich, Shrinking, SuperNet  # noqa: E402
from tinynas.supernet.train import opened  # noqa: E402


def sandwich(supernet: SuperNet, others: int = 2) -> Sandwich:
    labels = torch.arange(64) % IMAGES.classes
    return Sandwich(supernet, labels, Shrinking(others=others), 100, 0.1, seed=1)


def test_phases_open_the_space_one_after_the_other() -> None:
    largest = IMAGES.extreme(True)
    step = sandwich(SuperNet(IMAGES))
    assert step.genomes(0) == []
    kernels = step.genomes(16)
    assert {g.depths for g in kernels} == {largest.depths}
    assert {g.expansions for g in kernels} == {largest.expansions}
    assert kernels[0].kernels != largest.kernels
    depths = step.genomes(26)
    assert depths[0].depths != largest.depths
    assert {g.width for g in step.genomes(46)} != {largest.width} or len(step.genomes(46)) == 3
    assert step.genomes(46)[0] == IMAGES.extreme(False)
    assert {g.width for g in step.genomes(40)} == {largest.width}
    sizes = [opened(IMAGES, phase).size for phase in range(5)]
    assert sizes[0] == 1
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == IMAGES.size


def test_the_same_step_draws_the_same_networks() -> None:
    one, other = sandwich(SuperNet(IMAGES)), sandwich(SuperNet(IMAGES))
    assert one.genomes(60) == other.genomes(60)
    assert one.genomes(60)[1:] != one.genomes(61)[1:]


def test_others_learn_from_the_largest_and_not_from_labels() -> None:
    """Other labels change what the largest network learns, and nothing else."""
    torch.manual_seed(0)
    supernet = SuperNet(IMAGES)
    step = sandwich(supernet, others=1)
    x = torch.rand(32, 1, 16, 16)

    def gradients(label: int, number: int) -> torch.Tensor:
        step.labels = torch.full((64,), label)
        supernet.zero_grad()
        step(x, torch.arange(32), number)
        return supernet.stem.weight.grad.clone()

    # At step 0 there's only the largest network.
    alone = [gradients(label, 0) for label in (0, 1)]
    together = [gradients(label, 60) for label in (0, 1)]
    assert not torch.allclose(*alone)
    taught = [t - a for t, a in zip(together, alone, strict=True)]
    assert taught[0].abs().max() > 1e-3
    torch.testing.assert_close(*taught, atol=1e-5, rtol=1e-3)
