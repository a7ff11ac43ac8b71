# SPDX-License-Identifier: Apache-2.0
#[=[
Compiles quantised models in a CMake project.

  # What `python -c "import tinyengine_tvm.paths as p; print(p.cmake_dir())"` prints:
  list(APPEND CMAKE_MODULE_PATH ...)
  include(TinyEngineTvm)
  tinyengine_add_model(NAME MODEL TARGET [OPTIONS...])

`tinyengine_add_model` runs `tinyengine compile MODEL --target TARGET --name NAME OPTIONS...` at
build time, again when MODEL changes, and adds a static library NAME. What links to it writes
`#include "NAME/model.h"`.

TINYENGINE_COMMAND is the command to run, a list; by default `tinyengine` of the PATH, else
`python3 -m tinyengine_tvm`. TINYENGINE_RUNTIME_C is set to the folder of C that comes with the
package: boards/ has start-up code and linker scripts for the emulated boards.
#]=]
include_guard(GLOBAL)

get_filename_component(TINYENGINE_RUNTIME_C "${CMAKE_CURRENT_LIST_DIR}/../runtime_c" ABSOLUTE)

if(NOT DEFINED TINYENGINE_COMMAND)
  # Programs of the build machine, also where the toolchain file restricts searches.
  find_program(TINYENGINE_EXECUTABLE tinyengine NO_CMAKE_FIND_ROOT_PATH)
  if(TINYENGINE_EXECUTABLE)
    set(TINYENGINE_COMMAND "${TINYENGINE_EXECUTABLE}")
  else()
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    set(TINYENGINE_COMMAND "${Python3_EXECUTABLE}" -m tinyengine_tvm)
  endif()
endif()

function(tinyengine_add_model NAME MODEL TARGET)
  get_filename_component(model "${MODEL}" ABSOLUTE)
  if(NOT EXISTS "${model}")
    message(FATAL_ERROR "tinyengine_add_model(${NAME}): there is no model ${model}")
  endif()
  set(root "${CMAKE_CURRENT_BINARY_DIR}/tinyengine")
  set(folder "${root}/${NAME}")
  add_custom_command(
    OUTPUT "${folder}/model.c" "${folder}/model.h" "${folder}/metadata.json"
    # The compiler doesn't write into a folder that holds something.
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${folder}"
    COMMAND ${TINYENGINE_COMMAND} compile "${model}" -o "${folder}"
            --target "${TARGET}" --name "${NAME}" ${ARGN}
    DEPENDS "${model}"
    COMMENT "tinyengine: compiling ${NAME} for ${TARGET}"
    VERBATIM)
  add_library(${NAME} STATIC "${folder}/model.c" "${folder}/model.h")
  target_include_directories(${NAME} PUBLIC "${root}")
  target_compile_features(${NAME} PRIVATE c_std_11)
  # So that the linker drops what a program doesn't call.
  target_compile_options(${NAME} PRIVATE -ffunction-sections -fdata-sections)
  # Without a build type CMake doesn't optimise at all.
  target_compile_options(${NAME} PRIVATE $<$<CONFIG:>:-O2>)
endfunction()
