# SPDX-License-Identifier: Apache-2.0
"""Measuring on many machines: dask.distributed's executor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ..errors import TinyEngineError

CONNECT_SECONDS = 10


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The executor of a scheduler such as tcp://host:8786, and how many batches its workers take.

    Raises:
        TinyEngineError: dask.distributed isn't installed; nobody answers; there are no workers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise TinyEngineError(
            "--scheduler needs the package distributed; install tinyengine-tvm[dask]"
        ) from error
    # What it would log is in the error that it raises.
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise TinyEngineError(
            f"no dask scheduler answers at '{address}'; start one with 'dask scheduler', "
            "and give its address, such as tcp://host:8786"
        ) from error
    finally:
        log.setLevel(level)
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise TinyEngineError(
                f"the dask scheduler at {address} has no workers; "
                f"start some with 'dask worker {address} --nthreads 1'"
            )
        # A measurement is no pure function of its arguments where it was lost with its worker.
        with client.get_executor(pure=False) as executor:
            yield executor, threads
