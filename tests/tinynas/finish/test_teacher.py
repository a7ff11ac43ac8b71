# SPDX-License-Identifier: Apache-2.0
"""Teachers: their networks, the mean of what they say, and the files they leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tinynas import NasError  # noqa: E402
from tinynas.data import DataSet, load  # noqa: E402
from tinynas.finish.residual import SMALLEST, Residual  # noqa: E402
from tinynas.finish.teacher import Teachers, Teaching, teaching  # noqa: E402
from tinynas.training.loading import Views  # noqa: E402
from tinynas.training.loop import Recipe, restore, save  # noqa: E402

CPU = torch.device("cpu")
TEACHING = Teaching(Recipe(6, batch=16, rate=0.1, label_smoothing=0.0), count=2, width=8)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load("synthetic", samples=200)


def teachers(data: DataSet, file: Path, said: list[str], options: Teaching = TEACHING) -> Teachers:
    def none() -> torch.nn.Module:
        raise AssertionError("no supernet is asked")

    return Teachers(data, options, file, CPU, none, said.append)


@pytest.mark.parametrize(
    "channels, size, dimensions, last",
    [(1, 28, 2, 16), (3, 64, 2, 16), (6, 128, 1, 16), (1, 6, 2, 4), (1, 9, 2, 8)],
)
def test_residual_networks_take_all_kinds_of_data(
    channels: int, size: int, dimensions: int, last: int
) -> None:
    network = Residual(channels, size, 5, dimensions, width=4).eval()
    x = torch.zeros(3, channels, 1 if dimensions == 1 else size, size)
    assert network(x).shape == (3, 5)
    assert network.layers(x).shape[1] == last
    assert network.layers(x).shape[3] <= SMALLEST
    assert network.layers(x).shape[2] == (1 if dimensions == 1 else network.layers(x).shape[3])


def test_the_mean_of_all_teachers_teaches(data: DataSet, tmp_path: Path) -> None:
    said: list[str] = []
    views = Views(data, CPU, 2)
    together = teachers(data, tmp_path / "teacher.pt", said).said(views)
    assert together.shape == (2, len(data.train), len(data.classes))
    one, other = (restore(tmp_path / name, CPU) for name in ("teacher.pt", "teacher-1.pt"))
    assert not torch.equal(one["logits"], other["logits"])
    mean = (one["logits"].float() + other["logits"].float()) / 2
    torch.testing.assert_close(together.float(), mean, atol=2e-3, rtol=1e-3)
    # Something was learnt, and it's told.
    right = (together.float().argmax(2) == torch.from_numpy(data.train.labels)).float().mean()
    assert right > 0.9
    assert any(text.startswith("teacher 1 gets ") for text in said)

    again: list[str] = []
    assert torch.equal(teachers(data, tmp_path / "teacher.pt", again).said(views), together)
    assert again == []


def test_a_stopped_teacher_goes_on(data: DataSet, tmp_path: Path) -> None:
    views = Views(data, CPU, 1)
    whole = teachers(data, tmp_path / "whole.pt", []).teach(1, views)

    class Killed(Exception):
        pass

    def stop(text: str) -> None:
        raise Killed

    stopped = teachers(data, tmp_path / "stopped.pt", [])
    stopped.say = stop
    with pytest.raises(Killed):
        stopped.teach(1, views)
    said: list[str] = []
    gone_on = teachers(data, tmp_path / "stopped.pt", said).teach(1, views)
    assert torch.equal(gone_on, whole)
    assert said[0].startswith("teacher 1, epoch 2 of 6:")


def test_another_teachers_file_is_refused(data: DataSet, tmp_path: Path) -> None:
    views = Views(data, CPU, 1)
    file = tmp_path / "teacher.pt"
    teachers(data, file, []).teach(0, views)
    erased = replace(data, augment=replace(data.augment, erase=0.5))
    for changed in (
        teachers(erased, file, []),
        teachers(data, file, [], replace(TEACHING, width=4)),
        teachers(data, file, [], replace(TEACHING, recipe=replace(TEACHING.recipe, epochs=7))),
    ):
        with pytest.raises(NasError, match=r"teacher\.pt' is of another teacher"):
            changed.teach(0, views)
    # A checkpoint of something else altogether.
    save(tmp_path / "supernet.pt", {"space": {}})
    with pytest.raises(NasError, match=r"supernet\.pt' is of another teacher"):
        teachers(data, tmp_path / "supernet.pt", []).teach(0, views)
    # How many there are is none of its own options.
    teachers(data, file, [], replace(TEACHING, count=1)).said(views)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(NasError, match="no teacher 'wise'; there are: residual, largest"):
        teaching("wise")


def test_more_views_come_from_the_same_teacher(data: DataSet, tmp_path: Path) -> None:
    said: list[str] = []
    few = teachers(data, tmp_path / "teacher.pt", said).teach(0, Views(data, CPU, 2))
    said.clear()
    many = teachers(data, tmp_path / "teacher.pt", said).teach(0, Views(data, CPU, 3))
    assert torch.equal(many[:2], few)
    # It isn't trained again.
    assert not any("epoch" in text for text in said)
    assert torch.equal(
        teachers(data, tmp_path / "teacher.pt", said).teach(0, Views(data, CPU, 2)), few
    )
