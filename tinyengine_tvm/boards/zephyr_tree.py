# SPDX-License-Identifier: Apache-2.0
"""The user's Zephyr tree: where it is, what it calls its boards, and how it builds programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BoardError
from .tools import ARM_GCC, first_error

GETTING_STARTED = "https://docs.zephyrproject.org/latest/develop/getting_started/index.html"
CMSIS = ("cmsis", "cmsis_6")
"""Modules that Zephyr's code for Cortex-M includes, the older releases one and the newer ones both;
below modules/hal of a workspace."""


@dataclass(frozen=True)
class ZephyrTree:
    """A tree of Zephyr: `base` is its folder, `version` (major, minor, patch)."""

    base: Path
    version: tuple[int, int, int]

    @classmethod
    def find(cls) -> ZephyrTree:
        """The tree that ZEPHYR_BASE names.

        Raises:
            BoardError: it isn't set, or names no Zephyr tree; the message says where to get one.
        """
        problem = missing_tree()
        if problem is not None:
            raise BoardError(problem)
        base = Path(os.environ["ZEPHYR_BASE"]).resolve()
        facts = dict(re.findall(r"^(\w+)\s*=\s*(\d+)", (base / "VERSION").read_text(), re.M))
        keys = ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL")
        major, minor, patch = (int(facts.get(key, 0)) for key in keys)
        return cls(base, (major, minor, patch))

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    def board(self, names: Sequence[str]) -> str:
        """The first of `names` that this tree has.

        Raises:
            BoardError: it has none of them.
        """
        for name in names:
            if self._has(name):
                return name
        raise BoardError(
            f"Zephyr {self.version_text} in {self.base} has no board {' or '.join(names)}; "
            "take another board or another release of Zephyr"
        )

    def _has(self, name: str) -> bool:
        board = name.partition("/")[0]
        for config in self.base.glob(f"boards/*/*/{name.replace('/', '_')}_defconfig"):
            described = config.parent / "board.yml"
            if not described.is_file():
                # Boards had no qualifiers then.
                if "/" not in name:
                    return True
            elif re.search(
                rf"^\s*-?\s*name:\s*{re.escape(board)}\s*$", described.read_text(), re.M
            ):
                return True
        return False

    @property
    def workspace(self) -> Path | None:
        """The west workspace that the tree is in."""
        for folder in self.base.parents:
            if (folder / ".west" / "config").is_file():
                return folder
        return None

    def environment(self) -> dict[str, str]:
        """What Zephyr's build is told: this tree, and the toolchain unless the user names one."""
        environment = {**os.environ, "ZEPHYR_BASE": str(self.base), "LC_ALL": "C"}
        gcc = shutil.which(ARM_GCC)
        if "ZEPHYR_TOOLCHAIN_VARIANT" not in environment and gcc is not None:
            environment["ZEPHYR_TOOLCHAIN_VARIANT"] = "cross-compile"
            environment["CROSS_COMPILE"] = gcc.removesuffix("gcc")
        return environment

    def configure_command(
        self,
        application: Path,
        board: str,
        build_dir: Path,
        settings: Mapping[str, str],
        python: str,
    ) -> list[str]:
        """The command that configures an application; with west where there is a workspace."""
        definitions = {
            # The older releases' name, and the newer ones'.
            "PYTHON_PREFER": python,
            "Python3_EXECUTABLE": python,
            **settings,
        }
        if self.workspace is not None and _imports(python, ["west"]):
            options = [f"-D{name}={value}" for name, value in definitions.items()]
            west = [python, "-m", "west", "-z", str(self.base), "build", "--cmake-only"]
            return [*west, "-b", board, "-d", str(build_dir), str(application), "--", *options]
        if "ZEPHYR_MODULES" not in os.environ:
            hal = self.base.parent / "modules" / "hal"
            modules = [str(hal / name) for name in CMSIS if (hal / name).is_dir()]
            # The older releases look for no module of ours where they are given none.
            modules.append(str(application.parent))
            definitions["ZEPHYR_MODULES"] = ";".join(modules)
        options = [f"-D{name}={value}" for name, value in definitions.items()]
        cmake = ["cmake", "-GNinja", "-B", str(build_dir), "-S", str(application)]
        return [*cmake, f"-DBOARD={board}", *options]

    def configure(
        self, application: Path, board: str, build_dir: Path, settings: Mapping[str, str]
    ) -> None:
        """Configures an application into `build_dir`.

        Raises:
            BoardError: Python packages are missing, or Zephyr refuses.
        """
        python = build_python()
        self._call(self.configure_command(application, board, build_dir, settings, python))

    def build(self, build_dir: Path) -> Path:
        """Builds what was configured, and gives the program.

        Raises:
            BoardError: it doesn't compile or link.
        """
        self._call(["cmake", "--build", str(build_dir)])
        return build_dir / "zephyr" / "zephyr.elf"

    def _call(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.workspace or self.base,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            problem = build_error(done.stdout + done.stderr)
            raise BoardError(f"cannot build with Zephyr {self.version_text}: {problem}")


def missing_tree() -> str | None:
    """One line that says what is wrong with ZEPHYR_BASE, or None."""
    named = os.environ.get("ZEPHYR_BASE", "")
    how = f"get Zephyr as {GETTING_STARTED} says, and set ZEPHYR_BASE to its folder zephyr"
    if not named:
        return f"ZEPHYR_BASE is not set; {how}"
    if not (Path(named) / "VERSION").is_file() or not (Path(named) / "boards").is_dir():
        return f"ZEPHYR_BASE is '{named}', which holds no Zephyr tree; {how}"
    return None


PACKAGES = {"elftools": "pyelftools", "yaml": "PyYAML", "packaging": "packaging"}
"""What Zephyr's scripts import, and the packages."""
SCHEMAS = ("pykwalify", "jsonschema")
"""The older releases check YAML with the first, the newest with the second."""


def build_python() -> str:
    """The Python that runs Zephyr's scripts: this one, or the PATH's.

    Raises:
        BoardError: none has the packages that they import.
    """
    found = [sys.executable, shutil.which("python3"), shutil.which("python")]
    for python in dict.fromkeys(filter(None, found)):
        if any(_imports(python, [*PACKAGES, schema]) for schema in SCHEMAS):
            return python
    raise BoardError(
        f"Zephyr's build needs the Python packages {', '.join(PACKAGES.values())} and pykwalify; "
        "install with: pip install 'tinyengine-tvm[zephyr]'"
    )


def _imports(python: str, modules: Sequence[str]) -> bool:
    command = [python, "-c", "import " + ", ".join(modules)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build_error(text: str) -> str:
    """One line for what CMake, Kconfig, a compiler or the linker ended with."""
    warnings = re.findall(r"warning: (.+?)\n\n.*?Aborting due to Kconfig warnings", text, re.S)
    if warnings:
        return " ".join(warnings[0].split())[:300]
    cmake = re.search(r"^CMake Error[^\n]*\n+(.*?)\n\s*\n", text, re.M | re.S)
    if cmake and "command failed with return code" not in cmake[1]:
        return " ".join(cmake[1].split())[:300]
    return first_error(text)[:300]
