# SPDX-License-Identifier: Apache-2.0
"""The Python interface: compile a model or a network, or see what less SRAM costs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .artifact import Artifact
from .errors import TinyEngineError
from .origin import described, digest
from .targets import get_target
from .version import __version__

if TYPE_CHECKING:
    from .kernels.registry import Chooser
    from .network import Network
    from .report import Point
    from .targets import Target
    from .tune import Records

Optimise = Literal["speed", "size", "sram"]
MAC_FACTOR = 1.15
FLASH_ATTEMPTS = 8
"""How often a choice is linked whose bytes are estimated too low."""


def compile_model(
    model: Any,
    *,
    target: str = "cortex-m4",
    name: str = "net",
    interface: Literal["keep", "int8"] = "keep",
    disabled_rewrites: Iterable[str] = (),
    optimise: Optimise = "speed",
    sram: int | None = None,
    flash: int | None = None,
    mac_factor: float = MAC_FACTOR,
    stream_input: bool = False,
    dialect: str | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    records: str | os.PathLike[str] | None = None,
    check: bool = False,
    allow_slow: bool = False,
) -> Artifact:
    """Compiles a quantised model to C.

    `model`: the path of a .tflite or .onnx (QDQ) file, or a TVM IRModule of such a network.
    `name`: a C identifier that ends up in file and function names.
    `interface`: "keep" leaves inputs and outputs as the model has them; "int8" drops the
    quantisation of float inputs and outputs, so that the caller exchanges stored values.
    `disabled_rewrites`: names of graph rewrites to leave out.
    `optimise`: "speed" takes the kernels with the fewest instructions, "size" those with the least
    code at a modest price in instructions, "sram" looks for the smallest arena.
    `sram`, `flash`: bytes that the network may take. Layers are computed together, a few rows at a
    time, where that is needed to fit; in any case outputs are the same.
    `mac_factor`: the most multiply-accumulates, relative to the network's, spent on that.
    `stream_input`: the run asks for the input a few rows at a time, through a callback.
    `dialect`: "relax" or "relay", TVM's graph dialect to import a file through; the C is the same.
    By default that of the TVM that is installed.
    `input_shapes`: shapes by name of inputs that have none, or not every size, in the file.
    `records`: a file of `tinyengine tune`, or "shipped" for those that come with the project.
    Layers take configurations that were measured for them, or else the default, so that the
    network is fastest within `sram` (or else the arena that the defaults take) and `flash`;
    `report["chosen"]` says how close to the best that is.
    `check`: the code checks its arena around every layer, and returns a negative number (-1 for the
    first layer) where one has written what it had no business with: for tests, it is slow.
    `allow_slow`: convolutions and dense layers that no kernel takes are computed by TVM's plain
    loops, as all other such operators are anyway (docs/fallback.md).

    Raises:
        BudgetError: the network doesn't fit; the message says what is missing, and what would help.
        TinyEngineError: the model, or an argument, isn't usable; the message says why.
    """
    # TVM takes seconds to import, and only this function needs it.
    from .importers import import_network

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise TinyEngineError(
            f"name '{name}' is no C identifier in lower case; use letters, digits and underscores"
        )
    get_target(target)
    network = import_network(
        model,
        name=name,
        interface=interface,
        dialect=dialect,
        input_shapes=input_shapes,
        allow_slow=allow_slow,
    )
    return compile_network(
        network,
        target=target,
        name=name,
        disabled_rewrites=disabled_rewrites,
        optimise=optimise,
        sram=sram,
        flash=flash,
        mac_factor=mac_factor,
        stream_input=stream_input,
        records=records,
        check=check,
        model_sha256=digest(model),
        origin=described(model, interface, input_shapes, allow_slow),
    )


def compile_network(
    network: Network,
    *,
    target: str = "cortex-m4",
    name: str = "net",
    disabled_rewrites: Iterable[str] = (),
    optimise: Optimise = "speed",
    sram: int | None = None,
    flash: int | None = None,
    mac_factor: float = MAC_FACTOR,
    stream_input: bool = False,
    records: str | os.PathLike[str] | None = None,
    check: bool = False,
    model_sha256: str = "",
    origin: Mapping[str, Any] | None = None,
) -> Artifact:
    """Compiles a Network; `compile_model` without the import.

    `origin`: how the network was imported, which the report tells together with the options.
    """
    from . import rewrites
    from .budget import check_flash
    from .emit import emit
    from .tiling import Goal

    core = get_target(target)
    goal = Goal(sram, optimise == "sram", mac_factor, stream_input)
    if flash is not None and flash <= 0:
        raise TinyEngineError(f"a flash budget of {flash} bytes; give a positive number")
    disabled = frozenset(disabled_rewrites)
    unknown = sorted(disabled - set(rewrites.REWRITES))
    if unknown:
        raise TinyEngineError(
            f"unknown rewrite '{unknown[0]}'; there are: {', '.join(rewrites.REWRITES)}"
        )
    known = None
    if records is not None:
        from .tune import Records, shipped

        if optimise == "size":
            raise TinyEngineError("records are for speed; leave out either them or optimise size")
        name_only = str(records) == shipped.NAME
        known = shipped.shipped_records(target) if name_only else Records.load(Path(records))
    network = rewrites.apply(network, disabled)
    applied = [r for r in rewrites.REWRITES if r not in disabled]
    # Everything that the same command needs again; paths stay out, for they differ by machine.
    options: dict[str, Any] = {
        **(origin or {}),
        "optimise": optimise,
        "sram": sram,
        "flash": flash,
        "mac_factor": mac_factor,
        "stream_input": stream_input,
        "records": None if records is None else Path(records).name,
        "disabled_rewrites": sorted(disabled),
    }

    def compiled(
        objective: Literal["speed", "size"],
        chooser: Chooser | None = None,
        chosen: dict[str, Any] | None = None,
    ) -> Artifact:
        files, facts, report = emit(
            network,
            core,
            name=name,
            version=__version__,
            rewrites=applied,
            objective=objective,
            goal=goal,
            chooser=chooser,
            fixed=chosen is not None,
            chosen=chosen,
            check=check,
            model_sha256=model_sha256,
            options=options,
        )
        return Artifact(files, facts, report)

    artifact: Artifact | None = None
    if known is not None and not (stream_input or goal.smallest):
        artifact = _within(known, network, core, sram, flash, compiled)
    if artifact is None:
        from .tune import RecordChooser

        chooser = None if known is None else RecordChooser(known)
        artifact = compiled("size" if optimise == "size" else "speed", chooser)
    if flash is not None:
        check_flash(artifact, flash, None if optimise == "size" else lambda: compiled("size"))
    return artifact


def _within(
    records: Records,
    network: Network,
    target: Target,
    sram: int | None,
    flash: int | None,
    compiled: Callable[..., Artifact],
) -> Artifact | None:
    """The fastest choice of records within both budgets, or None where none was found to fit."""
    from .budget import flash_bytes
    from .kernels.registry import select_kernels
    from .memory.choice import schedule_selected
    from .tune import Budgets

    scheduled = schedule_selected(network, lambda n: select_kernels(n, target))
    budgets = Budgets(records, scheduled, target, sram)
    limit = float("inf")
    for _ in range(FLASH_ATTEMPTS):
        choice = budgets.choose(limit)
        if choice is None or not choice.layers:
            return None
        artifact = compiled("speed", choice, choice.described())
        if flash is None:
            return artifact
        constants, code = flash_bytes(artifact)
        # Without a compiler for the target the measured sizes have to do.
        over = constants + code - flash if code is not None else choice.size - flash
        if over <= 0:
            return artifact
        limit = choice.size - over
    return None


def pareto_curve(
    model: Any,
    *,
    target: str = "cortex-m4",
    interface: Literal["keep", "int8"] = "keep",
    disabled_rewrites: Iterable[str] = (),
    board: str | None = None,
) -> list[Point]:
    """Plans of a model none of which another one beats in both SRAM and cost, the largest first.

    `model`: as in `compile_model`, or a Network. First come those that hold the whole input, then
    those that have it streamed, where that can be done. `board`: counts the instructions of each.

    Raises:
        TinyEngineError: as `compile_model`, or the board can't count.
    """
    from . import rewrites
    from .kernels.registry import select_kernels
    from .memory.choice import schedule_selected
    from .network import Fused, Network
    from .network.macs import network_macs
    from .report import Point
    from .tiling import Planner, curve

    core = get_target(target)
    if isinstance(model, Network):
        network = model
    else:
        from .importers import import_network

        network = import_network(model, name="net", interface=interface)
    disabled = frozenset(disabled_rewrites)
    prepared = rewrites.apply(network, disabled)
    prepared = schedule_selected(prepared, lambda n: select_kernels(n, core))
    own = network_macs(prepared)
    points = []
    for streamed in (False, True):
        for plan in curve(Planner(prepared, core, "speed", streamed=streamed)):
            instructions = None
            if board is not None:
                artifact = compile_network(
                    network,
                    target=target,
                    disabled_rewrites=disabled,
                    sram=plan.arena,
                    stream_input=streamed,
                )
                instructions = artifact.profile(board).instructions
            regions = [layer.name for layer in plan.network.layers if isinstance(layer, Fused)]
            points.append(
                Point(
                    streamed,
                    plan.arena,
                    plan.macs,
                    plan.macs / own if own else 1.0,
                    plan.cost,
                    tuple(regions),
                    instructions,
                )
            )
    return points
