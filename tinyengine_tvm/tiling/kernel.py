# SPDX-License-Identifier: Apache-2.0
"""The C of a region: a table of steps, and one case for each kind of step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..kernels.base import Code, Configuration, Function, Kernel, Operands
from ..network import Fused, Network
from .parts import Part
from .program import Program, compress
from .region import Fusion, output_of, scratch_key
from .schedule import Step
from .shared import Reference, SharedConstants
from .stages import Rect, Stage, part_read, pixel_bytes, row_bytes
from .tiles import written_at_once

COPY = """\
static void @NAME@(const int8_t *from, int32_t from_pitch, int32_t rows, int32_t bytes,
    int32_t to_pitch, int8_t *to)
{
    for (; rows > 0; --rows) {
        memcpy(to, from, (size_t)bytes);
        from += from_pitch;
        to += to_pitch;
    }
}
"""


@dataclass(frozen=True)
class _Case:
    """What a kind of step does; steps that are equal here share their code. Offsets are bytes."""

    stage: int | None
    parts: tuple[tuple[int, ...], ...]
    """Identities of the parts, per tile."""
    output: int
    inputs: tuple[int, ...]
    move: tuple[int, int, int] | None
    """Offset of a line buffer, bytes to drop at its beginning, bytes to keep."""
    advances: tuple[int, ...]
    """Bytes by which the pointers into feature maps that are held whole go on afterwards."""


@dataclass(frozen=True)
class _Place:
    """C for the address at some offset from a pointer."""

    pointer: str
    offset: int

    def at(self, offset: int, step: int = 0) -> str:
        """The address `offset` bytes further on, and `step` more per tile."""
        total = self.offset + offset
        if step:
            return f"&{self.pointer}[{total} + {step} * tile]"
        return f"&{self.pointer}[{total}]" if total or self.pointer == "lines" else self.pointer


Lines = Callable[[Operands, Sequence[str]], list[str]]


class FusedKernel(Kernel[Fused]):
    """Runs the steps of one region. There is one object per region: it knows what to do."""

    name = "fused_rows"
    layer = Fused

    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion

    def scratch(self, network: Network, layer: Fused, configuration: Configuration) -> int:
        return self.fusion.scratch

    def overlap(
        self, network: Network, layer: Fused, configuration: Configuration
    ) -> Mapping[int, int]:
        """The input's rows are read in order, and forgotten after their last use."""
        return {0: self.fusion.overlap} if layer.inputs and self.fusion.overlap else {}

    def emit(self, network: Network, layer: Fused, configuration: Configuration) -> Code:
        return _Emitter(self.fusion).code()


class _Emitter:
    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion
        self.network = fusion.network
        self.source, self.sink = self.network.inputs[0], self.network.outputs[0]
        self.functions: list[Function] = []
        self.constants = SharedConstants()
        self.readers = [
            (i, k)
            for i, stage in enumerate(fusion.stages)
            for k, name in enumerate(stage.inputs)
            if name == self.source and not fusion.streamed
        ]
        """(stage, operand) that read the input where it lies: each has a pointer of its own."""

    def code(self) -> Code:
        steps = self.fusion.schedule.steps
        cases: dict[_Case, int] = {}
        numbers = []
        first: list[Step] = []
        for step, case in zip(steps, self._cases(), strict=True):
            if case not in cases:
                cases[case] = len(cases)
                first.append(step)
            numbers.append(cases[case])
        program = compress(numbers)
        texts = [self._case(case, step) for case, step in zip(cases, first, strict=True)]
        return Code(
            functions=tuple(self.functions),
            constants=self.constants.constants(),
            call=lambda operands, names: self._text(program, texts, operands, names),
        )

    def _cases(self) -> list[_Case]:
        """The kind of every step."""
        starts: dict[tuple[int, int], list[int]] = {reader: [] for reader in self.readers}
        for step in self.fusion.schedule.steps:
            for (stage, _), rows in starts.items():
                if stage == step.stage:
                    rows.append(step.read.begin)
        seen = dict.fromkeys(starts, 0)
        return [self._kind(step, starts, seen) for step in self.fusion.schedule.steps]

    def _kind(
        self,
        step: Step,
        starts: dict[tuple[int, int], list[int]],
        seen: dict[tuple[int, int], int],
    ) -> _Case:
        name = output_of(self.network, self.fusion.stages, step)
        row = row_bytes(self.network.tensor(name))
        move = None
        if step.dropped and step.kept:
            move = (self.fusion.offsets[name], step.dropped * row, step.kept * row)
        inputs: list[int] = []
        advances: list[int] = []
        parts: tuple[tuple[int, ...], ...] = ()
        if step.stage is not None:
            stage = self.fusion.stages[step.stage]
            parts = tuple(
                tuple(id(part) for part in self._parts(stage, tile))
                for tile in stage.tiles(self.network, step.rows)
            )
            for k, (tensor, base) in enumerate(zip(stage.inputs, step.bases, strict=True)):
                in_row = row_bytes(self.network.tensor(tensor))
                reader = step.stage, k
                if reader not in starts:
                    offset = self.fusion.offsets[tensor]
                    inputs.append(offset + (step.read.begin - base) * in_row)
                    continue
                rows, at = starts[reader], seen[reader]
                seen[reader] += 1
                inputs.append(0)
                # After the last step nobody looks; what was added before fits once more.
                i = at if at + 1 < len(rows) else max(at - 1, 0)
                advances.append((rows[i + 1] - rows[i]) * in_row if len(rows) > 1 else 0)
        if name == self.sink:
            output = 0
            advances.append(step.rows.count * row)
        else:
            output = self.fusion.offsets[name] + (step.rows.begin - step.base) * row
        if step.stage is None:
            advances.append(step.rows.count)
        return _Case(step.stage, parts, output, tuple(inputs), move, tuple(advances))

    def _parts(self, stage: Stage, tile: Sequence[Rect]) -> list[Part]:
        return [
            self.fusion.part(layer, rect) for layer, rect in zip(stage.layers, tile, strict=True)
        ]

    def _case(self, case: _Case, step: Step) -> Lines:
        """The statements of a kind of step, once operands and names of functions are known."""
        if case.stage is None:
            return lambda operands, names: self._delivery(case, step, operands)
        stage = self.fusion.stages[case.stage]
        pointers = {
            k: f"x{self.readers.index((case.stage, k))}"
            for k in range(len(stage.inputs))
            if (case.stage, k) in self.readers
        }
        last = stage.output == self.sink
        inputs = [_Place(pointers.get(k, "lines"), offset) for k, offset in enumerate(case.inputs)]
        output = _Place("y" if last else "lines", case.output)
        if stage.tiled:
            body = self._tiles(case.stage, step, inputs[0], output)
        else:
            (tile,) = stage.tiles(self.network, step.rows)
            (part,) = self._parts(stage, tile)
            scratch = _Place("lines", self.fusion.offsets.get(scratch_key(stage), 0)).at(0)
            body = self._call(part, [p.at(0) for p in inputs], output.at(0), scratch)
        moving = [*pointers.values(), *(["y"] if last else [])]
        title = f"/* {_title(stage)}: {step.rows.count} rows from {step.read.count} */"

        def lines(operands: Operands, names: Sequence[str]) -> list[str]:
            text = [title, *self._move(case), *body(operands, names)]
            text += [f"{p} += {n};" for p, n in zip(moving, case.advances, strict=True) if n]
            return text

        return lines

    def _call(self, part: Part, inputs: list[str], output: str, scratch: str) -> Lines:
        code = part.kernel.emit(part.network, part.layer, part.configuration)
        places = [self._function(function) for function in code.functions]
        index = self.network.layers.index(self._whole(part))
        own = {c.name: self.constants.add(f"{index}_{c.name}", c) for c in code.constants}

        def lines(operands: Operands, names: Sequence[str]) -> list[str]:
            inner = Operands(
                inputs=tuple(inputs),
                output=output,
                scratch=scratch if part.scratch else "NULL",
                constant=lambda name: self._symbol(operands, own[name]),
            )
            return code.call(inner, [names[p] for p in places]).splitlines()

        return lines

    def _whole(self, part: Part) -> object:
        return next(layer for layer in self.network.layers if layer.name == part.layer.name)

    def _tiles(self, index: int, step: Step, source: _Place, sink: _Place) -> Lines:
        """All tiles of a step: neighbours that only differ in their place share their code."""
        stage = self.fusion.stages[index]
        tiles = stage.tiles(self.network, step.rows)
        runs: list[list[Sequence[Rect]]] = []
        for tile in tiles:
            if runs and self._parts(stage, tile) == self._parts(stage, runs[-1][-1]):
                steps = [t[-1].columns.begin for t in (*runs[-1][-2:], tile)]
                reads = [self._read(stage, t).columns.begin for t in (*runs[-1][-2:], tile)]
                if len(steps) < 3 or (
                    steps[2] - steps[1] == steps[1] - steps[0]
                    and reads[2] - reads[1] == reads[1] - reads[0]
                ):
                    runs[-1].append(tile)
                    continue
            runs.append([tile])
        bodies = [self._run(index, run, source, sink) for run in runs]

        def lines(operands: Operands, names: Sequence[str]) -> list[str]:
            text = []
            for run, body in zip(runs, bodies, strict=True):
                inner = body(operands, names)
                if len(run) == 1:
                    text += inner
                else:
                    text.append(f"for (int32_t tile = 0; tile < {len(run)}; ++tile) {{")
                    text += [f"    {line}" for line in inner]
                    text.append("}")
            return text

        return lines

    def _read(self, stage: Stage, tile: Sequence[Rect]) -> Rect:
        return part_read(self.network, stage.layers[0], tile[0])

    def _run(self, index: int, run: list[Sequence[Rect]], source: _Place, sink: _Place) -> Lines:
        """One tile, as the body of a loop over tiles where there are several of its kind."""
        stage, tile = self.fusion.stages[index], run[0]
        buffers = self.fusion.tiles[index]
        own = _Place("lines", self.fusion.offsets[scratch_key(stage)])
        x, y = self.network.tensor(stage.inputs[0]), self.network.tensor(stage.output)
        in_pixel, out_pixel = pixel_bytes(x), pixel_bytes(y)
        read, rect = self._read(stage, tile), tile[-1]
        in_step = out_step = 0
        if len(run) > 1:
            in_step = self._read(stage, run[1]).columns.begin - read.columns.begin
            out_step = run[1][-1].columns.begin - rect.columns.begin
        copy = self._function(Function("te_copy_rows", COPY))
        bytes_in = read.columns.count * in_pixel
        gather = (
            f"({source.at(read.columns.begin * in_pixel, in_step * in_pixel)}, {row_bytes(x)}, "
            f"{read.rows.count}, {bytes_in}, {bytes_in}, {own.at(buffers.maps[0])});"
        )
        target = sink.at(rect.columns.begin * out_pixel, out_step * out_pixel)
        at_once = written_at_once(rect)
        calls = []
        for i, part in enumerate(self._parts(stage, tile)):
            final = i + 1 == len(stage.layers) and at_once
            calls.append(
                self._call(
                    part,
                    [own.at(buffers.maps[i])],
                    target if final else own.at(buffers.maps[i + 1]),
                    own.at(buffers.scratch[i]),
                )
            )
        bytes_out = rect.columns.count * out_pixel
        scatter = (
            f"({own.at(buffers.maps[-1])}, {bytes_out}, {rect.rows.count}, {bytes_out}, "
            f"{row_bytes(y)}, {target});"
        )

        def lines(operands: Operands, names: Sequence[str]) -> list[str]:
            text = [names[copy] + gather]
            for call in calls:
                text += call(operands, names)
            return text if at_once else [*text, names[copy] + scatter]

        return lines

    def _move(self, case: _Case) -> list[str]:
        if case.move is None:
            return []
        offset, dropped, kept = case.move
        return [f"memmove(&lines[{offset}], &lines[{offset + dropped}], {kept});"]

    def _delivery(self, case: _Case, step: Step, operands: Operands) -> list[str]:
        port, rows = operands.inputs[0], step.rows.count
        return [
            f"/* {rows} rows of the input */",
            *self._move(case),
            f"{port}_rows({port}_context, row, {rows}, &lines[{case.output}]);",
            f"row += {rows};",
        ]

    def _function(self, function: Function) -> int:
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function)

    def _symbol(self, operands: Operands, reference: Reference) -> str:
        symbol, offset = operands.constant(reference.array), self.constants.offset(reference)
        return f"&{symbol}[{offset}]" if offset else symbol

    def _text(
        self, program: Program, texts: Sequence[Lines], operands: Operands, names: Sequence[str]
    ) -> str:
        kind = "uint8_t" if len(texts) <= 256 else "uint16_t"
        table = ", ".join(map(str, program.steps))
        lines = ["{", f"    static const {kind} steps[{len(program.steps)}] = {{ {table} }};"]
        if self.fusion.scratch:
            lines.append(f"    int8_t *const lines = {operands.scratch};")
        lines += [
            f"    const int8_t *x{i} = {operands.inputs[0]};" for i in range(len(self.readers))
        ]
        if self.fusion.streamed:
            lines.append("    int32_t row = 0;")
        lines.append(f"    int8_t *y = {operands.output};")
        if program.rounds > 1:
            lines.append(f"    int32_t rounds = {program.rounds};")
        lines += [
            f"    for (int32_t at = 0; at < {len(program.steps)}; ++at) {{",
            "        switch (steps[at]) {",
        ]
        for number, text in enumerate(texts):
            lines.append(f"        case {number}:")
            lines += [f"            {line}" for line in text(operands, names)]
            lines.append("            break;")
        lines += ["        default:", "            break;", "        }"]
        if program.rounds > 1:
            lines += [
                f"        if (at == {program.end - 1} && --rounds > 0) {{",
                f"            at = {program.begin - 1};",
                "        }",
            ]
        return "\n".join([*lines, "    }", "}"])


def _title(stage: Stage) -> str:
    kinds = [layer.op for layer in stage.layers]
    return kinds[0] if len(kinds) == 1 else f"tiles of {', '.join(kinds)}"
