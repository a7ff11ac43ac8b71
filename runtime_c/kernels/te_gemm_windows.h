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

static void te_fill_run(int8_t *to, uint32_t four, int32_t bytes)
{
    for (; bytes >= 4; bytes -= 4) {
        memcpy(to, &four, 4);
        to += 4;
        __asm__ volatile("" ::: "memory");
    }
    for (; bytes > 0; --bytes) {
        *to++ = (int8_t)four;
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
    int32_t before = left < 0 ? -left : 0;
    int32_t end = image->width - left < length ? image->width - left : length;
    const uint32_t four = (uint8_t)image->zero_point * 0x01010101u;
    for (int32_t i = top; i < top + image->sizes.rows; ++i) {
        if (i < 0 || i >= image->height || before >= end) {
            te_fill_run(to, four, length);
        } else {
            te_fill_run(to, four, before);
            te_copy_run(to + before, x + i * image->width + left + before, end - before);
            te_fill_run(to + end, four, length - end);
        }
        to += length;
    }
}

/* Windows that lie inside the image are read in place, in pairs along the row. The others are copied
 * with their padding, in pairs of any two; a last one is taken twice. `constants` holds a
 * te_gemm_image; the copies follow the widened pixels in the buffer. */
static void te_gemm_windows(void (*gemm)(const struct te_gemm *), const int8_t *x,
    const void *weights, const int32_t *constants, void *buffer, int8_t *y)
{
    const struct te_gemm_image *const image = (const void *)constants;
    const struct te_gemm_sizes *const sizes = &image->sizes;
    struct te_gemm g = te_gemm_of(sizes, weights, buffer, y);
    int8_t *const copies = (int8_t *)buffer + sizes->buffer_bytes;
    const int32_t copy_bytes = (sizes->length * sizes->rows + 3) & ~3;
    const int8_t *line = x - image->pad_top * image->width - image->pad_left;
    int8_t *waiting = NULL; /* output of a window whose copy waits for another */
    int8_t *last = y + (sizes->pixels - 1) * sizes->channels;
    for (int32_t row = 0; y <= last; ++row) {
        int32_t column = 0;
        while (column < image->out_width) {
            int32_t pairs = 0;
            if (column == image->first_column && row >= image->first_row && row < image->end_row) {
                pairs = (image->end_column - column) / 2;
            }
            if (pairs > 0) {
                g.x = line + column * image->column_step;
                g.x_second = g.x + image->column_step;
                g.x_step = 2 * image->column_step;
                g.y = y;
                g.y_second = sizes->channels;
                g.row_gap = image->width - sizes->length;
                g.pairs = pairs;
                gemm(&g);
                column += 2 * pairs;
                y += 2 * pairs * sizes->channels;
                continue;
            }
            te_copy_window(image, x, row, column, copies + (waiting ? copy_bytes : 0));
            ++column;
            if (waiting == NULL && y != last) {
                waiting = y;
            } else {
                g.x = copies;
                g.x_second = waiting ? copies + copy_bytes : copies;
                g.y = waiting ? waiting : y;
                g.y_second = y - g.y;
                g.row_gap = 0;
                g.pairs = 1;
                gemm(&g);
                waiting = NULL;
            }
            y += sizes->channels;
        }
        line += image->row_step * image->width;
    }
}
