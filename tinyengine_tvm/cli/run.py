# SPDX-License-Identifier: Apache-2.0
"""`tinyengine run`: a compiled network on a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal import JsonOption, console, print_json, progress, table

if TYPE_CHECKING:
    import numpy as np

    from ..artifact import Artifact

BoardOption = Annotated[
    str, typer.Option("--board", "-b", help="Where to run; see tinyengine boards.")
]
DirectoryArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder that tinyengine compile wrote.")
]


def run(
    directory: DirectoryArgument,
    board: BoardOption,
    inputs: Annotated[
        Path,
        typer.Option(
            "--inputs",
            "-i",
            metavar="FILE",
            help=".npz with an array per input, by name; or .npy for a network of one input.",
        ),
    ],
    outputs: Annotated[
        Path | None,
        typer.Option("--outputs", "-o", metavar="FILE", help=".npz to write, an array per output."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build and run a compiled network on a board, all samples in one boot.

    An array holds one sample in the shape and type of the network's input, or
    several along an additional first axis. Without --outputs, --json prints
    the values.

    \b
    Examples:
      tinyengine run build/net --board host --inputs images.npy
      tinyengine run build/net -b mps2-an386 -i images.npz -o scores.npz --json
    """
    from ..boards import get_board
    from .arrays import read_arrays, require_writable, write_arrays

    artifact = load(directory)
    get_board(board)
    if outputs is not None:
        require_writable(outputs)
    arrays = read_arrays(inputs)
    with progress(f"running {artifact.name} on {board}", quiet=as_json):
        results = artifact.run(board, arrays)
    if outputs is not None:
        write_arrays(outputs, results)
    if as_json:
        document = {
            "board": board,
            "target": artifact.metadata["target"],
            "samples": _samples(results),
            "outputs": {n: _described(a, values=outputs is None) for n, a in results.items()},
        }
        print_json(document | ({"file": str(outputs)} if outputs is not None else {}))
        return
    shown = table("output", "type", "shape", ">least", ">greatest")
    for name, array in results.items():
        shape = "x".join(map(str, array.shape[1:]))
        shown.add_row(name, str(array.dtype), shape, f"{array.min():g}", f"{array.max():g}")
    console().print(f"{_samples(results)} samples on {board}")
    console().print(shown)
    if outputs is not None:
        console().print(f"written to {outputs}")


def load(directory: Path) -> Artifact:
    """The compiled network of a folder.

    Raises:
        TinyEngineError: the folder, or a file in it, is missing or damaged.
    """
    from ..artifact import Artifact
    from ..boards.artifact import CompiledModel

    # Artifact.load takes any JSON; this looks into it.
    CompiledModel.load(directory)
    return Artifact.load(directory)


def _samples(results: dict[str, np.ndarray]) -> int:
    return max((len(array) for array in results.values()), default=0)


def _described(array: np.ndarray, values: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if values:
        described["values"] = _plain(array.tolist())
    return described


def _plain(value: Any) -> Any:
    """Nested lists in which what JSON can't say (NaN and infinities) is null."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if value - value == 0 else None
