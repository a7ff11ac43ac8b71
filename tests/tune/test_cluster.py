# SPDX-License-Identifier: Apache-2.0
"""Measuring on a dask cluster of two workers, one of which is killed."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.networks import small_network
from tests.tune.planted import Inline
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Options, Records, Workload, cluster, tune, tuner

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
GRID = Options(proposer="grid", trials=8, batch=2)


@pytest.fixture
def local(monkeypatch):
    """Two worker processes on this machine, which find the tests' modules as well."""
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as made:
        made.wait_for_workers(2)
        yield made


def test_a_killed_worker_costs_nothing(board, local, tmp_path):
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    tune(small_network(), board=board, records=alone, options=GRID, executor=Inline())
    with distributed.Client(local) as client:
        victim, *_ = client.run(os.getpid).values()
    killed: list[int] = []

    def kill(states):
        # Told before anything is measured, and then after every batch.
        if sum(state.trials for state in states) and not killed:
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    with cluster(local.scheduler_address) as (executor, count):
        assert count == 2
        tuned = tune(
            small_network(),
            board=board,
            records=shared,
            options=replace(GRID, workers=count),
            executor=executor,
            on_progress=kill,
        )
    assert killed
    expected = {r.identity: r.measurement for r in Records.load(alone)}
    assert {r.identity: r.measurement for r in Records.load(shared)} == expected
    assert tuned.measured >= 3 * GRID.batch


def enter(address: str) -> None:
    with cluster(address):
        pass


def test_no_workers_no_scheduler_no_package(monkeypatch):
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as made,
        pytest.raises(TinyEngineError, match="has no workers; start some with 'dask worker"),
    ):
        enter(made.scheduler_address)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(TinyEngineError, match=r"install tinyengine-tvm\[dask\]"):
        enter("tcp://127.0.0.1:8786")


def test_workers_of_another_kind_are_refused(board):
    """Another compiler, or another version of this project, would measure something else."""
    network = small_network()
    workload = Workload(network, network.layers[0], get_target("cortex-m4"))
    codes = [workload.default.digest()]
    [measured] = tuner._measure(workload, [0], codes, tuner.compiler_version(), board)
    assert measured.status == "ok"
    with pytest.raises(TinyEngineError, match="install the same one on both"):
        tuner._measure(workload, [0], codes, "arm-none-eabi-gcc 1.0", board)
    with pytest.raises(TinyEngineError, match="install the same version of tinyengine-tvm"):
        tuner._measure(workload, [0], ["0" * 16], tuner.compiler_version(), board)
