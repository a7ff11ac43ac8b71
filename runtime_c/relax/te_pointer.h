/* SPDX-License-Identifier: Apache-2.0 */
/* TVM compiles generated C with the machine's C++ compiler unless it is told another. What C does
 * without a word, turning void * into any other pointer, a class does there. */
#ifdef __cplusplus
#define restrict __restrict
#define _Alignas alignas
class te_pointer {
    void *place;

public:
    te_pointer(void *at) : place(at)
    {
    }
    template <typename T> operator T *() const
    {
        return static_cast<T *>(place);
    }
};
#else
typedef void *te_pointer;
#endif

/* TVM asks the compiler for no optimisation; and no sum and product may become one operation, which
 * rounds once where the reference rounds twice. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O2", "fp-contract=off")
#endif
