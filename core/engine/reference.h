/* SPDX-License-Identifier: MIT */
/* What the gradient check asks of the reference beyond its public calls. */
#ifndef CB_ENGINE_REFERENCE_H
#define CB_ENGINE_REFERENCE_H

#include "engine/stack_internal.h"

/* While frozen, stop(e) keeps the values of the last forward pass, and an operation with a kink goes
 * on as on the side where it stood then: finite differences see the derivative that stop() promises,
 * and no kink. */
void cbi_reference_freeze(cb_reference *reference, int frozen);
/* How near any value of the last forward pass stood to a kink of its operation. */
double cbi_reference_kink_distance(const cb_reference *reference);

#endif
