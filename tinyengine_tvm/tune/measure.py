# SPDX-License-Identifier: Apache-2.0
"""Measures candidates on an emulated board: many in one program, and as few boots as possible.

A candidate's output is compared with the layer's numpy semantics before its counts are believed.
One that faults, hangs or writes where it must not is named as such, and those after it are measured
in another boot of the same program, in which it is skipped.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..boards import get_board
from ..boards.base import OPTIMISE
from ..boards.elf import Image
from ..boards.execution import EXIT_FAULT
from ..boards.faults import explain_fault
from ..boards.qemu import QemuBoard
from ..boards.tools import ARM_GCC, compile_or_raise
from ..errors import BoardError
from ..kernels.registry import REFERENCE
from ..network.macs import layer_macs
from ..paths import runtime_c
from ..profile.counts import LayerCounts, read_counts
from ..profile.cycles import MODELS
from ..profile.cycles.flow import Flow, FlowCycles
from ..profile.cycles.instruction import Instruction, decode
from ..profile.disassembly import Line, disassemble
from ..profile.plugin import plugin_for
from .program import DAMAGE, DAMAGED, Sources, results
from .workload import Candidate, Workload

Status = Literal["ok", "wrong", "fault", "hang", "overrun", "build"]

BATCH = 32
"""Candidates in one program: the plugin holds counters of all code for each."""
DATA_BYTES = 3 << 20
"""Constants and inputs in one program; the boards have 4 MiB."""
ALIKE = ("-fno-inline-functions-called-once", "-fno-ipa-cp")
"""So that what a candidate takes doesn't depend on how many others share its functions. Networks
of several layers of a kind share them likewise."""
START_SECONDS = 15.0
MACS_PER_SECOND = 400_000
"""Far below what QEMU reaches with the plugin on a busy machine: only a hang takes longer."""


@dataclass(frozen=True)
class Measurement:
    """What a candidate needs: per call, and in bytes. Numbers only where status is "ok".

    cycles: None for a core without a timing model. code_bytes: all functions that ran.
    """

    status: Status
    message: str = ""
    instructions: int | None = None
    cycles: int | None = None
    code_bytes: int | None = None
    constant_bytes: int | None = None
    scratch_bytes: int | None = None


@functools.cache
def compiler_version() -> str:
    """The first line of the cross compiler's --version, such as "arm-none-eabi-gcc 12.2.1"."""
    done = subprocess.run(
        [ARM_GCC, "-dumpfullversion"], capture_output=True, text=True, check=False
    )
    return f"{ARM_GCC} {done.stdout.strip()}"


def measure(
    workload: Workload,
    candidates: Sequence[Candidate],
    board: str,
    *,
    timeout_s: float | None = None,
) -> list[Measurement]:
    """One measurement for each candidate of a workload, in their order.

    timeout_s: what a boot may take; by default enough for a busy machine.

    Raises:
        BoardError: the board can't count, or its tools are missing.
    """
    machine = get_board(board)
    if not isinstance(machine, QemuBoard):
        raise BoardError(f"{board} cannot count instructions; tune on mps2-an386 or its like")
    found: list[Measurement] = []
    for at in range(0, len(candidates), BATCH):
        part = candidates[at : at + BATCH]
        found += _measure(workload, part, machine, timeout_s)
    return found


def _measure(
    workload: Workload,
    candidates: Sequence[Candidate],
    board: QemuBoard,
    timeout_s: float | None,
) -> list[Measurement]:
    failed: dict[int, Measurement] = {}
    emitted: list[int] = []
    for number, candidate in enumerate(candidates):
        try:
            _ = candidate.code, candidate.scratch_bytes
            emitted.append(number)
        except Exception as error:
            # Whatever a template trips over is a fact about this candidate, not about the rest.
            failed[number] = Measurement("build", f"{type(error).__name__}: {error}"[:300])
    kept = [candidates[number] for number in emitted]
    measured = _measure_emitted(workload, kept, board, timeout_s) if kept else []
    by_number = {**failed, **dict(zip(emitted, measured, strict=True))}
    return [by_number[number] for number in range(len(candidates))]


def _measure_emitted(
    workload: Workload,
    candidates: Sequence[Candidate],
    board: QemuBoard,
    timeout_s: float | None,
) -> list[Measurement]:
    arguments = workload.arguments()
    sources = Sources(candidates, [arguments] * len(candidates))
    half = len(candidates) // 2
    with tempfile.TemporaryDirectory(prefix="tinyengine-tune-") as folder:
        try:
            if half and sources.data_bytes > DATA_BYTES:
                raise BoardError("too much data for one program")
            batch = _Batch(workload, candidates, board, Path(folder), sources)
        except BoardError as error:
            if half == 0:
                return [Measurement("build", str(error)[:300])]
            # Halving finds the ones that don't compile; the others lose nothing.
            return [
                *_measure_emitted(workload, candidates[:half], board, timeout_s),
                *_measure_emitted(workload, candidates[half:], board, timeout_s),
            ]
        return batch.measure(arguments, timeout_s)


class _Batch:
    """A linked program of candidates."""

    def __init__(
        self,
        workload: Workload,
        candidates: Sequence[Candidate],
        board: QemuBoard,
        work: Path,
        sources: Sources,
    ) -> None:
        self.workload, self.candidates, self.board, self.work = workload, candidates, board, work
        target = workload.target
        sources.write(work)
        include = f"-I{runtime_c() / 'boards'}"
        compiled = work / "batch.o"
        flags = board.gcc_flags(target)
        options = [*flags, *OPTIMISE, *ALIKE, f"-Dmain={board.batch_entry}", "-w", include]
        compile_or_raise(
            [ARM_GCC, *options, "-c", str(work / "batch.c"), "-o", str(compiled)], "a batch"
        )
        blob = work / "blob.o"
        paths = [f"-I{work}", "-c", str(work / "blob.s"), "-o", str(blob)]
        compile_or_raise([ARM_GCC, *flags, *paths], "a batch's data")
        self.program = work / "batch.elf"
        board.link_batch(target, [compiled, blob], self.program)
        self.image = Image(self.program)
        own = Image(compiled).symbols.values()
        self._own = {s.name for s in own if s.kind == "STT_FUNC" and s.section is not None}

    def measure(
        self, arguments: Sequence[np.ndarray], timeout_s: float | None
    ) -> list[Measurement]:
        layer, network = self.workload.layer, self.workload.network
        expected = REFERENCE[type(layer)](network, layer, list(arguments))
        expected = np.asarray(expected).reshape(network.output_of(layer).shape)
        limit = timeout_s
        if limit is None:
            work = len(self.candidates) * layer_macs(network, layer)
            limit = START_SECONDS + work / MACS_PER_SECOND
        done: dict[int, Measurement] = {}
        pending = set(range(len(self.candidates)))
        while pending:
            outputs, begun, failure = self._boot(pending, limit)
            if failure is None:
                counts = read_counts(
                    (self.work / "counts.txt").read_text(encoding="utf-8"),
                    len(self.candidates) + 1,
                    0,
                )
                for number in sorted(pending):
                    right = outputs[number][0] == expected.tobytes()
                    done[number] = (
                        self._counted(number, counts.layers[number + 1])
                        if right
                        else Measurement("wrong", _difference(outputs[number][0], expected))
                    )
                break
            if begun not in pending:
                # Nothing was begun: the program itself doesn't start.
                failure = Measurement(failure.status, failure.message or "nothing ran")
                done.update(dict.fromkeys(pending, failure))
                break
            if failure.status == "hang" and len(pending) > 1:
                # A crowd of slow ones, or a busy machine, is no hang: it gets the time alone.
                _, _, alone = self._boot({begun}, limit)
                if alone is None:
                    limit *= 2
                    continue
                failure = alone
            done[begun] = failure
            pending.discard(begun)
        return [done[number] for number in range(len(self.candidates))]

    def _boot(
        self, chosen: set[int], limit: float
    ) -> tuple[dict[int, tuple[bytes, int]], int, Measurement | None]:
        """Outputs, the candidate begun last, and how it ended the boot if it did."""
        skip = bytes(number not in chosen for number in range(len(self.candidates)))
        (self.work / "skip.bin").write_bytes(skip)
        for name in ("outputs.bin", "counts.txt"):
            (self.work / name).unlink(missing_ok=True)
        command = self.board.command(self.program, self._plugin_options())
        patience = limit
        if shutil.which("timeout"):
            # An emulator must not outlive a worker that is killed, nor this wrapper be killed
            # before it has ended its emulator.
            command = ["timeout", "--signal=KILL", f"{limit:.3f}", *command]
            patience = limit + 60
        failure: Measurement | None = None
        try:
            run = subprocess.run(
                command,
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience,
                check=False,
            )
            # `timeout` ends itself by the signal that it sends, or says so as a shell does.
            ended = run.returncode in (-9, 137, 124)
        except subprocess.TimeoutExpired:
            ended = True
        if ended:
            failure = Measurement("hang", f"no end within {limit:.0f} s")
        written = self.work / "outputs.bin"
        sizes = [c.network.output_of(c.layer).nbytes for c in self.candidates]
        outputs, begun = results(written.read_bytes() if written.is_file() else b"", sizes)
        if failure is not None:
            return outputs, begun, failure
        said = run.stdout + run.stderr
        if run.returncode == DAMAGED and begun in outputs:
            failure = Measurement("overrun", DAMAGE.get(outputs[begun][1], "wrote elsewhere"))
        elif run.returncode == EXIT_FAULT:
            failure = Measurement("fault", (explain_fault(said, self.program) or said)[:300])
        elif run.returncode != 0 or chosen - set(outputs):
            last = said.strip().splitlines()[-1:] or ["no message"]
            failure = Measurement("fault", f"exit code {run.returncode}: {last[0]}"[:300])
        return outputs, begun, failure

    def _plugin_options(self) -> list[str]:
        image = self.image
        plan = [
            "code {:x} {:x}".format(*image.code_range),
            f"entry {image.address(self.board.batch_entry):x}",
            f"return {image.address('finish'):x}",
            f"layers {len(self.candidates) + 1}",
            *(f"layer {number} {address:x}" for number, address in image.layer_marks),
            f"out {self.work / 'counts.txt'}",
        ]
        (self.work / "plan.txt").write_text("\n".join(plan) + "\n", encoding="utf-8")
        return ["-plugin", f"{plugin_for(self.board).path},plan={self.work / 'plan.txt'}"]

    def _counted(self, number: int, counts: LayerCounts) -> Measurement:
        candidate = self.candidates[number]
        return Measurement(
            "ok",
            instructions=counts.instructions,
            cycles=self._cycles(counts),
            code_bytes=self._code_bytes(counts),
            constant_bytes=candidate.constant_bytes,
            scratch_bytes=candidate.scratch_bytes,
        )

    @functools.cached_property
    def _lines(self) -> dict[int, Line]:
        return {line.address: line for line in disassemble(self.program)}

    @functools.cached_property
    def _decoded(self) -> dict[int, Instruction | None]:
        return {}

    def _cycles(self, counts: LayerCounts) -> int | None:
        model = MODELS.get(self.board.core)
        if model is None:
            return None
        instructions = []
        for address in sorted(counts.addresses.executed):
            if address not in self._decoded:
                line = self._lines.get(address)
                self._decoded[address] = None if line is None else decode(line)
            instruction = self._decoded[address]
            if instruction is None:
                return None
            instructions.append(instruction)
        flow = Flow.of(instructions, [counts.addresses])
        return sum(FlowCycles(model, flow).layer(counts.addresses).values())

    @functools.cached_property
    def _functions(self) -> list[tuple[int, int]]:
        symbols = self.image.symbols.values()
        return sorted((s.address, s.size) for s in symbols if s.name in self._own)

    def _code_bytes(self, counts: LayerCounts) -> int:
        executed = counts.addresses.executed
        return sum(
            size
            for start, size in self._functions
            if any(address in executed for address in range(start, start + size, 2))
        )


def _difference(output: bytes, expected: np.ndarray) -> str:
    got = np.frombuffer(output, expected.dtype).reshape(expected.shape)
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        # Equal as numbers but not as bytes, as -0.0 and 0.0 are.
        return "outputs differ in their bytes"
    at = tuple(int(i) for i in wrong[0])
    return (
        f"{len(wrong)} of {expected.size} outputs differ, the first at {list(at)}: "
        f"{got[at]} instead of {expected[at]}"
    )
