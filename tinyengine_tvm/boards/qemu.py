# SPDX-License-Identifier: Apache-2.0
"""Boards that QEMU emulates."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..paths import runtime_c
from ..targets import Target
from .artifact import CompiledModel
from .base import OPTIMISE, WARN, Board, Program, RunResult, harness_header
from .execution import Execution, execute
from .faults import explain_fault
from .tools import ARM_GCC, QEMU, compile_or_raise

HARNESS = (
    *("main.c", "board.c", "files.c", "semihosting.c"),
    *("start.c", "fault.c", "timer.c", "call.S"),
)
TIMER_LOOP_INSTRUCTIONS = 40_000_000
"""Of runtime_c/boards/timer.h."""
LIBRARIES = ("--specs=nano.specs", "--specs=nosys.specs", "-nostartfiles", "-lm")


class QemuBoard(Board):
    """A machine of qemu-system-arm. `core` is its processor, `memories` its linker script."""

    can_count = True
    batch_entry = "main"
    """The function that runs the tuner's candidates."""
    has_clock = False
    """Whether an operating system tells the time, which counting then confirms."""

    def __init__(
        self, name: str, core: str, memories: str, description: str, targets: Sequence[str]
    ) -> None:
        super().__init__(name, description, targets, (ARM_GCC, "nano.specs", QEMU))
        self.own_target = core
        self.machine = name
        self.core = core
        self.memories = memories

    def _build(
        self,
        model: CompiledModel,
        build_dir: Path,
        profile: bool,
        sanitize: bool,
        cflags: tuple[str, ...],
    ) -> Program:
        model_object = build_dir / "model.o"
        markers = ["-include", str(runtime_c() / "profile" / "layers.h")] if profile else []
        compile_or_raise(
            [
                ARM_GCC,
                *model.target.gcc_flags,
                *OPTIMISE,
                *WARN,
                *markers,
                *cflags,
                "-c",
                str(model.directory / "model.c"),
                "-o",
                str(model_object),
            ],
            "model.c",
        )
        path = build_dir / "program.elf"
        self.link(model.target, [*self.harness_objects(model, build_dir), model_object], path)
        return Program(path, model, (model_object,), profile)

    def harness_objects(self, model: CompiledModel, build_dir: Path) -> list[Path]:
        """Compiles what runs `model` on this board, without the model itself, into `build_dir`.

        Raises:
            BoardError: it doesn't compile.
        """
        header = build_dir / "harness_model.h"
        header.write_text(harness_header(model), encoding="utf-8")
        harness = []
        for name in HARNESS:
            harness.append(build_dir / f"harness_{Path(name).stem}.o")
            compile_or_raise(
                [
                    ARM_GCC,
                    *self._harness_flags(model),
                    f"-I{build_dir}",
                    f"-I{model.directory}",
                    "-c",
                    str(runtime_c() / "boards" / name),
                    "-o",
                    str(harness[-1]),
                ],
                f"the harness ({name})",
            )
        return harness

    def _harness_flags(self, model: CompiledModel) -> list[str]:
        target = model.target
        # One float ABI for the program; the harness itself must not touch the FPU before it is on.
        flags = [f"-mcpu={self.core}", "-mthumb", "-mgeneral-regs-only", *OPTIMISE]
        flags += [f for f in target.gcc_flags if f.startswith("-mfloat-abi")]
        flags += [f"-DMODEL_RUN={model.run_function}", "-fno-tree-loop-distribute-patterns"]
        if target.has("fpu"):
            flags.append("-DTE_FPU")
        if target.name == "cortex-m0plus":
            # The real core faults on every unaligned access.
            flags += ["-DTE_TRAP_UNALIGNED", "-mno-unaligned-access"]
        return flags

    def link(
        self, target: Target, objects: Sequence[Path], path: Path, options: Sequence[str] = ()
    ) -> None:
        """Links `objects` for this board's memories, with the libraries of the target's core.

        Raises:
            BoardError: a symbol is missing, or the program doesn't fit the board.
        """
        boards = runtime_c() / "boards"
        compile_or_raise(
            [
                ARM_GCC,
                *self.gcc_flags(target),
                *map(str, objects),
                *LIBRARIES,
                *options,
                f"-L{boards}",
                "-T",
                str(boards / self.memories),
                "-Wl,--gc-sections",
                "-o",
                str(path),
            ],
            "the program",
        )

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        """How gcc is told of a target's core on this board."""
        return target.gcc_flags

    def link_batch(self, target: Target, objects: Sequence[Path], path: Path) -> None:
        """Links `objects`, which define `batch_entry`, as a program that starts there.

        Raises:
            BoardError: it doesn't compile or link.
        """
        self.link(target, [*objects, *_runtime(self.core, target)], path)

    def command(self, program: Path, options: Sequence[str] = ()) -> list[str]:
        """The QEMU command line that runs `program`."""
        return [
            QEMU,
            *("-M", self.machine, "-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            *options,
            *("-kernel", str(program)),
        ]

    def emulate(
        self,
        program: Program,
        inputs: Mapping[str, np.ndarray],
        *,
        options: Sequence[str] = (),
        timed: bool = False,
        timeout_s: float | None = None,
    ) -> Execution:
        """Runs a built program under QEMU with extra command line `options`.

        Raises:
            BoardError: inputs don't fit, or the program faulted, hung or ended early.
        """
        return execute(
            self.name,
            self.command(program.path, options),
            program.model,
            inputs,
            timeout_s=timeout_s,
            timed=timed,
            explain=lambda returncode, console: explain_fault(console, program.path),
        )

    def execute(
        self,
        program: Program,
        inputs: Mapping[str, np.ndarray],
        *,
        timeout_s: float | None = None,
    ) -> RunResult:
        done = self.emulate(program, inputs, timeout_s=timeout_s)
        return RunResult(done.outputs, done.samples, done.stack_bytes)


@functools.cache
def _runtime(core: str, target: Target) -> tuple[Path, ...]:
    """The start-up code of a program of the tuner's candidates."""
    folder = Path(_runtime_folder().name)
    flags = [f"-mcpu={core}", "-mthumb", "-mgeneral-regs-only", *OPTIMISE]
    flags += [f for f in target.gcc_flags if f.startswith("-mfloat-abi")]
    flags += ["-DTE_FPU"] if target.has("fpu") else []
    flags += ["-fno-tree-loop-distribute-patterns"]
    objects = []
    for name in ("start.c", "fault.c", "semihosting.c", "timer.c"):
        objects.append(folder / f"{target.name}_{core}_{Path(name).stem}.o")
        source = str(runtime_c() / "boards" / name)
        compile_or_raise([ARM_GCC, *flags, "-c", source, "-o", str(objects[-1])], name)
    return tuple(objects)


@functools.cache
def _runtime_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyengine-tune-runtime-")
