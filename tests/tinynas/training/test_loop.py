# SPDX-License-Identifier: Apache-2.0
"""A run that is killed goes on as if nothing had happened; the same seed gives the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tinynas.errors import NasError  # noqa: E402
from tinynas.training.loop import Epoch, Recipe, Training, choose_device  # noqa: E402

RECIPE = Recipe(epochs=4, batch=16, rate=0.1, seed=7)
SAMPLES = 70


class Killed(Exception):
    pass


def training(recipe: Recipe = RECIPE, checkpoint: Path | None = None, **more: object) -> Training:
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    )
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.standard_normal((SAMPLES, 5)).astype(np.float32))
    y = torch.from_numpy(random.integers(0, 3, SAMPLES))

    def forward(inputs: torch.Tensor, indices: torch.Tensor, step: int) -> float:
        loss = torch.nn.functional.cross_entropy(module(inputs), y[indices])
        loss.backward()
        return float(loss.detach())

    def load(indices: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
        return x[indices]

    return Training(module, forward, load, SAMPLES, recipe, checkpoint=checkpoint, **more)  # type: ignore[arg-type]


def weights(run: Training) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in run.module.parameters()]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_killed_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole = training()
    history = whole.run()

    def kill(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise Killed

    path = tmp_path / "run.pt"
    first = training(checkpoint=path, on_epoch=kill)
    with pytest.raises(Killed):
        first.run()
    second = training(checkpoint=path)
    assert len(second.history) == 2
    again = second.run()
    assert same(weights(second), weights(whole))
    assert [e.loss for e in again] == [e.loss for e in history]
    assert len(training(checkpoint=path).run()) == RECIPE.epochs


def test_another_seed_gives_another_network() -> None:
    one, same_again = training(), training()
    other = training(replace(RECIPE, seed=8))
    for run in (one, same_again, other):
        run.run()
    assert same(weights(one), weights(same_again))
    assert not same(weights(one), weights(other))


def test_it_learns() -> None:
    history = training(replace(RECIPE, epochs=30)).run()
    assert history[-1].loss < 0.8 * history[0].loss


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    training(checkpoint=path).run()
    with pytest.raises(NasError, match="options differ"):
        training(replace(RECIPE, rate=0.2), checkpoint=path)


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    training(checkpoint=path).run()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(NasError, match=r"no checkpoint.*delete it"):
        training(checkpoint=path)


def test_a_diverging_run_says_so() -> None:
    run = training()
    run.forward = lambda x, i, s: float("nan")
    with pytest.raises(NasError, match=r"loss is nan at step 0; a --rate below"):
        run.run()


def test_an_unknown_device_is_one_line() -> None:
    with pytest.raises(NasError, match="try --device cpu"):
        choose_device("nonsense")


def test_the_rate_rises_falls_and_stays_positive() -> None:
    rates = [RECIPE.rate_at(p) for p in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(RECIPE.rate)
    assert peak == 10
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert min(rates) > 0


PROGRAM = """
import sys, torch
from tests.tinynas.training.test_loop import RECIPE, training
run = training()
# Normalisation sees other batches in each process; without it they agree with a single one.
run.module[1] = torch.nn.Identity()
run.run()
if run.rank == 0:
    torch.save([p.detach() for p in run.module.parameters()], sys.argv[1])
"""


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    results = []
    for count in (1, 2):
        result = tmp_path / f"{count}.pt"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                f"--nproc-per-node={count}",
                str(program),
                str(result),
            ],
            check=True,
            capture_output=True,
            env={
                **os.environ,
                "PYTHONPATH": ".",
                "OMP_NUM_THREADS": "1",
                "GLOO_SOCKET_IFNAME": "lo",
            },
            cwd=Path(__file__).parents[3],
        )
        results.append(torch.load(result, weights_only=True))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
