/* SPDX-License-Identifier: Apache-2.0 */
/* round(x / scale) + zero within int8, half away from zero. Needs te_float32. */
static inline int8_t te_quantise_tflite(float x, float scale, int32_t zero)
{
    const float least = (float)(-128 - zero);
    const float greatest = (float)(127 - zero);
    float quotient = te_float32(x) / te_float32(scale);
    quotient = quotient > least ? quotient : least; /* NaN ends here too */
    quotient = quotient < greatest ? quotient : greatest;
    /* Doubling is exact, so the halves of the quotient decide in integers. */
    const int32_t halves = (int32_t)(2.0f * quotient);
    return (int8_t)((halves + (halves < 0 ? -1 : 1)) / 2 + zero);
}
