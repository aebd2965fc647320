/* SPDX-License-Identifier: MIT */
/* Which units are updated at each step of a block. */
#include "engine/activity.h"

#include <string.h>

#include "base/alloc.h"

/* Groups of columns below which it takes longer to find out what can be left out than to compute it
 * (measured with batches of 1 and 16). */
enum { FEWEST = 4 };

static int is_worth_it(const cb_cell *cell) {
    return cell->clock != NULL && cbi_groups(cell->clock_dim) >= FEWEST;
}

size_t cbi_activity_bytes(const cb_cell *cell, size_t steps) {
    return is_worth_it(cell) ? steps * cbi_groups(cell->clock_dim) : 0;
}

cb_status cbi_activity_init(cbi_activity *a, const cb_cell *cell, size_t steps, cb_err *err) {
    *a = (cbi_activity){0};
    if (!is_worth_it(cell))
        return CB_OK;
    *a = (cbi_activity){
        .periods = cell->clock, .dim = cell->clock_dim, .groups = cbi_groups(cell->clock_dim)};
    if ((a->moves = cbi_calloc(steps, a->groups)) == NULL)
        return cb_fail(err, CB_ENOMEM, "engine: out of memory");
    return CB_OK;
}

void cbi_activity_fini(cbi_activity *a) {
    cbi_free(a->moves);
    *a = (cbi_activity){0};
}

void cbi_activity_begin(cbi_activity *a, size_t first) {
    a->first = first;
}

static int is_updated(uint32_t period, const int32_t *count, size_t rows) {
    for (size_t r = 0; r < rows; r++)
        if ((uint32_t)count[r] % period == 0)
            return 1;
    return 0;
}

void cbi_activity_set(cbi_activity *a, size_t t, const int32_t *count, size_t rows, int equal) {
    if (a->periods == NULL)
        return;
    const size_t modules = a->periods->count, units = a->dim / modules;
    unsigned char *moves = a->moves + (t - a->first) * a->groups;
    memset(moves, 0, a->groups);
    for (size_t k = 0; k < modules; k++) {
        const size_t from = k * units / CBI_LANES, to = cbi_groups((k + 1) * units);
        if (is_updated(a->periods->values[k], count, equal && rows ? 1 : rows))
            memset(moves + from, 1, to - from);
    }
}

int cbi_activity_next(const unsigned char *moves, size_t from, size_t groups, cbi_stretch *out) {
    if (from >= groups)
        return 0;
    size_t to = from + 1;
    while (to < groups && moves[to] == moves[from])
        to++;
    *out = (cbi_stretch){from, to, moves[from]};
    return 1;
}
