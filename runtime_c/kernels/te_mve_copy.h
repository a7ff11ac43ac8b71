/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills by vectors of 16 bytes; nothing is touched beyond the last byte. */
static inline void te_mve_copy(int8_t *to, const int8_t *from, int32_t bytes)
{
    __asm__ volatile(
        "wlstp.8 lr, %2, 2f\n"
        "1: vldrb.u8 q0, [%1], #16\n"
        "vstrb.8 q0, [%0], #16\n"
        "letp lr, 1b\n"
        "2:"
        : "+r"(to), "+r"(from)
        : "r"(bytes)
        : "lr", "q0", "memory");
}

static inline void te_mve_fill(int8_t *to, int32_t value, int32_t bytes)
{
    __asm__ volatile(
        "vdup.8 q0, %1\n"
        "wlstp.8 lr, %2, 2f\n"
        "1: vstrb.8 q0, [%0], #16\n"
        "letp lr, 1b\n"
        "2:"
        : "+r"(to)
        : "r"(value), "r"(bytes)
        : "lr", "q0", "memory");
}
