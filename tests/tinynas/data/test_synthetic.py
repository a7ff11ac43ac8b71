# SPDX-License-Identifier: Apache-2.0
"""The registry, and that the made-up sets are the same everywhere and can be learnt."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynas.data import DataSet, load
from tinynas.errors import NasError

NAMES = ("synthetic", "synthetic-rgb", "synthetic-1d")
SHAPES = {"synthetic": (1, 16, 16), "synthetic-rgb": (3, 16, 16), "synthetic-1d": (2, 1, 64)}
# The bytes of training inputs, on any machine.
DIGESTS = {
    "synthetic": "7540f7b68565419f",
    "synthetic-rgb": "7eca70ef0bc4f0ee",
    "synthetic-1d": "566ab85c0d84b294",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_everywhere(name: str) -> None:
    data = load(name)
    assert data.input == SHAPES[name]
    assert hashlib.sha256(data.train.inputs.tobytes()).hexdigest()[:16] == DIGESTS[name]
    other = load(name, seed=1)
    assert not np.array_equal(other.train.inputs, data.train.inputs)


def accuracy_of_a_small_network(data: DataSet) -> float:
    """On the test split, after a second of training."""
    torch = pytest.importorskip("torch")
    from tinynas.data.augment import augmented

    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    flat = data.dimensions == 1
    kernel, stride, padding = ((1, 5), (1, 2), (0, 2)) if flat else ((3, 3), (2, 2), (1, 1))
    channels = data.input[0]
    layers = []
    for width in (12, 24):
        layers += [
            torch.nn.Conv2d(channels, width, kernel, stride, padding),
            torch.nn.BatchNorm2d(width),
            torch.nn.ReLU(),
        ]
        channels = width
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    network = torch.nn.Sequential(*layers, *head, torch.nn.Linear(channels, len(data.classes)))
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    inputs = torch.from_numpy(data.as_input(data.train.inputs))
    labels = torch.from_numpy(data.train.labels)
    for _ in range(12):
        for batch in torch.randperm(len(inputs), generator=generator).split(30):
            optimiser.zero_grad()
            logits = network(augmented(inputs[batch], data.augment, generator))
            torch.nn.functional.cross_entropy(logits, labels[batch]).backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        guesses = network(torch.from_numpy(data.as_input(data.test.inputs))).argmax(1).numpy()
    return float(np.mean(guesses == data.test.labels))


@pytest.mark.parametrize("name", NAMES)
def test_a_small_network_learns_it_in_seconds(name: str) -> None:
    assert accuracy_of_a_small_network(load(name)) > 0.9


def test_brightness_alone_does_not_tell_the_class() -> None:
    """The nearest class mean of all pixels' average is no better than guessing, roughly."""
    for name in ("synthetic", "synthetic-rgb"):
        data = load(name, samples=2000)
        means = data.train.inputs.mean(axis=(1, 2, 3))
        centres = np.array([means[data.train.labels == label].mean() for label in range(4)])
        guesses = np.abs(means[:, None] - centres).argmin(axis=1)
        assert np.mean(guesses == data.train.labels) < 0.35


@pytest.mark.parametrize("options", [{"samples": 8}, {"size": 4}])
def test_too_small_sets_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(NasError, match="give at least 16 samples of size 8"):
        load("synthetic", **options)


def test_an_unknown_task_lists_those_that_there_are() -> None:
    with pytest.raises(NasError) as caught:
        load("cifar")
    assert str(caught.value) == (
        "no task 'cifar'; there are: fashion-mnist, imu, folder, synthetic, synthetic-rgb, "
        "synthetic-1d"
    )


def test_an_unknown_option_lists_those_that_there_are() -> None:
    with pytest.raises(NasError, match="no option sise; there are: samples, size, seed"):
        load("synthetic", sise=4)
    with pytest.raises(NasError, match="no option path"):
        load("synthetic", Path("/nowhere"))


def test_the_package_imports_neither_torch_nor_pillow() -> None:
    program = (
        "import sys; import tinynas.data as data; data.load('synthetic')\n"
        "print([name for name in ('torch', 'PIL', 'seglearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
