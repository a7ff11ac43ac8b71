/* SPDX-License-Identifier: Apache-2.0 */
/* A single vector. `constants` holds a te_gemm_sizes and the weights. */
static void te_gemm_vector(te_gemm_routine *routine, const int32_t *constants, const int8_t *x,
    void *buffer, int8_t *y)
{
    const struct te_gemm_sizes *const sizes = (const void *)constants;
    struct te_gemm gemm;
    te_gemm_start(&gemm, sizes, buffer, y);
    gemm.x = x;
    routine(&gemm, sizes);
}
