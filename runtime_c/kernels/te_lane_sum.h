/* SPDX-License-Identifier: Apache-2.0 */
/* Takes in value k of `count` and gives the sum so far: four interleaved partial sums, then, after
 * the last full group of four, their total and what is left one by one. Needs te_float32. */
static inline float te_lane_sum(float lane[4], float sum, float value, int32_t k, int32_t count)
{
    const int32_t whole = count & ~3;
    if (k >= whole) {
        return te_float32(sum + value);
    }
    lane[k & 3] = te_float32(lane[k & 3] + value);
    if (k + 1 == whole) {
        return te_float32(te_float32(lane[0] + lane[2]) + te_float32(lane[1] + lane[3]));
    }
    return 0.0f;
}
