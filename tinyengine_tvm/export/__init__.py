# SPDX-License-Identifier: Apache-2.0
"""A compiled network as a project of somebody else's build system.

A format is a function from an Artifact to files; the same artifact gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..artifact import Artifact
from ..errors import TinyEngineError
from ..folders import write_folder
from .arduino import arduino_library
from .cmake import cmake_project
from .zephyr import zephyr_application

FORMATS: dict[str, Callable[[Artifact], dict[str, bytes]]] = {
    "zephyr": zephyr_application,
    "arduino": arduino_library,
    "cmake": cmake_project,
}


def export(artifact: Artifact, format: str, folder: str | os.PathLike[str]) -> list[str]:
    """Writes a compiled network as a project of `format`, one of FORMATS; gives its files' paths.

    The folder appears with everything in it, or not at all.

    Raises:
        TinyEngineError: the format is unknown, or the folder holds something or can't be written.
    """
    if format not in FORMATS:
        raise TinyEngineError(f"unknown format '{format}'; choose one of: {', '.join(FORMATS)}")
    files = FORMATS[format](artifact)
    write_folder(Path(folder), files)
    return sorted(files)


__all__ = ["FORMATS", "export"]
