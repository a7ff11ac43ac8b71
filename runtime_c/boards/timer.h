/* SPDX-License-Identifier: Apache-2.0
 *
 * SysTick as an instruction counter, for a QEMU that runs with -icount but takes no plugin.
 */
#ifndef TINYENGINE_TIMER_H
#define TINYENGINE_TIMER_H

#include <stdint.h>

/* boards/qemu.py knows this number too. */
#define TIMER_LOOP_INSTRUCTIONS 40000000u

void timer_start(void);
/* Ticks since timer_start. */
uint64_t timer_stop(void);
/* Ticks of a loop that executes `instructions` (even) instructions. */
uint64_t timer_measure_loop(uint32_t instructions);
/* The SysTick exception. */
void timer_wrapped(void);

#endif
