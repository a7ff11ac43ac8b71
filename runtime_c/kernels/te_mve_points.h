/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels that lie one after the other. A vector that reaches past a pixel meets weights of zero; the
 * last pixels are copied to the scratch where it would reach past the tensor. */
static void te_mve_points(void (*multiply)(const void *), const int8_t *x, const void *weights,
    const struct te_mve_sizes *sizes, int8_t *scratch, int8_t *y)
{
    struct te_mve_gemm gemm = te_mve_gemm_of(sizes, weights);
    const int32_t length = sizes->length, beyond = sizes->padded - length;
    int32_t direct = (sizes->pixels * length - beyond) / (4 * length) * 4;
    if (direct > 0) {
        te_mve_place(&gemm, x, length, direct, sizes->channels, y);
        multiply(&gemm);
    } else {
        direct = 0;
    }
    for (int32_t pixel = direct; pixel < sizes->pixels; pixel += 4) {
        const int32_t left = sizes->pixels - pixel < 4 ? sizes->pixels - pixel : 4;
        const int8_t *from = x + pixel * length;
        if (beyond > 0) {
            te_mve_copy(scratch, from, left * length);
            from = scratch;
        }
        te_mve_place(&gemm, from, length, left, sizes->channels, y + pixel * sizes->channels);
        multiply(&gemm);
    }
}
