# SPDX-License-Identifier: Apache-2.0
"""`tinyengine compile`: from a model file to C."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..budget import parse_size
from ..errors import ModelError, TinyEngineError
from ..folders import require_free_archive, require_free_folder
from ..targets import get_target
from .report import write_reports
from .terminal import JsonOption, console, facts, print_json, progress


class Interface(str, Enum):
    """What the compiled network exchanges with its caller."""

    KEEP = "keep"
    INT8 = "int8"


class GraphDialect(str, Enum):
    """TVM's graph dialects."""

    RELAX = "relax"
    RELAY = "relay"


class OutputFormat(str, Enum):
    """What a compile writes."""

    FOLDER = "folder"
    MLF = "mlf"


class Optimise(str, Enum):
    """What a compile aims at."""

    SPEED = "speed"
    SIZE = "size"
    SRAM = "sram"


def compile_(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Int8 network: .tflite, or .onnx with QDQ; .onnx in float."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PATH", help="New or empty folder to write, or a new .tar."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            help="Core to compile for; see tinyengine targets. Default: the board's, or cortex-m4.",
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", help="Board it's meant for: refuses cores that it lacks."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name in files and C functions: tvmgen_NAME_run.")
    ] = "net",
    output_format: Annotated[
        OutputFormat,
        typer.Option(
            "--output-format",
            help="folder: all files. mlf: only the Model Library Format archive, as PATH.",
        ),
    ] = OutputFormat.FOLDER,
    input_shapes: Annotated[
        str | None,
        typer.Option(
            "--input-shapes",
            metavar="NAME:[SIZE,...]",
            help="Shapes of inputs that have none in the model, or not every size.",
        ),
    ] = None,
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
    desired_layout: Annotated[str | None, typer.Option("--desired-layout", hidden=True)] = None,
    allow_slow: Annotated[
        bool,
        typer.Option(
            "--allow-slow", help="Plain loops for convolutions and dense layers without a kernel."
        ),
    ] = False,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write a report as well: .html, .md or .json; repeatable. With --board it has "
            "the instructions of each layer.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a model to C: model.c, model.h, metadata.json, report.json and NAME.tar.

    NAME.tar holds the same in TVM's Model Library Format. PATH appears complete or not at all.

    \b
    Examples:
      tinyengine compile model.tflite -o build/net
      tinyengine compile model.onnx -o build/kws --target cortex-m7 --name kws
      tinyengine compile model.tflite -o build/net --interface int8 --json
      tinyengine compile model.tflite -o build/net --sram 64KiB --flash 512KiB
      tinyengine compile model.tflite -o build/net --optimise sram --stream-input
      tinyengine compile model.tflite -o build/net --records kws.jsonl --flash 512KiB
      tinyengine compile model.tflite -o build/net --records shipped
      tinyengine compile model.onnx -o net.tar --output-format mlf
      tinyengine compile model.onnx -o build/net --input-shapes "data:[1,3,96,96]"
      tinyengine compile model.tflite -o build/net --board zephyr:mps2_an521
      tinyengine compile float.onnx -o build/net --allow-slow
      tinyengine compile model.tflite -o build/net --board mps2-an386 --report net.html
    """
    from ..api import compile_model
    from ..boards import get_board
    from ..importers.input_shapes import parse_input_shapes
    from ..report.page import require_report

    if desired_layout is not None:
        raise TinyEngineError(
            "--desired-layout isn't taken: all kernels work on NHWC, and models in another layout "
            "are brought into it; leave the option out"
        )

    if not model.is_file():
        problem = "is not a file" if model.exists() else "doesn't exist"
        raise ModelError(f"model '{model}' {problem}; give a .tflite or .onnx file")
    core = target or "cortex-m4"
    if board is not None:
        machine = get_board(board)
        core = target or machine.own_target
        get_target(core)
        machine.require_target(core)
    # Artifact.save asks the same, but only after seconds of work.
    archive = output_format is OutputFormat.MLF
    (require_free_archive if archive else require_free_folder)(output)
    for path in report or ():
        require_report(path)
    shapes = None if input_shapes is None else parse_input_shapes(input_shapes)
    with progress(f"compiling {model.name} for {core}", quiet=as_json):
        artifact = compile_model(
            model,
            target=core,
            name=name,
            interface=interface.value,
            disabled_rewrites=tuple(no_rewrite or ()),
            sram=None if sram is None else parse_size(sram),
            flash=None if flash is None else parse_size(flash),
            mac_factor=mac_factor,
            stream_input=stream_input,
            optimise=optimise.value,
            dialect=None if dialect is None else dialect.value,
            input_shapes=shapes,
            records=records,
            check=check,
            allow_slow=allow_slow,
        )
        (artifact.save_archive if archive else artifact.save)(output)
    if report:
        write_reports(artifact, model, board, report, quiet=as_json)
    files = sorted(artifact.files)
    if as_json:
        place = {"archive": str(output)} if archive else {"directory": str(output), "files": files}
        print_json(place | artifact.report)
        return
    console().print(facts(_summary(artifact.metadata, artifact.report)))
    console().print(f"written to {output}{'' if archive else ': ' + ', '.join(files)}")
    if report:
        console().print(f"report: {', '.join(map(str, report))}")


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
        *(
            (layer["name"], f"through TVM: {', '.join(layer['operators'])}")
            for layer in report["fallback"]["layers"]
        ),
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
