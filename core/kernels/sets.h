/* SPDX-License-Identifier: MIT */
/* The tables of kernels, one for each instruction set (set_<name>.c). */
#ifndef CB_KERNELS_SETS_H
#define CB_KERNELS_SETS_H

#include "kernels/kernels.h"

extern const cbi_kernels cbi_kernels_portable;
#if defined(__x86_64__)
extern const cbi_kernels cbi_kernels_avx2;
extern const cbi_kernels cbi_kernels_avx512;
#endif

#endif
