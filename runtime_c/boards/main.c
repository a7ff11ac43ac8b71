/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every sample of inputs.bin through the model and writes outputs.bin.
 *
 * inputs.bin: uint32 samples, uint32 flags (bit 0: time the runs), then per sample each input in
 * the order of metadata.json. outputs.bin: per sample each output, in that order. harness_model.h is
 * generated from metadata.json and names the model's functions and fields. A streamed input is read
 * from inputs.bin when the model asks for it.
 */
#include "harness_model.h"
#include "platform.h"

#ifdef FOR_EACH_STREAM
struct stream {
    int32_t row_bytes;
    int32_t next; /* the row that must be asked for next */
};

static void deliver(void *context, int32_t first_row, int32_t rows, void *destination)
{
    struct stream *stream = context;
    if (first_row != stream->next || rows <= 0) {
        te_fail(TE_EXIT_MODEL, "the model asked for the wrong row", (uint32_t)first_row);
    }
    te_read(destination, (size_t)(rows * stream->row_bytes));
    stream->next += rows;
}

/* Reads what no output depends on. */
static void skip(const struct stream *stream, int32_t bytes)
{
    for (int32_t left = bytes - stream->next * stream->row_bytes; left != 0; left--) {
        char unused;
        te_read(&unused, 1);
    }
}
#endif

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
#ifdef FOR_EACH_STREAM
#define TE_STREAM(field, bytes, row_bytes)            \
    struct stream field##_stream = { row_bytes, 0 };  \
    inputs.field##_rows = deliver;                    \
    inputs.field##_context = &field##_stream;
        FOR_EACH_STREAM(TE_STREAM)
#endif
        int32_t status = te_run(&inputs, &outputs, (int)(header[1] & 1u));
        if (status < 0) {
            /* A model that was compiled with --check. */
            te_fail(TE_EXIT_MODEL, "the arena was damaged by layer", (uint32_t)(-1 - status));
        }
        if (status != 0) {
            te_fail(TE_EXIT_MODEL, "the model did not return 0 for sample", sample);
        }
#ifdef FOR_EACH_STREAM
#define TE_SKIP(field, bytes, row_bytes) skip(&field##_stream, bytes);
        FOR_EACH_STREAM(TE_SKIP)
#endif
#define TE_WRITE(field, bytes) te_write(outputs.field, bytes);
        FOR_EACH_OUTPUT(TE_WRITE)
    }
    te_done(header[0]);
    return 0;
}
