/* SPDX-License-Identifier: MIT */
/* Random disturbances of training. Each draws from a stream of its own for each update. */
#ifndef CB_TRAIN_NOISE_H
#define CB_TRAIN_NOISE_H

#include <stddef.h>

#include "cellbench/random.h"

/* x += sd * a normal number for each element. */
void cbi_noise_add(cb_random *stream, double sd, float *x, size_t n);

/* x = 0 with probability `share`, else x / (1 - share), so that the expectation stays (Srivastava
 * et al. 2014, section 10). */
void cbi_dropout(cb_random *stream, double share, float *x, size_t n);

#endif
