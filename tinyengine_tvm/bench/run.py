# SPDX-License-Identifier: Apache-2.0
"""One run of the bench: every engine with every model on every board."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..boards import get_board
from ..boards.qemu import QemuBoard
from ..errors import BoardError, TinyEngineError
from ..targets import Target, get_target
from . import cmsis_nn, host, microtvm, ours, tflm
from .cmsis_nn import CmsisNN
from .peers import Peers
from .recorded import recorded_rows
from .rows import Absent, Bench, Row, Unable
from .subject import Subject
from .tflm import TfliteMicro
from .versions import versions

Say = Callable[[str], object]
"""Is told what is being done, in a few words."""
Outputs = list[np.ndarray]
Peer = TfliteMicro | CmsisNN
TINYENGINE = "TinyEngine"


@dataclass
class _Results:
    rows: list[Row] = field(default_factory=list)
    absent: dict[tuple[str, str], Absent] = field(default_factory=dict)

    def lack(self, engine: str, reason: str) -> None:
        self.absent.setdefault((engine, reason), Absent(engine, reason))


def bench(
    models: Sequence[Path],
    boards: Sequence[str],
    peers: Peers | None = None,
    say: Say = lambda message: None,
) -> Bench:
    """Measures our engine and its peers; recorded counts stand in for peers that aren't at hand.

    All that can be checked is, before anything is measured.

    Raises:
        TinyEngineError: a model, a board or a library isn't usable; a peer takes none of the
            models, or fails with one.
    """
    peers = peers or Peers()
    peers.check()
    machines = _machines(boards)
    targets = {board.name: get_target(board.own_target) for board in machines}
    opened = {board.name: peers.open(targets[board.name]) for board in machines}
    subjects = _subjects(models)
    results = _Results()
    able = _able(opened, targets, subjects, results)
    module = host.runtime()
    if module is None:
        results.lack(
            host.ENGINE, f"the Python package is missing: pip install --pre {host.PACKAGE}"
        )
    relay = microtvm.find(peers.relay_python)
    if isinstance(relay, str):
        results.lack(microtvm.ENGINE, relay)
    with tempfile.TemporaryDirectory(prefix="tinyengine-bench-") as name:
        for number, subject in enumerate(subjects):
            work = Path(name) / str(number)
            oracle = _on_host(subject, module, results, say)
            for board in machines:
                where, target = work / board.name, targets[board.name]
                measured = _ours(subject, board, target, say)
                reference = oracle or (ours.ENGINE, measured[0][1])
                for index, peer in enumerate(opened[board.name]):
                    if (peer.engine, subject.name) in able:
                        say(f"{subject.name} on {board.name}: {peer.engine}")
                        place = where / str(index)
                        measured.append(peer.measure(subject, board, target, place))
                if not isinstance(relay, str):
                    say(f"{subject.name} on {board.name}: {microtvm.ENGINE}")
                    try:
                        measured += relay.measure(subject, board, where / "microtvm")
                    except Unable as reason:
                        results.lack(microtvm.ENGINE, f"{subject.name}: {reason}")
                results.rows += [_compared(row, out, reference) for row, out in measured]
                engines = {row.engine for row, _ in measured}
                results.rows += recorded_rows(subject.name, board.name, board.core, engines)
    _not_named(peers, opened, results)
    return Bench(
        tuple(board.name for board in machines),
        tuple(results.rows),
        tuple(results.absent.values()),
        versions(opened, module is not None),
    )


def _machines(names: Sequence[str]) -> list[QemuBoard]:
    machines = []
    for name in dict.fromkeys(names):
        board = get_board(name)
        if not isinstance(board, QemuBoard) or board.has_clock:
            raise BoardError(
                f"{name} can't take part: the bench is for boards that QEMU emulates and that "
                "run the network alone, such as mps2-an386"
            )
        board.require()
        machines.append(board)
    if not machines:
        raise BoardError("no board is named; give --boards mps2-an386")
    return machines


def _subjects(models: Sequence[Path]) -> list[Subject]:
    subjects: dict[str, Subject] = {}
    for path in models:
        if path.stem in subjects:
            raise TinyEngineError(f"two models are named '{path.stem}'; rename a file")
        subjects[path.stem] = Subject.load(path)
    return list(subjects.values())


def _able(
    opened: Mapping[str, Sequence[Peer]],
    targets: Mapping[str, Target],
    subjects: Sequence[Subject],
    results: _Results,
) -> set[tuple[str, str]]:
    """(engine, model) of what can be measured; what can't is noted.

    Raises:
        TinyEngineError: a peer whose library the user has named takes none of the models.
    """
    able = set()
    for board, libraries in opened.items():
        for peer in libraries:
            reasons = {}
            for subject in subjects:
                try:
                    peer.check(subject, targets[board])
                    able.add((peer.engine, subject.name))
                except Unable as reason:
                    reasons[subject.name] = str(reason)
                    results.lack(peer.engine, f"{subject.name}: {reason}")
            if reasons and len(reasons) == len(subjects):
                told = "; ".join(f"{model}: {reason}" for model, reason in reasons.items())
                raise TinyEngineError(f"{peer.engine} takes none of the models: {told}")
    return able


def _on_host(
    subject: Subject, module: Any, results: _Results, say: Say
) -> tuple[str, Outputs] | None:
    if module is None:
        return None
    say(f"{subject.name}: {host.ENGINE}")
    try:
        row, outputs = host.measure_host(subject, module)
    except Unable as reason:
        results.lack(host.ENGINE, f"{subject.name}: {reason}")
        return None
    results.rows.append(row)
    return host.ENGINE, outputs


def _ours(
    subject: Subject, board: QemuBoard, target: Target, say: Say
) -> list[tuple[Row, Outputs]]:
    measured = []
    for engine in ours.VARIANTS:
        say(f"{subject.name} on {board.name}: {engine}")
        measured.append(ours.measure_ours(subject, board, target.name, engine))
    return measured


def _compared(row: Row, outputs: Outputs, reference: tuple[str, Outputs]) -> Row:
    name, expected = reference
    if row.engine == name:
        return row
    equal = len(outputs) == len(expected) and all(
        np.ascontiguousarray(ours_).tobytes() == np.ascontiguousarray(theirs).tobytes()
        for ours_, theirs in zip(outputs, expected, strict=True)
    )
    return replace(row, outputs=(name, equal))


def _not_named(peers: Peers, opened: Mapping[str, Sequence[Peer]], results: _Results) -> None:
    """Notes the engines that nobody named a library for."""
    engines = {peer.engine for libraries in opened.values() for peer in libraries}
    for engine in (tflm.REFERENCE, tflm.CMSIS_NN):
        if engine not in engines:
            results.lack(engine, f"no library of it is named with {tflm.LIBRARY}")
    if peers.cmsis_nn_library is None:
        results.lack(cmsis_nn.ENGINE, f"no library is named with {cmsis_nn.LIBRARY}")
    results.lack(TINYENGINE, "the bench doesn't run it: recorded counts alone")
