# SPDX-License-Identifier: Apache-2.0
"""The records that ship: none is stale, and a compile takes them where it's asked to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import small_network
from tinyengine_tvm import rewrites
from tinyengine_tvm.api import compile_model, compile_network
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Measurement, Records, Workload
from tinyengine_tvm.tune.records import record_of
from tinyengine_tvm.tune.shipped import FOLDER, shipped_records, thinned

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/models/fashion_mnist_tiny.onnx"
TARGETS = ("cortex-m4", "cortex-m7")
M4 = get_target("cortex-m4")


def known_codes(model: Path, target: str) -> tuple[set[str], set[tuple[str, str, str]]]:
    """Keys of a model's workloads; workload, kernel and digest of all that its layers can get."""
    network = rewrites.apply(import_network(model, name="net"), frozenset())
    keys, codes = set(), set()
    for layer in network.layers:
        core = get_target(target)
        if not kernels_for(network, layer, core):
            continue
        workload = Workload(network, layer, core)
        keys.add(workload.key)
        codes |= {(workload.key, c.kernel.name, c.digest()) for c in workload.candidates}
    return keys, codes


@pytest.mark.parametrize("target", TARGETS)
def test_records_of_the_example_are_not_stale(target):
    """Where this fails, a template has changed: docs/tuning.md has the commands to measure anew."""
    keys, codes = known_codes(EXAMPLE, target)
    mine = [r for r in shipped_records(target) if r.workload in keys]
    assert len({r.workload for r in mine}) >= 5
    stale = [r for r in mine if (r.workload, r.kernel, r.code) not in codes]
    assert not stale, f"{len(stale)} of {len(mine)} shipped records are stale"


@pytest.mark.parametrize("target", TARGETS)
def test_no_record_is_stale(target, shared_models):
    keys, codes = known_codes(EXAMPLE, target)
    for model in sorted(shared_models.glob("*.tflite")):
        more_keys, more_codes = known_codes(model, target)
        keys |= more_keys
        codes |= more_codes
    every = list(shipped_records(target))
    assert len(every) > 100
    assert {r.workload for r in every} <= keys
    stale = [r for r in every if (r.workload, r.kernel, r.code) not in codes]
    assert not stale, f"{len(stale)} of {len(every)} shipped records are stale"


def test_a_compile_asks_for_them_by_name():
    made = compile_model(EXAMPLE, records="shipped")
    plain = compile_model(EXAMPLE)
    assert made.report["chosen"]["layers"] >= 5
    assert made.files != plain.files
    assert made.report["memory"]["arena_bytes"] <= plain.report["memory"]["arena_bytes"]
    other = compile_network(small_network(), records="shipped")
    assert other.files == compile_network(small_network()).files


def test_targets_without_records():
    assert sorted(p.name for p in FOLDER.glob("*.gz")) == [f"{t}.jsonl.gz" for t in TARGETS]
    with pytest.raises(
        TinyEngineError, match="no records ship for cortex-m0plus, only for cortex-m4"
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
