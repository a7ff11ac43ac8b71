# SPDX-License-Identifier: Apache-2.0
"""Tuning as a whole: the best that works is found, recorded, taken up again and compiled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.kernels.qemu_harness import thorough
from tests.networks import generated, small_network
from tests.tune.planted import Inline, Planted, clip_network
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.boards import BoardError
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.tune import Measurement, Options, Records, tune, workload
from tinyengine_tvm.tune.records import append
from tinyengine_tvm.tune.tuner import ATTEMPTS

GRID = Options(proposer="grid", trials=6, workers=1)


@pytest.fixture(scope="module")
def measured(board, tmp_path_factory) -> Path:
    """Records of the small network."""
    file = tmp_path_factory.mktemp("tuned") / "records.jsonl"
    options = replace(GRID, trials=3)
    tune(small_network(), board=board, records=file, options=options, executor=Inline())
    return file


@pytest.fixture
def planted(monkeypatch):
    """The only kernel of the clip network: some configurations are bad, and the last the best."""
    good = [{"deed": "right", "wait": wait} for wait in (90, 60, 30)]
    bad = [{"deed": deed} for deed in ("wrong", "fault", "past scratch", "no C", "raises")]
    kernel = Planted([*good, *bad])
    monkeypatch.setattr(workload, "kernels_for", lambda network, layer, target: [kernel])
    return kernel


def test_what_fails_is_recorded_and_never_chosen(board, planted, tmp_path):
    file = tmp_path / "records.jsonl"
    options = Options(proposer="genetic", workers=1)
    tuned = tune(clip_network(), board=board, records=file, options=options, executor=Inline())
    [state] = tuned.progress
    assert (state.trials, state.failed) == (8, 5)
    assert state.best < state.default
    statuses = [r.measurement.status for r in Records.load(file)]
    assert sorted(statuses) == sorted(["ok"] * 3 + ["wrong", "fault", "overrun", "build", "build"])
    # The bad ones return sooner than those that wait: only their status keeps them from winning.
    assert state.workload.candidates[state.best_index].configuration["wait"] == 30


def test_records_are_taken_up_again(board, tmp_path):
    file = tmp_path / "records.jsonl"
    first = tune(small_network(), board=board, records=file, options=GRID, executor=Inline())
    lines = file.read_bytes()
    again = tune(small_network(), board=board, records=file, options=GRID, executor=Inline())
    assert first.measured > 0
    assert again.measured == 0
    assert file.read_bytes() == lines
    assert [s.best for s in again.progress] == [s.best for s in first.progress]
    more = replace(GRID, trials=7)
    assert tune(
        small_network(), board=board, records=file, options=more, executor=Inline()
    ).measured in range(1, len(first.progress) + 1)


def test_a_compile_takes_the_best_and_computes_the_same(board, tmp_path):
    file = tmp_path / "records.jsonl"
    network = small_network()
    tuned = tune(network, board=board, records=file, options=GRID, executor=Inline())
    [conv] = [s for s in tuned.progress if s.workload.layer.name == "conv"]
    # A faster one than there is, so that the choice can't be the default by chance.
    [space] = [s.workload.candidates for s in tuned.progress if s is conv]
    slow = [
        r
        for r in Records.load(file)
        if r.workload == conv.workload.key and dict(r.configuration) == dict(space[2].configuration)
    ]
    append(file, [replace(slow[0], measurement=replace(slow[0].measurement, cycles=1))])
    made = compile_network(network, records=file)
    layers = {layer["name"]: layer for layer in made.metadata["layers"]}
    assert layers["conv"]["configuration"] == dict(space[2].configuration)
    assert generated(made) == generated(compile_network(network, records=file))
    sample = np.random.default_rng(0).integers(-128, 128, (1, 9, 7, 5)).astype(np.int8)
    [expected] = run_reference(network, {"image": sample}).values()
    [output] = made.run(board, sample).values()
    assert np.array_equal(output.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "0" * 16},
        {"target": "cortex-m7"},
        {"core": "cortex-m7"},
        {"kernel": "conv2d_s8_of_old"},
    ],
)
def test_records_of_something_else_change_nothing(measured, tmp_path, change):
    """Another template, core or kernel."""
    file, network = measured, small_network()
    default = compile_network(network)
    fast = [
        replace(r, **{"measurement": replace(r.measurement, cycles=1, instructions=1), **change})
        for r in Records.load(file)
    ]
    foreign = tmp_path / "foreign.jsonl"
    append(foreign, [*Records.load(file), *fast])
    expected = compile_network(network, records=file)
    assert generated(compile_network(network, records=foreign)) == generated(expected)
    append(tmp_path / "alone.jsonl", fast)
    assert generated(compile_network(network, records=tmp_path / "alone.jsonl")) == generated(
        default
    )


def test_what_turned_out_wrong_is_not_chosen(measured, tmp_path):
    file = tmp_path / "records.jsonl"
    wrong = Measurement("wrong", instructions=1, cycles=1)
    known = list(Records.load(measured))
    append(file, [*known, *(replace(r, measurement=wrong) for r in known)])
    assert generated(compile_network(small_network(), records=file)) == generated(
        compile_network(small_network())
    )


class Dying(Inline):
    """Every second batch is lost with its worker."""

    def __init__(self, always: bool = False) -> None:
        self.sent, self.always = 0, always

    def submit(self, fn, /, *args, **kwargs):
        self.sent += 1
        if self.always or self.sent % 2:
            return super().submit(os.stat, "/the/worker/is/gone")
        return super().submit(fn, *args, **kwargs)


def test_lost_batches_are_sent_again(board, planted, tmp_path):
    executor = Dying()
    options = replace(GRID, trials=8, batch=3)
    tuned = tune(clip_network(), board=board, options=options, executor=executor)
    assert tuned.progress[0].trials == 8
    assert executor.sent > 3
    with pytest.raises(Exception, match=f"failed {ATTEMPTS} times"):
        tune(clip_network(), board=board, options=options, executor=Dying(always=True))


class Interrupted(Inline):
    def __init__(self) -> None:
        self.sent = 0

    def submit(self, fn, /, *args, **kwargs):
        self.sent += 1
        if self.sent == 3:
            raise KeyboardInterrupt
        return super().submit(fn, *args, **kwargs)


def test_an_interrupt_keeps_what_is_measured(board, planted, tmp_path):
    file = tmp_path / "records.jsonl"
    options = replace(GRID, trials=8, batch=2)
    tuned = tune(clip_network(), board=board, records=file, options=options, executor=Interrupted())
    assert tuned.interrupted
    assert tuned.measured == len(Records.load(file)) == 4


def test_no_time_is_no_trial(board):
    options = replace(GRID, minutes=0.0)
    assert tune(small_network(), board=board, options=options, executor=Inline()).measured == 0


def test_boards_that_do_not_fit():
    with pytest.raises(BoardError, match="host cannot count"):
        tune(small_network(), board="host")
    with pytest.raises(BoardError, match="mps2-an385 cannot run code for cortex-m4"):
        tune(small_network(), board="mps2-an385", target="cortex-m4")


KILLED = """
import sys
from pathlib import Path
from tests.networks import small_network
from tinyengine_tvm.tune import Options, Records, tune

def told(states):
    # On the disk before anybody hears of it.
    print(sum(s.trials for s in states), flush=True)

if __name__ == "__main__":
    batch = int(sys.argv[2])
    options = Options(proposer="random", batch=batch, workers=2, trials=1000, patience=1000)
    tune(small_network(), records=Path(sys.argv[1]), options=options, on_progress=told)
    print("done", flush=True)
"""


def test_sigkill_loses_nothing(board, tmp_path):
    """At random moments: what was told is in the file, the next run goes on, workers go away."""
    script, file = tmp_path / "killed.py", tmp_path / "records.jsonl"
    script.write_text(KILLED)
    root = Path(__file__).resolve().parents[2]
    moments = np.random.default_rng(0).uniform(0.1, 0.9, thorough(4, 20))
    known = 0
    for moment in [*moments, None]:
        process = subprocess.Popen(
            [sys.executable, str(script), str(file), "16" if moment is None else "1"],
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline())]
        assert told[0] >= known
        if moment is None:
            assert process.stdout.read().endswith("done\n")
            assert process.wait() == 0
            continue
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Ends when the workers, which hold the pipe as well, are gone.
        told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        assert process.returncode == -signal.SIGKILL
        found = Records.load(file) if file.exists() else Records()
        assert len(found) >= told[-1]
        known = len(found)
    final = Records.load(file)
    workloads = {r.workload for r in final}
    assert len(workloads) == 3
    assert len(final) > known
    assert all(json.loads(line) for line in file.read_text().splitlines())
