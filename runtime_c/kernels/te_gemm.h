/* SPDX-License-Identifier: Apache-2.0 */
/* What a matrix multiplication of int8 pixels with packed weights is told. Both structs are copied to
 * the stack of the assembly as they are: kernels/dsp/stack.py knows the order of the fields. */
struct te_gemm {
    int8_t *y; /* output of the first pixel */
    int32_t y_second; /* bytes from there to the output of the second pixel of a pair */
    const void *weights_end;
    void *buffer; /* two widened pixels */
    uint32_t entry; /* bytes of the unrolled loop to leave out in its first round */
    const void *buffer_end;
    const int8_t *x; /* input of the first pixel */
    const int8_t *x_second;
    int32_t x_step; /* bytes from one pair to the next */
    const void *weights;
    int32_t pairs; /* at least 1 */
    int32_t row_gap; /* bytes between the end of a row of the window and the start of the next */
};

/* What is fixed when compiling. A routine reads the fields up to `last`. */
struct te_gemm_sizes {
    int32_t zero_point; /* of the output, and 128 more where pairs of outputs are saturated at once */
    int32_t rows; /* of the window */
    int32_t chunks; /* of 8 or 16 bytes in a row of the window */
    int32_t quads; /* bytes by four beyond those */
    int32_t singles; /* bytes beyond those */
    uint32_t low; /* the clamp, in each byte */
    uint32_t high;
    int32_t last; /* channels of the last block */
    int32_t channels;
    int32_t weight_bytes;
    uint32_t entry;
    int32_t buffer_bytes;
    int32_t length; /* bytes of a row of the window: chunks, quads and singles */
    int32_t pixels;
    int32_t weights; /* words from the beginning of this to the weights */
};

typedef void te_gemm_routine(const struct te_gemm *gemm, const struct te_gemm_sizes *sizes);

/* All but x, x_second, x_step, pairs and row_gap. */
static void te_gemm_start(
    struct te_gemm *gemm, const struct te_gemm_sizes *sizes, void *buffer, int8_t *y)
{
    const void *const weights = (const int32_t *)(const void *)sizes + sizes->weights;
    gemm->y = y;
    gemm->y_second = sizes->channels;
    gemm->weights_end = (const int8_t *)weights + sizes->weight_bytes;
    gemm->buffer = buffer;
    gemm->entry = sizes->entry;
    gemm->buffer_end = (int8_t *)buffer + sizes->buffer_bytes;
    gemm->weights = weights;
}
