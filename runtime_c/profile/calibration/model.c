/* SPDX-License-Identifier: Apache-2.0
 *
 * profile/plugin.py knows how many instructions, loads, stores and taken branches these loops are.
 */
#include "model.h"

#ifndef TINYENGINE_LAYER
#define TINYENGINE_LAYER(number)
#endif

static uint8_t tvmgen_calibration_arena[16] __attribute__((aligned(16)));

struct tvmgen_calibration_inputs tvmgen_calibration_map_inputs(void)
{
    return (struct tvmgen_calibration_inputs){tvmgen_calibration_arena};
}

struct tvmgen_calibration_outputs tvmgen_calibration_map_outputs(void)
{
    return (struct tvmgen_calibration_outputs){tvmgen_calibration_arena};
}

__attribute__((naked)) int32_t tvmgen_calibration_run(
    struct tvmgen_calibration_inputs *inputs, struct tvmgen_calibration_outputs *outputs)
{
    TINYENGINE_LAYER(0);
    __asm__ volatile("movs r2, #250\n\t"
                     "lsls r2, r2, #4\n"
                     "1:\n\t"
                     "subs r2, #1\n\t"
                     "bne 1b");
    TINYENGINE_LAYER(1);
    TINYENGINE_LAYER(2);
    __asm__ volatile("ldr r0, [r0]\n\t"
                     "movs r2, #100\n"
                     "2:\n\t"
                     "ldr r3, [r0]\n\t"
                     "ldr r3, [r0]\n\t"
                     "str r3, [r0]\n\t"
                     "subs r2, #1\n\t"
                     "bne 2b\n\t"
                     "movs r0, #0\n\t"
                     "bx lr");
    TINYENGINE_LAYER(3);
}
