/* SPDX-License-Identifier: Apache-2.0 */
/* Whether `scaled`, which has `bits` fractional bits, is within `margin` of a half. */
static inline int32_t te_near_tie(int32_t scaled, int32_t bits, int32_t margin)
{
    const uint32_t half = UINT32_C(1) << (bits - 1);
    const uint32_t rest = (uint32_t)scaled & (2 * half - 1);
    return rest + (uint32_t)margin - half <= 2 * (uint32_t)margin;
}
