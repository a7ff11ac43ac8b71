/* SPDX-License-Identifier: Apache-2.0
 *
 * The files, the console and the end of main.c's platform, through semihosting.
 */
#include "platform.h"
#include "semihosting.h"

static int32_t input_file = -1;
static int32_t output_file = -1;

void te_open(void)
{
    input_file = semihosting_open("inputs.bin", SEMIHOSTING_READ_BINARY);
    output_file = semihosting_open("outputs.bin", SEMIHOSTING_WRITE_BINARY);
    if (input_file == -1 || output_file == -1) {
        te_fail(TE_EXIT_IO, "cannot open inputs.bin and outputs.bin", 0);
    }
}

void te_read(void *data, size_t bytes)
{
    if (semihosting_read(input_file, data, bytes) != 0u) {
        te_fail(TE_EXIT_IO, "inputs.bin ends early, bytes wanted", bytes);
    }
}

void te_write(const void *data, size_t bytes)
{
    if (semihosting_write(output_file, data, bytes) != 0u) {
        te_fail(TE_EXIT_IO, "cannot write outputs.bin, bytes", bytes);
    }
}

void te_say_ticks(uint64_t known, uint64_t run)
{
    semihosting_print("TINYENGINE TICKS loop=");
    semihosting_print_decimal((uint32_t)known);
    semihosting_print(" run_high=");
    semihosting_print_decimal((uint32_t)(run >> 24));
    semihosting_print(" run_low=");
    semihosting_print_decimal((uint32_t)(run & 0xffffffu));
    semihosting_print("\n");
}

void te_done(uint32_t samples)
{
    if (semihosting_close(output_file) != 0) {
        te_fail(TE_EXIT_IO, "cannot close outputs.bin after sample", samples);
    }
    semihosting_print("TINYENGINE DONE samples=");
    semihosting_print_decimal(samples);
    semihosting_print(" stack=");
    semihosting_print_decimal(te_stack_used);
    semihosting_print("\n");
    semihosting_exit(0);
}

_Noreturn void te_fail(int code, const char *message, uint32_t number)
{
    semihosting_print("TINYENGINE FAIL ");
    semihosting_print(message);
    semihosting_print(" ");
    semihosting_print_decimal(number);
    semihosting_print("\n");
    semihosting_exit(code);
}
