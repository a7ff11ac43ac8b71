# SPDX-License-Identifier: Apache-2.0
#
# Adds this folder to Zephyr's modules, under both names that releases of Zephyr read; included
# before find_package(Zephyr).
if(NOT "${CMAKE_CURRENT_LIST_DIR}" IN_LIST ZEPHYR_MODULES)
  list(APPEND ZEPHYR_EXTRA_MODULES "${CMAKE_CURRENT_LIST_DIR}")
  list(APPEND EXTRA_ZEPHYR_MODULES "${CMAKE_CURRENT_LIST_DIR}")
endif()
