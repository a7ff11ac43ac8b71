/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs compiled networks under Zephyr, in a thread of its own.
 */
#ifndef TINYENGINE_INFERENCE_H
#define TINYENGINE_INFERENCE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* tvmgen_NAME_run, its arguments being pointers to its two structs. */
typedef int32_t (*tinyengine_function)(void *inputs, void *outputs);

struct tinyengine_inference {
    int32_t status;     /* what the function returned */
    uint32_t cycles;    /* of k_cycle_get_32(), from call to return, interrupts included */
    size_t stack_bytes; /* the deepest stack of the thread so far */
};

/* Runs `function` in the inference thread and waits for it. Calls from several threads take turns.
 *
 * Returns 0, and fills *result, if the function returned; -ETIMEDOUT if it took longer than
 * CONFIG_TINYENGINE_TIMEOUT_MS, and its thread was ended; -ENOMEM if its stack went past
 * CONFIG_TINYENGINE_STACK_SIZE, so that its outputs are worth nothing. *result then holds the
 * stack. */
int tinyengine_run(tinyengine_function function, void *inputs, void *outputs,
    struct tinyengine_inference *result);

#ifdef __cplusplus
}
#endif

#endif
