# SPDX-License-Identifier: Apache-2.0
"""The tuning of a network: proposes, measures through an executor, records, learns."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from ..boards import get_board
from ..boards.qemu import QemuBoard
from ..boards.tools import ARM_GCC, ARM_OBJDUMP, HOST_GCC, require_tools
from ..errors import BoardError, TinyEngineError
from ..network import Network
from ..processes import die_with
from ..profile.plugin import plugin_for
from ..targets import get_target
from .measure import BATCH, Measurement, compiler_version, measure
from .proposers import Genetic, Greedy, Grid, Proposer, ProposerName, Random
from .ranking import RankingModel
from .records import FAILED, Objective, Records, append, cost, record_of
from .workload import Candidate, Workload, workloads_of

ATTEMPTS = 3
"""How often a batch is sent out whose worker dies."""
PATIENCE = 64
"""Trials of a workload without anything better after which it is left."""


@dataclass(frozen=True)
class Options:
    """How to tune. trials: per workload; minutes: for all, None for no limit."""

    objective: Objective = "cycles"
    trials: int = 128
    minutes: float | None = None
    proposer: ProposerName = "xgboost"
    seed: int = 0
    batch: int = 16
    workers: int = 2
    patience: int = PATIENCE


@dataclass
class Progress:
    """Where the tuning of one workload stands. Costs are in units of the objective."""

    workload: Workload
    trials: int = 0
    reused: int = 0
    failed: int = 0
    default: float = FAILED
    best: float = FAILED
    best_index: int = 0
    finished: bool = False


@dataclass(frozen=True)
class Tuned:
    """What a tuning gave. measured: candidates that were run; seconds: of wall time."""

    progress: Sequence[Progress]
    measured: int
    seconds: float
    interrupted: bool

    @property
    def default(self) -> float:
        """The sum over all layers that were tuned, with default configurations."""
        return sum(p.workload.count * p.default for p in self.progress if p.default != FAILED)

    @property
    def best(self) -> float:
        return sum(p.workload.count * p.best for p in self.progress if p.default != FAILED)


class _Task:
    """A workload being tuned."""

    def __init__(self, workload: Workload, proposer: Proposer) -> None:
        self.state = Progress(workload)
        self.proposer = proposer
        self.since_best = 0
        self.twins: dict[str, Measurement] = {}
        """Measurements by the whole content of the code: many configurations give the same."""

    def add(self, index: int, measured: Measurement, objective: Objective) -> float:
        spent, state = cost(measured, objective), self.state
        self.proposer.learn(index, spent)
        if index == 0:
            state.default = spent
        self.since_best += 1
        if spent < state.best:
            state.best, state.best_index, self.since_best = spent, index, 0
        state.failed += measured.status != "ok"
        content = _content(state.workload, index)
        if content:
            self.twins[content] = measured
        return spent


def tune(
    network: Network,
    *,
    board: str = "mps2-an386",
    target: str | None = None,
    records: Path | None = None,
    options: Options | None = None,
    executor: Executor | None = None,
    on_progress: Callable[[Sequence[Progress]], None] | None = None,
    workloads: Sequence[Workload] | None = None,
) -> Tuned:
    """Tunes the layers of a network, as it is after the rewrites.

    board: one that counts; target: by default the board's own core. records: file that is read
    first and that every finished batch is appended to. executor: where batches are measured; by
    default a pool of `options.workers` processes. on_progress: called after every batch.
    workloads: some of the network's, all by default.
    KeyboardInterrupt ends it early, with nothing lost.

    Raises:
        BoardError: the board can't count, runs no code for the target, or lacks its tools.
        TinyEngineError: the records can't be read or written; xgboost is asked for and missing.
    """
    tuner = _Tuner(network, board, target, records, options or Options(), workloads)
    return tuner.run(executor, on_progress)


class _Tuner:
    def __init__(
        self,
        network: Network,
        board: str,
        target: str | None,
        records: Path | None,
        options: Options,
        workloads: Sequence[Workload] | None,
    ) -> None:
        machine = get_board(board)
        if not isinstance(machine, QemuBoard):
            raise BoardError(f"{board} cannot count instructions; tune on mps2-an386 or its like")
        self.board, self.core, self.path = board, machine.core, records
        core = get_target(target or machine.own_target)
        machine.require_target(core.name)
        machine.require()
        require_tools((ARM_GCC, ARM_OBJDUMP, HOST_GCC), f"tuning on {board}")
        # Built here once, and not by every worker at the same time.
        plugin_for(machine)
        self.options = options
        self.compiler = compiler_version()
        self.known = Records()
        if records is not None and records.exists():
            self.known = Records.load(records)
        self.model: RankingModel | None = None
        if options.proposer == "xgboost":
            self.model = RankingModel(options.seed)
            for record in self.known:
                if (record.target, record.core) == (core.name, self.core):
                    spent = cost(record.measurement, options.objective)
                    how = (record.configuration, record.kernel, spent)
                    self.model.learn(record.workload, record.facts, *how)
        chosen = workloads_of(network, core) if workloads is None else workloads
        self.tasks = [_Task(w, self._proposer(w)) for w in chosen]
        self.measured = 0

    def _proposer(self, workload: Workload) -> Proposer:
        seed = self.options.seed
        if self.model is not None:
            return Greedy(workload, seed, self.model.score)
        kinds: dict[str, type[Random] | type[Grid] | type[Genetic]] = {
            "random": Random,
            "grid": Grid,
            "genetic": Genetic,
        }
        return kinds[self.options.proposer](workload, seed)

    def run(
        self,
        executor: Executor | None,
        on_progress: Callable[[Sequence[Progress]], None] | None,
    ) -> Tuned:
        begun = time.monotonic()
        minutes = self.options.minutes
        deadline = math.inf if minutes is None else begun + 60 * minutes
        report = on_progress or (lambda progress: None)
        states = [task.state for task in self.tasks]
        for task in self.tasks:
            self._reuse(task)
        report(states)
        interrupted = False
        try:
            self._loop(executor, deadline, lambda: report(states))
        except KeyboardInterrupt:
            interrupted = True
        return Tuned(states, self.measured, time.monotonic() - begun, interrupted)

    def _reuse(self, task: _Task) -> None:
        """Takes over what the records know of this very code."""
        workload = task.state.workload
        have = {(r.kernel, str(sorted(r.configuration.items()))) for r in self._of(workload)}
        for index, candidate in enumerate(workload.candidates):
            how = (candidate.kernel.name, str(sorted(candidate.configuration.items())))
            if how not in have:
                continue
            probe = record_of(workload, candidate, Measurement("build"), self.core, self.compiler)
            record = self.known.by_identity.get(probe.identity)
            if record is not None:
                task.add(index, record.measurement, self.options.objective)
                task.state.reused += 1
        # A run that is taken up again has so many trials behind it.
        task.state.trials = task.state.reused
        task.since_best = 0

    def _of(self, workload: Workload) -> list:
        return self.known.by_workload.get(workload.key, [])

    def _loop(self, executor: Executor | None, deadline: float, report: Callable[[], None]) -> None:
        pool = executor or _local_pool(self.options.workers)
        running: dict[Future[list[Measurement]], tuple[_Task, list[int], int]] = {}
        again: list[tuple[_Task, list[int], int]] = []
        try:
            while True:
                while len(running) < self.options.workers:
                    # What is asked for last, the deadline, doesn't stop a batch from being retried.
                    job = again.pop() if again else self._next(running, deadline)
                    if job is None:
                        break
                    task, indices, _ = job
                    # A workload without what was cached on it, which needn't travel.
                    workload = task.state.workload
                    codes = [_digest(workload.candidates[i]) for i in indices]
                    what = (replace(workload), indices, codes, self.compiler, self.board)
                    running[pool.submit(_measure, *what)] = job
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task, indices, attempts = running.pop(future)
                    try:
                        results = future.result()
                    except TinyEngineError:
                        raise
                    except Exception as error:
                        if attempts >= ATTEMPTS:
                            problem = f"{type(error).__name__}: {error}"
                            raise TinyEngineError(
                                f"measuring failed {ATTEMPTS} times, last with {problem}; "
                                "the records so far are kept"
                            ) from error
                        again.append((task, indices, attempts + 1))
                        if executor is None and isinstance(error, BrokenProcessPool):
                            # One dead worker takes its pool with it: everything in it comes again.
                            again += list(running.values())
                            running.clear()
                            pool.shutdown(wait=False, cancel_futures=True)
                            pool = _local_pool(self.options.workers)
                            break
                        continue
                    self._finish(task, indices, results)
                    report()
        finally:
            for future in running:
                future.cancel()
            if executor is None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _next(
        self,
        running: dict[Future[list[Measurement]], tuple[_Task, list[int], int]],
        deadline: float,
    ) -> tuple[_Task, list[int], int] | None:
        """A batch of the workload with the fewest trials that isn't being measured."""
        if time.monotonic() >= deadline:
            return None
        busy = {id(task) for task, _, _ in running.values()}
        free = [t for t in self.tasks if not t.state.finished and id(t) not in busy]
        for task in sorted(free, key=lambda t: t.state.trials):
            indices = self._propose(task)
            if indices:
                return task, indices, 1
            task.state.finished = True
        return None

    def _propose(self, task: _Task) -> list[int]:
        options, state = self.options, task.state
        chosen: list[int] = []
        if state.default == FAILED and 0 not in task.proposer.costs:
            chosen.append(0)
            task.proposer.learn(0, FAILED)
        elif task.since_best >= options.patience:
            return []
        # As many programs as there are workers, rather than one large and one small one.
        room = min(options.batch, BATCH, options.trials - state.trials)
        while len(chosen) < room:
            found = task.proposer.propose(1 if chosen else room)
            if not found:
                break
            for index in found:
                twin = task.twins.get(_content(state.workload, index))
                if twin is None:
                    chosen.append(index)
                else:
                    self._note(task, [index], [twin])
        return chosen

    def _finish(self, task: _Task, indices: list[int], results: list[Measurement]) -> None:
        self.measured += len(indices)
        task.state.trials += len(indices)
        self._note(task, indices, results)

    def _note(self, task: _Task, indices: list[int], results: list[Measurement]) -> None:
        """Records results before anything else is made of them."""
        workload = task.state.workload
        pairs = list(zip(indices, results, strict=True))
        found = [
            record_of(workload, workload.candidates[i], m, self.core, self.compiler)
            for i, m in pairs
        ]
        if self.path is not None:
            append(self.path, found)
        for record, (index, measured) in zip(found, pairs, strict=True):
            spent = task.add(index, measured, self.options.objective)
            if self.model is not None:
                how = (record.configuration, record.kernel, spent)
                self.model.learn(record.workload, record.facts, *how)


def _digest(candidate: Candidate) -> str:
    """ "" where the C can't be emitted: the measurement finds out why."""
    try:
        return candidate.digest()
    except Exception:
        return ""


def _content(workload: Workload, index: int) -> str:
    """Of the C and the constants of a candidate; "" where it can't be emitted."""
    candidate = workload.candidates[index]
    try:
        code = candidate.code
        found = hashlib.sha256(f"{candidate.digest()} {candidate.scratch_bytes}".encode())
        for constant in code.constants:
            found.update(constant.data.tobytes())
    except Exception:
        # The measurement finds out why.
        return ""
    return found.hexdigest()


def _measure(
    workload: Workload, indices: list[int], codes: list[str], compiler: str, board: str
) -> list[Measurement]:
    """What a worker does; candidates are found by index, since their C doesn't travel.

    Raises:
        TinyEngineError: this machine would measure something else than what is recorded.
    """
    where = platform.node()
    if compiler_version() != compiler:
        raise TinyEngineError(
            f"the worker on {where} has {compiler_version()}, this machine {compiler}; "
            "measurements don't compare, so install the same one on both"
        )
    space = workload.candidates
    if any(i >= len(space) for i in indices) or codes != [_digest(space[i]) for i in indices]:
        raise TinyEngineError(
            f"the worker on {where} makes other code than this machine; "
            "install the same version of tinyengine-tvm on both"
        )
    return measure(workload, [space[i] for i in indices], board)


def _local_pool(workers: int) -> ProcessPoolExecutor:
    # Forked children would inherit the threads' locks of xgboost and rich.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=die_with, initargs=(os.getpid(),))
