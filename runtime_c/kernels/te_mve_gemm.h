/* SPDX-License-Identifier: Apache-2.0 */
/* What a matrix multiplication for MVE is told; kernels/mve/gemm.py knows the order of the fields. */
struct te_mve_gemm {
    const int8_t *x[4]; /* windows of four pixels */
    int8_t *y; /* output of the first of them */
    int32_t loops;
    int32_t zero_point; /* of the output */
    const int8_t *weights_end;
    const int8_t *weights;
    int32_t blocks; /* of four pixels, at least 1 */
    int32_t x_step; /* bytes from a block to the next */
    int32_t y_step; /* from the end of a block's first pixel, rounded up to even, to the next block */
    uint16_t offsets[8]; /* from y to two channels of each pixel */
    int32_t low; /* the clamp */
    int32_t high;
};

/* What is fixed when compiling. */
struct te_mve_sizes {
    int32_t pixels;
    int32_t length; /* bytes of a window */
    int32_t padded; /* rounded up to vectors */
    int32_t channels;
    int32_t loops;
    int32_t weight_bytes;
    int32_t zero_point;
    int32_t low;
    int32_t high;
};

static struct te_mve_gemm te_mve_gemm_of(const struct te_mve_sizes *sizes, const void *weights)
{
    return (struct te_mve_gemm){
        .loops = sizes->loops,
        .zero_point = sizes->zero_point,
        .weights_end = (const int8_t *)weights + sizes->weight_bytes,
        .weights = weights,
        .y_step = 4 * sizes->channels - (sizes->channels + 1) / 2 * 2,
        .low = sizes->low,
        .high = sizes->high,
    };
}

/* Windows that lie `step` bytes apart: `blocks` of four, the last pixel repeated if there are
 * fewer than four. */
static void te_mve_place(struct te_mve_gemm *gemm, const int8_t *x, int32_t step, int32_t pixels,
    int32_t channels, int8_t *y)
{
    for (int32_t i = 0; i < 4; ++i) {
        const int32_t pixel = i < pixels ? i : pixels - 1;
        gemm->x[i] = x + pixel * step;
        gemm->offsets[2 * i] = (uint16_t)(pixel * channels);
        gemm->offsets[2 * i + 1] = (uint16_t)(pixel * channels + 1);
    }
    gemm->blocks = pixels < 4 ? 1 : pixels / 4;
    gemm->x_step = 4 * step;
    gemm->y = y;
}
