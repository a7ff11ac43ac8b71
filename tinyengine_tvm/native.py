# SPDX-License-Identifier: Apache-2.0
"""Small C libraries that are built for this machine on first use and kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import BoardError

SHARED = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden")
"""Flags of the host's gcc for such a library."""


def library(stem: str, sources: Sequence[Path], key: str, build: Callable[[Path], None]) -> Path:
    """The library of these sources, from the cache or newly built.

    `build` writes it to the path that it's given, and raises where it can't; `key` is what else
    the library depends on.

    Raises:
        BoardError: the cache can't be written.
    """
    digest = hashlib.sha256(f"{platform.machine()} {key}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    cached = cache_folder() / f"{stem}-{digest.hexdigest()[:16]}.so"
    if not cached.is_file():
        with _build_folder(cached.parent) as folder:
            # Built beside its place, so that the rename is atomic: whoever finds it finds it whole.
            built = Path(folder) / f"{stem}.so"
            build(built)
            os.replace(built, cached)
    return cached


def compiled(source: Path) -> ctypes.CDLL | None:
    """The library of one C file, or None where it can't be built or kept."""

    def build(built: Path) -> None:
        subprocess.run(
            ["gcc", *SHARED, str(source), "-o", str(built)], check=True, capture_output=True
        )

    try:
        return ctypes.CDLL(str(library(source.stem, [source], "", build)))
    except (OSError, subprocess.CalledProcessError, BoardError):
        return None


def cache_folder() -> Path:
    """Where built libraries are kept: tinyengine-tvm under the XDG cache folder."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification has relative paths ignored.
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "tinyengine-tvm"


def _build_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="build-", dir=cache)
    except OSError as error:
        raise BoardError(
            f"cannot write to the cache folder {cache} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from None
