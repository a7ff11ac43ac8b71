/* SPDX-License-Identifier: Apache-2.0
 *
 * int32_t te_call_model(inputs, outputs): te_model_returned is the first instruction after the model,
 * where the counting plugin stops.
 */
    .syntax unified
    .thumb
    .section .text.te_call_model, "ax", %progbits
    .global te_call_model
    .type te_call_model, %function
    .thumb_func
te_call_model:
    push {r4, lr}
    bl MODEL_RUN
    .global te_model_returned
te_model_returned:
    pop {r4, pc}
    .size te_call_model, . - te_call_model
