/* SPDX-License-Identifier: Apache-2.0
 *
 * A small model written by hand, with the interface that the compiler generates.
 */
#ifndef TVMGEN_HAND_H
#define TVMGEN_HAND_H

#include <stdint.h>

#define TVMGEN_HAND_ARENA_SIZE 64

struct tvmgen_hand_inputs {
    void *codes;
    void *gains;
};
struct tvmgen_hand_outputs {
    void *mixed;
};

struct tvmgen_hand_inputs tvmgen_hand_map_inputs(void);
struct tvmgen_hand_outputs tvmgen_hand_map_outputs(void);
int32_t tvmgen_hand_run(struct tvmgen_hand_inputs *inputs, struct tvmgen_hand_outputs *outputs);

#endif
