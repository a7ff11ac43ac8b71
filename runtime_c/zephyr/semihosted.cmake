# SPDX-License-Identifier: Apache-2.0
#
# What programs of `app` need that talk through semihosting and tell of faults.
set(boards "${CMAKE_CURRENT_LIST_DIR}/../boards")
target_include_directories(app PRIVATE "${boards}" "${CMAKE_CURRENT_LIST_DIR}/src")
target_sources(app PRIVATE
  "${boards}/semihosting.c"
  "${CMAKE_CURRENT_LIST_DIR}/src/fatal.c"
  "${CMAKE_CURRENT_LIST_DIR}/src/undisturbed.c")
# Zephyr clears the fault status registers before it tells of a fault, and reads a stack that may be
# the fault.
zephyr_ld_options(-Wl,--wrap=z_arm_fault)
