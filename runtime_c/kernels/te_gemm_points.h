/* SPDX-License-Identifier: Apache-2.0 */
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
