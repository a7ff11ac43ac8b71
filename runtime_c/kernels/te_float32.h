/* SPDX-License-Identifier: Apache-2.0 */
/* x as a float32 that went through memory. The compiler can't see where the value came from, so it
 * fuses no product into a sum, reorders no sum and hoists no reciprocal of a divisor, even under
 * -Ofast or -ffp-contract=fast: every core gives the same bits. */
static inline float te_float32(float x)
{
    volatile float stored = x;
    return stored;
}
