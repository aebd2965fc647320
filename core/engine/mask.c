/* SPDX-License-Identifier: MIT */
/*
 * Masks. A row of a mask starts at a place of its stream that follows from its sequence and step
 * alone: so it can be drawn in any order, and again.
 */
#include "engine/mask.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/masks.h"
#include "engine/engine_internal.h"

cb_status cbi_mask_source_set(cbi_mask_source *s, uint64_t seed, const uint64_t *sequence, size_t B,
                              cb_err *err) {
    s->drawn = 0;
    if (sequence == NULL)
        return CB_OK;
    if (cbi_grow((void **)&s->sequence, &s->capacity, B + 1, sizeof *s->sequence) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "masks: out of memory");
    memcpy(s->sequence, sequence, B * sizeof *sequence);
    s->seed = seed;
    s->B = B;
    s->drawn = 1;
    return CB_OK;
}

void cbi_mask_source_fini(cbi_mask_source *s) {
    cbi_free(s->sequence);
    *s = (cbi_mask_source){0};
}

cb_status cbi_mask_source_check(const cbi_mask_source *s, const cb_steps *steps, cb_err *err) {
    const int goes_on = steps->before > 0; /* those that have ended are named, too */
    if (s->drawn && (goes_on ? s->B < steps->B : s->B != steps->B))
        return cb_fail(err, CB_ESHAPE, "masks: %zu sequences were named, B is %zu", s->B, steps->B);
    return CB_OK;
}

int cbi_mask_is_of_sequence(const cb_stack_mask *m) {
    return m->kind == CB_MASK_INPUT || m->kind == CB_MASK_STATE;
}

float cbi_mask_expectation(const cb_stack_mask *m) {
    return m->kind == CB_MASK_ZONE ? (float)m->rate : 1;
}

cb_random cbi_mask_stream(const cb_stack_mask *m, uint64_t seed) {
    char purpose[sizeof m->name + 8];
    snprintf(purpose, sizeof purpose, "mask/%s", m->name);
    return cb_random_stream(seed, purpose, 0);
}

void cbi_mask_draw(const cb_stack_mask *m, const cb_random *stream, uint64_t sequence, uint64_t t,
                   float *out) {
    const int zones = m->kind == CB_MASK_ZONE;
    cb_random at = *stream;
    at.index = sequence;
    at.position =
        cbi_mask_is_of_sequence(m) ? 0 : t * ((m->dim + CBI_MASK_BLOCK - 1) / CBI_MASK_BLOCK);
    cbi_random_mask(&at, m->rate, zones ? 1 : 0, zones ? 0 : (float)(1 / (1 - m->rate)), out,
                    m->dim);
}

/* ---- the engine's planes ---- */

/* Every element of the rows that are not so yet. */
static void fill_expectation(cbi_mask_plane *p, const cb_stack_mask *m, size_t frames) {
    const float value = cbi_mask_expectation(m);
    for (size_t i = p->expected * p->plane.ld; i < frames * p->plane.ld; i++)
        p->plane.data[i] = value;
    p->expected = frames > p->expected ? frames : p->expected;
}

static void draw_plane(const cb_engine *e, cbi_mask_plane *p, const cb_stack_mask *m) {
    const cb_random stream = cbi_mask_stream(m, e->masks.seed);
    const size_t ld = p->plane.ld;
    float *row = p->plane.data;
    p->expected = 0;
    for (size_t t = 0; t < e->steps.T; t++)
        for (size_t r = 0; r < e->rows[t]; r++, row += ld)
            if (t > 0 && cbi_mask_is_of_sequence(m))
                memcpy(row, p->plane.data + r * ld, m->dim * sizeof *row);
            else
                cbi_mask_draw(m, &stream, e->masks.sequence[r],
                              (uint64_t)e->step_of_row[e->first[t] + r], row);
}

cb_status cbi_masks_fill(cb_engine *e, size_t u, int keep, cb_err *err) {
    cbi_layer *y = &e->layers[u];
    for (size_t k = 0; k < y->cell->mask_count; k++) {
        const cb_stack_mask *m = &e->stack->masks[e->stack->first_mask[u] + k];
        cbi_mask_plane *p = &y->masks[k];
        const size_t had = p->plane.capacity;
        cb_status st = cbi_plane_reserve(&p->plane, e->steps.frames, 0, err);
        if (st != CB_OK)
            return st;
        if (p->plane.capacity != had)
            p->expected = 0;
        if (keep && e->masks.drawn)
            draw_plane(e, p, m);
        else
            fill_expectation(p, m, e->steps.frames);
    }
    return CB_OK;
}

size_t cbi_masks_floats(const cb_cell *cell) {
    size_t floats = 0;
    for (size_t k = 0; k < cell->mask_count; k++)
        floats += cbi_padded(cell->masks[k].dim);
    return floats;
}

cb_status cb_engine_set_masks(cb_engine *e, uint64_t seed, const uint64_t *sequence, size_t B,
                              cb_err *err) {
    return cbi_mask_source_set(&e->masks, seed, sequence, B, err);
}
