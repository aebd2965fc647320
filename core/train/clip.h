/* SPDX-License-Identifier: MIT */
/*
 * Clipping by the global norm: Pascanu, Mikolov, Bengio 2013, algorithm 1: if |g| > c, then
 * g = g * c/|g|, over all tensors together; by value: Mikolov 2012, section 3.2.2, each element.
 * And what a penalty on the weights adds.
 */
#ifndef CB_TRAIN_CLIP_H
#define CB_TRAIN_CLIP_H

#include <stddef.h>

/* Euclidean norm, summed in f64 in an order that depends on n alone; not finite if any element is
 * not. */
double cbi_gradient_norm(const float *g, size_t n);
/* Scales g, whose norm is given and finite, down to norm `most`; 0: no limit. */
void cbi_gradient_clip(float *g, size_t n, double norm, double most);
/* Cuts each element to -most..most. */
void cbi_gradient_clip_value(float *g, size_t n, double most);
/* g += share * w: the gradient of share/2 * |w|^2. */
void cbi_gradient_penalty(float *g, const float *w, size_t n, double share);

#endif
