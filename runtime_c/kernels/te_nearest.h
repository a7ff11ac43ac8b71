/* SPDX-License-Identifier: Apache-2.0 */
/* `scaled`, which has `bits` fractional bits, rounded, + zero within [low, high]. For values that
 * te_near_tie has found to be off the ties. Needs te_offset. */
static inline int8_t te_nearest(int32_t scaled, int32_t bits, int32_t zero, int32_t low, int32_t high)
{
    return te_offset((scaled + (INT32_C(1) << (bits - 1))) >> bits, zero, low, high);
}
