# SPDX-License-Identifier: Apache-2.0
"""Exported projects build as their build systems build them, and give the right outputs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.networks import small_network
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.artifact import Artifact
from tinyengine_tvm.emit import emit
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.export import FORMATS, export
from tinyengine_tvm.targets import get_target

ARDUINO_STUB = """\
#include <stdint.h>
#include <stdio.h>
struct Printer {
    void begin(unsigned long) {}
    void print(int value) { printf("%d", value); }
    void print(char value) { printf("%c", value); }
    void print(double value) { printf("%.9g", value); }
    void print(const char *text) { printf("%s", text); }
    void println() { printf("\\n"); }
    void println(unsigned long value) { printf("%lu\\n", value); }
    void println(const char *text) { printf("%s\\n", text); }
} Serial;
static unsigned long micros() { return 0; }
static void delay(unsigned long) {}
"""


def artifact(target: str, **options) -> Artifact:
    network = small_network()
    if options:
        return compile_network(network, target=target, name="net", **options)
    made = emit(network, get_target(target), name="net", version="0", rewrites=[], model_sha256="")
    return Artifact(*made)


def call(*command: object, cwd: Path | None = None, succeeds: bool = True) -> str:
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
    return done.stdout + ("" if succeeds else done.stderr)


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def zeros(made: Artifact) -> list[int]:
    """What the host gives for the examples' input."""
    port = made.metadata["inputs"][0]
    image = np.full(port["shape"], port["zero_point"], np.int8)
    (output,) = made.run("host", image).values()
    return output.reshape(-1).tolist()


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_network_gives_the_same_files(format, tmp_path):
    first = export(artifact("cortex-m3"), format, tmp_path / "a")
    assert first == export(artifact("cortex-m3"), format, tmp_path / "b")
    for path in first:
        content = (tmp_path / "a" / path).read_bytes()
        assert content == (tmp_path / "b" / path).read_bytes()
        # Every placeholder of a template is filled.
        assert path.endswith("arm-none-eabi.cmake") or not re.search(rb"@[A-Z_]+@", content), path


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_that_holds_something_is_left_alone(format, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(TinyEngineError, match="exists and isn't empty"):
        export(artifact("cortex-m3"), format, tmp_path / "mine")
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "file"]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(TinyEngineError, match="'make'; choose one of: zephyr, arduino, cmake"):
        export(artifact("cortex-m3"), "make", tmp_path / "a")


@pytest.mark.parametrize("target", ["host", "cortex-m3"])
def test_the_cmake_project_runs_on_this_machine(target, tmp_path):
    need("cmake", "ninja", "gcc")
    made = artifact(target)
    export(made, "cmake", tmp_path / "project")
    options = ("-GNinja", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror", "-S", tmp_path / "project")
    call("cmake", *options, "-B", tmp_path / "b")
    call("cmake", "--build", tmp_path / "b")
    program = tmp_path / "b" / "net_example"
    assert list(map(int, call(program).split())) == zeros(artifact("host"))
    port = made.metadata["inputs"][0]
    image = np.random.default_rng(3).integers(-128, 128, port["shape"]).astype(np.int8)
    (tmp_path / "image.bin").write_bytes(image.tobytes())
    (expected,) = artifact("host").run("host", image).values()
    said = call(program, tmp_path / "image.bin")
    assert list(map(int, said.split())) == expected.reshape(-1).tolist()
    assert "cannot read 315 bytes" in call(program, tmp_path / "absent", succeeds=False)


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m33-nodsp", "cortex-m55"])
def test_the_cmake_project_builds_for_its_core(target, tmp_path):
    need("cmake", "ninja", "arm-none-eabi-gcc")
    project = tmp_path / "project"
    export(artifact(target), "cmake", project)
    toolchain = ("--toolchain", project / "cmake/arm-none-eabi.cmake")
    core = f"-DTINYENGINE_CORE={target}"
    call("cmake", "-GNinja", "-S", project, "-B", tmp_path / "b", *toolchain, core)
    call("cmake", "--build", tmp_path / "b")
    symbols = call("arm-none-eabi-nm", tmp_path / "b" / "libnet.a")
    assert "T tvmgen_net_run" in symbols
    if target != "cortex-m33-nodsp":
        said = call("cmake", "-S", project, "-B", tmp_path / "h", succeeds=False)
        assert f"this network was compiled for {target}" in " ".join(said.split())


def test_a_streamed_input_is_asked_for_in_the_example(tmp_path):
    need("cmake", "ninja", "gcc")
    made = artifact("host", stream_input=True, optimise="sram")
    assert made.metadata["inputs"][0].get("row_bytes")
    for format in FORMATS:
        export(made, format, tmp_path / format)
    call("cmake", "-GNinja", "-S", tmp_path / "cmake", "-B", tmp_path / "b")
    call("cmake", "--build", tmp_path / "b")
    said = call(tmp_path / "b" / "net_example")
    assert list(map(int, said.split())) == zeros(artifact("host"))


def test_the_arduino_library_has_the_layout_of_one(tmp_path):
    files = export(artifact("cortex-m3"), "arduino", tmp_path / "library")
    assert files == [
        "examples/Inference/Inference.ino",
        "keywords.txt",
        "library.properties",
        "src/tinyengine_net.c",
        "src/tinyengine_net.h",
    ]
    lines = (tmp_path / "library/library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    # Those that the Arduino IDE refuses a library without.
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category"}
    assert required | {"url", "architectures", "includes"} == set(properties)
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["includes"] == "tinyengine_net.h"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\- ]{0,62}", properties["name"])


@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m4"])
def test_the_arduino_library_compiles_as_in_a_sketch(target, tmp_path):
    need("arm-none-eabi-g++")
    export(artifact(target), "arduino", tmp_path)
    (tmp_path / "Arduino.h").write_text(ARDUINO_STUB)
    # Options of the Arduino cores for Cortex-M.
    common = [*get_target(target).gcc_flags, "-Os", "-ffunction-sections", "-Wall", "-Wextra"]
    common += ["-Werror", "-Isrc", "-I."]
    c = ["-x", "c", "-std=gnu11", "-c", "src/tinyengine_net.c", "-o", "net.o"]
    call("arm-none-eabi-g++", *common, *c, cwd=tmp_path)
    sketch = ["-x", "c++", "-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-include", "Arduino.h"]
    sketch += ["-Wno-unused-function", "-c", "examples/Inference/Inference.ino", "-o", "sketch.o"]
    call("arm-none-eabi-g++", *common, *sketch, cwd=tmp_path)
    # Optimised for speed, whatever the core says.
    export(artifact(target), "cmake", tmp_path / "cmake")
    plain = ["-O2", "-ffunction-sections", "-c", "cmake/src/model.c", "-Icmake/include/net"]
    flags = get_target(target).gcc_flags
    call("arm-none-eabi-gcc", *flags, *plain, "-o", "plain.o", cwd=tmp_path)

    def code(name: str) -> int:
        sizes = call("arm-none-eabi-size", name, cwd=tmp_path).splitlines()[1]
        return int(sizes.split()[0])

    assert code("net.o") == pytest.approx(code("plain.o"), rel=0.1)


def test_the_sketch_prints_what_the_host_gives(tmp_path):
    need("gcc", "g++")
    export(artifact("cortex-m3"), "arduino", tmp_path)
    (tmp_path / "Arduino.h").write_text(ARDUINO_STUB)
    (tmp_path / "main.cpp").write_text(
        '#include "Arduino.h"\n#include "examples/Inference/Inference.ino"\n'
        "int main() { setup(); loop(); loop(); }\n"
    )
    call("g++", "-x", "c", "-c", "src/tinyengine_net.c", "-o", "net.o", cwd=tmp_path)
    call("g++", "-Isrc", "-I.", "main.cpp", "net.o", "-o", "sketch", cwd=tmp_path)
    outputs = [line for line in call(tmp_path / "sketch").splitlines() if ":" not in line]
    expected = zeros(artifact("host"))
    assert [list(map(int, line.split())) for line in outputs] == [expected, expected]


def test_the_zephyr_application_is_whole(tmp_path):
    files = export(artifact("cortex-m33-nodsp"), "zephyr", tmp_path)
    lists = (tmp_path / "CMakeLists.txt").read_text()
    for path in re.findall(r"\$\{CMAKE_CURRENT_SOURCE_DIR\}/([\w./]+)", lists):
        assert path in files or any(name.startswith(path + "/") for name in files)
    module = (tmp_path / "tinyengine/CMakeLists.txt").read_text()
    for path in re.findall(r"src/\w+\.c", module):
        assert f"tinyengine/{path}" in files
    settings = set(re.findall(r"CONFIG_(TINYENGINE\w*)", (tmp_path / "prj.conf").read_text()))
    known = set(re.findall(r"^config (\w+)", (tmp_path / "tinyengine/Kconfig").read_text(), re.M))
    assert settings and settings <= known
    assert (tmp_path / "model/model.c").read_bytes() == artifact("cortex-m33-nodsp").files[
        "model.c"
    ]
