/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a batch of the tuner's candidates in the inference thread. The batch ends the program.
 */
#include <tinyengine/inference.h>

#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#else
#include <zephyr.h>
#endif

#include "platform.h"
#include "semihosting.h"

/* main() of the batch, see tinyengine_tvm/tune/program.py. */
int te_measure(void);

/* Interrupts would be counted along with the candidates. */
static int32_t undisturbed(void *inputs, void *outputs)
{
    ARG_UNUSED(inputs);
    ARG_UNUSED(outputs);
    (void)irq_lock();
    return te_measure();
}

int main(void)
{
    struct tinyengine_inference result;
    (void)tinyengine_run(undisturbed, NULL, NULL, &result);
    semihosting_print("TINYENGINE FAIL the batch came back\n");
    semihosting_exit(TE_EXIT_MODEL);
}
