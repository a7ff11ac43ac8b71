/* SPDX-License-Identifier: Apache-2.0 */
/* x * multiplier * 2^(shift - 31), the exact product rounded once, half to even, saturated. */
static inline int32_t te_scale_onnx(int32_t x, int32_t multiplier, int32_t shift)
{
    const int64_t product = (int64_t)x * multiplier;
    const int32_t right = 31 - shift; /* 1 to 62, as multipliers are normalised */
    const int64_t below_half = (INT64_C(1) << (right - 1)) - 1;
    const int64_t rounded = (product + below_half + ((product >> right) & 1)) >> right;
    return rounded > INT32_MAX ? INT32_MAX : rounded < INT32_MIN ? INT32_MIN : (int32_t)rounded;
}
