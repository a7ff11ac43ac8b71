# SPDX-License-Identifier: Apache-2.0
"""scripts/setup.sh on machines that are made up: a PATH with stand-ins for what is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN_TOOLS = ("bash", "cat", "chmod", "cut", "dirname", "env", "ln", "sha256sum", "sort", "tr")
CROSS_TOOLS = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm")
ARM_GCC = '[ "$1" = -print-file-name=libc.a ] && echo /usr/lib/arm-none-eabi/libc.a'

# Notes each use of pip, and leaves everything else to the real interpreter.
PYTHON = """
case "$1 $2" in
    "-m pip") echo "$@" >> "{log}/pip" ;;
    "-m venv") command -p mkdir -p "$4/bin"; ln -sf "$0" "$4/bin/python" ;;
    *) exec {real} "$@" ;;
esac
"""

# The real interpreter, told that it is 3.10.
OLD_PYTHON = f"""
exec {sys.executable} -c 'import sys; sys.version_info = (3, 10, 9); exec(sys.argv[1])' "$2"
"""


class Machine:
    """A copy of the set-up script with a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.log = folder / "project", folder / "bin", folder
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "scripts/setup.sh", self.root / "scripts")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        for tool in PLAIN_TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        self.program("id", "echo 0")
        self.program("gcc", "exit 0")
        self.program("python3", PYTHON.format(log=self.log, real=sys.executable))

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)

    def install_cross_tools(self) -> None:
        self.program("arm-none-eabi-gcc", ARM_GCC)
        self.program("qemu-system-arm", "exit 0")

    def setup(self, purpose: str = "demo", **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.bin),
            "HOME": str(self.log),
            "FASHION_MNIST": str(self.root),
            **extra,
        }
        return subprocess.run(
            [str(self.root / "scripts/setup.sh"), purpose],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def lines(self, name: str) -> list[str]:
        path = self.log / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_apt_it_names_the_packages_and_fails(machine: Machine) -> None:
    result = machine.setup()
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    for package in CROSS_TOOLS:
        assert package in result.stderr
    assert not machine.lines("pip")


def test_without_permission_it_gives_the_command_and_fails(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.program("sudo", "exit 1")
    machine.program("apt-get", f'echo "$@" >> "{machine.log}/apt"')
    result = machine.setup()
    assert result.returncode == 1
    assert "needs root" in result.stderr
    assert f"sudo apt-get install {' '.join(CROSS_TOOLS)}" in result.stderr
    assert not machine.lines("apt")


@pytest.mark.parametrize("user", ["0", "1000"])
def test_with_permission_it_installs_only_what_is_missing(machine: Machine, user: str) -> None:
    machine.program("id", f"echo {user}")
    machine.program("true", "exit 0")
    machine.program("sudo", '[ "$1" = -n ] && shift && "$@"' if user == "1000" else "exit 1")
    machine.program("qemu-system-arm", "exit 0")
    gcc = machine.bin / "arm-none-eabi-gcc"
    machine.program(
        "apt-get",
        f"""echo "$@" >> "{machine.log}/apt"
printf '#!/usr/bin/env bash\\n%s\\n' '{ARM_GCC}' > "{gcc}"
chmod +x "{gcc}" """,
    )
    result = machine.setup()
    assert result.returncode == 0, result.stderr
    (line,) = machine.lines("apt")
    assert line.endswith("gcc-arm-none-eabi libnewlib-arm-none-eabi")
    assert len(machine.lines("pip")) == 1


def test_the_demo_needs_its_data_set_and_the_tests_do_not(machine: Machine) -> None:
    machine.install_cross_tools()
    for tool in ("cmake", "ninja"):
        machine.program(tool, "exit 0")
    absent = {"FASHION_MNIST": str(machine.root / "absent")}
    result = machine.setup("demo", **absent)
    assert result.returncode == 1
    assert "dataset-fashion-mnist" in result.stderr
    assert machine.setup("test", **absent).returncode == 0


def test_a_failing_installation_is_reported(machine: Machine) -> None:
    machine.program("apt-get", "exit 100")
    result = machine.setup()
    assert result.returncode == 1
    assert "apt-get" in result.stderr and "qemu-system-arm" in result.stderr


def test_an_installation_that_changes_nothing_is_reported(machine: Machine) -> None:
    machine.program("apt-get", "exit 0")
    result = machine.setup()
    assert result.returncode == 1
    assert "still missing" in result.stderr and "qemu-system-arm" in result.stderr


def test_a_second_run_installs_nothing(machine: Machine) -> None:
    machine.install_cross_tools()
    assert machine.setup().returncode == 0
    assert machine.setup().returncode == 0
    (line,) = machine.lines("pip")
    assert line.endswith("--editable .[nas]")


def test_a_changed_pyproject_is_installed_again(machine: Machine) -> None:
    machine.install_cross_tools()
    machine.setup()
    project = machine.root / "pyproject.toml"
    project.write_text(project.read_text() + "\n# changed\n")
    machine.setup()
    assert len(machine.lines("pip")) == 2


@pytest.mark.parametrize(
    ("purposes", "installed"),
    [(("test", "demo"), [".[test]"]), (("demo", "test"), [".[nas]", ".[test]"])],
)
def test_the_test_environment_serves_the_demo_but_not_the_reverse(
    machine: Machine, purposes: tuple[str, ...], installed: list[str]
) -> None:
    machine.install_cross_tools()
    for tool in ("cmake", "ninja"):
        machine.program(tool, "exit 0")
    for purpose in purposes:
        assert machine.setup(purpose).returncode == 0
    assert [line.split()[-1] for line in machine.lines("pip")] == installed


def test_a_failing_pip_leaves_no_stamp(machine: Machine) -> None:
    machine.install_cross_tools()
    good = (machine.bin / "python3").read_text()
    machine.program("python3", good.replace('echo "$@"', 'exit 1; echo "$@"'))
    assert machine.setup().returncode == 1
    machine.program("python3", good)
    assert machine.setup().returncode == 0
    assert len(machine.lines("pip")) == 1


def test_an_old_python_is_refused(machine: Machine) -> None:
    machine.install_cross_tools()
    machine.program("python3", OLD_PYTHON)
    result = machine.setup()
    assert result.returncode == 1
    assert "Python 3.11" in result.stderr


def test_a_newer_python_is_found_beside_an_old_one(machine: Machine) -> None:
    machine.install_cross_tools()
    os.rename(machine.bin / "python3", machine.bin / "python3.12")
    machine.program("python3", OLD_PYTHON)
    assert machine.setup().returncode == 0


def test_a_named_python_must_be_recent(machine: Machine) -> None:
    machine.install_cross_tools()
    machine.program("old", OLD_PYTHON)
    result = machine.setup(PYTHON="old")
    assert result.returncode == 1
    assert "PYTHON=old" in result.stderr


PYTHON_310 = """
case "$1 $2" in
    "-m pip") echo "$@" >> "{log}/pip" ;;
    "-m venv") command -p mkdir -p "$4/bin"; ln -sf "$0" "$4/bin/python" ;;
    "-c "*) exec {real} -c 'import sys; sys.version_info = (3, 10, 9); exec(sys.argv[1])' "$2" ;;
    "-m pytest") echo "$@" >> "{log}/pytest" ;;
esac
"""


def test_relay_takes_a_python_310_of_pyenv_and_an_environment_of_its_own(machine: Machine) -> None:
    machine.install_cross_tools()
    place = machine.log / ".pyenv/versions/3.10.13/bin"
    place.mkdir(parents=True)
    machine.program("old", PYTHON_310.format(log=machine.log, real=sys.executable))
    os.rename(machine.bin / "old", place / "python")
    result = machine.setup("relay")
    assert result.returncode == 0, result.stderr
    assert [line.split()[-1] for line in machine.lines("pip")] == [".[relay,relay-test]"]
    assert (machine.root / ".venv-relay/bin/python").exists()
    assert not (machine.root / ".venv").exists()


@pytest.mark.parametrize(("required", "code"), [("", 0), ("required", 1)])
def test_relay_tests_that_cannot_run_are_loud(machine: Machine, required: str, code: int) -> None:
    machine.install_cross_tools()
    shutil.copy(ROOT / "scripts/test_relay.sh", machine.root / "scripts")
    result = subprocess.run(
        [str(machine.root / "scripts/test_relay.sh")],
        env={"PATH": str(machine.bin), "HOME": str(machine.log), "RELAY_TESTS": required},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == code
    assert "Python 3.10 is needed" in result.stderr
    assert "RELAY TESTS WERE NOT RUN" in result.stderr
