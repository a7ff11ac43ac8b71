# SPDX-License-Identifier: Apache-2.0
"""`tinyengine compile`: from a model file to C."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..budget import parse_size
from ..errors import ModelError
from .terminal import JsonOption, console, facts, print_json, progress


class Interface(str, Enum):
    """What the compiled network exchanges with its caller."""

    KEEP = "keep"
    INT8 = "int8"


class GraphDialect(str, Enum):
    """TVM's graph dialects."""

    RELAX = "relax"
    RELAY = "relay"


class Optimise(str, Enum):
    """What a compile aims at."""

    SPEED = "speed"
    SIZE = "size"
    SRAM = "sram"


def compile_(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Int8 network: .tflite, or .onnx with QDQ.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New or empty folder to write.")
    ],
    target: Annotated[
        str, typer.Option("--target", "-t", help="Core to compile for; see tinyengine targets.")
    ] = "cortex-m4",
    name: Annotated[
        str, typer.Option("--name", help="Name in files and C functions: tvmgen_NAME_run.")
    ] = "net",
    interface: Annotated[
        Interface,
        typer.Option(
            "--interface",
            help="keep: inputs and outputs as in the model. int8: no float ones.",
        ),
    ] = Interface.KEEP,
    optimise: Annotated[
        Optimise,
        typer.Option(
            "--optimise",
            help="speed: few instructions. size: little code. sram: the smallest arena.",
        ),
    ] = Optimise.SPEED,
    no_rewrite: Annotated[
        list[str] | None,
        typer.Option(
            "--no-rewrite", metavar="REWRITE", help="Leave out this graph rewrite; repeatable."
        ),
    ] = None,
    sram: Annotated[
        str | None,
        typer.Option("--sram", metavar="BYTES", help="SRAM it may take: 34000, 34kB, 32KiB."),
    ] = None,
    flash: Annotated[
        str | None,
        typer.Option("--flash", metavar="BYTES", help="Flash it may take, code and constants."),
    ] = None,
    mac_factor: Annotated[
        float,
        typer.Option("--mac-factor", help="Most MACs, relative to the model's, to save SRAM with."),
    ] = 1.15,
    stream_input: Annotated[
        bool,
        typer.Option(
            "--stream-input", help="The code asks for its input a few rows at a time: no frame."
        ),
    ] = False,
    dialect: Annotated[
        GraphDialect | None,
        typer.Option(
            "--dialect", help="TVM's graph dialect to import through; default: what is installed."
        ),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            metavar="FILE",
            help="Measurements of tinyengine tune to choose by, or 'shipped' for those of common "
            "networks: the fewest cycles in the same SRAM, for more code.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Guard the arena around every layer, to find faults; slow code."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compile a model to C: model.c, model.h, metadata.json, report.json and NAME.tar.

    NAME.tar holds the same in TVM's Model Library Format. DIR appears complete or not at all.

    \b
    Examples:
      tinyengine compile model.tflite -o build/net
      tinyengine compile model.onnx -o build/kws --target cortex-m7 --name kws
      tinyengine compile model.tflite -o build/net --interface int8 --json
      tinyengine compile model.tflite -o build/net --sram 64KiB --flash 512KiB
      tinyengine compile model.tflite -o build/net --optimise sram --stream-input
      tinyengine compile model.tflite -o build/net --records kws.jsonl --flash 512KiB
      tinyengine compile model.tflite -o build/net --records shipped
    """
    from ..api import compile_model, require_free_folder

    if not model.is_file():
        problem = "is not a file" if model.exists() else "doesn't exist"
        raise ModelError(f"model '{model}' {problem}; give a .tflite or .onnx file")
    # Artifact.save asks the same, but only after seconds of work.
    require_free_folder(output)
    with progress(f"compiling {model.name} for {target}", quiet=as_json):
        artifact = compile_model(
            model,
            target=target,
            name=name,
            interface=interface.value,
            disabled_rewrites=tuple(no_rewrite or ()),
            sram=None if sram is None else parse_size(sram),
            flash=None if flash is None else parse_size(flash),
            mac_factor=mac_factor,
            stream_input=stream_input,
            optimise=optimise.value,
            dialect=None if dialect is None else dialect.value,
            records=records,
            check=check,
        )
        artifact.save(output)
    files = sorted(artifact.files)
    if as_json:
        print_json({"directory": str(output), "files": files, **artifact.report})
        return
    console().print(facts(_summary(artifact.metadata, artifact.report)))
    console().print(f"written to {output}: {', '.join(files)}")


def _summary(metadata: dict[str, Any], report: dict[str, Any]) -> list[tuple[str, str]]:
    memory = report["memory"]
    operators = ", ".join(f"{count} {op}" for op, count in report["operators"].items())
    return [
        ("network", f"{report['name']} for {report['target']}, {report['mode']} arithmetic"),
        *((kind, _port(port)) for kind in ("input", "output") for port in metadata[f"{kind}s"]),
        ("layers", f"{report['layers']}: {operators}"),
        ("MACs", f"{report['macs']:,}"),
        ("arena", f"{memory['arena_bytes']:,} bytes, {_gap(memory)}"),
        ("peak", f"at layer {memory['peak_layer']}"),
        ("weights", f"{report['constant_bytes']:,} bytes, with biases and tables"),
    ]


def _port(port: dict[str, Any]) -> str:
    shape = "x".join(map(str, port["shape"]))
    quantised = (
        ""
        if port["scale"] is None
        else f", scale {port['scale']:g}, zero point {port['zero_point']}"
    )
    return f"{port['name']}: {port['dtype']} {shape}{quantised}"


def _gap(memory: dict[str, Any]) -> str:
    gap, bound = memory["gap_bytes"], memory["lower_bound"]
    if gap == 0:
        return "which is the lower bound"
    proven = "proven least, " if memory["optimal"] else ""
    return f"{proven}{gap:,} ({gap / bound:.1%}) above the lower bound of {bound:,}"
