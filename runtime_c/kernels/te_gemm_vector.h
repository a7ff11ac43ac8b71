/* SPDX-License-Identifier: Apache-2.0 */
/* A single vector. `constants` holds a te_gemm_sizes. */
static void te_gemm_vector(void (*gemv)(const struct te_gemm *), const int8_t *x,
    const void *weights, const int32_t *constants, void *buffer, int8_t *y)
{
    const struct te_gemm_sizes *const sizes = (const void *)constants;
    struct te_gemm g = te_gemm_of(sizes, weights, buffer, y);
    g.x = x;
    gemv(&g);
}
