# SPDX-License-Identifier: Apache-2.0
"""The records that ship: none is stale, and a compile takes them where it's asked to."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests.networks import generated, small_network
from tests.tiling.networks import mobilenet_v2
from tinyengine_tvm import rewrites
from tinyengine_tvm.api import compile_model, compile_network
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import Network
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Measurement, Records, Workload
from tinyengine_tvm.tune.records import Record, record_of
from tinyengine_tvm.tune.shipped import FOLDER, shipped_records, thinned

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/models/fashion_mnist_tiny.onnx"
TARGETS = ("cortex-m33", "cortex-m4", "cortex-m7")
M4 = get_target("cortex-m4")


@cache
def network_of(path: Path) -> Network:
    return rewrites.apply(import_network(path, name="net"), frozenset())


def found_again(network: Network, target: str, records: list[Record]) -> tuple[set, set]:
    """Of the records of a network's layers: all, and those whose code its layers can still get.

    Of each the workload, the kernel, the configuration and the digest of the code.
    """

    def facts(record: Record) -> tuple[str, str, str, str]:
        return (record.workload, record.kernel, text(record.configuration), record.code)

    def text(configuration) -> str:
        return json.dumps(dict(configuration), sort_keys=True)

    every, again = set(), set()
    core = get_target(target)
    for layer in network.layers:
        if not kernels_for(network, layer, core):
            continue
        workload = Workload(network, layer, core)
        mine = {facts(r) for r in records if r.workload == workload.key}
        every |= mine
        wanted = {key[:3] for key in mine}
        for candidate in workload.candidates:
            key = (workload.key, candidate.kernel.name, text(candidate.configuration))
            if key in wanted:
                again.add((*key, candidate.digest()))
    return every, again & every


@pytest.mark.parametrize("target", TARGETS)
def test_records_of_the_example_are_not_stale(target):
    """Where this fails, a template has changed: docs/tuning.md has the commands to measure anew."""
    mine, again = found_again(network_of(EXAMPLE), target, list(shipped_records(target)))
    assert len({workload for workload, *_ in mine}) >= 5
    assert again == mine, f"{len(mine - again)} of {len(mine)} shipped records are stale"


@pytest.mark.parametrize("target", TARGETS)
def test_no_record_is_stale(target, shared_models):
    records = list(shipped_records(target))
    assert len(records) > 100
    models = (EXAMPLE, *sorted(shared_models.glob("*.tflite")))
    networks = [network_of(path) for path in models]
    networks.append(rewrites.apply(mobilenet_v2(), frozenset()))
    mine, again = set(), set()
    for network in networks:
        more, more_again = found_again(network, target, records)
        mine |= more
        again |= more_again
    assert {r.workload for r in records} == {workload for workload, *_ in mine}
    assert again == mine, f"{len(mine - again)} of {len(mine)} shipped records are stale"


def test_a_compile_asks_for_them_by_name():
    made = compile_model(EXAMPLE, records="shipped")
    plain = compile_model(EXAMPLE)
    assert made.report["chosen"]["layers"] >= 5
    assert made.files != plain.files
    assert made.report["memory"]["arena_bytes"] <= plain.report["memory"]["arena_bytes"]
    other = compile_network(small_network(), records="shipped")
    assert generated(other) == generated(compile_network(small_network()))


def test_targets_without_records():
    assert sorted(p.name for p in FOLDER.glob("*.gz")) == [f"{t}.jsonl.gz" for t in TARGETS]
    with pytest.raises(
        TinyEngineError, match="no records ship for cortex-m0plus, only for cortex-m33"
    ):
        compile_network(small_network(), target="cortex-m0plus", records="shipped")


def test_what_nothing_beats_is_kept():
    """The default stays, whatever it takes."""
    network = small_network()
    layer = network.layers[0]
    workload, core = Workload(network, layer, M4), M4.name
    takes = {0: (100, 100), 1: (50, 200), 2: (90, 50), 3: (60, 10_000), 4: (95, 60)}
    records = Records()
    for index, (cycles, code) in takes.items():
        measured = Measurement("ok", "", cycles, cycles, code, 0, 0)
        records.add(record_of(workload, workload.candidates[index], measured, core, "gcc 1.0"))
    records.add(record_of(workload, workload.candidates[5], Measurement("wrong"), core, "gcc 1.0"))
    kept = thinned(records, network, M4).values()
    scratch = {i: workload.candidates[i].scratch_bytes for i in takes}
    assert scratch[3] >= scratch[1] and scratch[4] >= scratch[2]
    assert sorted(r.measurement.cycles for r in kept) == [50, 90, 100]
