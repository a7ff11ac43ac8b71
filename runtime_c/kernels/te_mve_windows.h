/* SPDX-License-Identifier: Apache-2.0 */
/* An image and the windows over it. Columns, their steps and padding are counted in bytes. */
struct te_mve_image {
    struct te_mve_sizes sizes;
    int32_t height;
    int32_t width;
    int32_t out_width;
    int32_t rows; /* of a window */
    int32_t row_bytes;
    int32_t row_step;
    int32_t column_step;
    int32_t pad_top;
    int32_t pad_left;
    int32_t zero_point; /* of the input: the value of padding */
    int32_t room; /* windows that the scratch holds, a multiple of 4 */
};

static void te_mve_window(
    const struct te_mve_image *image, const int8_t *x, int32_t top, int32_t left, int8_t *to)
{
    const int32_t length = image->row_bytes;
    if (left >= 0 && left + length <= image->width && top >= 0
        && top + image->rows <= image->height) {
        const int8_t *from = x + top * image->width + left;
        for (int32_t i = image->rows; i > 0; --i) {
            te_mve_copy(to, from, length);
            from += image->width;
            to += length;
        }
        return;
    }
    const int32_t before = left < 0 ? -left : 0;
    const int32_t end = image->width - left < length ? image->width - left : length;
    te_mve_fill(to, image->zero_point, image->rows * length);
    for (int32_t i = top; i < top + image->rows; ++i) {
        if (i >= 0 && i < image->height && before < end) {
            te_mve_copy(to + before, x + i * image->width + left + before, end - before);
        }
        to += length;
    }
}

/* Windows are copied to the scratch, as many as it holds, and multiplied from there. */
static void te_mve_windows(void (*multiply)(const void *), const int8_t *x, const void *weights,
    const struct te_mve_image *image, int8_t *scratch, int8_t *y)
{
    const struct te_mve_sizes *const sizes = &image->sizes;
    struct te_mve_gemm gemm = te_mve_gemm_of(sizes, weights);
    int32_t top = -image->pad_top, left = -image->pad_left, column = 0;
    for (int32_t pixel = 0; pixel < sizes->pixels;) {
        const int32_t left_over = sizes->pixels - pixel;
        int32_t count = left_over < image->room ? left_over : image->room;
        count = count > 4 ? count & ~3 : count;
        int8_t *to = scratch;
        for (int32_t i = count; i > 0; --i) {
            te_mve_window(image, x, top, left, to);
            to += sizes->padded;
            left += image->column_step;
            if (++column == image->out_width) {
                column = 0;
                left = -image->pad_left;
                top += image->row_step;
            }
        }
        te_mve_place(&gemm, scratch, sizes->padded, count, sizes->channels, y);
        multiply(&gemm);
        y += count * sizes->channels;
        pixel += count;
    }
}
