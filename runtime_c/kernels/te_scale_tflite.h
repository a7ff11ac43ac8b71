/* SPDX-License-Identifier: Apache-2.0 */
/* x * multiplier * 2^(shift - 31) with TFLite's double rounding: a rounding doubling high
 * multiplication, then a rounding shift to the right, both half away from zero. */
static inline int32_t te_scale_tflite(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = left - shift;
    const int64_t product = (int64_t)(int32_t)((uint32_t)x << left) * multiplier;
    /* One floor serves both signs: truncation with the negative nudge is the same number. */
    const int32_t high = (int32_t)((product + (INT64_C(1) << 30)) >> 31);
    const int32_t mask = (int32_t)((UINT32_C(1) << right) - 1U);
    const int32_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);
    return (high >> right) + ((high & mask) > threshold ? 1 : 0);
}
