/* SPDX-License-Identifier: Apache-2.0 */
/* A function that is one block of assembly and keeps to the procedure call standard. The compiler
 * must neither copy it nor draw conclusions from what it cannot see in its body. It begins on a word, so that it may
 * find places in itself relative to the program counter. */
#if defined(__clang__)
#define TE_ASSEMBLY __attribute__((naked, noinline, aligned(4)))
#else
#define TE_ASSEMBLY __attribute__((naked, noinline, noclone, noipa, aligned(4)))
#endif
#define TE_UNSEEN __attribute__((unused))
