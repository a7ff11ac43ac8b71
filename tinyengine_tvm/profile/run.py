# SPDX-License-Identifier: Apache-2.0
"""Profiling a compiled model on a board."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..boards.artifact import CompiledModel
from ..boards.base import Board, Program, scratch_folder
from ..boards.elf import Image
from ..boards.qemu import TIMER_LOOP_INSTRUCTIONS, QemuBoard
from ..boards.samples import check_inputs, example_inputs
from ..boards.tools import require_tools
from ..errors import BoardError
from .counts import Counts
from .footprint import measure_footprint
from .plugin import PluginUnavailable, plugin_for
from .result import Flash, LayerProfile, Profile, Sram


def profile_model(
    board: Board,
    directory: Path,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    build_dir: Path | None = None,
) -> Profile:
    """Profiles the first sample's inference; without `inputs`, one of reproducible noise.

    Sizes and stack are those of the build that users get; instructions are counted in a second
    build, whose layer marks add no instruction.

    Raises:
        BoardError: as `Board.build` and `Board.execute`, or the board cannot count.
    """
    counting = _counting(board)
    model = CompiledModel.load(directory)
    sample = _first_sample(model, inputs)
    with scratch_folder(build_dir) as folder:
        program = board.build(directory, folder / "release")
        footprint = measure_footprint(counting, program, folder / "release")
        stack = board.execute(program, sample).stack_bytes
        if stack is None:
            raise BoardError(f"{board.name} measured no stack")
        sram = Sram(footprint.arena, footprint.static, stack)
        try:
            marked, counts = _count(counting, directory, sample, folder / "profile")
        except PluginUnavailable as reason:
            return _by_timer(counting, program, sample, sram, footprint.flash, str(reason))
    return Profile(
        board=board.name,
        target=model.target.name,
        instructions=counts.instructions,
        macs=model.macs,
        loads=counts.loads,
        stores=counts.stores,
        sram=sram,
        flash=footprint.flash,
        layers=tuple(
            LayerProfile(
                facts.name,
                facts.op,
                counted.instructions,
                facts.macs,
                facts.arena_live,
                counted.loads,
                counted.stores,
            )
            for facts, counted in zip(model.layers, counts.layers, strict=True)
        ),
        functions=counts.functions(marked),
        method="plugin",
        addresses=tuple(layer.addresses for layer in counts.layers),
    )


def count_model(
    board: Board,
    directory: Path,
    build_dir: Path,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> tuple[Program, Counts]:
    """Builds the profiling build into `build_dir` and counts the first sample's inference.

    Raises:
        PluginUnavailable: this QEMU takes no plugin.
        BoardError: as `profile_model`.
    """
    counting = _counting(board)
    plugin = plugin_for(counting)
    program = board.build(directory, build_dir, profile=True)
    sample = _first_sample(program.model, inputs)
    return program, plugin.count(counting, program, sample, Path(build_dir).resolve())


def _counting(board: Board) -> QemuBoard:
    if not isinstance(board, QemuBoard):
        raise BoardError(
            f"{board.name} cannot count instructions; profile on a board that QEMU emulates, "
            "such as mps2-an386"
        )
    require_tools(board.tools, board.name)
    return board


def _count(
    board: QemuBoard, directory: Path, sample: Mapping[str, np.ndarray], folder: Path
) -> tuple[Image, Counts]:
    program, counts = count_model(board, directory, folder, sample)
    return Image(program.path), counts


def _first_sample(
    model: CompiledModel, inputs: Mapping[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    if inputs is None:
        return example_inputs(model)
    arrays, _ = check_inputs(model, inputs)
    return {port.field: array[0] for port, array in zip(model.inputs, arrays, strict=True)}


def _by_timer(
    board: QemuBoard,
    program: Program,
    sample: Mapping[str, np.ndarray],
    sram: Sram,
    flash: Flash,
    note: str,
) -> Profile:
    model = program.model
    done = board.emulate(program, sample, options=["-icount", "shift=0"], timed=True)
    ticks = done.said("TICKS")
    if ticks is None or int(ticks["loop"]) == 0:
        raise BoardError(f"{board.name}: {note}, and its timer doesn't run either")
    run = (int(ticks["run_high"]) << 24) + int(ticks["run_low"])
    return Profile(
        board=board.name,
        target=model.target.name,
        instructions=round(run * TIMER_LOOP_INSTRUCTIONS / int(ticks["loop"])),
        macs=model.macs,
        loads=None,
        stores=None,
        sram=sram,
        flash=flash,
        layers=tuple(
            LayerProfile(facts.name, facts.op, None, facts.macs, facts.arena_live)
            for facts in model.layers
        ),
        functions=(),
        method="icount-timer",
        note=note,
    )
