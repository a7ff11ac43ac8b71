# SPDX-License-Identifier: Apache-2.0
"""Our engine's rows: as it comes, with dead channels kept, and for the least code."""

from __future__ import annotations

import numpy as np

from ..boards.qemu import QemuBoard
from .rows import LayerRow, Row
from .subject import Subject

ENGINE = "tinyengine-tvm"
VARIANTS: dict[str, dict[str, object]] = {
    ENGINE: {},
    f"{ENGINE}, dead channels kept": {"disabled_rewrites": ("dead_channels",)},
    f"{ENGINE}, --optimise size": {"optimise": "size"},
}
"""Names of rows, and what they compile with."""


def measure_ours(
    subject: Subject, board: QemuBoard, core: str, engine: str
) -> tuple[Row, list[np.ndarray]]:
    """The row of one of VARIANTS, and its outputs of all samples.

    Raises:
        TinyEngineError: as `compile_network`, `Artifact.run` and `Artifact.profile`.
    """
    from ..api import compile_network

    options = VARIANTS[engine]
    artifact = compile_network(subject.network, target=core, **options)  # type: ignore[arg-type]
    ports = artifact.metadata["inputs"]
    inputs = {
        port["name"]: array for port, array in zip(ports, subject.inputs.values(), strict=True)
    }
    outputs = artifact.run(board.name, inputs)
    profile = artifact.profile(board.name, {name: a[0] for name, a in inputs.items()})
    layers = tuple(
        LayerRow(layer.name, layer.op, layer.macs, layer.instructions, layer.cycles)
        for layer in profile.layers
    )
    row = Row(
        engine,
        subject.name,
        board.name,
        board.core,
        "measured",
        # Without dead channels there are fewer; the model's own count is the measure.
        subject.macs,
        profile.instructions,
        profile.cycles,
        profile.sram.arena + profile.sram.static,
        profile.sram.stack,
        profile.flash.weights,
        profile.flash.code,
        layers=layers,
    )
    return row, list(outputs.values())
