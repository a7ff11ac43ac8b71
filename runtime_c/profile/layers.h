/* SPDX-License-Identifier: Apache-2.0
 *
 * Included before model.c in a profiling build: notes the address where each layer begins in a
 * section that isn't loaded, so that the code stays as it is. An assembler macro, since gcc takes
 * every line of an asm statement for an instruction when it estimates branch distances.
 */
#ifndef TINYENGINE_LAYERS_H
#define TINYENGINE_LAYERS_H

__asm__(".macro tinyengine_layer number\n"
        ".Ltinyengine_layer_\\@:\n"
        ".pushsection .tinyengine_layers, \"\", %progbits\n"
        ".word \\number, .Ltinyengine_layer_\\@\n"
        ".popsection\n"
        ".endm\n");

#define TINYENGINE_LAYER(number) __asm__ volatile("tinyengine_layer " #number)

#endif
