# SPDX-License-Identifier: Apache-2.0
"""A plain CMake project: a static library, and an example program for this machine."""

from __future__ import annotations

from ..artifact import Artifact
from ..paths import cmake_dir
from ..targets import get_target
from .example import callbacks, described, fill, fill_inputs, print_outputs

LISTS = """\
# SPDX-License-Identifier: Apache-2.0
#
# The network '@NAME@', compiled by tinyengine-tvm for @TARGET@. `add_subdirectory` this folder and
# link to `@NAME@`; its header is "@NAME@/model.h".
cmake_minimum_required(VERSION 3.20)
project(@NAME@ C)
@CHECK@
add_library(@NAME@ STATIC src/model.c include/@NAME@/model.h)
target_include_directories(@NAME@ PUBLIC include PRIVATE include/@NAME@)
target_compile_features(@NAME@ PRIVATE c_std_11)
# So that the linker drops what a program doesn't call.
target_compile_options(@NAME@ PRIVATE -ffunction-sections -fdata-sections)
# Without a build type CMake doesn't optimise at all.
target_compile_options(@NAME@ PRIVATE $<$<CONFIG:>:-O2>)
target_link_libraries(@NAME@ PUBLIC m)

if(NOT CMAKE_CROSSCOMPILING AND CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  add_executable(@NAME@_example src/example.c)
  target_link_libraries(@NAME@_example PRIVATE @NAME@)
endif()
"""

CHECK = """
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^arm")
  message(FATAL_ERROR "this network was compiled for @TARGET@; configure with "
    "--toolchain ${CMAKE_CURRENT_SOURCE_DIR}/cmake/arm-none-eabi.cmake -DTINYENGINE_CORE=@TARGET@, "
    "or compile it with --target host")
endif()
"""

EXAMPLE = """\
/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the network once and prints its outputs. Arguments: a file of raw bytes for each input;
 * without them, zeros.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "@NAME@/model.h"

@CALLBACKS@static int read_input(const char *name, void *place, size_t bytes)
{
    FILE *file = fopen(name, "rb");
    const int right = file != NULL && fread(place, 1, bytes, file) == bytes;
    if (file != NULL) {
        fclose(file);
    }
    if (!right) {
        fprintf(stderr, "cannot read %lu bytes from %s\\n", (unsigned long)bytes, name);
    }
    return right;
}

int main(int argc, char **argv)
{
    /* Pointers into the network's arena: what stands there is read and overwritten by the run. */
    struct tvmgen_@NAME@_inputs inputs = tvmgen_@NAME@_map_inputs();
    struct tvmgen_@NAME@_outputs outputs = tvmgen_@NAME@_map_outputs();
    int next = 1;

    (void)read_input;
    (void)argv;
@FILL@@READ@    if (next < argc) {
        fprintf(stderr, "more files than inputs\\n");
        return 2;
    }
    if (tvmgen_@NAME@_run(&inputs, &outputs) != 0) {
        return 1;
    }
@PRINT@    return 0;
}
"""

README = """\
# @NAME@
A network for @TARGET@, compiled by tinyengine-tvm.

@PORTS@
@BUILD@
"""

HOST_BUILD = """\
    cmake -B build && cmake --build build
    build/@NAME@_example [FILE of raw bytes for each input]
"""
CROSS_BUILD = """\
    cmake -B build --toolchain cmake/arm-none-eabi.cmake -DTINYENGINE_CORE=@TARGET@
    cmake --build build
"""


def cmake_project(artifact: Artifact) -> dict[str, bytes]:
    """CMakeLists.txt, include/, src/ and the toolchain file for Cortex-M."""
    facts = artifact.metadata
    target = get_target(facts["target"])
    name, core = artifact.name, target.name
    portable = not (target.has("dsp") or target.has("mve"))
    reads = "".join(
        f"    if (next < argc && !read_input(argv[next++], inputs.{port['field']}, "
        f"{port['bytes']})) {{\n        return 2;\n    }}\n"
        for port in facts["inputs"]
        if not port.get("row_bytes")
    )
    whole, real = 'printf("%d ", (int)@VALUE@);', 'printf("%g ", (double)@VALUE@);'
    build = (HOST_BUILD if portable else "") + (CROSS_BUILD if core != "host" else "")
    kinds = (("Input", facts["inputs"]), ("Output", facts["outputs"]))
    texts = {
        "CMakeLists.txt": fill(
            LISTS, NAME=name, TARGET=core, CHECK="" if portable else fill(CHECK, TARGET=core)
        ),
        "README.md": fill(
            README,
            NAME=name,
            TARGET=core,
            PORTS="".join(f"- {kind} {described(p)}\n" for kind, ports in kinds for p in ports),
            BUILD=fill(build, NAME=name, TARGET=core),
        ),
        "src/example.c": fill(
            EXAMPLE,
            NAME=name,
            CALLBACKS=callbacks(artifact),
            FILL=fill_inputs(artifact),
            READ=reads,
            PRINT=print_outputs(artifact, whole, real, 'printf("\\n");'),
        ),
    }
    files = {path: text.encode() for path, text in texts.items()}
    files["src/model.c"] = artifact.files["model.c"]
    files[f"include/{name}/model.h"] = artifact.files["model.h"]
    if core != "host":
        files["cmake/arm-none-eabi.cmake"] = (cmake_dir() / "arm-none-eabi.cmake").read_bytes()
    return files
