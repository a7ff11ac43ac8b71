/* SPDX-License-Identifier: Apache-2.0 */
/* x + zero within [low, high]; clamped first, so that no x overflows. */
static inline int8_t te_offset(int32_t x, int32_t zero, int32_t low, int32_t high)
{
    const int32_t least = low - zero;
    const int32_t greatest = high - zero;
    return (int8_t)((x < least ? least : x > greatest ? greatest : x) + zero);
}
