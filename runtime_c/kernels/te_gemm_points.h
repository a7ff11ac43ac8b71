/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels that lie one after the other, in pairs; a last one is taken twice. `constants` holds a
 * te_gemm_sizes and the weights. */
static void te_gemm_points(te_gemm_routine *routine, const int32_t *constants, const int8_t *x,
    void *buffer, int8_t *y)
{
    const struct te_gemm_sizes *const sizes = (const void *)constants;
    struct te_gemm gemm;
    te_gemm_start(&gemm, sizes, buffer, y);
    gemm.x = x;
    gemm.x_second = x + sizes->length;
    gemm.x_step = 2 * sizes->length;
    gemm.pairs = sizes->pixels / 2;
    gemm.row_gap = 0;
    if (gemm.pairs > 0) {
        routine(&gemm, sizes);
    }
    if (sizes->pixels % 2 != 0) {
        gemm.x = x + (sizes->pixels - 1) * sizes->length;
        gemm.x_second = gemm.x;
        gemm.y = y + (sizes->pixels - 1) * sizes->channels;
        gemm.y_second = 0;
        gemm.pairs = 1;
        routine(&gemm, sizes);
    }
}
