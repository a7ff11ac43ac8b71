/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define LONGEST 0xffffffu

static volatile uint32_t wraps;

void timer_wrapped(void)
{
    wraps = wraps + 1u;
}

void timer_start(void)
{
    SYST_CSR = 0;
    wraps = 0;
    SYST_RVR = LONGEST;
    SYST_CVR = 0;
    SYST_CSR = 7; /* processor clock, interrupt, enable */
}

uint64_t timer_stop(void)
{
    uint32_t now = SYST_CVR;
    SYST_CSR = 0;
    /* The counter runs down from LONGEST, and a wrap takes LONGEST + 1 ticks. */
    return (uint64_t)wraps * (LONGEST + 1u) + (LONGEST - now);
}

uint64_t timer_measure_loop(uint32_t instructions)
{
    uint32_t rounds = instructions / 2u;
    timer_start();
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+l"(rounds) : : "cc");
    return timer_stop();
}
