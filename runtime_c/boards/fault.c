/* SPDX-License-Identifier: Apache-2.0
 *
 * Says on the console what went wrong, for boards/faults.py to read, and ends the program.
 */
#include "fault.h"

#include <stdint.h>

#include "platform.h"
#include "semihosting.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CFSR REGISTER(0xE000ED28u)
#define HFSR REGISTER(0xE000ED2Cu)
#define MMFAR REGISTER(0xE000ED34u)
#define BFAR REGISTER(0xE000ED38u)

/* Exception frame that could not be stacked: MSTKERR, STKERR, STKOF. */
#define NOT_STACKED ((1u << 4) | (1u << 12) | (1u << 20))

extern uint32_t __stack_bottom[], __stack_top[];

/* The stack that overflowed is of no use to its own fault's handler. */
static uint64_t fault_stack[64];
uint64_t *const te_fault_stack_top = fault_stack + 64;

static void field(const char *name, uint32_t value)
{
    semihosting_print(name);
    semihosting_print_hex(value);
}

__attribute__((used, noreturn)) static void report(uint32_t exception, uint32_t frame)
{
    uint32_t status = CFSR;
    uint32_t bottom = (uint32_t)__stack_bottom;
    int stacked = (status & NOT_STACKED) == 0 && frame >= bottom
        && frame + 32u <= (uint32_t)__stack_top && (frame & 3u) == 0;
    /* The access itself fails within the last frame's reach of the bottom. */
    int memory = (status & 0x82u) == 0x82u;
    uint32_t address = MMFAR;
    int overflow = !stacked || frame < bottom
        || (memory && address < bottom && bottom - address <= 4096u && frame - bottom <= 4096u);

    semihosting_print("TINYENGINE FAULT");
    field(" exception=", exception);
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

__attribute__((naked)) void te_fault(void)
{
    __asm__ volatile("mrs r0, ipsr\n\t"
                     "mrs r1, msp\n\t"
                     "ldr r2, =te_fault_stack_top\n\t"
                     "ldr r2, [r2]\n\t"
                     "mov sp, r2\n\t"
                     "b %0"
                     :
                     : "i"(report));
}
