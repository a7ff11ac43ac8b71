# SPDX-License-Identifier: Apache-2.0
"""Folders and archives that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import TinyEngineError


def require_free_folder(folder: Path) -> None:
    """Raises TinyEngineError unless `folder` is missing or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TinyEngineError(
            f"output folder '{folder}' exists and isn't empty; remove it or choose another"
        )


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes `files`, content by path inside the folder, to one that is missing or empty.

    Raises:
        TinyEngineError: the folder holds something already, or can't be written.
    """
    require_free_folder(folder)
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, data in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(data)
        temporary.chmod(0o755)
        # rename() replaces an empty folder in one step.
        temporary.rename(folder)
    except OSError as error:
        problem = f"can't write output folder '{folder}': {error.strerror}"
        raise TinyEngineError(problem) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)


def require_free_archive(path: Path) -> None:
    """Raises TinyEngineError unless `path` ends in .tar and nothing is there."""
    if path.suffix != ".tar":
        raise TinyEngineError(f"'{path}' is no name of a .tar file, which the archive is")
    if path.exists():
        raise TinyEngineError(f"'{path}' exists; remove it or choose another name")


def write_archive(path: Path, data: bytes) -> None:
    """Writes a .tar file that doesn't exist yet.

    Raises:
        TinyEngineError: the file exists, or can't be written.
    """
    require_free_archive(path)
    write_file(path, data)


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, in place of what is there.

    Raises:
        TinyEngineError: it can't be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(number, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise TinyEngineError(f"can't write '{path}': {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
