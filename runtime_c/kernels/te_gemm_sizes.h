/* SPDX-License-Identifier: Apache-2.0 */
/* What is fixed when compiling, for the functions that call a multiplication routine. */
struct te_gemm_sizes {
    int32_t channels;
    int32_t weight_bytes;
    uint32_t entry;
    int32_t buffer_bytes;
    int32_t zero_point;
    int32_t rows;
    int32_t length; /* bytes of a row of the window: chunks, quads and singles */
    int32_t chunks;
    int32_t quads;
    int32_t singles;
    uint32_t low;
    uint32_t high;
    int32_t last;
    int32_t pixels;
};

static struct te_gemm te_gemm_of(
    const struct te_gemm_sizes *sizes, const void *weights, void *buffer, int8_t *y)
{
    return (struct te_gemm){
        .y = y,
        .y_second = sizes->channels,
        .weights_end = (const int8_t *)weights + sizes->weight_bytes,
        .buffer = buffer,
        .entry = sizes->entry,
        .buffer_end = (int8_t *)buffer + sizes->buffer_bytes,
        .weights = weights,
        .zero_point = sizes->zero_point,
        .rows = sizes->rows,
        .chunks = sizes->chunks,
        .quads = sizes->quads,
        .singles = sizes->singles,
        .low = sizes->low,
        .high = sizes->high,
        .last = sizes->last,
    };
}
