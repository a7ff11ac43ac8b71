# SPDX-License-Identifier: Apache-2.0
"""Users' torch Datasets become the same arrays, or an error that names the sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinynas.data import Augmentation, from_torch
from tinynas.errors import NasError

torch = pytest.importorskip("torch")


class Own:
    """As a user writes it: no __iter__, and no error behind the end."""

    def __init__(self, inputs: Any, labels: Any) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.inputs[index % len(self)], self.labels[index % len(self)]


def images(count: int, *shape: int) -> Any:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)


def turns(count: int) -> list[int]:
    return [index % 3 for index in range(count)]


def test_images_of_bytes_and_of_floats_are_the_same() -> None:
    raw, test = images(30, 3, 8, 8), images(9, 3, 8, 8)
    data = from_torch(Own(raw, turns(30)), Own(test, turns(9)), name="mine")
    # A pixel stays itself where a transform has moved it by less than half a step.
    moved = (raw / 255 - 0.0015).clamp(0, 1)
    floats = from_torch(Own(moved, turns(30)), Own(test.float() / 255, turns(9)))
    for one in (data, floats):
        assert one.dimensions == 2
        assert one.input == (3, 8, 8)
        np.testing.assert_array_equal(one.test.inputs, test.numpy())
        np.testing.assert_array_equal(one.train.inputs, raw.numpy()[:27])
        # The last one of each class.
        np.testing.assert_array_equal(one.validation.inputs, raw.numpy()[27:])
        np.testing.assert_array_equal(one.validation.labels, [0, 1, 2])
    assert data.classes == ("0", "1", "2")


def test_a_torch_dataset_with_a_split_of_its_own() -> None:
    parts = [
        torch.utils.data.TensorDataset(images(count, 10, 10), torch.tensor(turns(count)))
        for count in (30, 9, 12)
    ]
    data = from_torch(*parts, classes=["a", "b", "c"], augment=Augmentation("none"))
    assert [len(split) for _, split in data.splits()] == [30, 12, 9]
    assert data.input == (1, 10, 10)
    assert data.classes == ("a", "b", "c")
    assert data.augment.kind == "none"


@pytest.mark.parametrize("shape", [(6, 40), (6, 1, 40)])
def test_windows_are_standardised(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    raw = torch.randn(30, *shape, generator=generator) * 40 + 7
    data = from_torch(Own(raw, turns(30)), Own(raw[:9], turns(9)))
    assert data.dimensions == 1
    assert data.input == (6, 1, 40)
    assert data.augment.kind == "windows"
    seen = data.as_input(data.train.inputs)
    np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-4)


def test_classes_of_the_dataset_itself() -> None:
    own = Own(images(30, 8, 8), turns(30))
    own.classes = ["x", "y", "z"]  # type: ignore[attr-defined]
    assert from_torch(own, Own(images(9, 8, 8), turns(9))).classes == ("x", "y", "z")


def mixed() -> list[Any]:
    return [*images(29, 8, 8), images(1, 9, 8)[0]]


FAULTS: dict[str, tuple[Callable[[], Own], str]] = {
    "normalised": (lambda: Own(images(30, 1, 8, 8) / 127.5 - 1, turns(30)), "without Normalize"),
    "NaN pixels": (lambda: Own(images(30, 1, 8, 8) * torch.nan, turns(30)), "pixels from nan"),
    "sizes differ": (lambda: Own(mixed(), turns(30)), r"sample 29 of the train split is uint8 \(9"),
    "integers": (lambda: Own(images(30, 8, 8).long(), turns(30)), "of type int64; give a uint8"),
    "names": (lambda: Own(images(30, 8, 8), ["cat"] * 30), r"not a \(tensor, int\) pair .*'cat'"),
    "one-hot": (
        lambda: Own(images(30, 8, 8), torch.eye(3).repeat(10, 1)),
        r"sample 0 of the train split is not a \(tensor, int\) pair",
    ),
    "missing class": (lambda: Own(images(30, 8, 8), [0, 1] * 15), "label 2 at sample 2"),
    "empty": (lambda: Own([], []), "train split is empty"),
    "no pair": (lambda: Own([1], [2]).inputs, r"not a \(tensor, int\) pair"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    made, message = FAULTS[fault]
    with pytest.raises(NasError, match=message) as caught:
        from_torch(made(), Own(images(9, 8, 8), turns(9)), dimensions=None)
    assert "\n" not in str(caught.value)


def test_a_rare_class_stays_in_training_too() -> None:
    labels = [0, 1] * 14 + [2]
    with pytest.raises(NasError, match="train split has no sample of class '2'"):
        from_torch(Own(images(29, 8, 8), labels), Own(images(9, 8, 8), turns(9)))
