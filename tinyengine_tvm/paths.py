# SPDX-License-Identifier: Apache-2.0
"""Where the package's C and CMake files lie: inside the wheel, or at the top of the repository."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _data(folder: str) -> Path:
    packaged = _PACKAGE / "_data" / folder
    return packaged if packaged.is_dir() else _PACKAGE.parent / folder


def runtime_c() -> Path:
    """The folder of kernel helpers, start-up code and linker scripts."""
    return _data("runtime_c")


def cmake_dir() -> Path:
    """The folder of the CMake toolchain file and `tinyengine_add_model`."""
    return _data("cmake")
