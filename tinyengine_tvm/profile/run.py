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
from ..errors import BoardError
from .counts import Counts
from .cycles import count_cycles
from .footprint import Footprint, measure_footprint
from .plugin import PluginUnavailable, plugin_for
from .result import LayerProfile, Profile, Sram

CLOCK_SLACK, CLOCK_SHARE = 2000, 0.001
"""By how many instructions, and by which share of them, an operating system's clock may differ from
the count: by its interrupts, the call, and a tick."""


def profile_model(
    board: Board,
    directory: Path,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    build_dir: Path | None = None,
) -> Profile:
    """Profiles the first sample's inference; without `inputs`, one of reproducible noise.

    Sizes and stack are those of the plain build, which users get; instructions by layer are counted
    in a second one with layer marks.

    Raises:
        BoardError: as `Board.build` and `Board.execute`, or the board cannot count.
    """
    model = CompiledModel.load(directory)
    board.require_target(model.target.name)
    counting = _counting(board)
    sample = _first_sample(model, inputs)
    with scratch_folder(build_dir) as folder:
        plain = board.build(directory, folder / "plain")
        footprint = measure_footprint(counting, plain, folder / "plain")
        try:
            plugin = plugin_for(counting)
        except PluginUnavailable as reason:
            return _by_timer(counting, plain, sample, footprint, str(reason))
        unmarked = plugin.count(counting, plain, sample, folder)
        clock = _by_clock(counting, plain, sample, unmarked) if counting.has_clock else None
        marked, counts = count_model(board, directory, folder / "marked", sample)
        functions = counts.functions(Image(marked.path))
        addresses = tuple(layer.addresses for layer in counts.layers)
        cycles = count_cycles(counting.core, marked.path, addresses)
    layer_cycles: list[int | None] = [sum(layer.values()) for layer in cycles.layers]
    if not cycles.known:
        layer_cycles = [None] * len(counts.layers)
    return Profile(
        board=board.name,
        target=model.target.name,
        instructions=counts.instructions,
        unmarked_instructions=unmarked.instructions,
        macs=model.macs,
        loads=counts.loads,
        stores=counts.stores,
        sram=Sram(footprint.arena, footprint.static, unmarked.stack_bytes),
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
                spent,
                footprint.functions.get(facts.function),
            )
            for facts, counted, spent in zip(model.layers, counts.layers, layer_cycles, strict=True)
        ),
        functions=functions,
        method="plugin",
        addresses=addresses,
        cycles=cycles.total,
        cycles_note=cycles.note,
        note=clock and clock[1],
        clock_instructions=clock and clock[0],
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
    board.require()
    return board


def _first_sample(
    model: CompiledModel, inputs: Mapping[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    if inputs is None:
        return example_inputs(model)
    arrays, _ = check_inputs(model, inputs)
    return {port.field: array[0] for port, array in zip(model.inputs, arrays, strict=True)}


def _timed(
    board: QemuBoard, program: Program, sample: Mapping[str, np.ndarray]
) -> tuple[int, float] | None:
    """Instructions of the first sample's inference by the board's clock, and those of a tick."""
    done = board.emulate(program, sample, options=["-icount", "shift=0"], timed=True)
    ticks = done.said("TICKS")
    if ticks is None or int(ticks["loop"]) == 0:
        return None
    run = (int(ticks["run_high"]) << 24) + int(ticks["run_low"])
    tick = TIMER_LOOP_INSTRUCTIONS / int(ticks["loop"])
    return round(run * tick), tick


def _by_clock(
    board: QemuBoard, program: Program, sample: Mapping[str, np.ndarray], counted: Counts
) -> tuple[int, str]:
    """What the operating system's clock says of an inference, in instructions and in words.

    Raises:
        BoardError: it doesn't agree with what was counted.
    """
    timed = _timed(board, program, sample)
    if timed is None:
        raise BoardError(f"{board.name}: its clock doesn't run")
    instructions, tick = timed
    apart = instructions - counted.instructions
    if abs(apart) > CLOCK_SLACK + counted.instructions * CLOCK_SHARE:
        raise BoardError(
            f"{board.name}: the board's clock measured {instructions:,} instructions where "
            f"{counted.instructions:,} were counted"
        )
    return instructions, (
        f"the board's own clock measured {instructions:,} instructions, {abs(apart):,} "
        f"{'more' if apart >= 0 else 'fewer'} than were counted (a tick is {tick:.0f})"
    )


def _by_timer(
    board: QemuBoard,
    program: Program,
    sample: Mapping[str, np.ndarray],
    footprint: Footprint,
    note: str,
) -> Profile:
    model = program.model
    stack = board.emulate(program, sample).stack_bytes
    timed = _timed(board, program, sample)
    if timed is None:
        raise BoardError(f"{board.name}: {note}, and its timer doesn't run either")
    instructions, _ = timed
    return Profile(
        board=board.name,
        target=model.target.name,
        instructions=instructions,
        unmarked_instructions=instructions,
        macs=model.macs,
        loads=None,
        stores=None,
        sram=Sram(footprint.arena, footprint.static, stack),
        flash=footprint.flash,
        layers=tuple(
            LayerProfile(facts.name, facts.op, None, facts.macs, facts.arena_live)
            for facts in model.layers
        ),
        functions=(),
        method="icount-timer",
        note=note,
        cycles_note="no cycles: they are estimated from counts per address, which need the plugin",
    )
