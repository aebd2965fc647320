/* SPDX-License-Identifier: MIT */
/* States handed in and out of the f32 engine. */
#include <string.h>

#include "base/alloc.h"
#include "engine/engine_internal.h"

cb_status cb_engine_final_state(const cb_engine *e, size_t layer, const char *state, float *out,
                                cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    if (e->done < CBI_OUTPUT)
        return cb_fail(err, CB_EARG, "final state of '%s' without a forward pass", state);
    const cbi_plane *p = &e->layers[layer].state[s];
    for (size_t r = 0; r < e->steps.B; r++) {
        size_t t = e->steps.T;
        while (t > 0 && e->rows[t - 1] <= r)
            t--;
        const float *row =
            t ? p->data + (e->first[t - 1] + r) * p->ld : p->data - (e->steps.B - r) * p->ld;
        memcpy(out + r * p->dim, row, p->dim * sizeof *out);
    }
    return CB_OK;
}

/* ---- what is handed in: copied into room that stays, since truncated back-propagation hands in
 * every state before every chunk ---- */

void cbi_handed_fini(cbi_handed *h) {
    cbi_free(h->initial);
    cbi_free(h->given);
    cbi_free(h->d_final);
    *h = (cbi_handed){0};
}

static cb_status take_floats(float **room, size_t *capacity, const float *in, size_t count,
                             cb_err *err) {
    cb_status st = cbi_grow((void **)room, capacity, count + 1, sizeof **room);
    if (st == CB_ESHAPE)
        return cb_fail(err, st, "engine: a state of %zu floats overflows", count);
    if (st != CB_OK)
        return cbi_engine_no_memory(err);
    memcpy(*room, in, count * sizeof **room);
    return CB_OK;
}

/* given NULL: all rows. */
static cb_status take_given(cbi_handed *h, const unsigned char *given, size_t B, cb_err *err) {
    if (cbi_grow((void **)&h->given, &h->given_capacity, B + 1, 1) != CB_OK)
        return cbi_engine_no_memory(err);
    if (given != NULL)
        memcpy(h->given, given, B);
    else
        memset(h->given, 1, B);
    return CB_OK;
}

int cbi_is_given_row(const cbi_layer *y, size_t state, size_t row) {
    return y->handed[state].has_initial && y->handed[state].given[row];
}

void cbi_drop_final_gradients(cb_engine *e) {
    for (size_t l = 0; l < e->stack->layers; l++)
        for (size_t s = 0; s < e->layers[l].cell->state_count; s++)
            e->layers[l].handed[s].has_final = 0;
}

cb_status cb_engine_set_initial_rows(cb_engine *e, size_t layer, const char *state, const float *in,
                                     const unsigned char *given, size_t B, cb_err *err) {
    size_t s, count;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    cbi_layer *y = &e->layers[layer];
    cbi_handed *h = &y->handed[s];
    if (cb_size_mul(B, y->state[s].dim, &count) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows overflow", state, B);
    h->has_initial = 0; /* nor the last one, should this fail */
    h->rows = B;
    if (in == NULL)
        return CB_OK;
    st = take_given(h, given, B, err);
    if (st == CB_OK)
        st = take_floats(&h->initial, &h->initial_capacity, in, count, err);
    h->has_initial = st == CB_OK;
    return st;
}

cb_status cb_engine_set_initial(cb_engine *e, size_t layer, const char *state, const float *in,
                                size_t B, cb_err *err) {
    return cb_engine_set_initial_rows(e, layer, state, in, NULL, B, err);
}

cb_status cb_engine_set_final_gradient(cb_engine *e, size_t layer, const char *state,
                                       const float *in, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    if (e->done < CBI_KEPT_ALL)
        return cb_fail(err, CB_EARG,
                       "gradient of the final state '%s' without a forward pass with keep", state);
    cbi_handed *h = &e->layers[layer].handed[s];
    h->has_final = 0;
    if (in == NULL)
        return CB_OK;
    st = take_floats(&h->d_final, &h->final_capacity, in,
                     e->steps.B * e->layers[layer].state[s].dim, err);
    h->has_final = st == CB_OK;
    return st;
}

cb_status cb_engine_initial_gradient(const cb_engine *e, size_t layer, const char *state,
                                     float *out, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    const cbi_plane *p = &e->layers[layer].carry_in[s];
    if (e->done < CBI_DIFFERENTIATED)
        return cb_fail(err, CB_EARG, "initial gradient of '%s' without a backward pass", state);
    for (size_t r = 0; r < e->steps.B; r++)
        memcpy(out + r * p->dim, p->data + r * p->ld, p->dim * sizeof *out);
    return CB_OK;
}
