# SPDX-License-Identifier: Apache-2.0
"""Another engine's program behind our boards' harness: built, run and counted as ours are.

The harness reads samples, calls one function and writes outputs; what it calls here is an adapter
that hands the work to a peer's library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..boards.artifact import CompiledModel, LayerFacts, Port
from ..boards.base import Program
from ..boards.elf import Image
from ..boards.qemu import QemuBoard
from ..boards.samples import check_inputs
from ..boards.tools import ARM_GCC, compile_or_raise
from ..errors import BoardError
from ..network import Network
from ..paths import runtime_c
from ..profile.counts import Counts
from ..profile.cycles import count_cycles
from ..profile.footprint import Footprint, measure_footprint
from ..profile.plugin import plugin_for
from ..profile.result import AddressCounts
from ..targets import Target
from .rows import LayerRow, Row
from .subject import Subject

NAME = "peer"
"""Of the network in C: tvmgen_peer_run and so on."""
ARENA = f"tvmgen_{NAME}_arena"
SOURCES = (".c", ".cc", ".S")


@dataclass(frozen=True)
class Adapter:
    """What stands between the harness and a peer's library.

    files: content by name; those that end in SOURCES are compiled. They define the three functions
    tvmgen_peer_run, _map_inputs and _map_outputs, and the arena.
    overhead: what functions have in their names that only the profiling build calls, to tell where
    layers begin; what they execute isn't counted.
    """

    files: Mapping[str, str | bytes]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[LayerFacts, ...]
    libraries: tuple[Path, ...]
    flags: Mapping[str, tuple[str, ...]]
    """gcc's flags by the ending of the file's name."""
    constants: tuple[tuple[str, int], ...] = ()
    overhead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One inference of a peer, in instructions and bytes, and its outputs of all samples."""

    outputs: dict[str, np.ndarray]
    instructions: int
    cycles: int | None
    stack: int
    footprint: Footprint
    layers: tuple[LayerRow, ...]

    def row(self, engine: str, subject: Subject, board: QemuBoard, sram: int) -> Row:
        """The row of an engine that needs `sram` bytes beside its stack."""
        return Row(
            engine,
            subject.name,
            board.name,
            board.core,
            "measured",
            subject.macs,
            self.instructions,
            self.cycles,
            sram,
            self.stack,
            self.footprint.flash.weights,
            self.footprint.flash.code,
            layers=self.layers,
        )


def ports(network: Network) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The inputs and outputs of a network, as the harness knows them."""

    def group(kind: str, names: tuple[str, ...]) -> tuple[Port, ...]:
        tensors = [network.tensor(name) for name in names]
        return tuple(
            Port(t.name, f"{kind}_{i}", t.shape, t.dtype, t.nbytes) for i, t in enumerate(tensors)
        )

    return group("input", network.inputs), group("output", network.outputs)


def build(
    adapter: Adapter, board: QemuBoard, target: Target, folder: Path, *, profile: bool = False
) -> Program:
    """Compiles and links an adapter into `folder`, which is made.

    Raises:
        BoardError: it doesn't compile or link.
    """
    folder.mkdir(parents=True)
    model = CompiledModel(
        folder, NAME, target, 0, adapter.inputs, adapter.outputs, adapter.layers, adapter.constants
    )
    for name, content in adapter.files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    marks = ["-include", str(runtime_c() / "profile" / "layers.h")] if profile else []
    objects = []
    for name in sorted(adapter.files):
        ending = Path(name).suffix
        if ending not in SOURCES:
            continue
        objects.append(folder / f"{Path(name).stem}.o")
        command = [ARM_GCC, *target.gcc_flags, "-ffunction-sections", "-fdata-sections"]
        command += [*(marks if ending != ".S" else []), f"-I{folder}", *adapter.flags[ending]]
        command += ["-c", str(folder / name), "-o", str(objects[-1])]
        compile_or_raise(command, f"the adapter ({name})")
    parts = (*objects, *adapter.libraries)
    path = folder / "program.elf"
    board.link(target, [*board.harness_objects(model, folder), *parts], path)
    return Program(path, model, parts, profile)


@contextmanager
def failures_of(engine: str, subject: Subject) -> Iterator[None]:
    """Says of a BoardError which engine it came from, and with which model."""
    try:
        yield
    except BoardError as error:
        raise BoardError(f"{engine} with {subject.name}: {error}") from error


def measure(
    adapter: Adapter,
    board: QemuBoard,
    target: Target,
    inputs: Mapping[str, np.ndarray],
    work: Path,
) -> Measured:
    """Runs all samples of `inputs`, by C field, and counts the first one's inference.

    Instructions, cycles, stack and sizes are of the plain build; layers of one that notes where
    each begins. `work` is a folder for builds.

    Raises:
        BoardError: it doesn't build, or fails on the board; PluginUnavailable: QEMU can't count.
    """
    plain = build(adapter, board, target, work / "plain")
    outputs = board.emulate(plain, inputs).outputs
    arrays, _ = check_inputs(plain.model, inputs)
    first = {port.field: a[0] for port, a in zip(plain.model.inputs, arrays, strict=True)}
    plugin = plugin_for(board)
    whole = plugin.count(board, plain, first, work)
    marked = build(adapter, board, target, work / "marked", profile=True)
    counts = plugin.count(board, marked, first, work)
    return Measured(
        outputs,
        whole.instructions,
        count_cycles(board.core, plain.path, [whole.layers[0].addresses]).total,
        whole.stack_bytes,
        measure_footprint(board, plain, work),
        _layers(adapter, board, marked, counts),
    )


def _layers(
    adapter: Adapter, board: QemuBoard, program: Program, counts: Counts
) -> tuple[LayerRow, ...]:
    image = Image(program.path)
    own = [_without(layer.addresses, image, adapter.overhead) for layer in counts.layers]
    cycles = count_cycles(board.core, program.path, [layer.addresses for layer in counts.layers])
    rows = []
    for index, (facts, kept) in enumerate(zip(adapter.layers, own, strict=True)):
        spent = None
        if cycles.known:
            at = cycles.layers[index]
            spent = sum(at.get(address, 0) for address in kept.executed)
        instructions = sum(kept.executed.values())
        rows.append(LayerRow(facts.name, facts.op, facts.macs, instructions, spent))
    return tuple(rows)


def _without(counts: AddressCounts, image: Image, names: tuple[str, ...]) -> AddressCounts:
    def kept(address: int) -> bool:
        function = image.function_at(address) or ""
        return not any(name in function for name in names)

    executed = {address: n for address, n in counts.executed.items() if kept(address)}
    return replace(counts, executed=executed)


def interface_header(inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """model.h: what the harness needs to know of the adapter."""

    def struct(kind: str, ports: Sequence[Port]) -> str:
        fields = "".join(f"    void *{port.field};\n" for port in ports)
        return f"struct tvmgen_{NAME}_{kind} {{\n{fields}}};\n"

    return (
        "#ifndef PEER_MODEL_H\n#define PEER_MODEL_H\n\n#include <stdint.h>\n\n"
        '#ifdef __cplusplus\nextern "C" {\n#endif\n\n'
        f"{struct('inputs', inputs)}{struct('outputs', outputs)}\n"
        f"struct tvmgen_{NAME}_inputs tvmgen_{NAME}_map_inputs(void);\n"
        f"struct tvmgen_{NAME}_outputs tvmgen_{NAME}_map_outputs(void);\n"
        f"int32_t tvmgen_{NAME}_run(struct tvmgen_{NAME}_inputs *inputs,\n"
        f"                          struct tvmgen_{NAME}_outputs *outputs);\n\n"
        "#ifdef __cplusplus\n}\n#endif\n\n#endif\n"
    )
