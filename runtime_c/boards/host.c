/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform of main.c on the machine that compiles.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness_model.h"
#include "platform.h"

static FILE *input_file;
static FILE *output_file;

void te_open(void)
{
    input_file = fopen("inputs.bin", "rb");
    output_file = fopen("outputs.bin", "wb");
    if (input_file == NULL || output_file == NULL) {
        te_fail(TE_EXIT_IO, "cannot open inputs.bin and outputs.bin", 0);
    }
}

void te_read(void *data, size_t bytes)
{
    if (fread(data, 1, bytes, input_file) != bytes) {
        te_fail(TE_EXIT_IO, "inputs.bin ends early, bytes wanted", (uint32_t)bytes);
    }
}

void te_write(const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, output_file) != bytes) {
        te_fail(TE_EXIT_IO, "cannot write outputs.bin, bytes", (uint32_t)bytes);
    }
}

int32_t te_run(void *inputs, void *outputs, int timed)
{
    (void)timed;
    return MODEL_RUN((MODEL_INPUTS *)inputs, (MODEL_OUTPUTS *)outputs);
}

void te_done(uint32_t samples)
{
    if (fclose(input_file) != 0 || fclose(output_file) != 0) {
        te_fail(TE_EXIT_IO, "cannot close outputs.bin after sample", samples);
    }
    fprintf(stderr, "TINYENGINE DONE samples=%lu\n", (unsigned long)samples);
}

_Noreturn void te_fail(int code, const char *message, uint32_t number)
{
    fprintf(stderr, "TINYENGINE FAIL %s %lu\n", message, (unsigned long)number);
    exit(code);
}
