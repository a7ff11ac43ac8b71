/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform of boards/main.c under Zephyr; files.c does the rest of it.
 */
#include <tinyengine/inference.h>

#include <errno.h>

#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#else
#include <zephyr.h>
#endif

#include "platform.h"
#include "semihosting.h"
#include "timer.h"
#include "undisturbed.h"

/* The deepest stack of the inference thread so far, in bytes; files.c says it at the end. */
uint32_t te_stack_used;

/* call.S */
int32_t te_call_model(void *inputs, void *outputs);

static int32_t undisturbed(void *inputs, void *outputs)
{
    return te_undisturbed(te_call_model, inputs, outputs);
}

static int32_t known_loop(void *inputs, void *outputs)
{
    ARG_UNUSED(inputs);
    ARG_UNUSED(outputs);
    uint32_t rounds = TIMER_LOOP_INSTRUCTIONS / 2u;
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+l"(rounds) : : "cc");
    return 0;
}

static struct tinyengine_inference run(tinyengine_function function, void *inputs, void *outputs)
{
    struct tinyengine_inference result;
    int error = tinyengine_run(function, inputs, outputs, &result);
    if (error == -ENOMEM) {
        te_fail(TE_EXIT_FAULT,
            "stack overflow: the inference thread needs more than CONFIG_TINYENGINE_STACK_SIZE =",
            CONFIG_TINYENGINE_STACK_SIZE);
    }
    if (error != 0) {
        te_fail(TE_EXIT_MODEL, "the inference did not end within ms", CONFIG_TINYENGINE_TIMEOUT_MS);
    }
    te_stack_used = (uint32_t)result.stack_bytes;
    return result;
}

int32_t te_run(void *inputs, void *outputs, int timed)
{
    if (!timed) {
        return run(undisturbed, inputs, outputs).status;
    }
    /* A loop of known length tells how many instructions a tick of Zephyr's clock is. */
    uint32_t known = run(known_loop, NULL, NULL).cycles;
    struct tinyengine_inference result = run(te_call_model, inputs, outputs);
    te_say_ticks(known, result.cycles);
    return result.status;
}
