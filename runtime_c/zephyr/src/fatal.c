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

/* Of inference.c */
extern struct k_thread tinyengine_thread;

static void field(const char *name, uint32_t value)
{
    semihosting_print(name);
    semihosting_print_hex(value);
}

/* Stands before Zephyr's handler, which takes it that the stack can be read. */
void __wrap_z_arm_fault(uint32_t msp, uint32_t psp, uint32_t exc_return, void *callee_saved)
{
    ARG_UNUSED(callee_saved);
    uint32_t status = CFSR, address = MMFAR;
    uint32_t frame = (exc_return & 4u) != 0 ? psp : msp;
    int stacked = (status & NOT_STACKED) == 0;
    int overflow = !stacked;
    if (k_current_get() == &tinyengine_thread && (exc_return & 4u) != 0) {
        uint32_t limit = tinyengine_thread.stack_info.start + CONFIG_TINYENGINE_STACK_MARGIN;
        /* The access itself fails within the last frame's reach. */
        int memory = (status & 0x82u) == 0x82u;
        overflow |= frame < limit;
        overflow |= memory && address < limit && address >= limit - CONFIG_TINYENGINE_STACK_MARGIN;
        stacked &= !overflow;
    }
    semihosting_print("TINYENGINE FAULT");
    field(" exception=", ICSR & 0x1ffu);
    field(" overflow=", (uint32_t)overflow);
    field(" stacked=", (uint32_t)stacked);
    field(" cfsr=", status);
    field(" hfsr=", HFSR);
    field(" mmfar=", address);
    field(" bfar=", BFAR);
    field(" sp=", frame);
    field(" pc=", stacked ? ((const uint32_t *)frame)[6] : 0u);
    field(" lr=", stacked ? ((const uint32_t *)frame)[5] : 0u);
    semihosting_print("\n");
    semihosting_exit(TE_EXIT_FAULT);
}

/* What Zephyr finds wrong by itself. */
void k_sys_fatal_error_handler(unsigned int reason, const frame_t *frame)
{
    ARG_UNUSED(frame);
    semihosting_print(reason == K_ERR_STACK_CHK_FAIL
            ? "TINYENGINE FAIL stack overflow, found by Zephyr, fatal error "
            : "TINYENGINE FAIL Zephyr ended the program, fatal error ");
    semihosting_print_decimal(reason);
    semihosting_print("\n");
    semihosting_exit(TE_EXIT_FAULT);
}
