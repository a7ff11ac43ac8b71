# SPDX-License-Identifier: Apache-2.0
"""Data sets by the name that the command line gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import NasError
from . import fashion_mnist, image_folder, imu, synthetic
from .check import check
from .dataset import DataSet

TASKS: dict[str, Callable[..., DataSet]] = {
    "fashion-mnist": fashion_mnist.load,
    "imu": imu.load,
    "folder": image_folder.load,
    "synthetic": synthetic.load,
    "synthetic-rgb": synthetic.load_rgb,
    "synthetic-1d": synthetic.load_1d,
}


def load(task: str, path: Path | None = None, **options: Any) -> DataSet:
    """The data set of a task, checked.

    Args:
        task: one of TASKS.
        path: where its files are; some tasks have a default, synthetic ones have no files.
        options: those of the task's own `load`.

    Raises:
        NasError: no such task or option, or the data set can't be read or searched with.
    """
    if task not in TASKS:
        raise NasError(f"no task {task!r}; there are: {', '.join(TASKS)}")
    read = TASKS[task]
    if path is not None:
        options["path"] = Path(path)
    known = inspect.signature(read).parameters
    for name in options:
        if name not in known:
            raise NasError(f"task {task} has no option {name}; there are: {', '.join(known)}")
    data = read(**options)
    check(data)
    return data
