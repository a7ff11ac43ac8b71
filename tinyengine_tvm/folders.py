# SPDX-License-Identifier: Apache-2.0
"""Folders that appear complete or not at all."""

from __future__ import annotations

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
