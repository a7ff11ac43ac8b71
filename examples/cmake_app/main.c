/* SPDX-License-Identifier: Apache-2.0
 *
 * Classifies one image and prints its class through semihosting.
 */
#include <stdint.h>

#include "fashion/model.h"
#include "sample_image.h"
#include "semihosting.h"

static const char *const classes[10] = {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                                        "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};

int main(void)
{
    /* Pointers into the arena: the image is written where the network reads it. */
    struct tvmgen_fashion_inputs inputs = tvmgen_fashion_map_inputs();
    struct tvmgen_fashion_outputs outputs = tvmgen_fashion_map_outputs();

    float *pixels = inputs.image;
    for (int i = 0; i < 28 * 28; i++) {
        pixels[i] = (float)sample_image[i] / 255.0f;
    }
    if (tvmgen_fashion_run(&inputs, &outputs) != 0) {
        semihosting_exit(1);
    }

    const float *logits = outputs.logits;
    int best = 0;
    for (int i = 1; i < 10; i++) {
        if (logits[i] > logits[best]) {
            best = i;
        }
    }
    semihosting_print("class: ");
    semihosting_print(classes[best]);
    semihosting_print("\n");
    semihosting_exit(0);
}
