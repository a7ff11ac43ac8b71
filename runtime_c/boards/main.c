/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every sample of inputs.bin through the model and writes outputs.bin.
 *
 * inputs.bin: uint32 samples, uint32 flags (bit 0: time the runs), then per sample each input in
 * the order of metadata.json. outputs.bin: per sample each output, in that order. harness_model.h is
 * generated from metadata.json and names the model's functions and fields.
 */
#include "harness_model.h"
#include "platform.h"

int main(void)
{
    uint32_t header[2];
    te_open();
    te_read(header, sizeof header);

    for (uint32_t sample = 0; sample < header[0]; sample++) {
        MODEL_INPUTS inputs = MODEL_MAP_INPUTS();
        MODEL_OUTPUTS outputs = MODEL_MAP_OUTPUTS();
#define TE_READ(field, bytes) te_read(inputs.field, bytes);
        FOR_EACH_INPUT(TE_READ)
        int32_t status = te_run(&inputs, &outputs, (int)(header[1] & 1u));
        if (status != 0) {
            te_fail(TE_EXIT_MODEL, "the model did not return 0 for sample", sample);
        }
#define TE_WRITE(field, bytes) te_write(outputs.field, bytes);
        FOR_EACH_OUTPUT(TE_WRITE)
    }
    te_done(header[0]);
    return 0;
}
