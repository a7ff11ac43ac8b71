/* SPDX-License-Identifier: Apache-2.0
 *
 * What main.c needs of the machine below it: two files, a measured call, and an end.
 * Implemented by host.c (stdio), and by files.c (semihosting) with board.c or zephyr/app.
 */
#ifndef TINYENGINE_PLATFORM_H
#define TINYENGINE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes; boards/base.py knows them too. */
enum { TE_EXIT_IO = 70, TE_EXIT_MODEL = 71, TE_EXIT_FAULT = 72 };

/* Opens inputs.bin and outputs.bin of the working directory. */
void te_open(void);

/* Reads or writes exactly `bytes`; anything less ends the program with TE_EXIT_IO. */
void te_read(void *data, size_t bytes);
void te_write(const void *data, size_t bytes);

/* Runs the model once; `timed` counts timer ticks instead of measuring the stack. */
int32_t te_run(void *inputs, void *outputs, int timed);

/* Boards: the deepest stack of a run so far, in bytes. */
extern uint32_t te_stack_used;

/* Boards: says how many ticks a loop of TIMER_LOOP_INSTRUCTIONS and a timed run took. */
void te_say_ticks(uint64_t known, uint64_t run);

/* Reports success and ends the program. */
void te_done(uint32_t samples);

/* Reports what went wrong, with a number that says where, and ends the program with `code`. */
_Noreturn void te_fail(int code, const char *message, uint32_t number);

#endif
