/* SPDX-License-Identifier: MIT */
/* Many random choices between two numbers at once. */
#ifndef CB_BASE_MASKS_H
#define CB_BASE_MASKS_H

#include "cellbench/random.h"

/* n elements, each `hit` with the probability `rate` (to 32 bits), else `miss`: element i is
 * decided by the i-th cb_random_u32 from the stream's position on, which does not move. */
void cbi_random_mask(const cb_random *stream, double rate, float hit, float miss, float *out,
                     size_t n);

#endif
