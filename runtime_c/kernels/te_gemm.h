/* SPDX-License-Identifier: Apache-2.0 */
/* What a matrix multiplication of int8 pixels with packed weights is told. It is copied to the stack
 * of the assembly as it is: kernels/dsp/stack.py knows the order of the fields. */
struct te_gemm {
    int8_t *y; /* output of the first pixel */
    int32_t y_second; /* bytes from there to the output of the second pixel of a pair */
    const void *weights_end;
    void *buffer; /* two widened pixels */
    uint32_t entry; /* bytes of the unrolled loop to leave out in its first round */
    const void *buffer_end;
    const int8_t *x; /* input of the first pixel */
    const int8_t *x_second;
    int32_t x_step; /* bytes from one pair to the next */
    const void *weights;
    int32_t pairs; /* at least 1 */
    int32_t zero_point; /* of the output, and 128 more where pairs of outputs are saturated at once */
    int32_t rows; /* of the window */
    int32_t chunks; /* of 8 or 16 bytes in a row of the window */
    int32_t quads; /* bytes by four beyond those */
    int32_t singles; /* bytes beyond those */
    int32_t row_gap; /* bytes between the end of a row of the window and the start of the next */
    uint32_t low; /* the clamp, in each byte */
    uint32_t high;
    int32_t last; /* channels of the last block */
};
