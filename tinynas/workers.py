# SPDX-License-Identifier: Apache-2.0
"""Processes that share the work of a step, and their way to say how far it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import get_context

import torch

from tinyengine_tvm.processes import die_with

Say = Callable[[str], None]


def quiet_worker(parent: int) -> None:
    """What a process of a pool does first: it's one of several, so it takes one thread."""
    die_with(parent)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    torch.set_num_threads(1)


@contextmanager
def pool(workers: int) -> Iterator[Executor]:
    """Processes that were not forked: torch's threads don't survive that."""
    processes = ProcessPoolExecutor(workers, get_context("spawn"), quiet_worker, (os.getpid(),))
    try:
        yield processes
    finally:
        processes.shutdown(cancel_futures=True)


def executor(
    workers: int, scheduler: str | None = None
) -> AbstractContextManager[tuple[Executor | None, int]]:
    """An executor, and how many parts to make of the work: None for this very process."""
    if scheduler is not None:
        from tinyengine_tvm.tune import cluster

        return cluster(scheduler)
    if workers == 1:
        return nullcontext((None, 1))
    return _counted(workers)


@contextmanager
def _counted(workers: int) -> Iterator[tuple[Executor, int]]:
    with pool(workers) as processes:
        yield processes, workers


@contextmanager
def heard(say: Say) -> Iterator[Say]:
    """What processes of a pool can be given in place of `say`, which is called in this one."""
    with get_context("spawn").Manager() as manager:
        lines = manager.Queue()

        def pass_on() -> None:
            while (text := lines.get()) is not None:
                say(text)

        listener = threading.Thread(target=pass_on, daemon=True)
        listener.start()
        try:
            yield lines.put
        finally:
            lines.put(None)
            listener.join()
