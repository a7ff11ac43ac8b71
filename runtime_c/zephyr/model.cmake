# SPDX-License-Identifier: Apache-2.0

# Adds model.c of FOLDER to the application; further arguments are options to compile it with.
function(tinyengine_zephyr_model FOLDER)
  # Options of a file come last, after those of Zephyr: -ffreestanding would turn every memcpy of a
  # word into a call.
  set_source_files_properties("${FOLDER}/model.c"
    PROPERTIES COMPILE_OPTIONS "-O2;-std=c11;-fhosted;${ARGN}")
  target_sources(app PRIVATE "${FOLDER}/model.c")
  target_include_directories(app PRIVATE "${FOLDER}")
  # What a network with float layers takes of the compiler's library and Zephyr's smallest one lacks.
  target_link_libraries(app PRIVATE m c)
endfunction()
