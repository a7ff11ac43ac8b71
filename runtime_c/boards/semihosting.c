/* SPDX-License-Identifier: Apache-2.0 */
#include "semihosting.h"

#include <string.h>

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    APPLICATION_EXIT = 0x20026
};

static uint32_t call(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int32_t semihosting_open(const char *name, uint32_t mode)
{
    uint32_t arguments[3] = {(uint32_t)name, mode, (uint32_t)strlen(name)};
    return (int32_t)call(SYS_OPEN, arguments);
}

int32_t semihosting_close(int32_t handle)
{
    uint32_t arguments[1] = {(uint32_t)handle};
    return (int32_t)call(SYS_CLOSE, arguments);
}

uint32_t semihosting_read(int32_t handle, void *data, uint32_t bytes)
{
    uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)data, bytes};
    return call(SYS_READ, arguments);
}

uint32_t semihosting_write(int32_t handle, const void *data, uint32_t bytes)
{
    uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)data, bytes};
    return call(SYS_WRITE, arguments);
}

void semihosting_print(const char *text)
{
    call(SYS_WRITE0, text);
}

void semihosting_print_decimal(uint32_t number)
{
    char digits[11];
    char *end = digits + sizeof digits - 1;
    *end = '\0';
    do {
        *--end = (char)('0' + number % 10u);
        number /= 10u;
    } while (number != 0u);
    semihosting_print(end);
}

void semihosting_print_hex(uint32_t number)
{
    char digits[9];
    for (int i = 0; i < 8; i++) {
        digits[i] = "0123456789abcdef"[(number >> (28 - 4 * i)) & 15u];
    }
    digits[8] = '\0';
    semihosting_print(digits);
}

_Noreturn void semihosting_exit(int code)
{
    uint32_t arguments[2] = {APPLICATION_EXIT, (uint32_t)code};
    for (;;) {
        call(SYS_EXIT_EXTENDED, arguments);
    }
}
