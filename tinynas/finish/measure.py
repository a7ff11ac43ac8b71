# SPDX-License-Identifier: Apache-2.0
"""What the finished network does on the board: accuracy, memory, time."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import tinyengine_tvm
from tinyengine_tvm.boards import BOARDS
from tinyengine_tvm.errors import BudgetError
from tinyengine_tvm.report.page import PROFILE
from tinyengine_tvm.validate import quantised

from ..budget import Budget
from ..errors import NasError

CHUNK = 500
"""Samples per boot of the board: its memory holds no more of some networks' inputs."""


@dataclass(frozen=True)
class Measured:
    """On the board. `sram` is arena and static data, without the stack; `flash` weights and code.

    `agreement`: the part of the samples where the class is that of the same ONNX file in
    onnxruntime. `missing`: what is over the budget, in words, empty where all is within.
    """

    board: str
    samples: int
    accuracy: float
    agreement: float
    arena: int
    static: int
    stack: int
    weights: int
    code: int
    instructions: int
    cycles: float
    macs: int
    missing: tuple[str, ...] = ()

    @property
    def sram(self) -> int:
        return self.arena + self.static

    @property
    def flash(self) -> int:
        return self.weights + self.code

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "sram": self.sram, "flash": self.flash}


def board_for(target: str) -> str:
    """The first emulated board that executes a core's code.

    Raises:
        NasError: there is none.
    """
    for name, board in BOARDS.items():
        if name != "host" and target in board.targets:
            return name
    raise NasError(f"no emulated board has a {target}; see tinyengine boards")


def compile_for(model: Path, target: str, budget: Budget) -> tinyengine_tvm.Artifact:
    """The network with int8 input and output: fast code where the budget has room, else the least.

    A network that doesn't fit all the same is compiled too, so that its training isn't in vain;
    `measure` says what is missing.
    """

    def compiled(
        optimise: Literal["speed", "size"], sram: int | None, flash: int | None
    ) -> tinyengine_tvm.Artifact:
        return tinyengine_tvm.compile_model(
            model, target=target, interface="int8", sram=sram, flash=flash, optimise=optimise
        )

    for optimise, sram, flash in (
        ("speed", budget.sram, budget.flash),
        ("size", budget.sram, budget.flash),
        ("size", budget.sram, None),
    ):
        try:
            return compiled(optimise, sram, flash)  # type: ignore[arg-type]
        except BudgetError:
            continue
    return compiled("size", None, None)


def measure(
    artifact: tinyengine_tvm.Artifact,
    inputs: np.ndarray,
    labels: np.ndarray,
    reference: np.ndarray,
    target: str,
    budget: Budget,
    keep: Path | None = None,
) -> Measured:
    """Runs all samples on the board and counts one inference.

    `inputs`: float32 [n, channels, height, width]; `reference`: logits [n, classes] of the same
    model elsewhere. `keep`: a folder for the compiled network and its profile.
    """
    board = board_for(target)
    port = artifact.metadata["inputs"][0]
    stored = quantised(inputs, port)
    stored = stored.reshape(len(stored), *port["shape"])
    outputs = []
    for at in range(0, len(stored), CHUNK):
        given = {port["name"]: stored[at : at + CHUNK]}
        outputs.append(next(iter(artifact.run(board, given).values())))
    classes = np.concatenate(outputs).reshape(len(labels), -1).argmax(1)
    profile = artifact.profile(board).to_json()
    if keep is not None:
        _keep(artifact, profile, keep)
    sram, flash = profile["sram"], profile["flash"]
    cycles = float(profile["cycles"])
    over = (
        ("SRAM", sram["arena"] + sram["static"], budget.sram, "bytes"),
        ("flash", flash["weights"] + flash["code"], budget.flash, "bytes"),
        ("latency", cycles, budget.cycles, "cycles"),
    )
    missing = tuple(
        f"{what}: {value - limit:,.0f} {unit} over {limit:,.0f}"
        for what, value, limit, unit in over
        if limit is not None and value > limit
    )
    return Measured(
        board,
        len(labels),
        float(np.mean(classes == labels)),
        float(np.mean(classes == reference.argmax(1))),
        sram["arena"],
        sram["static"],
        sram["stack"],
        flash["weights"],
        flash["code"],
        profile["instructions"],
        cycles,
        profile["macs"],
        missing,
    )


def _keep(artifact: tinyengine_tvm.Artifact, profile: dict[str, Any], folder: Path) -> None:
    """Saves a compiled network with its profile, in place of what a stopped run left there."""
    if folder.exists():
        shutil.rmtree(folder)
    artifact.save(folder)
    (folder / PROFILE).write_text(json.dumps(profile, indent=1) + "\n", encoding="utf-8")
