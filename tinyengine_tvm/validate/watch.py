# SPDX-License-Identifier: Apache-2.0
"""A build that also writes the output of every layer.

The C is the one that ships: its mark before each layer becomes a call that writes what the layer
before it has left in the arena. The files that a board writes then hold, for each sample, the
layers' outputs before the network's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..boards.artifact import CompiledModel, Port
from ..boards.base import Board, scratch_folder
from ..network import Network

_PREFIX = "layer "
"""Begins the names of layers' outputs, so that they can't be those of the network's."""


def observable(
    metadata: Mapping[str, Any], network: Network
) -> list[tuple[int, str, int, str, tuple[int, ...], int]]:
    """(number, tensor, offset, dtype, shape, bytes) of each layer's output that `network` knows."""
    found = []
    for number, layer in enumerate(metadata["layers"]):
        tensor = network.tensors.get(layer["output"])
        if tensor is None or list(tensor.shape) != layer["output_shape"]:
            continue
        offset = layer["output_offset"]
        found.append((number, tensor.name, offset, tensor.dtype, tensor.shape, tensor.nbytes))
    return found


def watching_header(name: str, layers: int, watched: Sequence[tuple[int, int, int]]) -> str:
    """What is included before model.c. `watched`: (layer, offset in the arena, bytes)."""
    writes = {
        layer + 1: f"te_write(tvmgen_{name}_arena + {offset}, {size});"
        for layer, offset, size in watched
    }
    lines = [f"#define TE_WATCH_{mark} {writes.get(mark, '')}" for mark in range(layers + 1)]
    return "\n".join(
        [
            "#include <stddef.h>",
            "void te_write(const void *data, size_t bytes);",
            *(line.rstrip() for line in lines),
            "#define TINYENGINE_LAYER(number) TE_WATCH_##number",
            "",
        ]
    )


def watch(
    board: Board,
    directory: Path,
    metadata: Mapping[str, Any],
    network: Network,
    inputs: Mapping[str, np.ndarray],
    build_dir: Path | None = None,
) -> tuple[dict[int, np.ndarray], dict[str, np.ndarray]]:
    """Runs samples; gives the output of each layer, by number, and of the network, by name.

    All are [samples, *shape]. `network` gives the layers' types and shapes.

    Raises:
        BoardError: as `Board.build` and `Board.execute`.
    """
    watched = observable(metadata, network)
    with scratch_folder(build_dir) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        header = folder / "watch.h"
        spots = [(number, offset, size) for number, _, offset, _, _, size in watched]
        text = watching_header(metadata["name"], len(metadata["layers"]), spots)
        header.write_text(text, encoding="utf-8")
        program = board.build(directory, folder, cflags=("-include", str(header.resolve())))
        layers = [
            Port(f"{_PREFIX}{number}", "", shape, dtype, size)
            for number, _, _, dtype, shape, size in watched
        ]
        model: CompiledModel = program.model
        told = replace(model, outputs=(*layers, *model.outputs))
        outputs = board.execute(replace(program, model=told), inputs).outputs
    found = {number: outputs.pop(f"{_PREFIX}{number}") for number, *_ in watched}
    return found, outputs
