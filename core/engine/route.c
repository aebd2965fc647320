/* SPDX-License-Identifier: MIT */
/*
 * What passes between the units of a stack. A unit that reads one forward unit reads its plane as
 * it stands. Everything else is copied: into the order of a unit that runs backwards, side by side
 * where a layer has two directions, with elements dropped in training.
 *
 * Orders. A level's rows stand in the order of the sequences; a unit that runs backwards keeps its
 * own rows mirrored within each sequence. The mirror is its own inverse.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "engine/engine_internal.h"

cbi_plane *cbi_output_plane(cbi_layer *y) {
    cbi_row_base base;
    return cbi_layer_plane(y, 0, CBI_LOOP, y->cell->forward.map[y->cell->output], &base);
}

cbi_plane *cbi_input_gradient(cbi_layer *y, cbi_ref *node) {
    cbi_row_base base;
    if (y->cell->d_input == CBI_NONE)
        return NULL;
    *node = y->cell->backward.map[y->cell->d_input];
    return cbi_layer_plane(y, 1, CBI_AFTER, *node, &base);
}

/* Between a unit's own order and its level's. */
static size_t turned(const cb_engine *e, size_t u, size_t frame) {
    return e->stack->units[u].reverse ? e->mirror[frame] : frame;
}

static int has_reverse(const cb_stack *s) {
    for (size_t u = 0; u < s->layers; u++)
        if (s->units[u].reverse)
            return 1;
    return 0;
}

/* The units whose outputs, side by side, are the output of the stack. */
static size_t first_of_top(const cb_stack *s) {
    return s->layers - 1 - (size_t)s->units[s->layers - 1].reverse;
}

static int top_is_direct(const cb_stack *s) {
    return !s->units[s->layers - 1].reverse;
}

/* Row r has as many steps as there are steps with more than r rows. */
static void fill_mirror(cb_engine *e) {
    size_t length = e->steps.T;
    for (size_t r = 0; r < e->steps.B; r++) {
        while (length > 0 && e->rows[length - 1] <= r)
            length--;
        for (size_t t = 0; t < length; t++)
            e->mirror[e->first[t] + r] = (uint32_t)(e->first[length - 1 - t] + r);
    }
}

/* A plane that no cell's layout has given its width. */
static cb_status reserve(cbi_plane *p, size_t dim, size_t rows, cb_err *err) {
    p->dim = dim;
    p->ld = cbi_padded(dim);
    return cbi_plane_reserve(p, rows, 0, err);
}

static int drops(const cb_engine *e, size_t u, int keep) {
    return keep && e->dropout > 0 && e->stack->units[u].level > 0;
}

cb_status cbi_route_prepare(cb_engine *e, const int32_t *index, int keep, cb_err *err) {
    const cb_stack *s = e->stack;
    size_t frames = e->steps.frames;
    cb_status st = CB_OK;
    if (has_reverse(s)) {
        if (cbi_grow((void **)&e->mirror, &e->mirror_capacity, frames + 1, sizeof *e->mirror))
            return cbi_engine_no_memory(err);
        fill_mirror(e);
    }
    if (s->kind == CB_INPUT_INDEX) {
        if (cbi_grow((void **)&e->index, &e->index_capacity, frames + 1, sizeof *e->index) ||
            cbi_grow((void **)&e->mirrored_index, &e->mirrored_capacity, frames + 1,
                     sizeof *e->mirrored_index))
            return cbi_engine_no_memory(err);
        memcpy(e->index, index, frames * sizeof *index);
        for (size_t f = 0; s->layers > 1 && s->units[1].reverse && f < frames; f++)
            e->mirrored_index[f] = index[e->mirror[f]];
    }
    for (size_t u = 0; st == CB_OK && u < s->layers; u++)
        if (drops(e, u, keep)) {
            st = reserve(&e->layers[u].mask, e->layers[u].cell->I, frames, err);
            /* The input is no longer the plane of the layer below. */
            if (st == CB_OK)
                st = cbi_plane_reserve(&e->layers[u].x, frames, 0, err);
        }
    if (st == CB_OK && !top_is_direct(s)) {
        st = reserve(&e->out, cb_stack_output_dim(s), frames, err);
        if (st == CB_OK && keep)
            st = reserve(&e->d_out, cb_stack_output_dim(s), frames, err);
    }
    return st;
}

void cbi_route_fini(cb_engine *e) {
    cbi_free(e->mirror);
    cbi_free(e->mirrored_index);
    cbi_aligned_free(e->out.memory);
    cbi_aligned_free(e->d_out.memory);
}

/* ---- forward ---- */

/* Rows of n floats; in one piece where they stand so on both sides. */
static void copy_rows(float *to, size_t ldt, const float *from, size_t ldf, size_t rows, size_t n) {
    if (ldt == n && ldf == n && rows > 0) {
        memcpy(to, from, rows * n * sizeof *to);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * ldt, from + r * ldf, n * sizeof *to);
}

static void copy_callers(cb_engine *e, size_t u, const float *x, size_t ldx) {
    cbi_plane *to = &e->layers[u].x;
    if (!e->stack->units[u].reverse) {
        copy_rows(to->data, to->ld, x, ldx, e->steps.frames, to->dim);
        return;
    }
    for (size_t f = 0; f < e->steps.frames; f++)
        memcpy(to->data + f * to->ld, x + turned(e, u, f) * ldx, to->dim * sizeof *x);
}

static void copy_below(cb_engine *e, size_t u) {
    const cbi_unit *unit = &e->stack->units[u];
    cbi_plane *to = &e->layers[u].x;
    to->data = to->memory;
    for (size_t v = unit->below; v < unit->below + unit->below_count; v++) {
        const cbi_plane *from = cbi_output_plane(&e->layers[v]);
        size_t column = e->stack->units[v].column;
        for (size_t f = 0; f < e->steps.frames; f++)
            memcpy(to->data + f * to->ld + column,
                   from->data + turned(e, v, turned(e, u, f)) * from->ld,
                   from->dim * sizeof(float));
    }
}

/* As if n numbers had been drawn already. */
static void skip_draws(cb_random *random, uint64_t n) {
    enum { WORDS = sizeof random->block / sizeof *random->block };
    random->position += n / WORDS;
    for (n %= WORDS; n > 0; n--)
        cb_random_u32(random);
}

/* Masks are drawn in the order of the level, so that both directions of a layer see the same. */
static void drop(cb_engine *e, size_t u) {
    cbi_plane *x = &e->layers[u].x, *mask = &e->layers[u].mask;
    const float scale = (float)(1 / (1 - e->dropout));
    const uint32_t limit = (uint32_t)(e->dropout * 4294967296.0);
    char purpose[48];
    snprintf(purpose, sizeof purpose, "dropout/%zu", e->stack->units[u].level);
    cb_random random = cb_random_stream(e->dropout_seed, purpose, e->dropout_pass);
    skip_draws(&random, (uint64_t)e->steps.before * x->dim);
    for (size_t g = 0; g < e->steps.frames; g++) {
        size_t f = turned(e, u, g);
        for (size_t j = 0; j < x->dim; j++) {
            float factor = cb_random_u32(&random) < limit ? 0.0f : scale;
            mask->data[f * mask->ld + j] = factor;
            x->data[f * x->ld + j] *= factor;
        }
    }
}

void cbi_route_input(cb_engine *e, size_t u, const float *x, size_t ldx, int keep) {
    cbi_layer *y = &e->layers[u];
    const cbi_unit *unit = &e->stack->units[u];
    y->index = unit->reverse ? e->mirrored_index : e->index;
    if (unit->level == 0) {
        if (e->stack->kind == CB_INPUT_DENSE)
            copy_callers(e, u, x, ldx);
    } else if (unit->direct && !drops(e, u, keep)) {
        y->x.data = cbi_output_plane(y->below)->data;
    } else {
        copy_below(e, u);
    }
    if (drops(e, u, keep))
        drop(e, u);
}

static cb_rows rows_of(const cbi_plane *p) {
    return (cb_rows){p->data, p->ld, p->dim};
}

cb_rows cbi_route_output(cb_engine *e) {
    const cb_stack *s = e->stack;
    if (top_is_direct(s))
        return rows_of(cbi_output_plane(&e->layers[s->layers - 1]));
    for (size_t u = first_of_top(s); u < s->layers; u++) {
        const cbi_plane *from = cbi_output_plane(&e->layers[u]);
        for (size_t f = 0; f < e->steps.frames; f++)
            memcpy(e->out.data + f * e->out.ld + s->units[u].column,
                   from->data + turned(e, u, f) * from->ld, from->dim * sizeof(float));
    }
    return rows_of(&e->out);
}

/* ---- backward ---- */

cb_rows cbi_route_output_gradient(cb_engine *e) {
    const cb_stack *s = e->stack;
    return rows_of(top_is_direct(s) ? &e->layers[s->layers - 1].dy : &e->d_out);
}

static void take_from_caller(cb_engine *e, size_t u) {
    cbi_plane *dy = &e->layers[u].dy;
    for (size_t f = 0; f < e->steps.frames; f++)
        memcpy(dy->data + f * dy->ld,
               e->d_out.data + turned(e, u, f) * e->d_out.ld + e->stack->units[u].column,
               dy->dim * sizeof(float));
}

static void add_from_above(cb_engine *e, size_t u, size_t above, const cbi_plane *from) {
    cbi_plane *dy = &e->layers[u].dy;
    const cbi_plane *mask = &e->layers[above].mask;
    int dropped = drops(e, above, 1);
    size_t column = e->stack->units[u].column;
    for (size_t f = 0; f < e->steps.frames; f++) {
        size_t g = turned(e, above, turned(e, u, f));
        const float *d = from->data + g * from->ld + column;
        const float *m = dropped ? mask->data + g * mask->ld + column : NULL;
        for (size_t j = 0; j < dy->dim; j++)
            dy->data[f * dy->ld + j] += m ? m[j] * d[j] : d[j];
    }
}

cb_status cbi_route_gradient(cb_engine *e, size_t u, cb_err *err) {
    const cbi_unit *unit = &e->stack->units[u];
    cbi_layer *y = &e->layers[u];
    cbi_ref node;
    if (unit->above_count == 0) {
        if (!top_is_direct(e->stack))
            take_from_caller(e, u);
        return CB_OK;
    }
    int direct = y->above != NULL && !drops(e, unit->above, 1);
    const cbi_plane *from = direct ? cbi_input_gradient(y->above, &node) : NULL;
    if (from != NULL) {
        y->dy.data = from->data;
        return CB_OK;
    }
    /* Several readers are added; a reader that does not look at its input adds nothing. */
    cb_status st = cbi_plane_reserve(&y->dy, e->steps.frames, 0, err);
    if (st != CB_OK)
        return st;
    memset(y->dy.data, 0, e->steps.frames * y->dy.ld * sizeof(float));
    for (size_t v = unit->above; v < unit->above + unit->above_count; v++)
        if ((from = cbi_input_gradient(&e->layers[v], &node)) != NULL)
            add_from_above(e, u, v, from);
    return CB_OK;
}

cbi_plane *cbi_route_lend(cb_engine *e, float *dx, size_t lddx) {
    const cb_stack *s = e->stack;
    cbi_layer *y = &e->layers[0];
    cbi_ref node;
    cbi_plane *own = cbi_input_gradient(y, &node);
    if (dx == NULL || own == NULL || (s->layers > 1 && s->units[1].reverse))
        return NULL;
    const cbi_pass_node *n = &y->cell->backward.node[node];
    const int is_its_own =
        n->home == CBI_HOME_SEQUENCE && n->storage == node && own == &y->backward[node];
    enum { LINE = CBI_LANES * sizeof(float) };
    if (!is_its_own || own->ld != s->I || own->ld != lddx || (uintptr_t)dx % LINE != 0)
        return NULL;
    own->data = dx;
    return own;
}

void cbi_route_input_gradient(cb_engine *e, float *dx, size_t lddx) {
    const cb_stack *s = e->stack;
    const int two = s->layers > 1 && s->units[1].reverse;
    cbi_ref node;
    const cbi_plane *from = cbi_input_gradient(&e->layers[0], &node);
    if (from != NULL)
        copy_rows(dx, lddx, from->data, from->ld, e->steps.frames, s->I);
    else
        for (size_t f = 0; f < e->steps.frames; f++)
            memset(dx + f * lddx, 0, s->I * sizeof *dx);
    from = two ? cbi_input_gradient(&e->layers[1], &node) : NULL;
    for (size_t f = 0; from != NULL && f < e->steps.frames; f++)
        for (size_t j = 0; j < s->I; j++)
            dx[f * lddx + j] += from->data[turned(e, 1, f) * from->ld + j];
}
