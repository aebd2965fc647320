/* SPDX-License-Identifier: MIT */
/*
 * Which units of a layer are updated at each step of a block, by the clock of its cell
 * (cell/schedule.h); for groups of CBI_LANES columns, as kernels see them. A group stands still
 * where all of its units do, in all rows of the step.
 */
#ifndef CB_ENGINE_ACTIVITY_H
#define CB_ENGINE_ACTIVITY_H

#include "cell/cell_internal.h"
#include "kernels/kernels.h"

typedef struct cbi_activity {
    const cbi_list *periods; /* NULL: no clock, or none that is worth it */
    size_t dim, groups;
    unsigned char *moves; /* [steps of the block][groups] */
    size_t first;         /* step of the first row of moves */
} cbi_activity;

/* Columns from ... to - 1 of `moves` that have the same value. */
typedef struct cbi_stretch {
    size_t from, to; /* groups */
    int moves;
} cbi_stretch;

/* For blocks of up to `steps` steps. Bits do not depend on whether it is worth it. */
CB_MUST_USE cb_status cbi_activity_init(cbi_activity *activity, const cb_cell *cell, size_t steps,
                                        cb_err *err);
void cbi_activity_fini(cbi_activity *activity);
size_t cbi_activity_bytes(const cb_cell *cell, size_t steps);
/* Begins a block; step t, with `rows` rows, each at its own count of steps since its sequence
 * began. equal: it is the same for all rows. */
void cbi_activity_begin(cbi_activity *activity, size_t first);
void cbi_activity_set(cbi_activity *activity, size_t t, const int32_t *count, size_t rows,
                      int equal);

/* The groups of step t; NULL: all move. */
static inline const unsigned char *cbi_activity_at(const cbi_activity *a, size_t t) {
    return a->periods ? a->moves + (t - a->first) * a->groups : NULL;
}
/* The next stretch from `from` on; 0: there is none. */
int cbi_activity_next(const unsigned char *moves, size_t from, size_t groups, cbi_stretch *out);

#endif
