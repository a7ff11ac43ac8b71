# SPDX-License-Identifier: Apache-2.0
"""Zephyr itself, on QEMU: needs the tree that ZEPHYR_BASE names, and minutes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.networks import small_network
from tests.tune.planted import Planted, clip_workload
from tinyengine_tvm.api import compile_model
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.boards import BoardError, get_board
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.boards.zephyr import ZephyrBoard
from tinyengine_tvm.boards.zephyr_tree import ZephyrTree, build_python
from tinyengine_tvm.emit import emit
from tinyengine_tvm.export import export
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import Candidate, Options, measure, tune

NAMES = ("mps2_an521", "mps2_an385", "mps2_an386", "mps2_an500", "mps3_an547", "qemu_cortex_m3")


@pytest.fixture
def zephyr():
    """Gives a Zephyr board of this machine; skips where the tree or a tool is missing."""

    def get(name: str) -> ZephyrBoard:
        board = get_board(f"zephyr:{name}")
        assert isinstance(board, ZephyrBoard)
        if board.needs() or board.missing():
            pytest.skip(board.describe())
        try:
            ZephyrTree.find().board(board.names)
            build_python()
        except BoardError as error:
            pytest.skip(str(error))
        return board

    return get


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_every_sample(name, zephyr, make_model, samples):
    board = zephyr(name)
    result = board.run(make_model(board.own_target), samples[0])
    np.testing.assert_array_equal(result.outputs["mixed:0"], samples[1])
    assert result.samples == 7 and 0 < result.stack_bytes < 400


@pytest.mark.parametrize("name", ["mps2_an521", "mps2_an385"])
def test_failures_are_one_clear_line(name, zephyr, make_model, samples, tmp_path):
    board = zephyr(name)
    model = make_model(board.own_target)
    expected = {
        "STACK": "stack overflow",
        "STACK_LEAP": "stack overflow",
        "UNDEFINED": "UsageFault: undefined instruction in misbehave",
        "CODE_WRITE": "write to read-only memory at address",
        "STATUS": "the model did not return 0 for sample 0",
        "HANG": r"did not end within 5 s \(7 samples\); it hangs",
        "TOO_BIG": "cannot build with Zephyr .* it needs [0-9]+ bytes more than the board's",
    }
    for fault, message in expected.items():
        with pytest.raises(BoardError, match=message) as caught:
            # Configured anew in the same folder, which is much the fastest.
            program = board.build(model, tmp_path / "b", cflags=[f"-DFAULT_{fault}"])
            board.execute(program, samples[0], timeout_s=5)
        assert "\n" not in str(caught.value)


def test_a_stack_that_is_too_small_is_told_of(zephyr, make_model, samples, tmp_path):
    """Within the margin nothing faults, and yet no output is believed."""
    board = zephyr("mps2_an385")
    model = make_model(board.own_target)
    program = board.build(model, tmp_path / "b", cflags=["-DSTACK_BYTES=16450"])
    with pytest.raises(BoardError, match=r"stack overflow: .*_STACK_SIZE = 16384"):
        board.execute(program, samples[0])


def test_the_clock_and_the_plugin_agree(zephyr, tmp_path):
    board = zephyr("mps2_an521")
    files = emit(
        small_network(),
        get_target(board.own_target),
        name="net",
        version="0",
        rewrites=[],
        model_sha256="",
    )
    folder = Artifact(*files).save(tmp_path / "net")
    profile = board.profile(folder, build_dir=tmp_path / "b")
    bare = get_board("mps2-an505").profile(folder)
    assert profile.clock_instructions is not None
    assert abs(profile.clock_instructions - profile.unmarked_instructions) < 300
    assert "the board's own clock measured" in profile.note
    assert [layer.name for layer in profile.layers] == [layer.name for layer in bare.layers]
    # The same C and compiler, but Zephyr's options.
    assert profile.instructions == pytest.approx(bare.instructions, rel=0.05)
    assert profile.cycles == pytest.approx(bare.cycles, rel=0.05)
    assert profile.flash.weights == bare.flash.weights
    assert bare.sram.stack < profile.sram.stack < bare.sram.stack + 300
    image = Image(next((tmp_path / "b" / "plain").glob("**/zephyr.elf")))
    assert image.function_at(image.address("tvmgen_net_run")) == "tvmgen_net_run"


def test_bad_candidates_leave_the_others_alone(zephyr):
    zephyr("mps2_an521")
    workload = clip_workload()
    deeds = {
        "right": "ok",
        "wrong": "wrong",
        "undefined": "fault",
        "hang": "hang",
        "past scratch": "overrun",
        "input": "overrun",
        "no C": "build",
    }
    candidates = [
        Candidate(workload.network, workload.layer, Planted(), {"deed": deed})
        for deed in (*deeds, "right")
    ]
    found = measure(workload, candidates, "zephyr:mps2_an521", timeout_s=5)
    assert [m.status for m in found] == [*deeds.values(), "ok"]
    assert found[0].instructions == found[-1].instructions


def test_tuning(zephyr, tmp_path):
    board = zephyr("mps2_an521")
    options = Options(objective="instructions", proposer="grid", workers=1)
    records = tmp_path / "r.jsonl"
    done = tune(small_network(), board=board.name, records=records, options=options)
    assert done.measured >= 4
    assert 0 < done.best <= done.default
    assert len(records.read_text().splitlines()) == done.measured
    assert '"target":"cortex-m33-nodsp"' in records.read_text()


@pytest.mark.parametrize("model", ["kws_ref_model", "vww_96_int8"])
def test_golden_outputs(model, zephyr, shared_dir, tmp_path):
    board = zephyr("mps2_an521")
    artifact = compile_model(shared_dir / "models" / f"{model}.tflite", target=board.own_target)
    golden = np.load(shared_dir / "golden" / f"{model}.npz")
    (output,) = artifact.run(board.name, golden["inputs"]).values()
    assert output.shape == golden["outputs"].shape
    assert output.tobytes() == golden["outputs"].tobytes()


def test_the_exported_application_gives_what_the_host_gives(zephyr, tmp_path):
    board = zephyr("mps2_an521")
    network, target = small_network(), get_target(board.own_target)
    artifact = Artifact(
        *emit(network, target, name="net", version="0", rewrites=[], model_sha256="")
    )
    export(artifact, "zephyr", tmp_path / "app")
    tree = ZephyrTree.find()
    tree.configure(tmp_path / "app", tree.board(board.names), tmp_path / "b", {})
    program = tree.build(tmp_path / "b")
    command = ["timeout", "10", "qemu-system-arm", "-M", "mps2-an521", "-nographic"]
    command += ["-monitor", "none", "-serial", "mon:stdio", "-kernel", str(program)]
    said = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    ).stdout
    port = artifact.metadata["inputs"][0]
    zeros = np.full(port["shape"], port["zero_point"], np.int8)
    (expected,) = Artifact.load(artifact.save(tmp_path / "net")).run("mps2-an505", zeros).values()
    printed = next(line for line in said.splitlines() if line.endswith(" "))
    assert [int(word) for word in printed.split()] == expected.reshape(-1).tolist()
    assert "cycles: " in said and "stack: " in said


def test_cmake_does_without_west(zephyr, make_model, samples, monkeypatch):
    board = zephyr("mps2_an521")
    tree = ZephyrTree.find()
    if not any((tree.base.parent / "modules/hal" / name).is_dir() for name in ("cmsis", "cmsis_6")):
        pytest.skip("the modules aren't where a workspace has them")
    monkeypatch.setattr(ZephyrTree, "workspace", None)
    result = board.run(make_model(board.own_target), samples[0])
    np.testing.assert_array_equal(result.outputs["mixed:0"], samples[1])
    assert Path(tree.base).is_dir()
