# SPDX-License-Identifier: Apache-2.0

# Writes FOLDER/harness_model.h, the names that boards/main.c needs, from the metadata.json of MODEL,
# as tinyengine_tvm/boards/base.py does. Sets TINYENGINE_NAME.
function(tinyengine_harness MODEL FOLDER)
  if(NOT EXISTS "${MODEL}/metadata.json")
    message(FATAL_ERROR "'${MODEL}' is not a compiled model: metadata.json is missing; "
      "make it with 'tinyengine compile MODEL -o ${MODEL}'")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${MODEL}/metadata.json")
  file(READ "${MODEL}/metadata.json" facts)
  string(JSON name GET "${facts}" name)
  set(inputs "")
  set(outputs "")
  set(streams "")
  foreach(kind inputs outputs)
    string(JSON count LENGTH "${facts}" ${kind})
    if(count EQUAL 0)
      continue()
    endif()
    math(EXPR last "${count} - 1")
    foreach(index RANGE ${last})
      string(JSON field GET "${facts}" ${kind} ${index} field)
      string(JSON bytes GET "${facts}" ${kind} ${index} bytes)
      string(JSON row ERROR_VARIABLE absent GET "${facts}" ${kind} ${index} row_bytes)
      if(row AND NOT absent)
        string(APPEND streams " X(${field}, ${bytes}, ${row})")
      else()
        string(APPEND ${kind} " X(${field}, ${bytes})")
      endif()
    endforeach()
  endforeach()
  if(streams)
    set(streams "#define FOR_EACH_STREAM(X)${streams}\n")
  endif()
  file(CONFIGURE OUTPUT "${FOLDER}/harness_model.h" @ONLY CONTENT
"#ifndef HARNESS_MODEL_H
#define HARNESS_MODEL_H

#include \"model.h\"

#ifndef MODEL_RUN
#define MODEL_RUN tvmgen_@name@_run
#endif
#define MODEL_INPUTS struct tvmgen_@name@_inputs
#define MODEL_OUTPUTS struct tvmgen_@name@_outputs
#define MODEL_MAP_INPUTS tvmgen_@name@_map_inputs
#define MODEL_MAP_OUTPUTS tvmgen_@name@_map_outputs
#define FOR_EACH_INPUT(X)@inputs@
@streams@#define FOR_EACH_OUTPUT(X)@outputs@

#endif
")
  set(TINYENGINE_NAME "${name}" PARENT_SCOPE)
endfunction()
