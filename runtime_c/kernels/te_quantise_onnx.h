/* SPDX-License-Identifier: Apache-2.0 */
/* round(x / scale) + zero within [low, high], half to even. Needs te_float32 and string.h. */
static inline int8_t te_quantise_onnx(float x, float scale, int32_t zero, int32_t low, int32_t high)
{
    const float least = (float)(low - zero);
    const float greatest = (float)(high - zero);
    float quotient = te_float32(x) / te_float32(scale);
    quotient = quotient > least ? quotient : least; /* NaN ends here too */
    quotient = quotient < greatest ? quotient : greatest;
    /* From 2^23 on float32 holds integers only: adding 1.5 * 2^23 rounds half to even, and leaves
     * the integer in the low bits. Read as bits, no optimisation can take the rounding away. */
    quotient = te_float32(quotient) + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &quotient, sizeof bits);
    return (int8_t)(bits - 0x4B400000 + zero);
}
