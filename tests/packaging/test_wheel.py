# SPDX-License-Identifier: Apache-2.0
"""What a user gets from `pip install`: the wheel, built and installed beside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm import __version__

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/fashion_mnist_tiny.onnx"


def build(source: Path, kind: str, folder: Path) -> Path:
    """The sdist or wheel that hatchling makes of a source tree, without the network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    )
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    packages = Path(
        sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})
    )
    # Folders named in a .pth file aren't searched for .pth files in turn, so that the repository,
    # which is installed in place in this environment, stays out.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "-q", "--no-deps", "--no-index", "--ignore-installed", str(wheel)],
        check=True,
    )
    return python.parent


def output(command: list[str | Path], folder: Path) -> str:
    """Runs a command outside the repository; its standard output."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tracked(folder: str) -> set[str]:
    """Source files below a folder of the repository, relative to its top."""
    skipped = ("__pycache__", ".pytest_cache")
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not any(part in skipped for part in path.parts)
    }


def test_the_wheel_holds_all_python_c_and_cmake(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("tinyengine_tvm", "relay_passes", "tinynas"):
        assert tracked(folder) <= names
    for folder in ("runtime_c", "cmake"):
        assert {f"tinyengine_tvm/_data/{name}" for name in tracked(folder)} <= names
    assert "tinyengine_tvm/py.typed" in names
    assert "tinyengine_tvm/_data/cmake/TinyEngineTvm.cmake" in names
    assert not [n for n in names if n.startswith(("tests/", "examples/", "docs/"))]


def test_the_wheel_states_its_licence_and_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    text = archive.read(name).decode()
    assert f"\nVersion: {__version__}\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    # Python 3.10 is there for users who bring a TVM of their own, with Relay.
    for requirement in ("apache-tvm==0.27.0.post1", "apache-tvm-ffi==0.1.14.post1"):
        assert f"\nRequires-Dist: {requirement}; python_version >= '3.11'\n" in text
    for file in ("LICENSE", "NOTICE"):
        assert any(n.endswith(f"/licenses/{file}") for n in archive.namelist())
    # pipx runs the command that is called like the package.
    (points,) = (n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt"))
    assert "\ntinyengine-tvm = tinyengine_tvm.cli:main\n" in archive.read(points).decode()


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path / "source")
    (source,) = (tmp_path / "source").iterdir()
    again = build(source, "wheel", tmp_path / "again")

    def contents(path: Path) -> dict[str, int]:
        return {i.filename: i.CRC for i in zipfile.ZipFile(path).infolist()}

    assert contents(again) == contents(wheel)
    for name in ("Makefile", "NOTICE", "CONTRIBUTING.md", "tests/conftest.py"):
        assert (source / name).is_file()


def test_the_wheel_has_the_sources_of_what_is_compiled_on_first_use(wheel: Path) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for package in ("tinyengine_tvm", "tinynas")
        for path in (ROOT / package).rglob("*.c")
    }
    assert {"tinyengine_tvm/memory/exact.c", "tinynas/training/depthwise.c"} <= sources
    assert sources <= set(zipfile.ZipFile(wheel).namelist())


def test_the_installed_package_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    code = (
        "import tinyengine_tvm as t, tinyengine_tvm.paths as p;"
        "print(t.__file__, p.runtime_c(), p.cmake_dir(), sep='\\n')"
    )
    for line in output([installed / "python", "-c", code], tmp_path).splitlines():
        assert Path(line).exists()
        assert Path(line).is_relative_to(installed.parent)


def test_the_installed_command_compiles_and_runs(installed: Path, tmp_path: Path) -> None:
    tinyengine = installed / "tinyengine"
    assert __version__ in output([tinyengine, "--version"], tmp_path)
    output([tinyengine, "compile", MODEL, "-o", "net", "--target", "host"], tmp_path)
    files = {"model.c", "model.h", "metadata.json", "report.json", "net.tar"}
    assert {path.name for path in (tmp_path / "net").iterdir()} == files
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 1, 28, 28), np.float32))
    options = ["--board", "host", "--inputs", "x.npy", "--outputs", "y.npz"]
    output([tinyengine, "run", "net", *options], tmp_path)
    assert np.load(tmp_path / "y.npz")["logits"].shape == (2, 1, 10)
    assert __version__ in output([installed / "tinyengine-tvm", "--version"], tmp_path)
    assert __version__ in output([installed / "tinynas", "--version"], tmp_path)
