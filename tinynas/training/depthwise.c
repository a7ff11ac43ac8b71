// SPDX-License-Identifier: Apache-2.0
// The gradient of depthwise weights, channels last; see depthwise.py.
//
// Sixteen channels are one vector. Of each sample they are first copied to rows with a margin of
// zeros, so that the loops over the taps have no edges; rows outside the map are left out.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16
#define TAPS 9

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4)));

typedef struct {
    ptrdiff_t samples, channels, height, width;  // of the input
    ptrdiff_t rows, columns;                     // of the output
    ptrdiff_t taps_y, taps_x, stride_y, stride_x, pad_y, pad_x;
} Shape;

// With the number of taps known, the sums stay in registers.
static inline __attribute__((always_inline)) void add_row(
    Vector *restrict sums, const Vector *restrict x, const Vector *restrict g, ptrdiff_t columns,
    ptrdiff_t stride, ptrdiff_t taps) {
    Vector own[TAPS];
#pragma GCC unroll 9
    for (ptrdiff_t tap = 0; tap < taps; ++tap) own[tap] = sums[tap];
    for (ptrdiff_t column = 0; column < columns; ++column, x += stride) {
#pragma GCC unroll 9
        for (ptrdiff_t tap = 0; tap < taps; ++tap) own[tap] += x[tap] * g[column];
    }
#pragma GCC unroll 9
    for (ptrdiff_t tap = 0; tap < taps; ++tap) sums[tap] = own[tap];
}

static inline __attribute__((always_inline)) void pack(
    Vector *restrict to, const float *restrict from, ptrdiff_t count, ptrdiff_t channels,
    ptrdiff_t here) {
    for (ptrdiff_t i = 0; i < count; ++i, from += channels) {
        if (here == LANES) {
            memcpy(to + i, from, sizeof(Vector));
        } else {
            memset(to + i, 0, sizeof(Vector));
            memcpy(to + i, from, sizeof(float) * (size_t)here);
        }
    }
}

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "fma", "default")))
#endif
__attribute__((visibility("default"))) int
weight_gradient(const Shape *shape, const float *x, const float *g, float *out, ptrdiff_t first,
                ptrdiff_t last) {
    const Shape s = *shape;
    const ptrdiff_t padded = s.width + 2 * s.pad_x;
    const ptrdiff_t taps = s.taps_y * s.taps_x, blocks = (last - first + LANES - 1) / LANES;
    const size_t vectors = (size_t)(s.height * padded + s.rows * s.columns + blocks * taps);
    Vector *scratch = aligned_alloc(sizeof(Vector), vectors * sizeof(Vector));
    if (!scratch) return 1;
    memset(scratch, 0, vectors * sizeof(Vector));
    Vector *inputs = scratch, *outputs = inputs + s.height * padded;
    Vector *sums = outputs + s.rows * s.columns;
    // Samples outside, channels inside: so the maps are read from memory in their order.
    for (ptrdiff_t n = 0; n < s.samples; ++n) {
        Vector *own = sums;
        for (ptrdiff_t channel = first; channel < last; channel += LANES) {
            const ptrdiff_t here = last - channel < LANES ? last - channel : LANES;
            const float *sample = x + n * s.height * s.width * s.channels + channel;
            for (ptrdiff_t y = 0; y < s.height; ++y) {
                pack(inputs + y * padded + s.pad_x, sample + y * s.width * s.channels, s.width,
                     s.channels, here);
            }
            pack(outputs, g + n * s.rows * s.columns * s.channels + channel, s.rows * s.columns,
                 s.channels, here);
            for (ptrdiff_t tap = 0; tap < s.taps_y; ++tap, own += s.taps_x) {
                for (ptrdiff_t row = 0; row < s.rows; ++row) {
                    const ptrdiff_t y = row * s.stride_y + tap - s.pad_y;
                    if (y < 0 || y >= s.height) continue;
                    const Vector *from = inputs + y * padded, *by = outputs + row * s.columns;
                    switch (s.taps_x) {
                    case 3: add_row(own, from, by, s.columns, s.stride_x, 3); break;
                    case 5: add_row(own, from, by, s.columns, s.stride_x, 5); break;
                    case 7: add_row(own, from, by, s.columns, s.stride_x, 7); break;
                    default: add_row(own, from, by, s.columns, s.stride_x, s.taps_x);
                    }
                }
            }
        }
    }
    for (ptrdiff_t channel = first; channel < last; ++channel) {
        const Vector *own = sums + (channel - first) / LANES * taps;
        for (ptrdiff_t tap = 0; tap < taps; ++tap) {
            out[channel * taps + tap] = own[tap][(channel - first) % LANES];
        }
    }
    free(scratch);
    return 0;
}
