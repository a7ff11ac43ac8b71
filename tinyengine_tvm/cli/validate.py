# SPDX-License-Identifier: Apache-2.0
"""`tinyengine validate`: does a compiled network compute what its model does?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import TinyEngineError
from .run import DirectoryArgument, load
from .terminal import JsonOption, console, facts, print_json, progress, table

if TYPE_CHECKING:
    from ..validate import Run, Validation

FAILED = 1


def validate(
    directory: DirectoryArgument,
    model: Annotated[
        Path, typer.Option("--model", "-m", metavar="FILE", help="The model it was compiled from.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            "-d",
            metavar="FILE",
            help=".npz with samples for each input, by name; or .npy for a network of one input.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help=".npy with the class of each sample."),
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            "-b",
            help="Where to run; repeatable. Default: host, and an emulated board of the core.",
        ),
    ] = None,
    float_model: Annotated[
        Path | None,
        typer.Option(
            "--float", metavar="FILE", help="The .onnx before quantisation: error of each layer."
        ),
    ] = None,
    layer_samples: Annotated[
        int,
        typer.Option("--layer-samples", min=1, help="Samples whose layers are compared."),
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Compare a compiled network with its model: accuracy, classes, and every layer's bytes.

    The C that is compared is the one that ships. Where a layer gives other values than it
    must, the first such layer is named and the exit code is 1. Code for a core runs on its
    emulated board; host compiles the same network with portable kernels. With --float the
    error of each layer by quantisation is told as well.

    \b
    Examples:
      tinyengine validate build/net --model model.tflite --data images.npz --labels labels.npy
      tinyengine validate build/net -m model.onnx -d images.npz -b mps2-an386 --float float.onnx
    """
    from ..origin import require_model
    from ..validate import Options, read_labels, samples_for
    from ..validate import validate as run
    from .arrays import read_arrays

    artifact = load(directory)
    if any("output_offset" not in layer for layer in artifact.metadata["layers"]):
        raise TinyEngineError(f"'{directory}' is of an older version; compile the model again")
    require_model(artifact.metadata, artifact.report, model)
    inputs, count = samples_for(artifact.metadata, read_arrays(data))
    classes = None
    if labels is not None:
        outputs = artifact.metadata["outputs"]
        size = math.prod(outputs[0]["shape"])
        if len(outputs) != 1 or size < 2:
            raise TinyEngineError(
                "labels need a network of one output with a value for each class; leave them out"
            )
        classes = read_labels(read_arrays(labels), labels, count, size)
    options = Options(tuple(board or ()), layer_samples, float_model)
    with progress(f"validating {artifact.name}, {count} samples", quiet=as_json):
        found = run(artifact, model, inputs, classes, options)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if not found.passed:
        raise typer.Exit(FAILED)


def _print(found: Validation) -> None:
    out = console()
    shown = table("where", ">accuracy", ">same class", ">same values", "layers")
    if found.float_accuracy is not None:
        shown.add_row("the float model", _share(found.float_accuracy), "", "", "")
    shown.add_row(f"the model, in {found.original}", _share(found.accuracy), "", "", "")
    for run in found.runs:
        shown.add_row(
            f"{run.board}, code for {run.target}",
            _share(run.accuracy),
            _share(run.agreement),
            _share(run.equal),
            _layers(run),
        )
    out.print(shown)
    if any(layer.float_tensor for layer in found.layers):
        rows = table("layer", "operator", ">SNR, dB", ">mean error", ">of the greatest", "tensor")
        for layer in found.layers:
            known = layer.mean_error is not None
            rows.add_row(
                layer.name,
                layer.operator,
                "" if layer.snr is None else f"{layer.snr:.1f}",
                f"{layer.mean_error:.3g}" if known else "",
                "" if layer.relative_error is None else f"{layer.relative_error:.2%}",
                layer.float_tensor or "",
            )
        out.print(rows)
    for run in found.runs:
        if run.difference is not None:
            out.print(_told(run))
    if found.passed and any(run.equal < 1 for run in found.runs):
        out.print(
            f"Where values differ from {found.original}'s, every layer still gives what the "
            "arithmetic says: floating-point sums in another order round some ties otherwise."
        )
    compared = sum(layer.compared for layer in found.layers)
    verdict = "all equal what they must give" if found.passed else "not all give what they must"
    out.print(
        facts(
            [
                ("samples", f"{found.samples:,}"),
                ("layers", f"{compared} of {len(found.layers)} compared, {verdict}"),
            ]
        )
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _layers(run: Run) -> str:
    if run.difference is None:
        return f"equal in {run.watched} samples"
    return f"{run.difference.layer} differs"


def _told(run: Run) -> str:
    first = run.difference
    assert first is not None
    return (
        f"{run.board}: the first layer that differs is {first.layer} ({first.operator}, number "
        f"{first.number}): {first.values:,} of {first.elements:,} values, by {first.most:g} at "
        f"most, first in sample {first.sample} at {list(first.place)}; all layers before it are "
        "equal"
    )
