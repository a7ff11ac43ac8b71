# SPDX-License-Identifier: Apache-2.0
"""A sub-net taken out computes what it computes inside, and nothing else is shared than meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tinynas.spaces import IMAGES, WINDOWS  # noqa: E402
from tinynas.space import Genome, Space  # noqa: E402
from tinynas.supernet import SuperNet, recalibrate  # noqa: E402


def batch_for(space: Space, genome: Genome, count: int = 16) -> torch.Tensor:
    size = genome.resolution
    shape = (1 if space.dimensions == 1 else size, size)
    return torch.rand(count, space.channels, *shape, generator=torch.Generator().manual_seed(3))


def made(space: Space) -> SuperNet:
    torch.manual_seed(0)
    supernet = SuperNet(space)
    with torch.no_grad():
        # Matrices and biases start out as identities and zeros, which would hide their absence.
        for parameter in supernet.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return supernet


def some(space: Space, count: int) -> list[Genome]:
    random = np.random.default_rng(5)
    drawn = [space.sample(random) for _ in range(count)]
    return [space.extreme(True), space.extreme(False), *drawn]


@pytest.mark.parametrize("space", [IMAGES, WINDOWS], ids=["images", "windows"])
def test_a_sub_net_computes_the_same_outside(space: Space) -> None:
    supernet = made(space)
    for genome in some(space, 10):
        x = batch_for(space, genome)
        outside = supernet.extract(genome).train()
        torch.testing.assert_close(outside(x), supernet(x, genome), atol=1e-5, rtol=1e-4)


def test_the_sub_net_has_the_weights_that_its_architecture_counts() -> None:
    supernet = made(IMAGES)
    for genome in some(IMAGES, 5):
        network = supernet.extract(genome)
        counted = IMAGES.architecture(genome)
        modules = [
            m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))
        ]
        assert sum(m.weight.numel() for m in modules) == counted.weights
        size = {"output": 0}

        def note(module: torch.nn.Module, _: object, y: torch.Tensor, size: dict = size) -> None:
            positions = y.shape[2] * y.shape[3] if y.ndim == 4 else 1
            size["output"] += module.weight.numel() * positions

        hooks = [m.register_forward_hook(note) for m in modules]
        network.eval()(batch_for(IMAGES, genome, 1))
        assert size["output"] == counted.macs
        for hook in hooks:
            hook.remove()


def test_training_a_small_network_leaves_what_it_does_not_use() -> None:
    supernet = made(IMAGES)
    small = IMAGES.extreme(False)
    supernet(batch_for(IMAGES, small), small).sum().backward()
    # The deepest block of the last stage, and the channels beyond the narrow width.
    assert supernet.blocks[-1].expand.weight.grad is None
    stem = supernet.stem.weight.grad
    width = IMAGES.architecture(small).stem_width
    assert stem[:width].abs().sum() > 0
    assert stem[width:].abs().sum() == 0


def test_smaller_kernels_go_through_their_matrix() -> None:
    supernet = made(WINDOWS)
    depthwise = supernet.blocks[0].depthwise
    seven, five, three = (depthwise.active(4, k) for k in (7, 5, 3))
    middle = seven[:, :, :, 1:6].reshape(4, 5) @ depthwise.shrink[0]
    torch.testing.assert_close(five.reshape(4, 5), middle)
    torch.testing.assert_close(three.reshape(4, 3), middle[:, 1:4] @ depthwise.shrink[1])


def test_recalibrated_statistics_are_those_of_the_batches() -> None:
    supernet = made(IMAGES)
    genome = replace(IMAGES.extreme(True), resolution=16)
    network = supernet.extract(genome)
    batches = [torch.rand(32, 1, 16, 16), torch.rand(32, 1, 16, 16)]
    recalibrate(network, batches)
    assert not network.training
    before = [network.stem.conv(batch) for batch in batches]
    mean = torch.stack([b.mean((0, 2, 3)) for b in before]).mean(0)
    torch.testing.assert_close(network.stem.norm.running_mean, mean, atol=1e-5, rtol=1e-4)
