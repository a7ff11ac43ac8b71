/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYENGINE_UNDISTURBED_H
#define TINYENGINE_UNDISTURBED_H

#include <tinyengine/inference.h>

/* Calls `function` without interrupts, which would be counted along with it, and with the margin of
 * this thread's stack guarded. For the inference thread. */
int32_t te_undisturbed(tinyengine_function function, void *inputs, void *outputs);

#endif
