# SPDX-License-Identifier: Apache-2.0
"""Runs kernels of single layers on the host, many layers per compilation.

Each layer's C comes from `Kernel.emit`. One program holds all of them: it reads the inputs of every
layer from standard input into buffers of exactly their size, so that the address sanitiser sees the
first byte read or written outside, calls the layer, and writes its output to standard output.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyengine_tvm.emit.constants import constant_array
from tinyengine_tvm.emit.source import helper_text
from tinyengine_tvm.kernels.base import Function, Kernel, Operands
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import Layer, Network
from tinyengine_tvm.targets import Target, get_target

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion")
SANITISED = (
    "-O1",
    "-g0",
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
)
RECKLESS = ("-std=gnu11", "-Ofast", "-march=native", "-ffp-contract=fast")
"""What a careless user may compile with: results must not depend on it."""


@dataclass(frozen=True)
class Case:
    """A layer of a network, and the values of its inputs in the layer's order."""

    network: Network
    inputs: Sequence[np.ndarray]
    layer: Layer
    kernel: Kernel[Any] | None = None
    configuration: dict[str, Any] | None = None

    def chosen_kernel(self, target: Target | None = None) -> Kernel[Any]:
        """The kernel given, or else the one that a compile for `target` prefers."""
        target = target or get_target("host")
        return self.kernel or kernels_for(self.network, self.layer, target)[0]


def case_of(
    network: Network, inputs: Sequence[np.ndarray], kernel: Kernel[Any] | None = None
) -> Case:
    """The only layer of a network, with the default kernel unless one is given."""
    (layer,) = network.layers
    return Case(network, inputs, layer, kernel)


def run_kernels(
    cases: Sequence[Case],
    flags: Sequence[str] = SANITISED,
    target: Target | None = None,
) -> list[np.ndarray]:
    """The output of each case, computed by its kernel's C.

    Raises:
        AssertionError: the compiler refused the program, or it failed when run; the message is the
            compiler's or the sanitiser's.
    """
    program = _Program(target or get_target("host"))
    for case in cases:
        program.add(case)
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "kernels.c"), Path(folder, "kernels")
        source.write_text(program.text())
        command = ["gcc", *WARNINGS, *flags, str(source), "-o", str(binary), "-lm"]
        _checked(command, b"")
        payload = b"".join(np.ascontiguousarray(a).tobytes() for c in cases for a in c.inputs)
        result = _checked([str(binary)], payload)
    outputs, at = [], 0
    for case in cases:
        tensor = case.network.output_of(case.layer)
        piece = result[at : at + tensor.nbytes]
        outputs.append(np.frombuffer(piece, tensor.dtype).reshape(tensor.shape))
        at += tensor.nbytes
    assert at == len(result)
    return outputs


def check_cross_compiles(cases: Sequence[Case], target: Target) -> None:
    """Compiles the cases for a Cortex-M core, warnings being errors.

    Raises:
        AssertionError: the compiler's messages.
    """
    program = _Program(target)
    for case in cases:
        program.add(case)
    extra = ("-O2", "-Wdouble-promotion", "-c", "-xc", "-", "-o", "/dev/null")
    command = ["arm-none-eabi-gcc", *target.gcc_flags, *WARNINGS, *extra]
    _checked(command, program.text().encode())


def _checked(command: list[str], payload: bytes) -> bytes:
    done = subprocess.run(command, input=payload, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-6000:]
    return done.stdout


@dataclass
class _Program:
    target: Target
    includes: set[str] = field(
        default_factory=lambda: {"stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"}
    )
    helpers: list[str] = field(default_factory=list)
    functions: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    constants: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def add(self, case: Case) -> None:
        kernel, configuration = case.chosen_kernel(self.target), case.configuration
        assert kernel.supports(case.network, case.layer, self.target)
        if configuration is None:
            space = kernel.configurations(case.network, case.layer, self.target)
            configuration = dict(space[0])
        code = kernel.emit(case.network, case.layer, configuration)
        prefix = f"case{len(self.calls)}_"
        names = [self._function(f) for f in code.functions]
        self.constants.extend(constant_array(prefix + c.name, c.data) for c in code.constants)
        inputs = [case.network.tensor(n) for n in case.layer.inputs]
        output = case.network.output_of(case.layer)
        operands = Operands(
            tuple(f"x{i}" for i in range(len(inputs))), "y", "scratch", lambda name: prefix + name
        )
        scratch = kernel.scratch(case.network, case.layer, configuration)
        lines = [f"    int8_t *const x{i} = take({t.nbytes});" for i, t in enumerate(inputs)]
        lines.append(f"    int8_t *const y = malloc({output.nbytes});")
        lines.append(f"    int8_t *const scratch = malloc({max(scratch, 1)});")
        # What a kernel finds in its output and scratch must not matter.
        lines.append(f"    memset(y, 0xa5, {output.nbytes});")
        lines.append(f"    memset(scratch, 0x5a, {max(scratch, 1)});")
        lines.append(code.call(operands, names))
        lines.append(f"    fwrite(y, 1, {output.nbytes}, stdout);")
        lines.extend(f"    free(x{i});" for i in range(len(inputs)))
        lines.append("    free(y);\n    free(scratch);")
        self.calls.append("\n".join(lines))

    def _function(self, function: Function) -> str:
        self.includes.update(function.includes)
        for helper in function.helpers:
            if helper not in self.helpers:
                self.helpers.append(helper)
        if function.text not in self.functions:
            name, count = function.name, 1
            while name in self.names:
                count += 1
                name = f"{function.name}_{count}"
            self.names.add(name)
            self.functions[function.text] = name
        return self.functions[function.text]

    def text(self) -> str:
        parts = [f"#include <{name}>" for name in sorted(self.includes)]
        parts += [helper_text(name) for name in self.helpers]
        parts += self.constants
        parts += [t.replace("@NAME@", name) for t, name in self.functions.items()]
        parts.append(_TAKE)
        parts += [f"static void run{i}(void)\n{{\n{call}\n}}" for i, call in enumerate(self.calls)]
        body = "\n".join(f"    run{i}();" for i in range(len(self.calls)))
        parts.append(f"int main(void)\n{{\n{body}\n    return 0;\n}}\n")
        return "\n".join(parts)


_TAKE = """static void *take(size_t bytes)
{
    void *const buffer = malloc(bytes);
    if (fread(buffer, 1, bytes, stdin) != bytes) {
        exit(3);
    }
    return buffer;
}"""


__all__ = ["RECKLESS", "SANITISED", "Case", "case_of", "check_cross_compiles", "run_kernels"]
