# SPDX-License-Identifier: Apache-2.0
"""The C of a region: a table of steps, and one case for each kind of step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.base import Code, Configuration, Constant, Function, Kernel, Operands
from ..network import Fused, Network
from .program import Program, compress
from .region import Fusion, scratch_key
from .schedule import Step
from .stages import row_bytes


@dataclass(frozen=True)
class _Case:
    """What a kind of step does; steps that are equal here share their code. Offsets are bytes."""

    layer: int | None
    part: int
    """Identity of the part."""
    output: int
    inputs: tuple[int, ...]
    move: tuple[int, int, int] | None
    """Offset of a line buffer, bytes to drop at its beginning, bytes to keep."""
    advances: tuple[int, ...]
    """Bytes by which the pointers into feature maps that are held whole go on afterwards."""


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
        self.constants: dict[str, np.ndarray] = {}
        self.readers = [
            (i, k)
            for i, layer in enumerate(self.network.layers)
            for k, name in enumerate(layer.inputs)
            if name == self.source and not fusion.streamed
        ]
        """(layer, operand) that read the input where it lies: each has a pointer of its own."""

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
            constants=tuple(Constant(name, data) for name, data in self.constants.items()),
            call=lambda operands, names: self._text(program, texts, operands, names),
        )

    def _cases(self) -> list[_Case]:
        """The kind of every step."""
        steps, layers = self.fusion.schedule.steps, self.network.layers
        starts: dict[tuple[int, int], list[int]] = {reader: [] for reader in self.readers}
        for step in steps:
            for k in range(len(layers[step.layer].inputs) if step.layer is not None else 0):
                if (step.layer, k) in starts:
                    starts[step.layer, k].append(step.read.begin)  # type: ignore[index]
        seen = dict.fromkeys(starts, 0)
        result = []
        for step in steps:
            name = self.source if step.layer is None else layers[step.layer].output
            row = row_bytes(self.network.tensor(name))
            move = None
            if step.dropped and step.kept:
                move = (self.fusion.offsets[name], step.dropped * row, step.kept * row)
            inputs: list[int] = []
            advances: list[int] = []
            part = 0
            if step.layer is not None:
                part = id(self.fusion.part(step))
                for k, (tensor, base) in enumerate(
                    zip(layers[step.layer].inputs, step.bases, strict=True)
                ):
                    in_row = row_bytes(self.network.tensor(tensor))
                    if (step.layer, k) in starts:
                        at = seen[step.layer, k]
                        rows = starts[step.layer, k]
                        seen[step.layer, k] += 1
                        inputs.append(0)
                        last = at + 1 == len(rows)
                        # After the last step nobody looks; what was added before fits once more.
                        earlier = rows[at] - rows[at - 1] if at else 0
                        advances.append((earlier if last else rows[at + 1] - rows[at]) * in_row)
                    else:
                        offset = self.fusion.offsets[tensor]
                        inputs.append(offset + (step.read.begin - base) * in_row)
            if name == self.sink:
                output = 0
                advances.append(step.rows.count * row)
            else:
                output = self.fusion.offsets[name] + (step.rows.begin - step.base) * row
            if step.layer is None:
                advances.append(step.rows.count)
            result.append(_Case(step.layer, part, output, tuple(inputs), move, tuple(advances)))
        return result

    def _case(self, case: _Case, step: Step) -> Callable[[Operands, Sequence[str]], list[str]]:
        """The statements of a kind of step, once operands and names of functions are known."""
        if case.layer is None:
            return lambda operands, names: self._delivery(case, step, operands)
        index = case.layer
        layer = self.network.layers[index]
        part = self.fusion.part(step)
        code = part.kernel.emit(part.network, part.layer, part.configuration)
        places = []
        for function in code.functions:
            if function not in self.functions:
                self.functions.append(function)
            places.append(self.functions.index(function))
        own = {c.name: self._constant(f"{index}_{c.name}", c.data) for c in code.constants}
        pointers = {
            k: f"x{self.readers.index((index, k))}"
            for k in range(len(layer.inputs))
            if (index, k) in self.readers
        }
        scratch = "NULL"
        if part.scratch:
            scratch = _line(self.fusion.offsets[scratch_key(layer)])
        last = layer.output == self.sink

        def lines(operands: Operands, names: Sequence[str]) -> list[str]:
            inner = Operands(
                inputs=tuple(
                    pointers[k] if k in pointers else _line(offset)
                    for k, offset in enumerate(case.inputs)
                ),
                output="y" if last else _line(case.output),
                scratch=scratch,
                constant=lambda name: operands.constant(own[name]),
            )
            text = [
                f"/* {layer.op} {index + 1}: {step.rows.count} rows from {step.read.count} */",
                *self._move(case),
                *code.call(inner, [names[p] for p in places]).splitlines(),
            ]
            moving = [*pointers.values(), *(["y"] if last else [])]
            text += [f"{p} += {n};" for p, n in zip(moving, case.advances, strict=True) if n]
            return text

        return lines

    def _move(self, case: _Case) -> list[str]:
        if case.move is None:
            return []
        offset, dropped, kept = case.move
        return [f"memmove(lines + {offset}, lines + {offset + dropped}, {kept});"]

    def _delivery(self, case: _Case, step: Step, operands: Operands) -> list[str]:
        port = operands.inputs[0]
        rows = step.rows.count
        return [
            f"/* {rows} rows of the input */",
            *self._move(case),
            f"{port}_rows({port}_context, row, {rows}, {_line(case.output)});",
            f"row += {rows};",
        ]

    def _constant(self, name: str, data: np.ndarray) -> str:
        """A name for this constant; parts that have equal ones share it."""
        wanted, number = name, 1
        while wanted in self.constants:
            known = self.constants[wanted]
            if known.dtype == data.dtype and np.array_equal(known, data):
                return wanted
            number += 1
            wanted = f"{name}_{number}"
        self.constants[wanted] = data
        return wanted

    def _text(
        self,
        program: Program,
        texts: Sequence[Callable[[Operands, Sequence[str]], list[str]]],
        operands: Operands,
        names: Sequence[str],
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


def _line(offset: int) -> str:
    return f"&lines[{offset}]"
