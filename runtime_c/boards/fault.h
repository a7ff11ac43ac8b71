/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYENGINE_FAULT_H
#define TINYENGINE_FAULT_H

/* The handler of every exception that isn't expected: prints the registers and ends the program. */
void te_fault(void);

#endif
