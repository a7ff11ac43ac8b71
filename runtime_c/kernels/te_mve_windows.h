/* SPDX-License-Identifier: Apache-2.0 */
/* An image and the windows over it. Columns, their steps and padding are counted in bytes. */
struct te_mve_image {
    struct te_mve_sizes sizes;
    int32_t steps[3]; /* bytes of a row of the image, from a window to the next, of a copy */
    int32_t height;
    int32_t out_width;
    int32_t rows; /* of a window */
    int32_t row_bytes;
    int32_t row_step;
    int32_t pad_top;
    int32_t pad_left;
    int32_t zero_point; /* of the input: the value of padding */
    int32_t room; /* windows that the scratch holds, a multiple of 4 */
    int32_t first_row; /* outputs from first to end have their windows inside the image */
    int32_t end_row;
    int32_t first_column;
    int32_t end_column;
    int32_t end_pixel; /* from here on, vectors may reach past the image's end */
};

/* A window with its padding, exactly. */
static void te_mve_window(
    const struct te_mve_image *image, const int8_t *x, int32_t top, int32_t left, int8_t *to)
{
    const int32_t length = image->row_bytes, width = image->steps[0];
    const int32_t before = left < 0 ? -left : 0;
    const int32_t end = width - left < length ? width - left : length;
    te_mve_fill(to, image->zero_point, image->rows * length);
    for (int32_t i = top; i < top + image->rows; ++i) {
        if (i >= 0 && i < image->height && before < end) {
            te_mve_copy(to + before, x + i * width + left + before, end - before);
        }
        to += length;
    }
}

/* How many windows from this one on are copied without looking at borders, `most` at most. */
static int32_t te_mve_run(const struct te_mve_image *image, int32_t pixel, int32_t row,
    int32_t column, int32_t most)
{
    int32_t run = image->end_column - column;
    if (column < image->first_column || row < image->first_row || row >= image->end_row) {
        return 0;
    }
    run = run < image->end_pixel - pixel ? run : image->end_pixel - pixel;
    return run < most ? run : most;
}

/* Windows are copied to the scratch, as many as it holds, and multiplied from there. */
static void te_mve_windows(void (*multiply)(const void *),
    void (*copy)(int8_t *, const int8_t *, const int32_t *, int32_t), const int8_t *x,
    const void *weights, const struct te_mve_image *image, int8_t *scratch, int8_t *y)
{
    const struct te_mve_sizes *const sizes = &image->sizes;
    struct te_mve_gemm gemm = te_mve_gemm_of(sizes, weights);
    int32_t row = 0, column = 0;
    for (int32_t pixel = 0; pixel < sizes->pixels;) {
        const int32_t left_over = sizes->pixels - pixel;
        int32_t count = left_over < image->room ? left_over : image->room;
        count = count > 4 ? count & ~3 : count;
        int8_t *to = scratch;
        for (int32_t i = 0; i < count;) {
            const int32_t top = row * image->row_step - image->pad_top;
            const int32_t left = column * image->steps[1] - image->pad_left;
            int32_t run = te_mve_run(image, pixel + i, row, column, count - i);
            if (run > 0) {
                copy(to, x + top * image->steps[0] + left, image->steps, run);
            } else {
                te_mve_window(image, x, top, left, to);
                run = 1;
            }
            i += run;
            to += run * sizes->padded;
            column += run;
            if (column == image->out_width) {
                column = 0;
                ++row;
            }
        }
        te_mve_place(&gemm, scratch, sizes->padded, count, sizes->channels, y);
        multiply(&gemm);
        y += count * sizes->channels;
        pixel += count;
    }
}
