# SPDX-License-Identifier: Apache-2.0
"""The counting plugin for QEMU: built on first use, calibrated, and kept in the user's cache."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..boards.base import Program
from ..boards.elf import Image
from ..boards.qemu import QemuBoard
from ..boards.samples import example_inputs
from ..boards.tools import HOST_GCC, QEMU, compile_or_raise, missing_tools
from ..errors import BoardError
from ..native import SHARED, library
from ..paths import runtime_c
from .counts import Counts, read_counts


class PluginUnavailable(BoardError):
    """QEMU takes no plugin here; counting falls back to the instruction clock."""


@dataclass(frozen=True)
class Plugin:
    """A calibrated plugin."""

    path: Path

    def count(
        self,
        board: QemuBoard,
        program: Program,
        inputs: Mapping[str, np.ndarray],
        work: Path,
    ) -> Counts:
        """Counts the first sample's inference, by layer if `program` is a profiling build and as
        one layer if not. `work` is a folder for the plugin's files.

        Raises:
            BoardError: as `QemuBoard.emulate`, or what was counted isn't complete.
        """
        image = Image(program.path)
        layers = len(program.model.layers) if program.profiling else 1
        marks = image.layer_marks if program.profiling else [(0, 0)]
        numbers = {number for number, _ in marks}
        absent = [str(n) for n in range(layers) if n not in numbers]
        if absent:
            raise BoardError(
                f"model.c has no TINYENGINE_LAYER mark for layer {', '.join(absent[:5])}; "
                "compile the model again"
            )
        plan, out = work.resolve() / "plan.txt", work.resolve() / "counts.txt"
        out.unlink(missing_ok=True)
        lines = [
            "code {:x} {:x}".format(*image.code_range),
            f"entry {image.address(program.model.run_function):x}",
            f"return {image.address('te_model_returned'):x}",
            f"layers {layers}",
            *(f"layer {number} {address:x}" for number, address in marks),
            f"out {out}",
        ]
        plan.write_text("\n".join(lines) + "\n", encoding="utf-8")
        option = f"{_escaped(self.path)},plan={_escaped(plan)}"
        done = board.emulate(program, inputs, options=["-plugin", option])
        if not out.is_file():
            raise BoardError(f"{board.name}: the counting plugin wrote nothing: {done.console}")
        return read_counts(out.read_text(encoding="utf-8"), layers, done.stack_bytes)


def _escaped(path: Path) -> str:
    # A comma separates QEMU's options; doubled it is one.
    return str(path).replace(",", ",,")


def plugin_for(board: QemuBoard) -> Plugin:
    """The plugin for this machine's QEMU, from the cache or newly built and calibrated.

    Raises:
        PluginUnavailable: there is no host compiler, or QEMU doesn't take it.
        BoardError: it counts a loop of known length wrongly.
    """
    folder = runtime_c() / "profile"
    sources = [folder / "count.c", folder / "qemu_plugin_api.h"]

    def build(built: Path) -> None:
        if missing_tools([HOST_GCC]):
            raise PluginUnavailable(f"the counting plugin needs {HOST_GCC} to be built")
        compile_or_raise(
            [HOST_GCC, *SHARED, str(sources[0]), "-o", str(built)], "the counting plugin"
        )
        _calibrate(Plugin(built), board, built.parent)

    return Plugin(library("count", sources, qemu_version(), build))


def _calibrate(plugin: Plugin, board: QemuBoard, work: Path) -> None:
    program = board.build(runtime_c() / "profile" / "calibration", work, profile=True)
    _require_plugins(plugin, board, program.path)
    counts = plugin.count(board, program, example_inputs(program.model), work)
    got = [(layer.instructions, layer.loads, layer.stores) for layer in counts.layers]
    taken = [sum(layer.addresses.taken.values()) for layer in counts.layers]
    # runtime_c/profile/calibration/model.c: 4000 rounds of 2, nothing, 100 rounds of 5.
    expected = [(2 + 4000 * 2, 0, 0), (0, 0, 0), (4 + 100 * 5, 1 + 100 * 2, 100)]
    # A loop is left once without a branch; the last layer ends in a return.
    if got != expected or taken != [3999, 0, 99 + 1]:
        raise BoardError(
            f"the counting plugin counts wrongly with {qemu_version()}: {got} instead of "
            f"{expected}; please report it"
        )


def _require_plugins(plugin: Plugin, board: QemuBoard, program: Path) -> None:
    """Raises PluginUnavailable where QEMU refuses it, with the reason that QEMU gives."""
    # An empty plan is refused by the plugin itself: reaching that proves that QEMU loads it.
    done = subprocess.run(
        board.command(program, ["-plugin", f"{_escaped(plugin.path)},plan="]),
        cwd=program.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    said = done.stderr + done.stdout
    if "tinyengine plugin: no valid plan" in said:
        return
    reason = next((line.strip() for line in said.splitlines() if "plugin" in line), "no reason")
    raise PluginUnavailable(f"{qemu_version()} takes no counting plugin ({reason[:200]})")


def qemu_version() -> str:
    """The first line of `qemu-system-arm --version`."""
    done = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip()
