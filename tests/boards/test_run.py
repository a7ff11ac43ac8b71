# SPDX-License-Identifier: Apache-2.0
"""Models run on every board, for every core that the board says it executes."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.boards import BOARDS, BoardError, get_board
from tinyengine_tvm.boards.base import Program
from tinyengine_tvm.boards.tools import missing_tools
from tinyengine_tvm.errors import TinyEngineError

PAIRS = [(board.name, target) for board in BOARDS.values() for target in board.targets]


@pytest.mark.parametrize(("board", "target"), PAIRS)
def test_outputs_of_every_sample(board, target, ready, make_model, samples):
    inputs, expected = samples
    result = ready(board).run(make_model(target), inputs)
    assert list(result.outputs) == ["mixed:0"]
    np.testing.assert_array_equal(result.outputs["mixed:0"], expected)
    assert result.outputs["mixed:0"].dtype == np.float32
    assert result.samples == 7
    if board == "host":
        assert result.stack_bytes is None
    else:
        assert 0 < result.stack_bytes < 200


def test_one_sample_without_its_axis_and_names_of_the_model(ready, make_model, samples):
    inputs, expected = samples
    named = {"serving/codes:0": inputs["codes"][2], "gains": inputs["gains"][2]}
    result = ready("host").run(make_model(), named)
    np.testing.assert_array_equal(result.outputs["mixed:0"], expected[2:3])


def test_inputs_that_do_not_lie_in_order(ready, make_model, samples):
    inputs, expected = samples
    strided = {name: np.asfortranarray(array)[::-1] for name, array in inputs.items()}
    result = ready("host").run(make_model(), strided)
    np.testing.assert_array_equal(result.outputs["mixed:0"], expected[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gains": None}, "input 'gains' is missing; expected 'serving/codes:0' int8 [2, 3]"),
        ({"gain": np.zeros(4, np.float32)}, "no input 'gain'; expected 'serving/codes:0'"),
        ({"gains": np.zeros((7, 4))}, "input 'gains' must be float32, got float64"),
        ({"codes": np.zeros((7, 2, 3), np.uint8)}, "must be int8, got uint8"),
        ({"codes": np.zeros((7, 3, 2), np.int8)}, "[samples, 2, 3], got [7, 3, 2]"),
        ({"codes": np.zeros((7, 6), np.int8)}, "got [7, 6]"),
        ({"codes": np.zeros((1, 7, 2, 3), np.int8)}, "got [1, 7, 2, 3]"),
        ({"codes": np.int8(1)}, "got []"),
        ({"codes": np.zeros((6, 2, 3), np.int8)}, "serving/codes:0 6, gains 7"),
        ({"serving/codes:0": np.zeros((7, 2, 3), np.int8)}, "is given twice"),
        ({"codes": np.zeros((0, 2, 3), np.int8), "gains": None}, "holds no sample"),
    ],
)
def test_wrong_inputs(change, message, make_model, samples):
    inputs = {k: v for k, v in {**samples[0], **change}.items() if v is not None}
    with pytest.raises(BoardError) as caught:
        get_board("host").run(make_model(), inputs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_board():
    with pytest.raises(BoardError, match="unknown board 'mps9'; choose one of: host, mps2-an385"):
        get_board("mps9")


def test_model_of_a_core_that_the_board_lacks(make_model, samples):
    with pytest.raises(BoardError, match=r"mps2-an385 cannot run code for cortex-m4; it runs"):
        get_board("mps2-an385").run(make_model("cortex-m4"), samples[0])


def test_missing_tools_are_named_with_their_packages(make_model, samples, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    board = get_board("mps2-an386")
    assert board.missing() == [
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("nano.specs", "libnewlib-arm-none-eabi"),
        ("qemu-system-arm", "qemu-system-arm"),
    ]
    install = "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
    assert install in board.describe()
    for use in (board.run, board.profile):
        with pytest.raises(BoardError) as caught:
            use(make_model(), samples[0])
        assert install in str(caught.value)


def test_a_missing_library_is_missing(ready, monkeypatch):
    ready("mps2-an386")
    from tinyengine_tvm.boards import tools

    monkeypatch.setitem(tools.PACKAGES, "absent.specs", "absent")
    assert missing_tools(["nano.specs", "absent.specs"]) == [("absent.specs", "absent")]


@pytest.mark.parametrize("absent", ["metadata.json", "model.c", "model.h"])
def test_folder_that_is_no_compiled_model(absent, make_model, samples):
    folder = make_model()
    (folder / absent).unlink()
    with pytest.raises(BoardError, match=f"{absent} is missing; make it with 'tinyengine compile"):
        get_board("host").run(folder, samples[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.pop("inputs"), "is damaged"),
        (lambda facts: facts.update(inputs=[3]), "is damaged"),
        (lambda facts: facts.update(format=2), "format 2, this version reads 1"),
        (lambda facts: facts.update(target="z80"), "unknown target 'z80'"),
    ],
)
def test_damaged_metadata(change, message, make_model, samples):
    with pytest.raises(TinyEngineError, match=message):
        get_board("host").run(make_model(change=change), samples[0])


def test_metadata_that_is_not_json(make_model, samples):
    folder = make_model()
    (folder / "metadata.json").write_bytes(b"\xff{")
    with pytest.raises(BoardError, match="is damaged"):
        get_board("host").run(folder, samples[0])


@pytest.mark.parametrize("board", ["host", "mps2-an386"])
def test_c_that_does_not_compile(board, ready, make_model, samples):
    folder = make_model()
    with open(folder / "model.c", "a", encoding="utf-8") as file:
        file.write("int broken(void) { return x; }\n")
    with pytest.raises(BoardError, match=r"cannot build model.c: .*'x' undeclared"):
        ready(board).run(folder, samples[0])


def test_model_larger_than_the_board(ready, make_model, tmp_path):
    with pytest.raises(BoardError, match=r"needs \d+ bytes more than the board's RAM"):
        ready("mps2-an385").build(make_model(), tmp_path, cflags=["-DFAULT_TOO_BIG"])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("head -c 111 /dev/zero > outputs.bin; echo TINYENGINE DONE samples=7", "111 bytes"),
        ("echo TINYENGINE DONE samples=7", "0 bytes of outputs instead of 112"),
        ("head -c 112 /dev/zero > outputs.bin", "ended early with exit code 0"),
        ("head -c 112 /dev/zero > outputs.bin; echo TINYENGINE DONE samples=6", "ended early"),
        (
            "head -c 112 /dev/zero > outputs.bin; echo TINYENGINE DONE samples=7; exit 1",
            "ended early with exit code 1",
        ),
    ],
)
def test_programs_that_end_early_give_no_outputs(
    script, message, make_model, samples, tmp_path, ready
):
    built = ready("host").build(make_model(), tmp_path / "build")
    path = tmp_path / "script"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    with pytest.raises(BoardError, match=message):
        get_board("host").execute(Program(path, built.model, built.objects), samples[0])
