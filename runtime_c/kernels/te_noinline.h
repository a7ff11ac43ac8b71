/* SPDX-License-Identifier: Apache-2.0 */
/* A function that isn't copied into its caller: its code and its time can be told apart. */
#if defined(__clang__)
#define TE_NOINLINE __attribute__((noinline))
#elif defined(__GNUC__)
#define TE_NOINLINE __attribute__((noinline, noclone, noipa))
#else
#define TE_NOINLINE
#endif
