# SPDX-License-Identifier: Apache-2.0
"""A Zephyr application for a user's own board, with the inference thread of runtime_c/zephyr."""

from __future__ import annotations

from ..artifact import Artifact
from ..paths import runtime_c
from .example import callbacks, fill, fill_inputs, print_outputs

MODULE = (
    "zephyr/module.yml",
    "Kconfig",
    "CMakeLists.txt",
    "module.cmake",
    "model.cmake",
    "include/tinyengine/inference.h",
    "src/inference.c",
)
"""The files of runtime_c/zephyr that a user's application needs."""

LISTS = """\
# SPDX-License-Identifier: Apache-2.0
#
# The network '@NAME@', compiled by tinyengine-tvm for @TARGET@.
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_SOURCE_DIR}/tinyengine/module.cmake")
find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})
project(@NAME@ C)

include("${CMAKE_CURRENT_SOURCE_DIR}/tinyengine/model.cmake")
tinyengine_zephyr_model("${CMAKE_CURRENT_SOURCE_DIR}/model")
target_sources(app PRIVATE src/main.c)
"""

CONFIG = """\
# SPDX-License-Identifier: Apache-2.0
CONFIG_TINYENGINE=y
# The example prints what the thread needs of it.
CONFIG_TINYENGINE_STACK_SIZE=4096
CONFIG_PRINTK=y
"""

SAMPLE = """\
# SPDX-License-Identifier: Apache-2.0
sample:
  name: @NAME@
tests:
  tinyengine.@NAME@:
    tags: tinyengine
    harness: console
    harness_config:
      type: one_line
      regex:
        - "cycles: [0-9]+, stack: [0-9]+ bytes"
"""

MAIN = """\
/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the network once and prints its outputs, the time that it took and the stack of its thread.
 */
#include <stdint.h>
#include <string.h>

#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>
#else
#include <sys/printk.h>
#include <zephyr.h>
#endif

#include <tinyengine/inference.h>

#include "model.h"

@CALLBACKS@static int32_t run(void *inputs, void *outputs)
{
    return tvmgen_@NAME@_run(inputs, outputs);
}

int main(void)
{
    /* Pointers into the network's arena: what stands there is read and overwritten by the run. */
    struct tvmgen_@NAME@_inputs inputs = tvmgen_@NAME@_map_inputs();
    struct tvmgen_@NAME@_outputs outputs = tvmgen_@NAME@_map_outputs();
    struct tinyengine_inference inference;

@FILL@
    int error = tinyengine_run(run, &inputs, &outputs, &inference);
    if (error != 0 || inference.status != 0) {
        printk("the run failed: error %d, status %d\\n", error, (int)inference.status);
        return 0;
    }
@PRINT@    printk("cycles: %u, stack: %u bytes\\n", (unsigned int)inference.cycles,
        (unsigned int)inference.stack_bytes);
    return 0;
}
"""

README = """\
# @NAME@
A Zephyr application with a network for @TARGET@, compiled by tinyengine-tvm. In a Zephyr workspace:

    west build -b BOARD .
    west flash

The folder tinyengine is a Zephyr module: `tinyengine_run()` of <tinyengine/inference.h> runs a
network in a thread of its own; CONFIG_TINYENGINE_STACK_SIZE in prj.conf is its stack. The core of
the board must execute code for @TARGET@.
"""


def zephyr_application(artifact: Artifact) -> dict[str, bytes]:
    """CMakeLists.txt, prj.conf, sample.yaml, src/main.c, model/ and the module tinyengine/."""
    name, target = artifact.name, artifact.metadata["target"]
    whole = 'printk("%d ", (int)@VALUE@);'
    # printk knows no floating point.
    real = 'printk("%de-3 ", (int)(@VALUE@ * 1000.0f));'
    texts = {
        "CMakeLists.txt": fill(LISTS, NAME=name, TARGET=target),
        "prj.conf": CONFIG,
        "sample.yaml": fill(SAMPLE, NAME=name),
        "README.md": fill(README, NAME=name, TARGET=target),
        "src/main.c": fill(
            MAIN,
            NAME=name,
            CALLBACKS=callbacks(artifact),
            FILL=fill_inputs(artifact),
            PRINT=print_outputs(artifact, whole, real, 'printk("\\n");'),
        ),
    }
    files = {path: text.encode() for path, text in texts.items()}
    for path in ("model.c", "model.h", "metadata.json"):
        files[f"model/{path}"] = artifact.files[path]
    for path in MODULE:
        files[f"tinyengine/{path}"] = (runtime_c() / "zephyr" / path).read_bytes()
    return files
