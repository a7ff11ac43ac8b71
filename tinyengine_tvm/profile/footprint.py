# SPDX-License-Identifier: Apache-2.0
"""SRAM and flash of a model alone.

The model's object is linked once more without the harness, with its three public functions as the
only roots: what the linker then keeps is the model and the members of libc, libm and libgcc that it
needs, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..boards.base import Program
from ..boards.elf import Image
from ..boards.qemu import QemuBoard
from .result import Flash


@dataclass(frozen=True)
class Footprint:
    """Flash, and the SRAM that is known without running: bytes of the arena, and of static data.

    functions: bytes of code by C function, of layers that have one to themselves.
    """

    flash: Flash
    arena: int
    static: int
    functions: dict[str, int]


def measure_footprint(board: QemuBoard, program: Program, build_dir: Path) -> Footprint:
    """Links the model of `program`, which is no profiling build, on its own and reads the sizes.

    Raises:
        BoardError: it doesn't link.
    """
    model = program.model
    path = build_dir / "model_alone.elf"
    roots = [model.run_function, f"tvmgen_{model.name}_map_inputs"]
    roots.append(f"tvmgen_{model.name}_map_outputs")
    options = [f"-Wl,--entry={model.run_function}", *(f"-Wl,--undefined={root}" for root in roots)]
    board.link(model.target, program.objects, path, options)
    image = Image(path)
    symbols = image.symbols
    weights = sum(symbols[name].size for name, _ in model.constants if name in symbols)
    arena = symbols.get(f"tvmgen_{model.name}_arena")
    arena_bytes = arena.size if arena is not None else 0
    own = {layer.function for layer in model.layers if layer.function}
    return Footprint(
        Flash(weights, image.flash_bytes - weights),
        arena_bytes,
        image.ram_bytes - arena_bytes,
        {name: symbols[name].size for name in sorted(own) if name in symbols},
    )
