/* SPDX-License-Identifier: Apache-2.0 */
/* What the multiplication of a vector is told; kernels/mve/gemv.py knows the order of the fields. */
struct te_mve_gemv {
    const int8_t *x;
    int32_t rounds; /* of the loop */
    const void *weights;
    int32_t channels;
    int8_t *y;
    int32_t zero_point; /* of the output */
    int32_t low; /* the clamp */
    int32_t high;
};

/* What is fixed when compiling. */
struct te_mve_gemv_sizes {
    int32_t rows;
    int32_t length;
    int32_t channels;
    int32_t rounds;
    int32_t zero_point;
    int32_t low;
    int32_t high;
};

static void te_mve_gemv_rows(void (*multiply)(const void *), const int8_t *x, const void *weights,
    const struct te_mve_gemv_sizes *sizes, int8_t *scratch, int8_t *y)
{
    for (int32_t row = 0; row < sizes->rows; ++row) {
        const int8_t *from = x + row * sizes->length;
        if (sizes->length % 16 != 0) {
            te_mve_copy(scratch, from, sizes->length);
            from = scratch;
        }
        const struct te_mve_gemv gemv = {from, sizes->rounds, weights, sizes->channels,
            y + row * sizes->channels, sizes->zero_point, sizes->low, sizes->high};
        multiply(&gemv);
    }
}
