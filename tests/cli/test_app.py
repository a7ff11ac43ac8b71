# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: help, version, exit codes, and errors of every kind in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from tinyengine_tvm import __version__, boards
from tinyengine_tvm.errors import TinyEngineError

COMMANDS = ("compile", "run", "profile", "boards", "targets")


def fails_with(error: BaseException):
    def fail(name: str) -> None:
        raise error

    return fail


def test_version(tinyengine):
    result = tinyengine("--version")
    assert (result.code, result.out) == (0, f"tinyengine {__version__}\n")


def test_help_lists_every_command(tinyengine):
    for arguments in ([], ["--help"], ["-h"]):
        result = tinyengine(*arguments)
        assert result.code == 0
        for name in COMMANDS:
            assert f" {name} " in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_examples(tinyengine, name):
    result = tinyengine(name, "--help")
    assert result.code == 0
    assert "Examples:" in result.out
    assert f"tinyengine {name}" in result.out.split("Examples:")[1]
    assert "--json" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'; see tinyengine --help"),
        (["compile", "m.tflite"], "Missing option '--output'"),
        (["compile", "-o", "x"], "Missing argument 'MODEL'"),
        (["compile", "m", "-o", "x", "--interface", "float"], "'float' is not one of"),
        (["run", "d", "--board", "host"], "'--inputs'"),
        (["profile", "d"], "'--board'"),
        (["boards", "--colour"], "No such option"),
        (["targets", "extra"], "unexpected extra argument"),
    ],
)
def test_usage_errors(refused, arguments, message):
    assert message in refused(*arguments)


def test_user_errors_of_any_depth_are_one_line(refused, monkeypatch, compiled):
    error = TinyEngineError("the first cause\n  and its cure")
    monkeypatch.setattr(boards, "get_board", fails_with(error))
    assert refused("profile", compiled, "-b", "host") == "the first cause and its cure"


def test_operating_system_errors_name_the_file(refused, monkeypatch, compiled):
    error = OSError(28, "No space left on device", "disk/x")
    monkeypatch.setattr(boards, "get_board", fails_with(error))
    assert refused("profile", compiled, "-b", "host") == "No space left on device: 'disk/x'"


def test_defects_ask_for_a_report(tinyengine, monkeypatch, compiled):
    monkeypatch.delenv("TINYENGINE_DEBUG", raising=False)
    monkeypatch.setattr(boards, "get_board", fails_with(ZeroDivisionError("by\nzero")))
    result = tinyengine("profile", compiled, "-b", "host")
    assert result.code == 1
    assert result.err.startswith("error: internal error: ZeroDivisionError: by zero")
    assert "report" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("how", ["option", "variable"])
def test_debugging_shows_the_traceback(tinyengine, monkeypatch, compiled, how):
    monkeypatch.setattr(boards, "get_board", fails_with(ZeroDivisionError("zero")))
    if how == "variable":
        monkeypatch.setenv("TINYENGINE_DEBUG", "1")
    options = ["--debug"] if how == "option" else []
    result = tinyengine(*options, "profile", compiled, "-b", "host")
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.err
    assert result.err.splitlines()[-1].startswith("error: internal error")


def test_an_interrupt_is_no_traceback(tinyengine, monkeypatch, compiled):
    monkeypatch.setattr(boards, "get_board", fails_with(KeyboardInterrupt()))
    result = tinyengine("profile", compiled, "-b", "host")
    assert result.code == 130
    assert "Traceback" not in result.err


@pytest.mark.filterwarnings("ignore:deprecated")
def test_what_native_libraries_log_is_not_shown(tinyengine, monkeypatch, compiled):
    """TVM logs from C++ to file descriptor 2, past anything that Python can redirect."""

    def log_and_fail(name: str) -> None:
        os.write(2, b"Warning: BlockBuilder destroyed")
        warnings.warn("deprecated", stacklevel=1)
        raise TinyEngineError("the cause")

    monkeypatch.setattr(boards, "get_board", log_and_fail)
    assert tinyengine("profile", compiled, "-b", "host").err == "error: the cause\n"
    assert "BlockBuilder" in tinyengine("--debug", "profile", compiled, "-b", "host").err
    os.write(2, b"restored")
    assert "No such command" in tinyengine("nothing").err


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "tinyengine_tvm", "profile", "/nowhere", "-b", "host"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: '/nowhere'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["['--help']", "['boards']", "['targets', '--json']"])
def test_what_needs_no_tvm_does_not_import_it(arguments):
    """Importing TVM takes seconds."""
    script = (
        "import sys; from tinyengine_tvm.cli import main\n"
        f"try: main({arguments})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'tvm', 'onnx', 'tflite'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
