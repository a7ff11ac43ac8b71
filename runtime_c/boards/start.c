/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up of an emulated Cortex-M board: vectors, memory protection, FPU, .data and .bss.
 *
 * The memory protection unit allows code to be read and executed, RAM to be read and written, and
 * nothing else: the stack lies at the bottom of RAM, so that it overflows into a fault and never
 * into data, and address 0 is no data either.
 */
#include <stdint.h>

#include "fault.h"
#include "timer.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REGISTER(0xE000E010u)
#define CCR REGISTER(0xE000ED14u)
#define SHCSR REGISTER(0xE000ED24u)
#define CPACR REGISTER(0xE000ED88u)
#define MPU_CTRL REGISTER(0xE000ED94u)
#define MPU_RNR REGISTER(0xE000ED98u)
#define MPU_RBAR REGISTER(0xE000ED9Cu)
#define MPU_RASR REGISTER(0xE000EDA0u) /* ARMv7-M */
#define MPU_RLAR REGISTER(0xE000EDA0u) /* ARMv8-M */
#define MPU_MAIR0 REGISTER(0xE000EDC0u)

extern uint32_t __stack_top[], __code_origin[], __code_limit[], __ram_origin[], __ram_limit[];
extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];

int main(void);
void te_reset(void);

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)__stack_top,
    (uintptr_t)te_reset,
    [2 ... 14] = (uintptr_t)te_fault,
    [15] = (uintptr_t)timer_wrapped,
};

#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
static void protect(uint32_t region, const uint32_t *origin, const uint32_t *limit, int writable)
{
    MPU_RNR = region;
    /* Read only for anyone, or read and write for anyone and execute never. */
    MPU_RBAR = (uint32_t)origin | (writable ? 3u : 6u);
    MPU_RLAR = (((uint32_t)limit - 1u) & ~31u) | 1u;
}

static void guard_null(void)
{
    /* No region holds address 0. */
}
#else
static void protect(uint32_t region, const uint32_t *origin, const uint32_t *limit, int writable)
{
    uint32_t size = (uint32_t)limit - (uint32_t)origin;
    uint32_t access = writable ? (1u << 28) | (3u << 24) : 6u << 24;
    MPU_RNR = region;
    MPU_RBAR = (uint32_t)origin;
    /* Normal memory. A region of 2**(n + 1) bytes has size field n. */
    MPU_RASR = access | (1u << 19) | ((30u - (uint32_t)__builtin_clz(size)) << 1) | 1u;
}

static void guard_null(void)
{
    /* The first kilobyte holds the vectors alone, which are fetched past the protection unit. */
    MPU_RNR = 2;
    MPU_RBAR = 0;
    MPU_RASR = (1u << 28) | (9u << 1) | 1u;
}
#endif

__attribute__((noreturn)) void te_reset(void)
{
    SHCSR |= 0xFu << 16; /* faults of their own, not all as HardFault */
#ifdef TE_FPU
    CPACR |= 0xFu << 20;
#endif
#ifdef TE_TRAP_UNALIGNED
    CCR |= 1u << 3;
#endif
#ifdef __ARM_ARCH_8_1M_MAIN__
    CCR |= (1u << 18) | (1u << 19); /* branch prediction, and loops with LR */
#endif
    MPU_MAIR0 = 0xFFu;
    protect(0, __code_origin, __code_limit, 0);
    protect(1, __ram_origin, __ram_limit, 1);
    guard_null();
    MPU_CTRL = 1;
    __asm__ volatile("dsb\n\tisb" ::: "memory");

    const uint32_t *from = __data_load;
    for (uint32_t *to = __data_start; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    main();
    /* main ends the program itself. */
    for (;;) {
    }
}
