# SPDX-License-Identifier: Apache-2.0
"""What every board can do: build, run and profile a compiled model."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BoardError
from .artifact import CompiledModel, Port
from .samples import check_inputs
from .tools import install_command, missing_tools, require_tools

if TYPE_CHECKING:
    from ..profile.result import Profile

OPTIMISE = ("-O2", "-std=c11", "-ffunction-sections", "-fdata-sections")
WARN = ("-Wall", "-Wextra")


@dataclass(frozen=True)
class Program:
    """A model built for a board. `objects` are the model's own, without the harness."""

    path: Path
    model: CompiledModel
    objects: tuple[Path, ...]
    profiling: bool = False


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    outputs: by the output's name in the model, [samples, *shape].
    stack_bytes: the deepest stack of one inference, measured by painting; None on the host.
    """

    outputs: dict[str, np.ndarray]
    samples: int
    stack_bytes: int | None = None


class Board(ABC):
    """A machine that programs run on."""

    def __init__(
        self, name: str, description: str, targets: Sequence[str], tools: Sequence[str]
    ) -> None:
        self.name = name
        self.description = description
        self.targets = tuple(targets)
        """Names of the targets whose code this board executes."""
        self.own_target = self.targets[0]
        """The target to compile for where none is named."""
        self.tools = tuple(tools)

    def missing(self) -> list[tuple[str, str]]:
        """(tool, Debian package) for each tool that this machine lacks."""
        return missing_tools(self.tools)

    def describe(self) -> str:
        """One line: what the board is, and how to get what it lacks here."""
        missing, needs = self.missing(), self.needs()
        state = f"; to use it: {install_command(missing)}" if missing else ""
        state += f"; {needs}" if needs else ""
        return f"{self.name}: {self.description}{state}"

    def needs(self) -> str | None:
        """One line for what this machine lacks beside tools, and how to get it."""
        return None

    def require(self) -> None:
        """Raises BoardError, with how to get it, where this machine lacks something."""
        needs = self.needs()
        if needs:
            raise BoardError(f"{self.name}: {needs}")
        require_tools(self.tools, self.name)

    def require_target(self, target: str) -> None:
        """Raises BoardError where the board doesn't execute code for the target of this name."""
        if target not in self.targets:
            runs = ", ".join(self.targets)
            raise BoardError(f"{self.name} cannot run code for {target}; it runs {runs}")

    def build(
        self,
        directory: Path,
        build_dir: Path,
        *,
        profile: bool = False,
        sanitize: bool = False,
        cflags: Sequence[str] = (),
    ) -> Program:
        """Builds the compiled model of `directory` with the board's harness into `build_dir`.

        `profile` notes where layers begin; `sanitize` (host only) adds AddressSanitizer and UBSan;
        `cflags` go to the compilation of model.c.

        Raises:
            BoardError: a tool is missing, the model is for another core, or it doesn't compile.
        """
        model = CompiledModel.load(directory)
        self.require_target(model.target.name)
        self.require()
        if sanitize and not self.can_sanitize:
            raise BoardError(f"{self.name} has no sanitizers; use the host board")
        build_dir = Path(build_dir).resolve()
        build_dir.mkdir(parents=True, exist_ok=True)
        (build_dir / "harness_model.h").write_text(harness_header(model), encoding="utf-8")
        return self._build(model, build_dir, profile, sanitize, tuple(cflags))

    def run(
        self,
        directory: Path,
        inputs: Mapping[str, np.ndarray],
        *,
        build_dir: Path | None = None,
        sanitize: bool = False,
        timeout_s: float | None = None,
    ) -> RunResult:
        """Builds and runs every sample of `inputs`, [samples, *shape] by name or C field.

        Raises:
            BoardError: as `build` and `execute`.
        """
        model = CompiledModel.load(directory)
        check_inputs(model, inputs)
        with scratch_folder(build_dir) as folder:
            program = self.build(directory, folder, sanitize=sanitize)
            return self.execute(program, inputs, timeout_s=timeout_s)

    def profile(
        self,
        directory: Path,
        inputs: Mapping[str, np.ndarray] | None = None,
        *,
        build_dir: Path | None = None,
    ) -> Profile:
        """Counts the instructions of the first sample's inference, and measures SRAM and flash.

        Without `inputs`, a sample of reproducible noise.

        Raises:
            BoardError: as `build` and `execute`, or the board cannot count.
        """
        # profile stands after boards in the way of the data; this method is a convenience.
        from ..profile import profile_model

        return profile_model(self, directory, inputs, build_dir=build_dir)

    can_sanitize = False
    can_count = False
    """Whether instructions can be counted on it."""

    @abstractmethod
    def _build(
        self,
        model: CompiledModel,
        build_dir: Path,
        profile: bool,
        sanitize: bool,
        cflags: tuple[str, ...],
    ) -> Program: ...

    @abstractmethod
    def execute(
        self,
        program: Program,
        inputs: Mapping[str, np.ndarray],
        *,
        timeout_s: float | None = None,
    ) -> RunResult:
        """Runs a built program over every sample, in one boot.

        Raises:
            BoardError: inputs don't fit, or the program faulted, hung or ended early.
        """


def harness_header(model: CompiledModel) -> str:
    """harness_model.h: the names that runtime_c/boards/main.c needs of one model."""
    name = model.name

    def fields(macro: str, ports: Sequence[Port]) -> str:
        entries = " ".join(f"X({p.field}, {p.bytes})" for p in ports)
        return f"#define {macro}(X) {entries}".rstrip() + "\n"

    def streams(model: CompiledModel) -> str:
        entries = [f"X({p.field}, {p.bytes}, {p.row_bytes})" for p in model.inputs if p.row_bytes]
        # main.c has nothing to stream where there is no such macro.
        return f"#define FOR_EACH_STREAM(X) {' '.join(entries)}\n" if entries else ""

    return (
        "#ifndef HARNESS_MODEL_H\n#define HARNESS_MODEL_H\n\n"
        '#include "model.h"\n\n'
        "#ifndef MODEL_RUN\n"
        f"#define MODEL_RUN {model.run_function}\n"
        "#endif\n"
        f"#define MODEL_INPUTS struct tvmgen_{name}_inputs\n"
        f"#define MODEL_OUTPUTS struct tvmgen_{name}_outputs\n"
        f"#define MODEL_MAP_INPUTS tvmgen_{name}_map_inputs\n"
        f"#define MODEL_MAP_OUTPUTS tvmgen_{name}_map_outputs\n"
        + fields("FOR_EACH_INPUT", [p for p in model.inputs if not p.row_bytes])
        + streams(model)
        + fields("FOR_EACH_OUTPUT", model.outputs)
        + "\n#endif\n"
    )


@contextmanager
def scratch_folder(build_dir: Path | None) -> Iterator[Path]:
    """`build_dir`, or a temporary folder that goes at the end of the with statement."""
    if build_dir is not None:
        yield Path(build_dir)
    else:
        with tempfile.TemporaryDirectory(prefix="tinyengine-") as folder:
            yield Path(folder)
