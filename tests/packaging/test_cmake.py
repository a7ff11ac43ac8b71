# SPDX-License-Identifier: Apache-2.0
"""The CMake toolchain file and tinyengine_add_model, by way of examples/cmake_app."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyengine_tvm import TARGETS
from tinyengine_tvm.paths import cmake_dir

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TOOLCHAIN = cmake_dir() / "arm-none-eabi.cmake"
COMMAND = f"{sys.executable};-m;tinyengine_tvm"

pytestmark = pytest.mark.skipif(
    any(not shutil.which(tool) for tool in ("cmake", "ninja", "arm-none-eabi-gcc")),
    reason="needs cmake, ninja-build and gcc-arm-none-eabi",
)


def cmake(*arguments: str | Path, succeeds: bool = True) -> str:
    """Runs cmake; standard output and error together."""
    environment = {**os.environ, "TINYENGINE_DEBUG": ""}
    done = subprocess.run(
        ["cmake", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert (done.returncode == 0) == succeeds, done.stdout
    return done.stdout


def configure(source: Path, build: Path, *options: str, succeeds: bool = True) -> str:
    arguments = ("-G", "Ninja", "-S", source, "-B", build, "--toolchain", TOOLCHAIN)
    return cmake(*arguments, f"-DTINYENGINE_COMMAND={COMMAND}", *options, succeeds=succeeds)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of the example."""
    build = tmp_path_factory.mktemp("app")
    configure(EXAMPLES / "cmake_app", build)
    cmake("--build", build)
    return build


@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="needs qemu-system-arm")
def test_the_example_prints_the_class_that_the_reference_gives(app: Path) -> None:
    with np.load(EXAMPLES / "fashion_mnist/test_images.npz") as archive:
        label, reference = archive["labels"][0], archive["reference"][0]
    assert reference.argmax() == label == 9
    assert "class: ankle boot\n" in cmake("--build", app, "--target", "run")


def test_the_examples_image_is_the_first_test_image() -> None:
    text = (EXAMPLES / "cmake_app/sample_image.h").read_text()
    numbers = text[text.index("= {") + 3 : text.index("};")].replace("\n", " ").split(",")
    with np.load(EXAMPLES / "fashion_mnist/test_images.npz") as archive:
        image = archive["images"][0]
    assert [int(n) for n in numbers if n.strip()] == image.reshape(-1).tolist()


def test_it_compiles_the_model_again_only_when_the_model_changes(tmp_path: Path) -> None:
    source, build = tmp_path / "source", tmp_path / "build"
    source.mkdir()
    model = source / "net.onnx"
    shutil.copy(EXAMPLES / "models/fashion_mnist_tiny.onnx", model)
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        "project(two C)\n"
        f'include("{cmake_dir()}/TinyEngineTvm.cmake")\n'
        "tinyengine_add_model(one net.onnx cortex-m4)\n"
    )
    configure(source, build)
    assert "compiling one" in cmake("--build", build)
    assert (build / "tinyengine/one/model.h").is_file()
    assert "no work to do" in cmake("--build", build)

    model.touch()
    assert "compiling one" in cmake("--build", build)

    good = model.read_bytes()
    model.write_bytes(good[: len(good) // 2])
    assert "error: " in cmake("--build", build, succeeds=False)
    assert not (build / "tinyengine/one/model.c").exists()
    model.write_bytes(good)
    cmake("--build", build)


def test_a_model_that_is_not_there_ends_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        "project(none C)\n"
        f'include("{cmake_dir()}/TinyEngineTvm.cmake")\n'
        "tinyengine_add_model(one absent.onnx cortex-m4)\n"
    )
    said = configure(tmp_path, tmp_path / "build", succeeds=False)
    assert "there is no model" in said and "absent.onnx" in said


def test_an_unknown_core_ends_the_configuration(tmp_path: Path) -> None:
    core = "-DTINYENGINE_CORE=cortex-m99"
    said = configure(EXAMPLES / "cmake_app", tmp_path / "build", core, succeeds=False)
    assert "unknown TINYENGINE_CORE 'cortex-m99'" in said


@pytest.mark.parametrize("core", [name for name in TARGETS if name != "host"])
def test_the_toolchain_passes_the_flags_of_the_target(core: str, tmp_path: Path) -> None:
    script = tmp_path / "flags.cmake"
    script.write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        f'include("{TOOLCHAIN}")\n'
        'message("flags=${CMAKE_C_FLAGS_INIT}")\n'
    )
    said = cmake(f"-DTINYENGINE_CORE={core}", "-P", script)
    assert f"flags={' '.join(TARGETS[core].gcc_flags)}\n" in said
