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
    struct te_gemm inside = te_gemm_of(sizes, weights, buffer, y), copied = inside;
    int8_t *const first = (int8_t *)buffer + sizes->buffer_bytes;
    int8_t *const second = first + ((sizes->length * sizes->rows + 3) & ~3);
    const int8_t *const end = y + sizes->pixels * sizes->channels;
    const int8_t *line = x - image->pad_top * image->width - image->pad_left;
    int32_t waiting = 0; /* copies that wait for another */
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
                gemm(&inside);
                column += 2 * inside.pairs;
                y += 2 * inside.pairs * sizes->channels;
            } else {
                te_copy_window(image, x, row, column, waiting ? second : first);
                if (waiting) {
                    copied.y_second = y - copied.y;
                    gemm(&copied);
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
        gemm(&copied);
    }
}
