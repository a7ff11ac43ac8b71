/* SPDX-License-Identifier: Apache-2.0 */
/* Four int8 in a word, or their sums in the halves of two words. */
static inline uint32_t te_load4(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, 4);
    return word;
}

static inline void te_store4(int8_t *to, uint32_t word)
{
    memcpy(to, &word, 4);
}

/* The greater of each two bytes. */
static inline uint32_t te_max4(uint32_t a, uint32_t b)
{
    uint32_t greater;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(greater) : "r"(a), "r"(b) : "cc");
    return greater;
}

/* The lesser of each two bytes. */
static inline uint32_t te_min4(uint32_t a, uint32_t b)
{
    uint32_t lesser;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(lesser) : "r"(a), "r"(b) : "cc");
    return lesser;
}

/* Adds bytes 0 and 2 to the halves of a word of sums. */
static inline uint32_t te_add_even(uint32_t sums, uint32_t bytes)
{
    __asm__("sxtab16 %0, %0, %1" : "+r"(sums) : "r"(bytes));
    return sums;
}

/* Adds bytes 1 and 3 to the halves of a word of sums. */
static inline uint32_t te_add_odd(uint32_t sums, uint32_t bytes)
{
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(sums) : "r"(bytes));
    return sums;
}

/* Takes four sums out of the halves of two words. */
static inline void te_add_sums(int32_t total[4], uint32_t even, uint32_t odd)
{
    total[0] += (int16_t)even;
    total[1] += (int16_t)odd;
    total[2] += (int32_t)even >> 16;
    total[3] += (int32_t)odd >> 16;
}
