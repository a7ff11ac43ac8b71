/* SPDX-License-Identifier: Apache-2.0
 *
 * int32_t te_call_model(inputs, outputs): paints the free stack, calls the model, and raises
 * te_stack_used to the depth that the call wrote to. Assembly, so that the stack pointer at the call
 * is exactly the one that was painted up to, and so that te_model_returned is the first instruction
 * after the model: there the counting plugin stops.
 */
    .syntax unified
    .thumb
    .text

    .equ PATTERN, 0xC5A3917E

    .section .text.te_call_model, "ax", %progbits
    .global te_call_model
    .type te_call_model, %function
    .thumb_func
te_call_model:
    push {r4, lr}
    mov r4, sp
    ldr r2, =__stack_bottom
    ldr r3, =PATTERN
1:  str r3, [r2]
    adds r2, r2, #4
    cmp r2, r4
    blo 1b
    bl MODEL_RUN
    .global te_model_returned
te_model_returned:
    ldr r2, =__stack_bottom
    ldr r3, =PATTERN
2:  ldr r1, [r2]
    cmp r1, r3
    bne 3f
    adds r2, r2, #4
    cmp r2, r4
    blo 2b
3:  subs r4, r4, r2
    ldr r2, =te_stack_used
    ldr r1, [r2]
    cmp r4, r1
    bls 4f
    str r4, [r2]
4:  pop {r4, pc}
    .size te_call_model, . - te_call_model
    .ltorg
