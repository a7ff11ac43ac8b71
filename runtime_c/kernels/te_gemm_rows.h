/* SPDX-License-Identifier: Apache-2.0 */
/* An image of which rows are widened to int16, with their padding: the plane. */
struct te_gemm_plane {
    struct te_gemm_sizes sizes;
    int32_t height;
    int32_t width; /* bytes */
    int32_t out_height;
    int32_t out_width;
    int32_t row_step;
    int32_t pad_top;
    int32_t pad_left; /* bytes of the plane */
    int32_t pitch; /* bytes from row to row of the plane */
    int32_t column_step; /* bytes of the plane from one window to the next */
    int32_t band; /* rows of the output that are made from one filling of the plane */
    uint32_t zero_point; /* of the input, in either half: the value of padding */
};

typedef void te_widen_routine(const int8_t *x, void *to, int32_t bytes);

static void te_fill_words(int8_t *to, uint32_t word, int32_t bytes)
{
    for (int32_t i = 0; i < bytes; i += 4) {
        memcpy(to + i, &word, 4);
    }
}

/* Pairs of pixels along the rows of the output; of an odd number the last one has a partner outside,
 * whose output it overwrites. `constants` holds a te_gemm_plane and the weights. */
static void te_gemm_rows(te_gemm_routine *routine, te_widen_routine *widen, const int32_t *constants,
    const int8_t *x, int8_t *plane, int8_t *y)
{
    const struct te_gemm_plane *const image = (const void *)constants;
    const struct te_gemm_sizes *const sizes = &image->sizes;
    int32_t rows = (image->band - 1) * image->row_step + sizes->rows;
    int32_t from = -image->pad_top;
    struct te_gemm gemm;
    te_gemm_start(&gemm, sizes, plane, y);
    te_fill_words(plane, image->zero_point, rows * image->pitch);
    for (int32_t left = image->out_height; left > 0; left -= image->band) {
        const int32_t band = left < image->band ? left : image->band;
        rows = (band - 1) * image->row_step + sizes->rows;
        for (int32_t i = 0; i < rows; ++i) {
            int8_t *const to = plane + i * image->pitch + image->pad_left;
            if (from + i >= 0 && from + i < image->height) {
                widen(x + (from + i) * image->width, to, image->width);
            } else {
                te_fill_words(to, image->zero_point, 2 * image->width);
            }
        }
        from += band * image->row_step;
        for (int32_t i = 0; i < band; ++i) {
            int8_t *const row = plane + i * image->row_step * image->pitch;
            gemm.y = y;
            gemm.y_second = sizes->channels;
            gemm.buffer = row;
            gemm.buffer_end = row + sizes->buffer_bytes;
            gemm.pairs = image->out_width / 2;
            if (gemm.pairs > 0) {
                routine(&gemm, sizes);
            }
            y += image->out_width * sizes->channels;
            if (image->out_width % 2 != 0) {
                gemm.y = y - sizes->channels;
                gemm.y_second = 0;
                gemm.buffer = row + (image->out_width - 1) * image->column_step;
                gemm.buffer_end = (int8_t *)gemm.buffer + sizes->buffer_bytes;
                gemm.pairs = 1;
                routine(&gemm, sizes);
            }
        }
    }
}
