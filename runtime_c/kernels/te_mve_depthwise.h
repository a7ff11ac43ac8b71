/* SPDX-License-Identifier: Apache-2.0 */
/* What a depthwise convolution for MVE is told; kernels/mve/depthwise.py knows the order. Rows and
 * columns are those of the routine: it may go through an image column by column. */
struct te_mve_depthwise {
    void *halves; /* a pair of rows, a halfword per column */
    int8_t *inner; /* the words of the image's columns */
    int32_t group_step; /* bytes of 8 columns of the input */
    int32_t after; /* bytes of words from the end of the last 8 columns back to the image's end */
    uint32_t padding; /* the input's zero point in each byte */
    int8_t *words;
    int32_t y_step; /* bytes of four columns of the output */
    const int32_t *table; /* per pair of rows: see kernels/depthwise/mve.py */
    const int32_t *table_end;
    const int32_t *record; /* per channel: weights, then bias and multipliers */
    int32_t channels;
    const int8_t *x;
    int8_t *y;
    int32_t zero_point; /* of the output */
    uint16_t gather[8]; /* bytes from one column of the input to the others */
    uint32_t store[4]; /* bytes from an output to those of the same block */
    int32_t low; /* the clamp */
    int32_t high;
};

/* What is fixed when compiling. */
struct te_mve_depthwise_sizes {
    struct te_mve_depthwise layer;
    int32_t pairs_bytes; /* of `halves` */
    int32_t words_bytes;
    int32_t left; /* columns of padding on the left */
    int32_t table_words;
};

static void te_mve_depthwise_run(void (*convolve)(const void *), const int8_t *x,
    const int32_t *record, const int32_t *table, const struct te_mve_depthwise_sizes *sizes,
    int8_t *scratch, int8_t *y)
{
    struct te_mve_depthwise layer = sizes->layer;
    layer.halves = scratch;
    layer.words = scratch + sizes->pairs_bytes;
    layer.inner = layer.words + 4 * sizes->left;
    layer.table = table;
    layer.table_end = table + sizes->table_words;
    layer.record = record;
    layer.x = x;
    layer.y = y;
    te_mve_fill(layer.words, (int32_t)layer.padding, sizes->words_bytes);
    convolve(&layer);
}
