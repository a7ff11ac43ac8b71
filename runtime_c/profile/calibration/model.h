/* SPDX-License-Identifier: Apache-2.0
 *
 * Two loops of known lengths under a model's interface.
 */
#ifndef TVMGEN_CALIBRATION_H
#define TVMGEN_CALIBRATION_H

#include <stdint.h>

struct tvmgen_calibration_inputs {
    void *words;
};
struct tvmgen_calibration_outputs {
    void *words;
};

struct tvmgen_calibration_inputs tvmgen_calibration_map_inputs(void);
struct tvmgen_calibration_outputs tvmgen_calibration_map_outputs(void);
int32_t tvmgen_calibration_run(
    struct tvmgen_calibration_inputs *inputs, struct tvmgen_calibration_outputs *outputs);

#endif
