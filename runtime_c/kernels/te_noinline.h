/* SPDX-License-Identifier: Apache-2.0 */
/* A function that isn't copied into its caller: its code and its time can be told apart. */
#if defined(__GNUC__)
#define TE_NOINLINE __attribute__((noinline))
#else
#define TE_NOINLINE
#endif
