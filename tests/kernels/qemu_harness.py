# SPDX-License-Identifier: Apache-2.0
"""Runs kernels of single layers on an emulated board, many per boot, and counts instructions.

Each layer's C comes from `Kernel.emit`. One program holds all of them. The input of a layer is
copied to the very end of RAM, where the memory protection unit stops whoever reads past it; output
and scratch lie between guard bytes, are filled with garbage first, and are checked afterwards.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernel_harness import Case
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.boards.mps2 import MPS2_BOARDS
from tinyengine_tvm.boards.mps3 import MPS3_BOARDS
from tinyengine_tvm.boards.qemu import LIBRARIES, QemuBoard
from tinyengine_tvm.emit.source import helper_text
from tinyengine_tvm.kernels.base import Operands
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.paths import runtime_c
from tinyengine_tvm.profile.plugin import plugin_for
from tinyengine_tvm.targets import get_target

BOARDS = {board.name: board for board in (*MPS2_BOARDS, *MPS3_BOARDS)}
GUARD = 32
"""Bytes of guard around output and scratch."""


@dataclass(frozen=True)
class Result:
    """What one layer gave: its output, the kernel's name, and the instructions of the call."""

    output: np.ndarray
    kernel: str
    instructions: int | None = None


def run_on_board(
    cases: Sequence[Case],
    board: str = "mps2-an386",
    target: str = "cortex-m4",
    count: bool = False,
    flags: Sequence[str] = ("-O2",),
    overlapped: bool = False,
) -> list[Result]:
    """The result of each case, computed by its kernel's C.

    overlapped: outputs run over the first operand as far as the kernels allow.

    Raises:
        AssertionError: the compiler refused the program; it faulted, or wrote where it must not.
    """
    with tempfile.TemporaryDirectory() as folder:
        batch = _Batch(cases, BOARDS[board], target, Path(folder), overlapped)
        return batch.run(count, tuple(flags))


def check_on_board(cases: Sequence[Case], **options: Any) -> list[Result]:
    """`run_on_board`, with every output compared with the layer's numpy semantics."""
    results = run_on_board(cases, **options)
    for number, (case, result) in enumerate(zip(cases, results, strict=True)):
        given = dict(zip(case.layer.inputs, case.inputs, strict=True))
        (expected,) = run_reference(case.network, given).values()
        wrong = np.argwhere(result.output != expected)
        assert not len(wrong), (
            f"case {number}, {result.kernel}: {len(wrong)} of {expected.size} differ, the first at "
            f"{wrong[0].tolist()}: {result.output[tuple(wrong[0])]} instead of "
            f"{expected[tuple(wrong[0])]}; {describe(case)}"
        )
    return results


def describe(case: Case) -> str:
    """The layer, short enough for a message."""
    layer, network = case.layer, case.network
    facts = {
        k: v
        for k, v in vars(layer).items()
        if k not in ("weight", "bias", "weight_scale", "name", "inputs", "output")
    }
    if hasattr(layer, "weight"):
        facts["weight"] = layer.weight.shape
    shapes = [network.tensor(n).shape for n in layer.inputs]
    ends = (network.input_of(layer), network.output_of(layer))
    zeros = [t.zero_point for t in ends if t.quantisation is not None]
    return f"{network.mode} {layer.op} {shapes} zero points {zeros} {facts}"


def batches(cases: Sequence[Case], size: int = 100) -> list[Sequence[Case]]:
    """Cases in groups that fit one program."""
    return [cases[i : i + size] for i in range(0, len(cases), size)]


def thorough(default: int, full: int) -> int:
    """How many random cases to try: `full` with TINYENGINE_THOROUGH=1."""
    return full if os.environ.get("TINYENGINE_THOROUGH") == "1" else default


def require_board(board: str = "mps2-an386") -> None:
    """Skips the test where the compiler or the emulator is missing."""
    if BOARDS[board].missing():
        pytest.skip(BOARDS[board].describe())


class _Batch:
    def __init__(
        self,
        cases: Sequence[Case],
        board: QemuBoard,
        target: str,
        work: Path,
        overlapped: bool = False,
    ) -> None:
        self.cases, self.board, self.work = cases, board, work
        self.overlapped = overlapped
        self.target = get_target(target)
        self.functions: dict[str, str] = {}
        self.names: set[str] = set()
        self.helpers: dict[str, None] = {}
        self.includes: set[str] = {"stdint.h", "stddef.h", "string.h"}
        self.blob = bytearray()
        self.symbols: list[tuple[str, int]] = []
        self.kernels: list[str] = []
        self.calls = [self._add(number, case) for number, case in enumerate(cases)]

    def _data(self, symbol: str, data: np.ndarray) -> None:
        self.blob += bytes(-len(self.blob) % 4)
        self.symbols.append((symbol, len(self.blob)))
        self.blob += np.ascontiguousarray(data).tobytes()

    def _add(self, number: int, case: Case) -> str:
        network, layer = case.network, case.layer
        kernel = case.kernel or kernels_for(network, layer, self.target)[0]
        assert kernel.supports(network, layer, self.target), describe(case)
        configuration = case.configuration
        if configuration is None:
            configuration = dict(kernel.choose(network, layer, self.target, "speed"))
        self.kernels.append(kernel.name)
        code = kernel.emit(network, layer, configuration)
        names = []
        for function in code.functions:
            self.includes.update(function.includes)
            self.helpers.update(dict.fromkeys(function.helpers))
            if function.text not in self.functions:
                name = f"{function.name}_{len(self.functions)}"
                self.functions[function.text] = name
            names.append(self.functions[function.text])
        types = {}
        for constant in code.constants:
            self._data(f"c{number}_{constant.name}", constant.data)
            types[constant.name] = constant.data.dtype.name
        for index, value in enumerate(case.inputs):
            self._data(f"c{number}_x{index}", value)
        sizes = [network.tensor(n).nbytes for n in layer.inputs]
        out = network.output_of(layer).nbytes
        scratch = kernel.scratch(network, layer, configuration)
        operands = Operands(
            tuple(f"x{i}" for i in range(len(sizes))), "y", "scratch", lambda n: f"c{number}_{n}"
        )
        span, places = out, [f"place({size})" for size in sizes]
        shared = kernel.overlap(network, layer, configuration).get(0, 0) if self.overlapped else 0
        if shared:
            start = (max(out - shared, 0) + 3) // 4 * 4
            places[0], span = f"area + {GUARD + start}", max(out, start + sizes[0])
        place = "".join(
            f"    int8_t *const x{i} = {at}; memcpy(x{i}, c{number}_x{i}, {size});\n"
            for i, (at, size) in enumerate(zip(places, sizes, strict=True))
        )
        same = " | ".join(
            f"memcmp(x{i}, c{number}_x{i}, {s})" for i, s in enumerate(sizes) if i or not shared
        )
        declared = "".join(
            f"extern const {t}_t c{number}_{n}[];\n"
            if t != "float32"
            else f"extern const float c{number}_{n}[];\n"
            for n, t in types.items()
        )
        declared += "".join(f"extern const int8_t c{number}_x{i}[];\n" for i in range(len(sizes)))
        arguments = ", ".join([f"int8_t *x{i}" for i in range(len(sizes))])
        pass_on = ", ".join([f"x{i}" for i in range(len(sizes))])
        return (
            f"{declared}"
            f"__attribute__((noinline)) static void call{number}({arguments}, int8_t *y,\n"
            f"    void *scratch)\n{{\n"
            f"    (void)scratch;\n    MARK({2 * number + 1});\n"
            f"{code.call(operands, names)}\n    MARK({2 * number + 2});\n}}\n"
            f"static void case{number}(void)\n{{\n    top = (uint32_t)__ram_limit;\n"
            f"    begin({span}, {scratch});\n{place}"
            f"    call{number}({pass_on}, area + {GUARD},\n"
            f"        area + {GUARD} + (({span} + 3) & ~3) + {GUARD});\n"
            f"    end({out}, {span}, {scratch}, {same or 0});\n}}\n"
        )

    def text(self) -> str:
        nbytes = [
            c.network.output_of(c.layer).nbytes + c.network.input_of(c.layer).nbytes
            for c in self.cases
        ]
        parts = [f"#include <{name}>" for name in sorted(self.includes)]
        parts.append('#include "semihosting.h"')
        parts.append(
            _MAIN.replace("@AREA@", str(max(nbytes) + 65536)).replace("@GUARD@", str(GUARD))
        )
        parts += [helper_text(h) for h in self.helpers]
        parts += [t.replace("@NAME@", n) for t, n in self.functions.items()]
        parts += self.calls
        body = "".join(f"    case{i}();\n" for i in range(len(self.cases)))
        parts.append(
            "int main(void)\n{\n    MARK(0);\n"
            '    file = semihosting_open("outputs.bin", SEMIHOSTING_WRITE_BINARY);\n'
            f"{body}    finish();\n    semihosting_exit(0);\n}}\n"
        )
        return "\n".join(parts)

    def build(self, flags: tuple[str, ...]) -> Path:
        (self.work / "batch.c").write_text(self.text())
        (self.work / "blob.bin").write_bytes(self.blob)
        lines = ['.section .rodata.blob,"a",%progbits', ".balign 16", "blob:"]
        lines.append('.incbin "blob.bin"')
        for symbol, offset in self.symbols:
            lines += [f".global {symbol}", f".set {symbol}, blob + {offset}"]
        (self.work / "blob.s").write_text("\n".join(lines) + "\n")
        warn = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-std=c11"]
        sources = [
            ([*self.target.gcc_flags, *warn, *flags, f"-I{runtime_c() / 'boards'}"], "batch.c"),
            (list(self.target.gcc_flags), "blob.s"),
        ]
        objects = []
        for options, name in sources:
            objects.append(self.work / f"{name}.o")
            _checked(["arm-none-eabi-gcc", *options, "-c", name, "-o", str(objects[-1])], self.work)
        objects += _runtime(self.board.core, self.target.name)
        boards = runtime_c() / "boards"
        program = self.work / "batch.elf"
        link = ["-T", str(boards / self.board.memories), f"-L{boards}", *LIBRARIES]
        link += ["-o", str(program)]
        _checked(
            ["arm-none-eabi-gcc", *self.target.gcc_flags, *map(str, objects), *link], self.work
        )
        return program

    def run(self, count: bool, flags: tuple[str, ...]) -> list[Result]:
        program = self.build(flags)
        options: list[str] = []
        if count:
            image = Image(program)
            marks = dict(image.layer_marks)
            plan = [
                f"code {image.address('__text_start'):x} {image.address('__text_end'):x}",
                f"entry {image.address('main'):x}",
                f"return {image.address('finish'):x}",
                f"layers {len(marks)}",
                *(f"layer {number} {marks[number]:x}" for number in range(len(marks))),
                f"out {self.work / 'counts.txt'}",
            ]
            (self.work / "plan.txt").write_text("\n".join(plan) + "\n")
            plugin = plugin_for(self.board)
            options = ["-plugin", f"{plugin.path},plan={self.work / 'plan.txt'}"]
        done = subprocess.run(
            self.board.command(program, options),
            cwd=self.work,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        output = (self.work / "outputs.bin").read_bytes()
        tensors = [c.network.output_of(c.layer) for c in self.cases]
        at, results = 0, []
        for number, (case, tensor) in enumerate(zip(self.cases, tensors, strict=True)):
            piece = output[at : at + tensor.nbytes + 1]
            where = f"case {number}, {self.kernels[number]}, {describe(case)}"
            assert len(piece) == tensor.nbytes + 1, f"{said}\nno output of {where}"
            assert piece[-1] == 0, f"{_DAMAGE.get(piece[-1], piece[-1])}: {where}"
            value = np.frombuffer(piece[:-1], tensor.dtype).reshape(tensor.shape)
            results.append(Result(value, self.kernels[number]))
            at += tensor.nbytes + 1
        assert done.returncode == 0, said
        if count:
            lines = (self.work / "counts.txt").read_text().splitlines()
            # The first mark stands before everything; then calls' beginnings and ends alternate.
            counted = [int(line.split()[2]) for line in lines if line.startswith("layer ")][1::2]
            results = [
                Result(r.output, r.kernel, count) for r, count in zip(results, counted, strict=True)
            ]
        return results


_DAMAGE = {
    1: "wrote before its output",
    2: "wrote past its output",
    3: "wrote past its scratch",
    4: "wrote to its input",
}


@functools.cache
def _runtime(core: str, target: str) -> tuple[Path, ...]:
    folder = Path(_build_folder().name)
    objects = []
    for name in ("start.c", "fault.c", "semihosting.c", "timer.c"):
        objects.append(folder / f"{target}_{core}_{name}.o")
        flags = [f"-mcpu={core}", "-mthumb", "-mgeneral-regs-only", "-O2", "-std=c11"]
        flags += [f for f in get_target(target).gcc_flags if f.startswith("-mfloat-abi")]
        flags += ["-DTE_FPU"] if get_target(target).has("fpu") else []
        flags += ["-fno-tree-loop-distribute-patterns"]
        source = str(runtime_c() / "boards" / name)
        _checked(["arm-none-eabi-gcc", *flags, "-c", source, "-o", str(objects[-1])], folder)
    return tuple(objects)


@functools.cache
def _build_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyengine-test-")


def _checked(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-6000:]


_MAIN = """
extern uint32_t __ram_limit[];
static int32_t file;
static uint32_t top;
_Alignas(16) static int8_t area[@AREA@];

/* Stands where a call begins: noted in a section that isn't loaded, so that nothing is executed. */
#define NOTE(number) __asm__ volatile("9: .pushsection .tinyengine_layers, \\"\\", %progbits\\n" \\
    ".word " #number ", 9b\\n.popsection")
#define MARK(number) NOTE(number)

static int8_t *place(uint32_t bytes)
{
    top = (top - bytes) & ~3u;
    return (int8_t *)top;
}

static void begin(uint32_t span, uint32_t scratch)
{
    uint32_t total = @GUARD@ + ((span + 3u) & ~3u) + @GUARD@ + scratch + @GUARD@;
    if (total > sizeof area) {
        semihosting_exit(9);
    }
    memset(area, 0x5a, total);
}

static int intact(const int8_t *from, const int8_t *to)
{
    for (; from < to; ++from) {
        if (*from != 0x5a) {
            return 0;
        }
    }
    return 1;
}

__attribute__((noinline)) static void end(
    uint32_t out, uint32_t span, uint32_t scratch, int touched)
{
    const int8_t *const y = area + @GUARD@, *const z = y + ((span + 3u) & ~3u) + @GUARD@;
    uint8_t damage = 0;
    if (!intact(area, y)) {
        damage = 1;
    } else if (!intact(y + span, z)) {
        damage = 2;
    } else if (!intact(z + scratch, z + scratch + @GUARD@)) {
        damage = 3;
    } else if (touched != 0) {
        damage = 4;
    }
    semihosting_write(file, y, out);
    semihosting_write(file, &damage, 1);
}

__attribute__((noinline, used)) void finish(void)
{
    __asm__ volatile("");
}
"""
