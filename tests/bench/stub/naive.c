/* SPDX-License-Identifier: Apache-2.0
 *
 * Naive definitions of what arm_nnfunctions.h beside this file declares, in TFLite's arithmetic.
 */
#include "arm_nnfunctions.h"

#include <string.h>

static int8_t stored(
    int32_t sum, int32_t multiplier, int32_t shift, int32_t offset, cmsis_nn_activation clamp)
{
    int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    int64_t product = (int64_t)(sum * (1 << left)) * multiplier;
    int64_t nudged = product + (product >= 0 ? (1 << 30) : 1 - (1 << 30));
    int32_t high = (int32_t)(nudged / (INT64_C(1) << 31));
    int32_t mask = (int32_t)((UINT32_C(1) << right) - 1);
    int32_t value = (high >> right) + ((high & mask) > (mask >> 1) + (high < 0));
    value += offset;
    return (int8_t)(value < clamp.min ? clamp.min : value > clamp.max ? clamp.max : value);
}

int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *params,
    const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims,
    const cmsis_nn_dims *output_dims)
{
    (void)params;
    (void)output_dims;
    return 2 * filter_dims->h * filter_dims->w * input_dims->c;
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *context,
    const cmsis_nn_conv_params *params, const cmsis_nn_per_channel_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims,
    const int8_t *filter, const cmsis_nn_dims *bias_dims, const int32_t *bias,
    const cmsis_nn_dims *output_dims, int8_t *output)
{
    int32_t wanted
        = arm_convolve_wrapper_s8_get_buffer_size(params, input_dims, filter_dims, output_dims);
    if (context->size != wanted || bias_dims->c != output_dims->c) {
        return -1;
    }
    /* Whatever lies there was said to be nobody's. */
    memset(context->buf, 0x5A, (size_t)context->size);
    for (int32_t y = 0; y < output_dims->h; y++) {
        for (int32_t x = 0; x < output_dims->w; x++) {
            for (int32_t o = 0; o < output_dims->c; o++) {
                int32_t sum = bias[o];
                for (int32_t i = 0; i < filter_dims->h * filter_dims->w * filter_dims->c; i++) {
                    int32_t c = i % filter_dims->c, at = i / filter_dims->c;
                    int32_t row = y * params->stride.h - params->padding.h + at / filter_dims->w;
                    int32_t column = x * params->stride.w - params->padding.w + at % filter_dims->w;
                    if (row >= 0 && row < input_dims->h && column >= 0 && column < input_dims->w) {
                        int32_t value = input[(row * input_dims->w + column) * input_dims->c + c];
                        sum += (value + params->input_offset)
                            * filter[o * filter_dims->h * filter_dims->w * filter_dims->c + i];
                    }
                }
                *output++ = stored(sum, quant->multiplier[o], quant->shift[o],
                    params->output_offset, params->activation);
            }
        }
    }
    return 0;
}

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *params,
    const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims,
    const cmsis_nn_dims *output_dims)
{
    (void)params;
    (void)input_dims;
    (void)filter_dims;
    (void)output_dims;
    return 0;
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context *context,
    const cmsis_nn_dw_conv_params *params, const cmsis_nn_per_channel_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims,
    const int8_t *filter, const cmsis_nn_dims *bias_dims, const int32_t *bias,
    const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (context->size != 0 || params->ch_mult != 1 || bias_dims->c != output_dims->c) {
        return -1;
    }
    for (int32_t y = 0; y < output_dims->h; y++) {
        for (int32_t x = 0; x < output_dims->w; x++) {
            for (int32_t c = 0; c < output_dims->c; c++) {
                int32_t sum = bias[c];
                for (int32_t at = 0; at < filter_dims->h * filter_dims->w; at++) {
                    int32_t row = y * params->stride.h - params->padding.h + at / filter_dims->w;
                    int32_t column = x * params->stride.w - params->padding.w + at % filter_dims->w;
                    if (row >= 0 && row < input_dims->h && column >= 0 && column < input_dims->w) {
                        int32_t value = input[(row * input_dims->w + column) * input_dims->c + c];
                        sum += (value + params->input_offset) * filter[at * filter_dims->c + c];
                    }
                }
                *output++ = stored(sum, quant->multiplier[c], quant->shift[c],
                    params->output_offset, params->activation);
            }
        }
    }
    return 0;
}

int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *filter_dims)
{
    (void)filter_dims;
    return 0;
}

arm_cmsis_nn_status arm_fully_connected_s8(const cmsis_nn_context *context,
    const cmsis_nn_fc_params *params, const cmsis_nn_per_tensor_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims,
    const int8_t *filter, const cmsis_nn_dims *bias_dims, const int32_t *bias,
    const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (context->size != 0 || params->filter_offset != 0 || bias_dims->c != output_dims->c
        || filter_dims->n != input_dims->h * input_dims->w * input_dims->c) {
        return -1;
    }
    for (int32_t row = 0; row < output_dims->n; row++) {
        for (int32_t o = 0; o < output_dims->c; o++) {
            int32_t sum = bias[o];
            for (int32_t i = 0; i < filter_dims->n; i++) {
                sum += (input[row * filter_dims->n + i] + params->input_offset)
                    * filter[o * filter_dims->n + i];
            }
            *output++ = stored(sum, quant->multiplier, quant->shift, params->output_offset,
                params->activation);
        }
    }
    return 0;
}
