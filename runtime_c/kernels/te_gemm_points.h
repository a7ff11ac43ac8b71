/* SPDX-License-Identifier: Apache-2.0 */
/* What is fixed when compiling, for the functions that call a multiplication routine. */
struct te_gemm_sizes {
    int32_t channels;
    int32_t weight_bytes;
    uint32_t entry;
    int32_t buffer_bytes;
    int32_t zero_point;
    int32_t rows;
    int32_t length; /* bytes of a row of the window */
    uint32_t low;
    uint32_t high;
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
        .chunks = sizes->length / 8,
        .low = sizes->low,
        .high = sizes->high,
    };
}

/* Pixels that lie one after the other, in pairs; a last one is taken twice. `constants` holds a
 * te_gemm_sizes. */
static void te_gemm_points(void (*gemm)(const struct te_gemm *), const int8_t *x,
    const void *weights, const int32_t *constants, void *buffer, int8_t *y)
{
    const struct te_gemm_sizes *const sizes = (const void *)constants;
    struct te_gemm g = te_gemm_of(sizes, weights, buffer, y);
    g.x = x;
    g.x_second = x + sizes->length;
    g.x_step = 2 * sizes->length;
    g.pairs = sizes->pixels / 2;
    if (g.pairs > 0) {
        gemm(&g);
    }
    if (sizes->pixels % 2 != 0) {
        g.x = x + (sizes->pixels - 1) * sizes->length;
        g.x_second = g.x;
        g.y = y + (sizes->pixels - 1) * sizes->channels;
        g.y_second = 0;
        g.pairs = 1;
        gemm(&g);
    }
}
