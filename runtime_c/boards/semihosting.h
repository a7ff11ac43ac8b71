/* SPDX-License-Identifier: Apache-2.0
 *
 * Arm semihosting, as far as the harness needs it.
 */
#ifndef TINYENGINE_SEMIHOSTING_H
#define TINYENGINE_SEMIHOSTING_H

#include <stdint.h>

enum { SEMIHOSTING_READ_BINARY = 1, SEMIHOSTING_WRITE_BINARY = 5 };

/* A handle, or -1. */
int32_t semihosting_open(const char *name, uint32_t mode);
int32_t semihosting_close(int32_t handle);
/* Both give the number of bytes that were NOT transferred. */
uint32_t semihosting_read(int32_t handle, void *data, uint32_t bytes);
uint32_t semihosting_write(int32_t handle, const void *data, uint32_t bytes);
/* Text to the console, which is QEMU's standard error. */
void semihosting_print(const char *text);
void semihosting_print_decimal(uint32_t number);
void semihosting_print_hex(uint32_t number);
_Noreturn void semihosting_exit(int code);

#endif
