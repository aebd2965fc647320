/* SPDX-License-Identifier: MIT */
/* Many random choices between two numbers at once. */
#ifndef CB_BASE_MASKS_H
#define CB_BASE_MASKS_H

#include "cellbench/random.h"

/* Elements that one block of a stream decides. */
enum { CBI_MASK_BLOCK = 8 };

/* n elements, each `hit` with the probability `rate`, rounded to 16 bits, else `miss`: decided by
 * halves of words, the low one first, from the stream's position on, which does not move. */
void cbi_random_mask(const cb_random *stream, double rate, float hit, float miss, float *out,
                     size_t n);

#endif
