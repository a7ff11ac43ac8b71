/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform of main.c on an emulated board.
 */
#include "harness_model.h"
#include "platform.h"
#include "semihosting.h"
#include "timer.h"

/* Written by te_call_model: the deepest stack of a run so far, in bytes. */
uint32_t te_stack_used;

/* call.S: calls the model on a painted stack. */
int32_t te_call_model(MODEL_INPUTS *inputs, MODEL_OUTPUTS *outputs);

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

int32_t te_run(void *inputs, void *outputs, int timed)
{
    if (!timed) {
        return te_call_model(inputs, outputs);
    }
    /* A loop of known length tells how many instructions a tick is. */
    uint64_t known = timer_measure_loop(TIMER_LOOP_INSTRUCTIONS);
    timer_start();
    int32_t status = MODEL_RUN((MODEL_INPUTS *)inputs, (MODEL_OUTPUTS *)outputs);
    uint64_t ticks = timer_stop();
    semihosting_print("TINYENGINE TICKS loop=");
    semihosting_print_decimal((uint32_t)known);
    semihosting_print(" run_high=");
    semihosting_print_decimal((uint32_t)(ticks >> 24));
    semihosting_print(" run_low=");
    semihosting_print_decimal((uint32_t)(ticks & 0xffffffu));
    semihosting_print("\n");
    return status;
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
