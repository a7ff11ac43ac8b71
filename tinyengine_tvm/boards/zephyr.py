# SPDX-License-Identifier: Apache-2.0
"""Zephyr on boards that QEMU emulates, built from the tree that ZEPHYR_BASE names."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BoardError
from ..paths import runtime_c
from ..targets import Target
from .artifact import CompiledModel
from .base import Program
from .qemu import QemuBoard
from .tools import ARM_GCC, QEMU
from .zephyr_tree import ZephyrTree, missing_tree

PREFIX = "zephyr:"


@dataclass(frozen=True)
class Machine:
    """What Zephyr and QEMU call a board, and what it is.

    names: of newer releases of Zephyr first. core: what its processor is. memories: the linker
    script of the bare-metal board with the same memories, for the sizes of a model alone.
    ram_limit: the address where the RAM ends that Zephyr uses.
    """

    name: str
    names: tuple[str, ...]
    qemu: str
    core: str
    memories: str
    description: str
    targets: tuple[str, ...]
    ram_limit: int
    settings: tuple[tuple[str, str], ...] = ()


class ZephyrBoard(QemuBoard):
    """A machine of qemu-system-arm that runs Zephyr; networks run in a thread of their own."""

    batch_entry = "te_measure"
    has_clock = True

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            PREFIX + machine.name,
            machine.core,
            machine.memories,
            f"Zephyr on {machine.description}",
            machine.targets,
        )
        self.tools = (ARM_GCC, "nano.specs", QEMU, "cmake", "ninja", "dtc")
        self.machine = machine.qemu
        self.own_target = machine.targets[-1]
        self.names = machine.names
        self.ram_limit = machine.ram_limit
        self.settings = dict(machine.settings)
        self._measuring: dict[tuple[Path, str], Path] = {}

    def needs(self) -> str | None:
        return missing_tree()

    def gcc_flags(self, target: Target) -> tuple[str, ...]:
        # These boards of Zephyr leave the floating-point unit off.
        kept = [f for f in target.gcc_flags if not f.startswith(("-mfloat-abi", "-mfpu"))]
        return (*kept, "-mfloat-abi=soft")

    def _build(
        self,
        model: CompiledModel,
        build_dir: Path,
        profile: bool,
        sanitize: bool,
        cflags: tuple[str, ...],
    ) -> Program:
        tree = ZephyrTree.find()
        settings = {
            "TINYENGINE_MODEL": str(model.directory),
            "TINYENGINE_PROFILE": "ON" if profile else "OFF",
            "TINYENGINE_CFLAGS": ";".join(cflags),
            **self.settings,
        }
        folder = build_dir / "zephyr"
        tree.configure(runtime_c() / "zephyr" / "app", tree.board(self.names), folder, settings)
        path = tree.build(folder)
        objects = tuple(folder.glob("CMakeFiles/app.dir/**/model.c.obj"))
        if len(objects) != 1:
            raise BoardError(f"{self.name}: Zephyr's build left no object of model.c")
        return Program(path, model, objects, profile)

    def link_batch(self, target: Target, objects: Sequence[Path], path: Path) -> None:
        tree = ZephyrTree.find()
        folder = self._measuring.get((tree.base, target.name))
        if folder is None:
            # Configured once in a process: that takes longer than a batch.
            folder = Path(tempfile.mkdtemp(prefix="tinyengine-zephyr-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        copies = [folder / f"candidates_{place.name}" for place in objects]
        for place, copy in zip(objects, copies, strict=True):
            shutil.copyfile(place, copy)
        if (tree.base, target.name) not in self._measuring:
            settings = {
                "TINYENGINE_OBJECTS": ";".join(map(str, copies)),
                "TINYENGINE_RAM_LIMIT": f"{self.ram_limit:#x}",
                **self.settings,
            }
            application = runtime_c() / "zephyr" / "measure"
            tree.configure(application, tree.board(self.names), folder / "build", settings)
            self._measuring[tree.base, target.name] = folder
        shutil.copyfile(tree.build(folder / "build"), path)


_V7M = ("cortex-m0plus", "cortex-m3")
_SMALL = (
    ("CONFIG_TINYENGINE_STACK_SIZE", "4096"),
    ("CONFIG_TINYENGINE_STACK_MARGIN", "2048"),
)

ZEPHYR_BOARDS = tuple(
    ZephyrBoard(machine)
    for machine in (
        Machine(
            "qemu_cortex_m3",
            ("qemu_cortex_m3",),
            "lm3s6965evb",
            "cortex-m3",
            "mps2.ld",
            "QEMU, Cortex-M3, 64 KiB of RAM",
            _V7M,
            0x20010000,
            _SMALL,
        ),
        Machine(
            "mps2_an385",
            ("mps2/an385", "mps2_an385"),
            "mps2-an385",
            "cortex-m3",
            "mps2.ld",
            "QEMU, Cortex-M3",
            _V7M,
            0x20400000,
        ),
        Machine(
            "mps2_an386",
            ("mps2/an386", "mps2_an386"),
            "mps2-an386",
            "cortex-m4",
            "mps2.ld",
            "QEMU, Cortex-M4",
            (*_V7M, "cortex-m4"),
            0x20400000,
        ),
        Machine(
            "mps2_an500",
            ("mps2/an500", "mps2_an500"),
            "mps2-an500",
            "cortex-m7",
            "mps2.ld",
            "QEMU, Cortex-M7",
            (*_V7M, "cortex-m4", "cortex-m7"),
            0x20400000,
        ),
        Machine(
            "mps2_an521",
            ("mps2/an521/cpu0", "mps2_an521"),
            "mps2-an521",
            "cortex-m33",
            "mps2-an505.ld",
            "QEMU, Cortex-M33 without DSP extension and FPU",
            (*_V7M, "cortex-m33-nodsp"),
            0x38400000,
        ),
        Machine(
            "mps3_an547",
            ("mps3/corstone300/an547", "mps3/an547", "mps3_an547"),
            "mps3-an547",
            "cortex-m55",
            "mps3-an547.ld",
            "QEMU, Cortex-M55",
            ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33"),
            0x30080000,
        ),
    )
)


def zephyr_board(name: str) -> ZephyrBoard | None:
    """The board of a name such as "zephyr:mps2_an521" or, as Zephyr has it, "mps2/an521/cpu0"."""
    for board in ZEPHYR_BOARDS:
        if name == board.name or name.removeprefix(PREFIX) in board.names:
            return board
    return None
