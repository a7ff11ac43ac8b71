/* SPDX-License-Identifier: Apache-2.0 */
static inline int8_t te_clamp(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}
