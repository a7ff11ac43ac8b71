# SPDX-License-Identifier: Apache-2.0
"""Runs the model and the compiled network, and finds the layer where they part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BoardError, TinyEngineError
from ..kernels.reference import run_layers
from ..network import Network
from .original import by_tensor, run_original
from .result import Difference, LayerResult, Run, Validation
from .watch import watch

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..boards import Board

WATCHED = 4
CHUNK = 500
"""Samples per boot: some networks' inputs fill a board's memory."""
FLOAT_TOLERANCE = 1e-5
"""By which float32 outputs may differ, relative to the greatest: compilers may fuse operations."""


@dataclass(frozen=True)
class Options:
    """boards: by default this machine and the first emulated board of the target. watched: samples
    whose layers are compared, beside as many whose outputs differ. float_model: an ONNX file."""

    boards: tuple[str, ...] = ()
    watched: int = WATCHED
    float_model: Path | None = None
    say: Callable[[str], None] = field(default=lambda _: None)


def validate(
    artifact: Artifact,
    model: Path,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    options: Options | None = None,
) -> Validation:
    """Compares a compiled network with the model it was compiled from.

    `inputs`: as `samples_for` gives them. `labels`: classes [samples].

    Raises:
        ModelError: it's another model, or can't be run.
        BoardError: a board can't run it.
    """
    from .. import rewrites
    from ..origin import import_again
    from .floats import compare_floats, float_outputs

    options = options or Options()
    machines = _boards(artifact, options.boards)
    options.say("reading the model")
    imported = import_again(artifact.metadata, artifact.report, model)
    disabled = artifact.report.get("options", {}).get("disabled_rewrites", ())
    network = rewrites.apply(imported, frozenset(disabled))
    options.say("running the model")
    who, expected = run_original(model, imported, artifact.metadata, inputs)
    wanted = _classes(expected)
    reference = _Reference(network, inputs)
    runs: list[Run] = []
    layers: dict[int, np.ndarray] = {}
    for board, target in machines:
        options.say(f"running on {board.name}")
        compiled = artifact if target is None else _for_host(artifact, imported)
        run, seen = _run(compiled, board, inputs, labels, expected, reference, options)
        runs.append(run)
        layers = seen or layers
    accuracy = None if labels is None or wanted is None else float(np.mean(wanted == labels))
    float_accuracy, told = (
        None,
        [
            LayerResult(layer["name"], layer["op"], number in layers)
            for number, layer in enumerate(artifact.metadata["layers"])
        ],
    )
    if options.float_model is not None:
        options.say("running the float model")
        outputs = float_outputs(options.float_model, artifact.metadata, inputs)
        scores = _classes(outputs)
        if labels is not None and scores is not None:
            float_accuracy = float(np.mean(scores == labels))
        watched = {name: array[: options.watched] for name, array in inputs.items()}
        told = compare_floats(options.float_model, model, artifact.metadata, network, watched)
    samples = len(next(iter(inputs.values())))
    return Validation(
        artifact.name, samples, who, accuracy, float_accuracy, tuple(runs), tuple(told)
    )


def _boards(artifact: Artifact, names: Sequence[str]) -> list[tuple[Board, str | None]]:
    """Boards, with the target to compile for where it isn't the artifact's own.

    Raises:
        BoardError: a board is unknown, lacks its tools, or runs no code for the target.
    """
    from ..boards import BOARDS, get_board

    target = artifact.metadata["target"]
    if not names:
        able = [b for b in BOARDS.values() if b.name != "host" and target in b.targets]
        ready = [b.name for b in able if not b.missing()]
        names = ["host", *ready[:1]]
    found: list[tuple[Board, str | None]] = []
    for name in names:
        board = get_board(name)
        if target in board.targets:
            found.append((board, None))
        elif name == "host":
            found.append((board, board.own_target))
        else:
            board.require_target(target)
        board.require()
    return found


def _for_host(artifact: Artifact, imported: Network) -> Artifact:
    """The same network with portable kernels.

    Raises:
        BoardError: it can't be compiled for this machine.
    """
    from ..api import compile_network
    from ..boards import get_board

    options = artifact.report.get("options", {})
    try:
        return compile_network(
            imported,
            target=get_board("host").own_target,
            name=artifact.name,
            disabled_rewrites=options.get("disabled_rewrites", ()),
            stream_input=options.get("stream_input", False),
        )
    except TinyEngineError as error:
        raise BoardError(f"it can't be compiled for this machine: {error}") from error


class _Reference:
    """The value of every tensor for a sample, computed when it's first asked for."""

    def __init__(self, network: Network, inputs: Mapping[str, np.ndarray]) -> None:
        self.network, self._inputs = network, by_tensor(network, inputs)
        self._known: dict[int, dict[str, np.ndarray]] = {}

    def __call__(self, sample: int) -> dict[str, np.ndarray]:
        if sample not in self._known:
            one = {name: array[sample] for name, array in self._inputs.items()}
            self._known[sample] = run_layers(self.network, one)
        return self._known[sample]


def _run(
    artifact: Artifact,
    board: Board,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    expected: Mapping[str, np.ndarray],
    reference: _Reference,
    options: Options,
) -> tuple[Run, dict[int, np.ndarray]]:
    with tempfile.TemporaryDirectory(prefix="tinyengine-") as name:
        folder = artifact.directory or artifact.save_copy(Path(name) / "net")
        samples = len(next(iter(inputs.values())))
        program = board.build(folder, Path(name) / "plain")
        parts = [
            board.execute(program, {n: a[at : at + CHUNK] for n, a in inputs.items()}).outputs
            for at in range(0, samples, CHUNK)
        ]
        outputs = {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
        same = np.ones(samples, bool)
        for output, values in outputs.items():
            same &= _equal(values, expected[output]).reshape(samples, -1).all(1)
        # Where outputs differ, so do layers, unless the model's own arithmetic is another.
        chosen = sorted(
            {
                *range(min(options.watched, samples)),
                *map(int, np.flatnonzero(~same)[: options.watched]),
            }
        )
        shown = {n: a[chosen] for n, a in inputs.items()}
        layers, _ = watch(
            board, folder, artifact.metadata, reference.network, shown, Path(name) / "watched"
        )
    difference = _first_difference(artifact.metadata, layers, chosen, reference)
    classes, wanted = _classes(outputs), _classes(expected)
    known = classes is not None and wanted is not None
    return (
        Run(
            board.name,
            artifact.metadata["target"],
            float(np.mean(classes == labels)) if known and labels is not None else None,
            float(np.mean(classes == wanted)) if known else None,
            float(np.mean(same)),
            len(chosen),
            difference,
        ),
        layers,
    )


def _first_difference(
    metadata: Mapping[str, Any],
    layers: Mapping[int, np.ndarray],
    samples: Sequence[int],
    reference: _Reference,
) -> Difference | None:
    for number in sorted(layers):
        layer = metadata["layers"][number]
        want = np.stack([reference(sample)[layer["output"]] for sample in samples])
        wrong = ~_equal(layers[number], want)
        if not wrong.any():
            continue
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        apart = np.abs(layers[number].astype(np.float64) - want.astype(np.float64))
        return Difference(
            layer["name"],
            layer["op"],
            number,
            int(wrong.sum()),
            wrong.size,
            float(apart[wrong].max()),
            samples[int(at[0])],
            tuple(int(i) for i in at[1:]),
        )
    return None


def _equal(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f":
        return np.asarray(values == wanted)
    most = float(np.abs(wanted).max(initial=0.0))
    return np.asarray(np.abs(values - wanted) <= FLOAT_TOLERANCE * max(most, 1e-30))


def _classes(outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The class of each sample, for a network of one output with several values."""
    if len(outputs) != 1:
        return None
    (scores,) = outputs.values()
    flat = scores.reshape(len(scores), -1)
    return np.asarray(flat.argmax(1)) if flat.shape[1] > 1 else None
