# SPDX-License-Identifier: Apache-2.0
"""What training and judging networks takes on one core, with and without depthwise.c.

    python -m benchmarks.training_rate

Processor time, the least of three rounds: of a training step with our gradient of depthwise weights
and with torch's; of the two kinds of teachers; and per sample of networks that are only judged, by
the size of the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tinynas.finish.residual import Residual
from tinynas.space import Architecture, default_space
from tinynas.training import depthwise
from tinynas.training.network import StaticNetwork

BATCH = 128
JUDGED = (500, 250, 128, 64, 32)


def least(function: Callable[[], object], count: int) -> float:
    """Seconds of processor time of one call."""
    function()
    rounds = []
    for _ in range(3):
        started = time.process_time()
        for _ in range(count):
            function()
        rounds.append((time.process_time() - started) / count)
    return min(rounds)


def step_of(architecture: Architecture, network: nn.Module | None = None) -> Callable[[], None]:
    """A training step on noise of the architecture, or of another network for the same input."""
    torch.manual_seed(0)
    network = (network or StaticNetwork(architecture)).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    x, labels = torch.rand(BATCH, *architecture.input), torch.randint(0, 10, (BATCH,))

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(network(x), labels).backward()
        optimiser.step()

    return step


def multiplications(network: nn.Module, like: Architecture) -> int:
    """Multiply-accumulates of the convolutions and dense layers for one input."""
    total = 0

    def count(module: nn.Module, _: object, y: torch.Tensor) -> None:
        nonlocal total
        total += y.shape[2:].numel() * module.weight.numel()  # type: ignore[operator, union-attr]

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *like.input))
    return total


def main() -> None:
    torch.set_num_threads(1)
    space = default_space(1, 28, 10, 2)
    random = np.random.default_rng(0)
    print(f"| network, batch of {BATCH} | MMACs | ms a step | with torch's gradient | factor |")
    print("|---|---|---|---|---|", flush=True)
    for width in (0.25, 0.5, 1.0):
        part = space.restricted((width,), (28,))
        for name, genome in (("largest", part.extreme(True)), ("drawn", part.sample(random))):
            architecture = space.architecture(genome)
            step = step_of(architecture)
            ours = least(step, 5)
            with mock.patch.object(depthwise, "_engine", lambda: None):
                theirs = least(step, 5)
            print(
                f"| width {width:g}, {name} | {architecture.macs / 1e6:.2f} | {1e3 * ours:.1f} | "
                f"{1e3 * theirs:.1f} | {theirs / ours:.2f} |",
                flush=True,
            )
    largest = space.architecture(space.extreme(True))
    print("\n| teacher | MMACs | ms a step |\n|---|---|---|", flush=True)
    for name, teacher in (("residual", Residual(1, 28, 10)), ("largest", StaticNetwork(largest))):
        macs = multiplications(teacher, largest) / 1e6
        ms = 1e3 * least(step_of(largest, teacher), 5)
        print(f"| {name} | {macs:.1f} | {ms:.1f} |", flush=True)
    network = StaticNetwork(largest).eval()
    print("\n| batch | microseconds a sample, judged |\n|---|---|", flush=True)
    with torch.no_grad():
        for batch in JUDGED:
            x = torch.rand(batch, 1, 28, 28)
            seconds = least(lambda x=x: network(x), max(1, 1000 // batch))  # type: ignore[misc]
            print(f"| {batch} | {1e6 * seconds / batch:.0f} |", flush=True)


if __name__ == "__main__":
    main()
