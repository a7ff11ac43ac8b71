# SPDX-License-Identifier: Apache-2.0
"""Candidates are measured right, and bad ones are found without harm to the others."""

from __future__ import annotations

import pytest

from tests.networks import small_network
from tests.tune.planted import Planted, clip_workload
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.boards import BoardError, get_board
from tinyengine_tvm.boards.samples import example_inputs
from tinyengine_tvm.emit import emit
from tinyengine_tvm.profile.plugin import plugin_for
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Candidate, measure, workloads_of
from tinyengine_tvm.tune.measure import ALIKE

EXPECTED = {
    "right": "ok",
    "wrong": "wrong",
    "fault": "fault",
    "undefined": "fault",
    "hang": "hang",
    "past scratch": "overrun",
    "past output": "overrun",
    "before output": "overrun",
    "input": "overrun",
    "no C": "build",
    "raises": "build",
}


def planted(*deeds):
    workload = clip_workload()
    kernel = Planted()
    return workload, [
        Candidate(workload.network, workload.layer, kernel, {"deed": deed}) for deed in deeds
    ]


def test_bad_candidates_are_named_and_leave_the_others_alone(board):
    deeds = ["right"]
    for deed in EXPECTED:
        deeds += [deed, "right"]
    workload, candidates = planted(*deeds)
    found = measure(workload, candidates, board, timeout_s=3)
    assert [m.status for m in found] == [EXPECTED[deed] for deed in deeds]
    good = {(m.instructions, m.cycles) for m in found if m.status == "ok"}
    # Whatever stands before it in the program, the same code takes the same.
    assert len(good) == 1
    messages = {deed: m.message for deed, m in zip(deeds, found, strict=True)}
    assert "1 of 64 outputs differ, the first at [0, 0, 1, 1]" in messages["wrong"]
    assert messages["past scratch"] == "wrote past its scratch"
    assert messages["past output"] == "wrote past its output"
    assert messages["input"] == "wrote to its input"
    assert "undefined instruction" in messages["undefined"]
    assert "no such tile" in messages["raises"]
    assert all(m.instructions is None for m in found if m.status != "ok")


def test_sizes_and_counts(board):
    workload, [short] = planted("right")
    slow = Candidate(short.network, short.layer, short.kernel, {"deed": "right", "wait": 1000})
    first, second = measure(workload, [short, slow], board)
    # A round is a load, an addition, a store, a load, a comparison and a branch, or a few fewer.
    assert 4000 <= second.instructions - first.instructions <= 8000
    assert second.cycles > second.instructions
    assert first.scratch_bytes == 8
    assert 60 < first.code_bytes < 400


def test_a_layer_takes_in_a_network_what_was_measured(board, tmp_path):
    """With the same compiler options, up to the instructions around the call."""
    network, target = small_network(), get_target("cortex-m4")
    files, facts, report = emit(
        network, target, name="net", version="0", rewrites=[], model_sha256=""
    )
    folder = Artifact(files, facts, report).save(tmp_path / "net")
    machine = get_board(board)
    program = machine.build(folder, tmp_path / "build", profile=True, cflags=ALIKE)
    sample = example_inputs(program.model)
    counts = plugin_for(machine).count(machine, program, sample, tmp_path)
    names = [layer.name for layer in program.model.layers]
    whole = {name: c.instructions for name, c in zip(names, counts.layers, strict=True)}
    for workload in workloads_of(network, target):
        [alone] = measure(workload, [workload.default], board)
        assert alone.instructions == pytest.approx(whole[workload.layer.name], rel=0.01, abs=60)


def test_company_makes_no_difference(board):
    workload = workloads_of(small_network(), get_target("cortex-m4"))[0]
    many = measure(workload, workload.candidates, board)
    for number in (0, len(many) - 1):
        [alone] = measure(workload, [workload.candidates[number]], board)
        assert alone == many[number]


def test_the_host_cannot_count():
    workload, candidates = planted("right")
    with pytest.raises(BoardError, match="host cannot count"):
        measure(workload, candidates, "host")


def test_cores_without_dsp_have_a_choice_too(board):
    """Six output channels: blocks that divide them, and blocks that leave some over."""
    (workload,) = workloads_of(small_network(), get_target("cortex-m3"))
    blocks = [candidate.configuration["block"] for candidate in workload.candidates]
    assert blocks[0] == 4 and sorted(blocks) == [2, 4, 6, 8]
    found = measure(workload, workload.candidates, "mps2-an385")
    assert [m.status for m in found] == ["ok"] * 4, found
    assert len({m.instructions for m in found}) == 4
