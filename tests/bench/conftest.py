# SPDX-License-Identifier: Apache-2.0
"""A small .tflite model, and a naive library that stands in for CMSIS-NN."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import refused, tinyengine
from tests.networks import small_network
from tests.tflite_models import write_tflite
from tinyengine_tvm.targets import get_target

__all__ = ["refused", "tinyengine"]

STUB = Path(__file__).with_name("stub")
BOARD = "mps2-an386"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """conv2d, depthwise, dense."""
    path = tmp_path_factory.mktemp("model") / "small.tflite"
    path.write_bytes(write_tflite(small_network()))
    return path


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a static library of a C file."""

    def make(source: Path, flags: tuple[str, ...], compiler: str = "arm-none-eabi-gcc") -> Path:
        folder = tmp_path_factory.mktemp("archive")
        built, library = folder / "object.o", folder / "libstub.a"
        command = [compiler, *flags, "-O2", f"-I{STUB}", "-c", str(source), "-o", str(built)]
        subprocess.run(command, check=True)
        subprocess.run(["ar", "rc", str(library), str(built)], check=True)
        return library

    return make


@pytest.fixture(scope="session")
def stub(archive: Callable[..., Path]) -> Path:
    """The naive library for Cortex-M4."""
    return archive(STUB / "naive.c", get_target("cortex-m4").gcc_flags)
