# SPDX-License-Identifier: Apache-2.0
"""Builds Relay modules as users of microTVM do, and runs the C on the emulated boards."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.relay.backend import Executor, Runtime

from tinyengine_tvm.boards import get_board
from tinyengine_tvm.boards.base import Program, RunResult
from tinyengine_tvm.boards.qemu import QemuBoard
from tinyengine_tvm.profile.plugin import plugin_for

_TVM = Path(tvm.__file__).parent
TVM_HEADERS = (_TVM / "include", _TVM / "dlpack/include")
MAPPED = """\
#include "model.h"
/* Replaced when the objects of TVM's own files are linked as well. */
__attribute__((weak)) int32_t tvmgen_default_run(
    struct tvmgen_default_inputs *inputs, struct tvmgen_default_outputs *outputs)
{{
    return -1;
}}
{buffers}
struct tvmgen_default_inputs tvmgen_default_map_inputs(void)
{{
    const struct tvmgen_default_inputs mapped = {{ {inputs} }};
    return mapped;
}}
struct tvmgen_default_outputs tvmgen_default_map_outputs(void)
{{
    const struct tvmgen_default_outputs mapped = {{ {outputs} }};
    return mapped;
}}
"""


@dataclass(frozen=True)
class Port:
    """An input or output of the built module; `field` in its C structs."""

    field: str
    shape: tuple[int, ...]
    dtype: str


def build(module: tvm.IRModule, params: Any = None, target: str = "c") -> Any:
    """What relay.build makes for a microcontroller with USMP."""
    config = {
        "tir.disable_vectorize": True,
        "tir.usmp.enable": True,
        "tir.usmp.algorithm": "hill_climb",
    }
    options = {"interface-api": "c", "unpacked-api": True}
    with tvm.transform.PassContext(opt_level=3, config=config):
        return relay.build(
            module,
            target=target,
            executor=Executor("aot", options),
            runtime=Runtime("crt"),
            params=params,
        )


@cache
def _library_format() -> Any:
    """TVM's exporter, with what this wheel lacks of microTVM: its session and its templates."""
    tvm.register_func("micro._rpc_connect", lambda *_: None, override=True)
    from tvm.micro import model_library_format

    folder = Path(tempfile.mkdtemp(prefix="microtvm-"))
    (folder / "templates").mkdir()
    for name in ("crt_config.h.template", "platform.c.template"):
        (folder / "templates" / name).touch()
    model_library_format.get_microtvm_template_projects = lambda _: str(folder)
    model_library_format.get_standalone_crt_dir = lambda: str(folder)
    return model_library_format


def export(built: Any, folder: Path) -> dict[str, Any]:
    """Unpacks the Model Library Format into `folder` and gives its metadata."""
    archive = folder / "model.tar"
    folder.mkdir(parents=True, exist_ok=True)
    _library_format().export_model_library_format(built, archive)
    with tarfile.open(archive) as content:
        content.extractall(folder)
    return json.loads((folder / "metadata.json").read_text())


def ports(module: tvm.IRModule, folder: Path) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of a typed module that was exported into `folder`."""
    header = (folder / "codegen/host/include/tvmgen_default.h").read_text()
    kind = module["main"].checked_type
    result = kind.ret_type
    outputs = list(result.fields) if isinstance(result, tvm.ir.TupleType) else [result]
    found = []
    for struct, types in (("inputs", kind.arg_types), ("outputs", outputs)):
        body = re.search(rf"struct tvmgen_default_{struct} \{{(.*?)\}}", header, re.DOTALL)
        assert body is not None
        fields = re.findall(r"void\* (\w+);", body[1])
        found.append(
            [
                Port(field, tuple(int(d) for d in t.shape), str(t.dtype))
                for field, t in zip(fields, types, strict=True)
            ]
        )
    return found[0], found[1]


def as_compiled_model(
    folder: Path, target: str, inputs: Sequence[Port], outputs: Sequence[Port]
) -> None:
    """Adds what the boards' harness needs to an unpacked Model Library Format."""
    buffers, fields = [], {"inputs": [], "outputs": []}
    for kind, ports in (("inputs", inputs), ("outputs", outputs)):
        for port in ports:
            size = int(np.prod(port.shape)) * np.dtype(port.dtype).itemsize
            buffers.append(f"_Alignas(16) static uint8_t te_{port.field}[{size}];")
            fields[kind].append((port, size))

    def names(ports: Sequence[Port]) -> str:
        return ", ".join(f"te_{port.field}" for port in ports)

    mapped = MAPPED.format(buffers="\n".join(buffers), inputs=names(inputs), outputs=names(outputs))
    header = (folder / "codegen/host/include/tvmgen_default.h").read_text()
    declared = "".join(
        f"struct tvmgen_default_{kind} tvmgen_default_map_{kind}(void);\n"
        for kind in ("inputs", "outputs")
    )
    (folder / "model.h").write_text(f"#pragma once\n{header}{declared}")
    (folder / "model.c").write_text(mapped)

    def facts(kind: str) -> list[dict[str, Any]]:
        return [
            {
                "name": port.field,
                "field": port.field,
                "shape": list(port.shape),
                "dtype": port.dtype,
                "bytes": size,
                "scale": None,
                "zero_point": None,
            }
            for port, size in fields[kind]
        ]

    metadata = {
        "format": 1,
        "name": "default",
        "target": target,
        "mode": "tflite",
        "version": "",
        "model_sha256": "",
        "arena_bytes": 0,
        "arena_lower_bound": 0,
        "inputs": facts("inputs"),
        "outputs": facts("outputs"),
        "layers": [],
        "constants": [],
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))


def program(folder: Path, board: str) -> tuple[QemuBoard, Program]:
    """Builds an unpacked module that `as_compiled_model` has prepared."""
    machine = get_board(board)
    assert isinstance(machine, QemuBoard)
    include = f"-I{folder / 'codegen/host/include'}"
    plain = machine.build(folder, folder / "build", cflags=[include, "-w"])
    objects = []
    # One object per file, as in a user's project: files repeat each other's names.
    for source in sorted((folder / "codegen/host/src").glob("*.c")):
        objects.append(folder / "build" / f"{source.stem}.o")
        command = ["arm-none-eabi-gcc", *plain.model.target.gcc_flags, "-O3", "-w", include]
        command += ["-ffunction-sections", "-fdata-sections", *(f"-I{d}" for d in TVM_HEADERS)]
        subprocess.run([*command, "-c", str(source), "-o", str(objects[-1])], check=True)
    harness = sorted((folder / "build").glob("harness_*.o"))
    machine.link(plain.model.target, [*harness, *plain.objects, *objects], plain.path)
    return machine, Program(plain.path, plain.model, tuple(objects))


def run(folder: Path, board: str, inputs: dict[str, np.ndarray]) -> RunResult:
    """Outputs of a prepared module on an emulated board."""
    machine, built = program(folder, board)
    return machine.execute(built, inputs)


def instructions(folder: Path, board: str, inputs: dict[str, np.ndarray]) -> int:
    """Instructions of one inference of a prepared module."""
    machine, built = program(folder, board)
    return plugin_for(machine).count(machine, built, inputs, folder / "build").instructions
