/* SPDX-License-Identifier: Apache-2.0
 *
 * The measured call of main.c on an emulated board; files.c does the rest of its platform.
 */
#include "harness_model.h"
#include "platform.h"
#include "timer.h"

/* Written by te_call_model: the deepest stack of a run so far, in bytes. */
uint32_t te_stack_used;

/* call.S: calls the model on a painted stack. */
int32_t te_call_model(MODEL_INPUTS *inputs, MODEL_OUTPUTS *outputs);

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
    te_say_ticks(known, ticks);
    return status;
}
