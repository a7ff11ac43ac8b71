/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution by groups of channels and bands of rows: a few channels of a band are spread
 * into rows of 16-bit words in the scratch ("plane"), and convolved from there. Since a band has left
 * the input before its output is written, the output may be the input's own place. */
struct te_depthwise_work {
    int32_t channels;  /* bytes from one pixel to the next */
    int32_t out_row;   /* bytes from one row of the output to the next */
    int32_t zero_in;   /* the input's zero point in all four bytes */
    int32_t zero_out;
    int32_t count;     /* channels to compute */
    int32_t rows;      /* rows to compute */
    int32_t blocks;    /* full blocks in a row of the output */
    int32_t rest;      /* columns after the last full block */
    int32_t quads;     /* spreading: steps of four pixels in the middle of a row */
    int32_t in_rows;   /* spreading: rows */
    int32_t left;      /* spreading: columns of padding before a row */
    int32_t width;     /* spreading: pixels of a row */
};

typedef void te_depthwise_spread(
    const int8_t *x, void *plane, const void *unused, const struct te_depthwise_work *work);
typedef void te_depthwise_compute(
    const void *plane, int8_t *y, const int32_t *record, const struct te_depthwise_work *work);

struct te_depthwise {
    struct te_depthwise_work work;
    int32_t group;      /* channels that are spread at once */
    int32_t height;
    int32_t row;        /* bytes of a row of the input */
    int32_t out_height;
    int32_t stride;
    int32_t kernel;     /* rows of the kernel */
    int32_t pad_top;
    int32_t band;       /* rows of the output per band */
    int32_t pitch;      /* bytes from one row of the plane to the next, all channels of the group */
    int32_t channel_row; /* bytes from one channel's row to the next channel's */
    int32_t record;     /* words of constants per channel */
    int32_t padding;    /* a word of padding in the plane */
    int32_t records;    /* words from the beginning of this to the channels' records */
};

/* Sets `words` words, a multiple of eight, to `value`. */
TE_ASSEMBLY static void te_depthwise_fill(
    TE_UNSEEN int32_t *to, TE_UNSEEN int32_t words, TE_UNSEEN int32_t value)
{
    __asm__ volatile(
        "   .syntax unified\n"
        "   cmp r1, #0\n"
        "   it le\n"
        "   bxle lr\n"
        "   push {r4-r9}\n"
        "   mov r3, r2\n"
        "   mov r4, r2\n"
        "   mov r5, r2\n"
        "   mov r6, r2\n"
        "   mov r7, r2\n"
        "   mov r8, r2\n"
        "   mov r9, r2\n"
        "1: stmia r0!, {r2-r9}\n"
        "   subs r1, r1, #8\n"
        "   bgt 1b\n"
        "   pop {r4-r9}\n"
        "   bx lr\n");
}

/* Copies `words` words, a multiple of eight, upwards or to a place that doesn't overlap. */
TE_ASSEMBLY static void te_depthwise_move(
    TE_UNSEEN int32_t *to, TE_UNSEEN int32_t words, TE_UNSEEN const int32_t *from)
{
    __asm__ volatile(
        "   .syntax unified\n"
        "   cmp r1, #0\n"
        "   it le\n"
        "   bxle lr\n"
        "   push {r4-r10}\n"
        "1: ldmia r2!, {r3-r10}\n"
        "   stmia r0!, {r3-r10}\n"
        "   subs r1, r1, #8\n"
        "   bgt 1b\n"
        "   pop {r4-r10}\n"
        "   bx lr\n");
}

/* One group of channels, band after band. */
__attribute__((noinline)) static void te_depthwise_bands(te_depthwise_spread *spread,
    te_depthwise_compute *compute, const int8_t *x, int8_t *y, int32_t *plane, int32_t skipped,
    const int32_t *records, struct te_depthwise_work *work, const struct te_depthwise *layer)
{
    const int32_t pitch = layer->pitch / 4;
    const int32_t in_step = layer->band * layer->stride;
    const int32_t shared = layer->kernel - layer->stride;
    const int32_t plane_rows = in_step + shared;
    int32_t taken = 0;
    int32_t first = layer->pad_top;
    te_depthwise_fill(plane, first * pitch, layer->padding);
    for (int32_t done = 0; done < layer->out_height; done += layer->band) {
        const int32_t left = layer->height - taken;
        int32_t wanted = plane_rows - first;
        work->in_rows = left < wanted ? left : wanted;
        if (work->in_rows > 0) {
            spread(x, plane + first * pitch, NULL, work);
            x += work->in_rows * layer->row;
            taken += work->in_rows;
            wanted -= work->in_rows;
            first += work->in_rows;
        }
        te_depthwise_fill(plane + first * pitch, wanted * pitch, layer->padding);
        work->rows = layer->out_height - done;
        if (work->rows > layer->band) {
            work->rows = layer->band;
        }
        compute((const int8_t *)plane + skipped, y, records, work);
        y += work->rows * work->out_row;
        te_depthwise_move(plane, shared * pitch, plane + in_step * pitch);
        first = shared;
    }
}

/* `constants` holds a te_depthwise and the channels' records. */
static void te_depthwise_run(te_depthwise_spread *spread, te_depthwise_compute *compute,
    const int32_t *constants, const int8_t *x, int8_t *y, void *scratch)
{
    const struct te_depthwise *const layer = (const void *)constants;
    struct te_depthwise_work work = layer->work;
    const int32_t *records = constants + layer->records;
    const int32_t pitch = layer->pitch / 4;
    const int32_t bands = layer->band < layer->out_height;
    const int32_t rows = layer->band * layer->stride + layer->kernel - layer->stride;
    int32_t *const plane = scratch;
    te_depthwise_fill(plane, rows * pitch, layer->padding);
    work.rows = layer->out_height;
    work.in_rows = rows - layer->pad_top;
    if (work.in_rows > layer->height) {
        work.in_rows = layer->height;
    }
    for (int32_t channel = 0; channel < work.channels; channel += layer->group) {
        /* A last group that isn't full begins earlier, so that it reads nothing after its pixel. */
        const int32_t left = work.channels - channel;
        work.count = left < layer->group ? left : layer->group;
        const int32_t first = channel - layer->group + work.count;
        const int32_t skipped = (channel - first) * layer->channel_row;
        if (bands) {
            te_depthwise_bands(
                spread, compute, x + first, y + channel, plane, skipped, records, &work, layer);
        } else {
            spread(x + first, plane + layer->pad_top * pitch, NULL, &work);
            compute((const int8_t *)plane + skipped, y + channel, records, &work);
        }
        records += work.count * layer->record;
    }
}
