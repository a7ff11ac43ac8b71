/* SPDX-License-Identifier: Apache-2.0
 *
 * mixed[i] = gains[i] * sum over j of weights[i][j] * codes[j]. What goes wrong goes wrong only
 * with a FAULT_ macro.
 */
#include "model.h"

#ifndef TINYENGINE_LAYER
#define TINYENGINE_LAYER(index)
#endif

static const int8_t te_weights[4][6] = {
    {1, 2, 3, 4, 5, 6},
    {-1, 1, -1, 1, -1, 1},
    {127, -128, 127, -128, 127, -128},
    {0, 0, 7, 0, 0, 0},
};
static const int32_t te_unused[100] = {1};

_Alignas(16) static uint8_t tvmgen_hand_arena[TVMGEN_HAND_ARENA_SIZE];
/* Memory outside the arena: initialised, and not. */
static volatile int32_t initialised[5] = {1, 2, 3, 4, 5};
static volatile int32_t zeroed[3];

struct tvmgen_hand_inputs tvmgen_hand_map_inputs(void)
{
    return (struct tvmgen_hand_inputs){tvmgen_hand_arena, tvmgen_hand_arena + 8};
}

struct tvmgen_hand_outputs tvmgen_hand_map_outputs(void)
{
    return (struct tvmgen_hand_outputs){tvmgen_hand_arena + 40};
}

static __attribute__((noinline)) void dot(const int8_t *codes, int32_t *sums)
{
    for (int i = 0; i < 4; i++) {
        int32_t sum = 0;
        for (int j = 0; j < 6; j++) {
            sum += te_weights[i][j] * codes[j];
        }
        sums[i] = sum;
    }
}

static __attribute__((noinline)) void scale(const int32_t *sums, const float *gains, float *mixed)
{
    for (int i = 0; i < 4; i++) {
        mixed[i] = gains[i] * (float)sums[i];
    }
}

static __attribute__((noinline)) int misbehave(volatile uint8_t *p, int depth)
{
    (void)p;
    (void)depth;
#if defined(FAULT_NULL_READ)
    return *(volatile int *)0;
#elif defined(FAULT_NULL_WRITE)
    *(volatile int *)0 = 1;
#elif defined(FAULT_CODE_WRITE)
    *(volatile int8_t *)&te_weights[0][0] = 1;
#elif defined(FAULT_UNALIGNED)
    volatile uint8_t *odd = p + 1;
    int low, high;
    __asm__ volatile("ldrd %0, %1, [%2]" : "=&r"(low), "=r"(high) : "r"(odd) : "memory");
    return low + high;
#elif defined(FAULT_UNALIGNED_WORD)
    int word;
    __asm__ volatile("ldr %0, [%1]" : "=l"(word) : "l"(p + 1) : "memory");
    return word;
#elif defined(FAULT_UNDEFINED)
    __asm__ volatile("udf #0");
#elif defined(FAULT_RAM_EXECUTION)
    ((void (*)(void))((uintptr_t)p | 1u))();
#elif defined(FAULT_STACK)
    volatile uint8_t frame[256];
    frame[depth & 255] = (uint8_t)depth;
    return misbehave(frame, depth + 1) + frame[(depth + 1) & 255];
#elif defined(FAULT_STACK_LEAP)
    volatile uint8_t frame[100000];
    frame[0] = 1;
    return misbehave(frame, 0) + frame[1];
#elif defined(FAULT_HANG)
    for (;;) {
        (*p)++;
    }
#elif defined(FAULT_OVERRUN)
    volatile uint8_t *volatile hidden = p;
    return hidden[TVMGEN_HAND_ARENA_SIZE - 24];
#elif defined(FAULT_SHIFT)
    return depth << (*p * 0 + 33);
#elif defined(FAULT_TOO_BIG)
    static volatile uint8_t huge[5 << 20];
    return huge[depth];
#elif defined(FAULT_STATUS)
    return 5;
#endif
    return 0;
}

int32_t tvmgen_hand_run(struct tvmgen_hand_inputs *inputs, struct tvmgen_hand_outputs *outputs)
{
    int32_t *sums = (int32_t *)(void *)(tvmgen_hand_arena + 24);
    TINYENGINE_LAYER(0);
    dot(inputs->codes, sums);
    TINYENGINE_LAYER(1);
    TINYENGINE_LAYER(2);
    scale(sums, inputs->gains, outputs->mixed);
    TINYENGINE_LAYER(3);
    zeroed[0] = initialised[1] + zeroed[2];
#ifdef STACK_BYTES
    volatile uint8_t frame[STACK_BYTES];
    frame[0] = 1;
    zeroed[1] = frame[0];
#endif
    int status = misbehave(tvmgen_hand_arena + 24, 1);
    return status;
}
