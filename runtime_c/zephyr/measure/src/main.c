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
#include "undisturbed.h"

/* main() of the batch, see tinyengine_tvm/tune/program.py. */
int te_measure(void);

static int32_t candidates(void *inputs, void *outputs)
{
    ARG_UNUSED(inputs);
    ARG_UNUSED(outputs);
    return te_measure();
}

static int32_t undisturbed(void *inputs, void *outputs)
{
    return te_undisturbed(candidates, inputs, outputs);
}

int main(void)
{
    struct tinyengine_inference result;
    (void)tinyengine_run(undisturbed, NULL, NULL, &result);
    semihosting_print("TINYENGINE FAIL the batch came back\n");
    semihosting_exit(TE_EXIT_MODEL);
}
