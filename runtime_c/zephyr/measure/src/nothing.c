/* SPDX-License-Identifier: Apache-2.0 */
#include "semihosting.h"

int te_measure(void);

int te_measure(void)
{
    semihosting_exit(0);
}
