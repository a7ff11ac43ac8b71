# SPDX-License-Identifier: Apache-2.0
"""Programs that go wrong end in one clear line, never in outputs."""

from __future__ import annotations

import re

import pytest

from tinyengine_tvm.boards import BoardError, get_board

EMULATED = {
    "mps2-an385": "cortex-m3",
    "mps2-an386": "cortex-m4",
    "mps2-an500": "cortex-m7",
    "mps2-an505": "cortex-m33",
    "mps3-an547": "cortex-m55",
}
IN_FUNCTION = r" in misbehave\S*, called from .*PC=0x[0-9a-f]{8} LR=0x[0-9a-f]{8}"
REGISTERS = "CFSR=0x{cfsr:08x} HFSR=0x00000000 MMFAR=0x"
FAULTS = {
    "NULL_READ": (r"MemManage fault: access to memory that is not .* at address 0x00000000", 0x82),
    "NULL_WRITE": (r"MemManage fault: access to memory that is not .* at address 0x00000000", 0x82),
    "CODE_WRITE": (r"MemManage fault: .* write to read-only memory at address 0x[0-9a-f]{8}", 0x82),
    "UNALIGNED": (r"UsageFault: unaligned access", 1 << 24),
    "UNDEFINED": (r"UsageFault: undefined instruction", 1 << 16),
}


def failure(board, model, samples, build_dir, macro, **options):
    """The error that the hand-written model ends in when it is built with `macro`."""
    program = board.build(model, build_dir, cflags=[f"-D{macro}"], **options)
    with pytest.raises(BoardError) as caught:
        board.execute(program, samples[0], timeout_s=20)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{board.name}: ")
    return message


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", EMULATED)
def test_faults(name, fault, ready, make_model, samples, tmp_path):
    message = failure(
        ready(name), make_model(EMULATED[name]), samples, tmp_path / "b", f"FAULT_{fault}"
    )
    what, cfsr = FAULTS[fault]
    assert re.search(what + IN_FUNCTION, message), message
    assert REGISTERS.format(cfsr=cfsr) in message


@pytest.mark.parametrize("name", EMULATED)
def test_execution_of_data(name, ready, make_model, samples, tmp_path):
    message = failure(
        ready(name), make_model(EMULATED[name]), samples, tmp_path / "b", "FAULT_RAM_EXECUTION"
    )
    assert "execution of memory that holds no code" in message
    assert "called from misbehave" in message


@pytest.mark.parametrize("macro", ["FAULT_STACK", "FAULT_STACK_LEAP"])
@pytest.mark.parametrize("name", EMULATED)
def test_stack_overflow(name, macro, ready, make_model, samples, tmp_path):
    message = failure(ready(name), make_model(EMULATED[name]), samples, tmp_path / "b", macro)
    assert message.startswith(f"{name}: stack overflow")


def test_unaligned_word_on_a_core_that_takes_none(ready, make_model, samples, tmp_path):
    board = ready("mps2-an385")
    message = failure(
        board, make_model("cortex-m0plus"), samples, tmp_path / "a", "FAULT_UNALIGNED_WORD"
    )
    assert "UsageFault: unaligned access in misbehave" in message


@pytest.mark.parametrize("name", ["host", "mps2-an386"])
def test_hang(name, ready, make_model, samples, tmp_path):
    board = ready(name)
    program = board.build(make_model(), tmp_path, cflags=["-DFAULT_HANG"])
    with pytest.raises(BoardError, match=r"did not end within 2 s \(7 samples\); it hangs"):
        board.execute(program, samples[0], timeout_s=2)


@pytest.mark.parametrize("name", ["host", "mps2-an386"])
def test_model_that_returns_an_error(name, ready, make_model, samples, tmp_path):
    message = failure(ready(name), make_model(), samples, tmp_path / "b", "FAULT_STATUS")
    assert "the model did not return 0 for sample 0" in message


@pytest.mark.parametrize(
    ("macro", "message"),
    [
        ("FAULT_OVERRUN", "AddressSanitizer: global-buffer-overflow"),
        ("FAULT_SHIFT", "undefined behaviour at .*model.c:.* shift exponent 33"),
    ],
)
def test_sanitizers(macro, message, ready, make_model, samples, tmp_path):
    found = failure(ready("host"), make_model(), samples, tmp_path / "b", macro, sanitize=True)
    assert re.search(message, found), found


def test_sanitizers_let_a_sound_model_pass(ready, make_model, samples):
    result = ready("host").run(make_model(), samples[0], sanitize=True)
    assert (result.outputs["mixed:0"] == samples[1]).all()


def test_host_crash(ready, make_model, samples, tmp_path):
    message = failure(ready("host"), make_model(), samples, tmp_path / "b", "FAULT_NULL_WRITE")
    assert "the program died of SIG" in message


def test_only_the_host_has_sanitizers(make_model, samples, ready):
    ready("mps2-an386")
    with pytest.raises(BoardError, match="has no sanitizers; use the host board"):
        get_board("mps2-an386").run(make_model(), samples[0], sanitize=True)
