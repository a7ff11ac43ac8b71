/* SPDX-License-Identifier: Apache-2.0 */
#include <tinyengine/inference.h>

#include <errno.h>
#include <stdbool.h>

#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#else
#include <zephyr.h>
#endif

#define STACK_BYTES (CONFIG_TINYENGINE_STACK_SIZE + CONFIG_TINYENGINE_STACK_MARGIN)

static K_THREAD_STACK_DEFINE(stack, STACK_BYTES);
static K_MUTEX_DEFINE(turn);
static K_SEM_DEFINE(given, 0, 1);
static K_SEM_DEFINE(finished, 0, 1);

struct k_thread tinyengine_thread;
static bool alive;

static struct {
    tinyengine_function function;
    void *inputs;
    void *outputs;
    int32_t status;
    uint32_t cycles;
} job;

static void serve(void *a, void *b, void *c)
{
    ARG_UNUSED(a);
    ARG_UNUSED(b);
    ARG_UNUSED(c);
    for (;;) {
        k_sem_take(&given, K_FOREVER);
        uint32_t start = k_cycle_get_32();
        job.status = job.function(job.inputs, job.outputs);
        job.cycles = k_cycle_get_32() - start;
        k_sem_give(&finished);
    }
}

static void make_thread(void)
{
    k_sem_reset(&given);
    k_sem_reset(&finished);
    k_thread_create(&tinyengine_thread, stack, K_THREAD_STACK_SIZEOF(stack), serve, NULL, NULL, NULL,
        K_PRIO_PREEMPT(CONFIG_TINYENGINE_PRIORITY), 0, K_NO_WAIT);
#ifdef CONFIG_THREAD_NAME
    k_thread_name_set(&tinyengine_thread, "tinyengine");
#endif
    alive = true;
}

int tinyengine_run(tinyengine_function function, void *inputs, void *outputs,
    struct tinyengine_inference *result)
{
    int error = 0;
    size_t unused = 0;

    k_mutex_lock(&turn, K_FOREVER);
    if (!alive) {
        make_thread();
    }
    job.function = function;
    job.inputs = inputs;
    job.outputs = outputs;
    k_sem_give(&given);
    if (k_sem_take(&finished, CONFIG_TINYENGINE_TIMEOUT_MS == 0
                ? K_FOREVER
                : K_MSEC(CONFIG_TINYENGINE_TIMEOUT_MS)) != 0) {
        k_thread_abort(&tinyengine_thread);
        alive = false;
        error = -ETIMEDOUT;
    }
    result->status = job.status;
    result->cycles = job.cycles;
    k_thread_stack_space_get(&tinyengine_thread, &unused);
    result->stack_bytes = tinyengine_thread.stack_info.size - unused;
    /* Without a margin, a stack that is used to its last byte has overflowed as well. */
    if (error == 0 && unused <= CONFIG_TINYENGINE_STACK_MARGIN) {
        error = -ENOMEM;
    }
    k_mutex_unlock(&turn);
    return error;
}
