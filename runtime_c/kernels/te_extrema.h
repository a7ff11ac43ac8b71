/* SPDX-License-Identifier: Apache-2.0 */


/* The greater and the lesser of two values; of an unordered pair the second. */
#define TE_EXTREMA_OF(suffix, type)                                                        \
    static inline type te_max_##suffix(type a, type b) { return a > b ? a : b; }           \
    static inline type te_min_##suffix(type a, type b) { return a < b ? a : b; }
TE_EXTREMA_OF(f32, float)
TE_EXTREMA_OF(f64, double)
TE_EXTREMA_OF(s8, int8_t)
TE_EXTREMA_OF(u8, uint8_t)
TE_EXTREMA_OF(s16, int16_t)
TE_EXTREMA_OF(u16, uint16_t)
TE_EXTREMA_OF(s32, int32_t)
TE_EXTREMA_OF(u32, uint32_t)
TE_EXTREMA_OF(s64, int64_t)
TE_EXTREMA_OF(u64, uint64_t)

