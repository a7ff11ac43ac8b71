/* SPDX-License-Identifier: Apache-2.0 */
/* A function that is one block of assembly and keeps to the procedure call standard. The compiler
 * must neither copy it nor draw conclusions from what it cannot see in its body. */
#if defined(__clang__)
#define TE_ASSEMBLY __attribute__((naked, noinline))
#else
#define TE_ASSEMBLY __attribute__((naked, noinline, noclone, noipa))
#endif
#define TE_UNSEEN __attribute__((unused))
