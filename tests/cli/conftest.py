# SPDX-License-Identifier: Apache-2.0
"""The command in this process, and a compiled network to use it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.networks import small_network
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.cli import main
from tinyengine_tvm.emit import emit
from tinyengine_tvm.targets import get_target


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def tinyengine(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs the command; gives its exit code, stdout and stderr, of native libraries as well."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, out, err)

    return run


@pytest.fixture
def refused(tinyengine: Command) -> Callable[..., str]:
    """Runs a command that the user got wrong; gives the one line that says so."""

    def run(*arguments: object) -> str:
        result = tinyengine(*arguments)
        assert result.code == 2, result
        assert result.out == ""
        assert result.err.startswith("error: ") and result.err.endswith("\n")
        assert result.err.count("\n") == 1, result.err
        assert "Traceback" not in result.err
        return result.err[len("error: ") : -1]

    return run


def artifact(target: str = "host") -> Artifact:
    """The small network of one int8 input `image` and one output `scores`."""
    files, facts, report = emit(
        small_network(),
        get_target(target),
        name="net",
        version="0",
        rewrites=[],
        model_sha256="",
    )
    return Artifact(files, facts, report)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `tinyengine compile --target host` writes it."""
    return artifact().save(tmp_path_factory.mktemp("host") / "net")


@pytest.fixture(scope="session")
def compiled_for_m4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifact("cortex-m4").save(tmp_path_factory.mktemp("m4") / "net")
