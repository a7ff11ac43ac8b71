# SPDX-License-Identifier: Apache-2.0
"""One program that runs many candidates, each between guard bytes, and tells what came of it.

The inputs of a candidate are copied to the very end of RAM, where the memory protection unit stops
whoever reads past them; output and scratch lie between guard bytes and are filled with garbage.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..emit.constants import constant_array
from ..emit.source import helper_text
from ..kernels.base import Operands
from .workload import Candidate

GUARD = 64
"""Bytes of guard around output and scratch."""
VISIBLE_BYTES = 1024
"""Constants up to this size stand in the C, as in a network's: compilers make use of sizes."""
DAMAGED = 3
"""Exit code of a program that ends because a candidate wrote where it must not."""
DAMAGE = {
    1: "wrote before its output",
    2: "wrote past its output",
    3: "wrote past its scratch",
    4: "wrote to its input",
}


class Sources:
    """C and data of a batch. `inputs[i]` are the arguments of `candidates[i]`."""

    def __init__(
        self, candidates: Sequence[Candidate], inputs: Sequence[Sequence[np.ndarray]]
    ) -> None:
        self._functions: dict[str, str] = {}
        self._helpers: dict[str, None] = {}
        self._includes = {"stdint.h", "stddef.h", "string.h"}
        self._blob = bytearray()
        self._known: dict[bytes, int] = {}
        self._symbols: list[tuple[str, int]] = []
        self._area = 0
        self._count = len(candidates)
        pairs = zip(candidates, inputs, strict=True)
        self._calls = [self._add(number, c, values) for number, (c, values) in enumerate(pairs)]

    @property
    def data_bytes(self) -> int:
        return len(self._blob)

    def write(self, folder: Path) -> None:
        """Writes batch.c, blob.s and blob.bin."""
        (folder / "batch.c").write_text(self._text(), encoding="utf-8")
        (folder / "blob.bin").write_bytes(self._blob)
        lines = ['.section .rodata.blob,"a",%progbits', ".balign 16", "blob:", '.incbin "blob.bin"']
        for symbol, offset in self._symbols:
            lines += [f".global {symbol}", f".set {symbol}, blob + {offset}"]
        (folder / "blob.s").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _constant(self, symbol: str, data: np.ndarray) -> str:
        if data.nbytes <= VISIBLE_BYTES:
            return constant_array(symbol, data) + "\n"
        return self._data(symbol, data)

    def _data(self, symbol: str, data: np.ndarray) -> str:
        content = np.ascontiguousarray(data).tobytes()
        # Candidates of one layer share its inputs, and many of them its weights.
        if content not in self._known:
            self._blob += bytes(-len(self._blob) % 16)
            self._known[content] = len(self._blob)
            self._blob += content
        self._symbols.append((symbol, self._known[content]))
        kind = "float" if data.dtype == np.float32 else f"{data.dtype.name}_t"
        return f"extern const {kind} {symbol}[];\n"

    def _add(self, number: int, candidate: Candidate, inputs: Sequence[np.ndarray]) -> str:
        network, layer, code = candidate.network, candidate.layer, candidate.code
        names = []
        for function in code.functions:
            self._includes.update(function.includes)
            self._helpers.update(dict.fromkeys(function.helpers))
            name = f"{function.name}_{len(self._functions)}"
            names.append(self._functions.setdefault(function.text, name))
        declared = [self._constant(f"c{number}_{c.name}", c.data) for c in code.constants]
        declared += [self._data(f"c{number}_x{i}", value) for i, value in enumerate(inputs)]
        sizes = [value.nbytes for value in inputs]
        out, scratch = network.output_of(layer).nbytes, candidate.scratch_bytes
        self._area = max(self._area, out + scratch + 3 * GUARD + 16)
        places = "".join(
            f"    int8_t *const x{i} = place({size});\n    memcpy(x{i}, c{number}_x{i}, {size});\n"
            for i, size in enumerate(sizes)
        )
        touched = " | ".join(f"memcmp(x{i}, c{number}_x{i}, {s})" for i, s in enumerate(sizes))
        arguments = "".join(f"void *x{i}, " for i in range(len(sizes)))
        operands = Operands(
            tuple(f"x{i}" for i in range(len(sizes))), "y", "scratch", lambda n: f"c{number}_{n}"
        )
        return (
            f"{''.join(declared)}"
            f"__attribute__((noinline)) static void call{number}({arguments}void *y,\n"
            f"    void *scratch)\n{{\n    (void)scratch;\n    MARK({number + 1});\n"
            f"{code.call(operands, names)}\n    MARK(0);\n}}\n"
            f"static void case{number}(void)\n{{\n"
            f"    if (skip[{number}] != 0) {{\n        return;\n    }}\n"
            f"    int8_t *const z = begin({number}, {out}, {scratch});\n{places}"
            f"    call{number}({''.join(f'x{i}, ' for i in range(len(sizes)))}area + {GUARD}, z);\n"
            f"    end({out}, {scratch}, {touched or 0});\n}}\n"
        )

    def _text(self) -> str:
        parts = [f"#include <{name}>" for name in sorted(self._includes)]
        parts.append('#include "semihosting.h"')
        main = _MAIN.replace("@AREA@", str(self._area)).replace("@GUARD@", str(GUARD))
        parts.append(main.replace("@COUNT@", str(self._count)).replace("@EXIT@", str(DAMAGED)))
        parts += [helper_text(h) for h in self._helpers]
        parts += [text.replace("@NAME@", name) for text, name in self._functions.items()]
        parts += self._calls
        body = "".join(f"    case{i}();\n" for i in range(self._count))
        parts.append(f"int main(void)\n{{\n    start();\n{body}    finish();\n    leave();\n}}\n")
        return "\n".join(parts)


def results(content: bytes, sizes: Sequence[int]) -> tuple[dict[int, tuple[bytes, int]], int]:
    """What the program wrote: (output, damage) by candidate, and the one begun last or -1.

    `sizes` holds the bytes of each candidate's output.
    """
    found: dict[int, tuple[bytes, int]] = {}
    at, begun = 0, -1
    while at + 4 <= len(content):
        begun = int.from_bytes(content[at : at + 4], "little")
        at += 4
        if begun >= len(sizes) or at + sizes[begun] + 1 > len(content):
            break
        found[begun] = (content[at : at + sizes[begun]], content[at + sizes[begun]])
        at += sizes[begun] + 1
    return found, begun


_MAIN = """
extern uint32_t __ram_limit[];
static int32_t file;
static uint32_t top;
static uint8_t skip[@COUNT@];
_Alignas(16) static int8_t area[@AREA@];

/* Notes where it stands in a section that isn't loaded, so that nothing is executed for it. */
#define MARK(number) __asm__ volatile("9: .pushsection .tinyengine_layers, \\"\\", %%progbits\\n" \\
    ".word " #number ", 9b\\n.popsection" ::: "memory")

static int8_t *place(uint32_t bytes)
{
    top = (top - bytes) & ~3u;
    return (int8_t *)top;
}

__attribute__((noinline)) static void start(void)
{
    MARK(0);
    const int32_t skipped = semihosting_open("skip.bin", SEMIHOSTING_READ_BINARY);
    semihosting_read(skipped, skip, @COUNT@);
    semihosting_close(skipped);
    file = semihosting_open("outputs.bin", SEMIHOSTING_WRITE_BINARY);
}

__attribute__((noinline, noreturn)) static void leave(void)
{
    semihosting_close(file);
    semihosting_exit(0);
}

static uint32_t scratch_at(uint32_t out)
{
    return (@GUARD@ + out + @GUARD@ + 15u) & ~15u;
}

__attribute__((noinline)) static int8_t *begin(uint32_t number, uint32_t out, uint32_t scratch)
{
    top = (uint32_t)__ram_limit;
    semihosting_write(file, &number, 4);
    memset(area, 0x5a, scratch_at(out) + scratch + @GUARD@);
    return area + scratch_at(out);
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

__attribute__((noinline)) static void end(uint32_t out, uint32_t scratch, int touched)
{
    const int8_t *const y = area + @GUARD@, *const z = area + scratch_at(out);
    uint8_t damage = 0;
    if (!intact(area, y)) {
        damage = 1;
    } else if (!intact(y + out, z)) {
        damage = 2;
    } else if (!intact(z + scratch, z + scratch + @GUARD@)) {
        damage = 3;
    } else if (touched != 0) {
        damage = 4;
    }
    semihosting_write(file, y, out);
    semihosting_write(file, &damage, 1);
    if (damage != 0) {
        /* Nobody knows what else it has damaged. */
        semihosting_close(file);
        semihosting_exit(@EXIT@);
    }
}

__attribute__((noinline, used)) void finish(void)
{
    __asm__ volatile("");
}
"""
