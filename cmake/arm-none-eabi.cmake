# SPDX-License-Identifier: Apache-2.0
# Toolchain file for bare-metal Cortex-M with GNU Arm.
#   cmake -B build --toolchain .../arm-none-eabi.cmake -DTINYENGINE_CORE=cortex-m4
set(TINYENGINE_CORE "cortex-m4" CACHE STRING "core to compile for, as `tinyengine targets` lists them")
set(TINYENGINE_CORES cortex-m0plus cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m33-nodsp cortex-m55)
set_property(CACHE TINYENGINE_CORE PROPERTY STRINGS ${TINYENGINE_CORES})
if(NOT TINYENGINE_CORE IN_LIST TINYENGINE_CORES)
  message(FATAL_ERROR "unknown TINYENGINE_CORE '${TINYENGINE_CORE}'; choose one of: ${TINYENGINE_CORES}")
endif()

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)

# CMake tries the compiler in a project of its own, which must see the same core, and can't link
# a program without start-up code.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TINYENGINE_CORE)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# Must stay equal to tinyengine_tvm/targets.py, or libraries disagree about the calling convention.
if(TINYENGINE_CORE MATCHES "^cortex-m(0plus|3)$")
  set(flags "-mcpu=${TINYENGINE_CORE} -mthumb -mfloat-abi=soft")
elseif(TINYENGINE_CORE STREQUAL "cortex-m33-nodsp")
  set(flags "-mcpu=cortex-m33+nodsp -mthumb -mfloat-abi=soft")
else()
  set(flags "-mcpu=${TINYENGINE_CORE} -mthumb -mfloat-abi=hard -mfpu=auto")
endif()
foreach(language C CXX ASM)
  set(CMAKE_${language}_FLAGS_INIT "${flags}")
endforeach()
unset(flags)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
