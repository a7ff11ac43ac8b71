/* SPDX-License-Identifier: Apache-2.0 */
/* An image and the windows over it. Columns, their steps and padding are counted in bytes. */
struct te_gemm_image {
    struct te_gemm_sizes sizes;
    int32_t height;
    int32_t width;
    int32_t out_width;
    int32_t row_step;
    int32_t column_step;
    int32_t pad_top;
    int32_t pad_left;
    int32_t first_row; /* outputs from first to end have their windows inside the image */
    int32_t end_row;
    int32_t first_column;
    int32_t end_column;
    int32_t zero_point; /* of the input: the value of padding */
};

/* Not memcpy: where it is written for size it takes several instructions per byte, and without the
 * empty asm the compiler would turn this into memcpy. */
static inline void te_copy_run(int8_t *to, const int8_t *from, int32_t bytes)
{
    uint32_t words[4];
    for (; bytes >= 16; bytes -= 16) {
        memcpy(words, from, 16);
        memcpy(to, words, 16);
        from += 16;
        to += 16;
        __asm__ volatile("" ::: "memory");
    }
    for (; bytes >= 4; bytes -= 4) {
        memcpy(words, from, 4);
        memcpy(to, words, 4);
        from += 4;
        to += 4;
        __asm__ volatile("" ::: "memory");
    }
    for (; bytes > 0; --bytes) {
        *to++ = *from++;
        __asm__ volatile("" ::: "memory");
    }
}

/* The window of one output, with its padding, as rows without gaps. */
static void te_copy_window(
    const struct te_gemm_image *image, const int8_t *x, int32_t row, int32_t column, int8_t *to)
{
    const int32_t length = image->sizes.length;
    const int32_t top = row * image->row_step - image->pad_top;
    const int32_t left = column * image->column_step - image->pad_left;
    const int32_t before = left < 0 ? -left : 0;
    const int32_t end = image->width - left < length ? image->width - left : length;
    const uint32_t four = (uint8_t)image->zero_point * 0x01010101u;
    /* Nothing but padding at first: that is a few stores, and less code than to fill what is left. */
    for (int32_t i = 0; i < length * image->sizes.rows; i += 4) {
        memcpy(to + i, &four, 4);
    }
    for (int32_t i = top; i < top + image->sizes.rows; ++i) {
        if (i >= 0 && i < image->height) {
            te_copy_run(to + before, x + i * image->width + left + before, end - before);
        }
        to += length;
    }
}

/* Windows that lie inside the image are read in place, in pairs along the row. The others are copied
 * with their padding, in pairs of any two; a last one is taken twice. `constants` holds a
 * te_gemm_image and the weights; the copies follow the widened pixels in the buffer. */
static void te_gemm_windows(te_gemm_routine *routine, const int32_t *constants, const int8_t *x,
    void *buffer, int8_t *y)
{
    const struct te_gemm_image *const image = (const void *)constants;
    const struct te_gemm_sizes *const sizes = &image->sizes;
    struct te_gemm inside, copied;
    int8_t *const first = (int8_t *)buffer + sizes->buffer_bytes;
    int8_t *const second = first + ((sizes->length * sizes->rows + 3) & ~3);
    const int8_t *const end = y + sizes->pixels * sizes->channels;
    const int8_t *line = x - image->pad_top * image->width - image->pad_left;
    int32_t waiting = 0; /* copies that wait for another */
    te_gemm_start(&inside, sizes, buffer, y);
    te_gemm_start(&copied, sizes, buffer, y);
    inside.row_gap = image->width - sizes->length;
    inside.x_step = 2 * image->column_step;
    copied.row_gap = 0;
    copied.x = first;
    copied.x_second = second;
    copied.pairs = 1;
    for (int32_t row = 0; y != end; ++row) {
        int32_t column = 0;
        while (column < image->out_width) {
            inside.pairs = 0;
            if (column == image->first_column && row >= image->first_row && row < image->end_row) {
                inside.pairs = (image->end_column - column) / 2;
            }
            if (inside.pairs > 0) {
                inside.x = line + column * image->column_step;
                inside.x_second = inside.x + image->column_step;
                inside.y = y;
                routine(&inside, sizes);
                column += 2 * inside.pairs;
                y += 2 * inside.pairs * sizes->channels;
            } else {
                te_copy_window(image, x, row, column, waiting ? second : first);
                if (waiting) {
                    copied.y_second = y - copied.y;
                    routine(&copied, sizes);
                } else {
                    copied.y = y;
                }
                waiting = !waiting;
                ++column;
                y += sizes->channels;
            }
        }
        line += image->row_step * image->width;
    }
    if (waiting) {
        copied.x_second = first;
        copied.y_second = 0;
        routine(&copied, sizes);
    }
}
