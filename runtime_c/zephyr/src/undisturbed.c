/* SPDX-License-Identifier: Apache-2.0 */
#include "undisturbed.h"

#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#else
#include <zephyr.h>
#endif

#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
/* Zephyr sets the stack limit register of these cores. */
static void guard(void)
{
}

static void unguard(void)
{
}
#else
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define MPU_TYPE REGISTER(0xE000ED90u)
#define MPU_CTRL REGISTER(0xE000ED94u)
#define MPU_RNR REGISTER(0xE000ED98u)
#define MPU_RBAR REGISTER(0xE000ED9Cu)
#define MPU_RASR REGISTER(0xE000EDA0u)

/* A region's base is a multiple of its size: half the margin always holds one. */
#define GUARD_BYTES (CONFIG_TINYENGINE_STACK_MARGIN / 2)
BUILD_ASSERT(GUARD_BYTES >= 32 && (GUARD_BYTES & (GUARD_BYTES - 1)) == 0,
    "TINYENGINE_STACK_MARGIN must be a power of two");

static uint32_t control, base, attributes;

/* Zephyr's own guard has 32 bytes, which a function with a few variables skips. The last region is
 * the strongest; Zephyr sets regions anew only when it changes threads, which it doesn't here. */
static void guard(void)
{
    uint32_t regions = (MPU_TYPE >> 8) & 0xffu;
    uint32_t bottom = (uint32_t)k_current_get()->stack_info.start;
    if (regions == 0) {
        return;
    }
    control = MPU_CTRL;
    MPU_RNR = regions - 1;
    base = MPU_RBAR;
    attributes = MPU_RASR;
    MPU_RBAR = (bottom + GUARD_BYTES - 1) & ~(uint32_t)(GUARD_BYTES - 1);
    /* No access. A region of 2**(n + 1) bytes has size field n. */
    MPU_RASR = (1u << 28) | ((30u - (uint32_t)__builtin_clz(GUARD_BYTES)) << 1) | 1u;
    MPU_CTRL = control | 5u;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

static void unguard(void)
{
    uint32_t regions = (MPU_TYPE >> 8) & 0xffu;
    if (regions == 0) {
        return;
    }
    MPU_RNR = regions - 1;
    MPU_RASR = 0;
    MPU_RBAR = base;
    MPU_RASR = attributes;
    MPU_CTRL = control;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}
#endif

int32_t te_undisturbed(tinyengine_function function, void *inputs, void *outputs)
{
    unsigned int key = irq_lock();
    guard();
    int32_t status = function(inputs, outputs);
    unguard();
    irq_unlock(key);
    return status;
}
