/* SPDX-License-Identifier: Apache-2.0 */
/* The mean of `count` values, `step` bytes apart, step by step in float32 as onnxruntime takes it.
 * Needs te_float32, te_lane_sum and te_quantise_onnx. */
static inline int8_t te_mean_float32(const int8_t *x, int32_t count, int32_t step, int32_t zero_x,
    float scale_x, int32_t zero_y, float scale_y)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum = 0.0f;
    for (int32_t k = 0; k < count; ++k) {
        const float value = te_float32((float)(x[k * step] - zero_x) * scale_x);
        sum = te_lane_sum(lane, sum, value, k, count);
    }
    return te_quantise_onnx(sum / te_float32((float)count), scale_y, zero_y, -128, 127);
}
