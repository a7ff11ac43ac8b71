/* SPDX-License-Identifier: Apache-2.0
 *
 * Says through semihosting what went wrong, for boards/faults.py to read, and ends the program.
 */
#if defined(__has_include) && __has_include(<zephyr/kernel.h>)
#include <zephyr/fatal.h>
#include <zephyr/kernel.h>
#else
#include <fatal.h>
#include <zephyr.h>
#endif
#if defined(__has_include) && __has_include(<zephyr/version.h>)
#include <zephyr/version.h>
#else
#include <version.h>
#endif

#include "platform.h"
#include "semihosting.h"

#if KERNEL_VERSION_NUMBER >= 0x030700
typedef struct arch_esf frame_t;
#else
typedef z_arch_esf_t frame_t;
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define ICSR REGISTER(0xE000ED04u)
#define CFSR REGISTER(0xE000ED28u)
#define HFSR REGISTER(0xE000ED2Cu)
#define MMFAR REGISTER(0xE000ED34u)
#define BFAR REGISTER(0xE000ED38u)

/* Exception frame that could not be stacked: MSTKERR, STKERR, STKOF. */
#define NOT_STACKED ((1u << 4) | (1u << 12) | (1u << 20))

static uint32_t exception, status, hard_status, memory_address, bus_address;

void __real_z_arm_fault(uint32_t msp, uint32_t psp, uint32_t exc_return, void *callee_saved);

void __wrap_z_arm_fault(uint32_t msp, uint32_t psp, uint32_t exc_return, void *callee_saved)
{
    exception = ICSR & 0x1ffu;
    status = CFSR;
    hard_status = HFSR;
    memory_address = MMFAR;
    bus_address = BFAR;
    __real_z_arm_fault(msp, psp, exc_return, callee_saved);
}

static void field(const char *name, uint32_t value)
{
    semihosting_print(name);
    semihosting_print_hex(value);
}

void k_sys_fatal_error_handler(unsigned int reason, const frame_t *frame)
{
    int overflow = reason == K_ERR_STACK_CHK_FAIL || (status & NOT_STACKED) != 0;
    int stacked = frame != NULL && !overflow;
    if (exception == 0 && !overflow) {
        semihosting_print("TINYENGINE FAIL Zephyr ended the program, fatal error ");
        semihosting_print_decimal(reason);
        semihosting_print("\n");
        semihosting_exit(TE_EXIT_FAULT);
    }
    semihosting_print("TINYENGINE FAULT");
    field(" exception=", exception);
    field(" overflow=", (uint32_t)overflow);
    field(" stacked=", (uint32_t)stacked);
    field(" cfsr=", status);
    field(" hfsr=", hard_status);
    field(" mmfar=", memory_address);
    field(" bfar=", bus_address);
    field(" sp=", (uint32_t)frame);
    field(" pc=", stacked ? frame->basic.pc : 0u);
    field(" lr=", stacked ? frame->basic.lr : 0u);
    semihosting_print("\n");
    semihosting_exit(TE_EXIT_FAULT);
}
