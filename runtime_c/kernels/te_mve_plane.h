/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise convolution of planes that fit a vector; kernels/mve/plane.py knows the order. */
struct te_mve_plane {
    int32_t channels;
    int32_t low; /* the clamp */
    int32_t high;
    int32_t unused;
    int32_t zero_in;
    int32_t zero_out;
    uint16_t inputs[16]; /* bytes from a channel's first input to the others */
    uint8_t weights[16]; /* bytes from an output's first weight to the others */
    uint16_t store[16]; /* bytes from a channel's first output to the others, by lanes */
    uint8_t used[16]; /* 255 for lanes that hold inputs */
};
