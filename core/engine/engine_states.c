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

static cb_status take_rows(float **slot, const float *in, size_t count, cb_err *err) {
    cbi_free(*slot);
    *slot = NULL;
    if (in == NULL)
        return CB_OK;
    if ((*slot = cbi_calloc(count + 1, sizeof **slot)) == NULL)
        return cbi_engine_no_memory(err);
    memcpy(*slot, in, count * sizeof **slot);
    return CB_OK;
}

int cbi_is_given_row(const cbi_layer *y, size_t state, size_t row) {
    return y->initial[state] != NULL && (y->given[state] == NULL || y->given[state][row]);
}

void cbi_drop_final_gradients(cb_engine *e) {
    for (size_t l = 0; l < e->stack->layers; l++)
        for (size_t s = 0; s < e->layers[l].cell->state_count; s++) {
            cbi_free(e->layers[l].d_final[s]);
            e->layers[l].d_final[s] = NULL;
        }
}

cb_status cb_engine_set_initial_rows(cb_engine *e, size_t layer, const char *state, const float *in,
                                     const unsigned char *given, size_t B, cb_err *err) {
    size_t s, count;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    cbi_layer *y = &e->layers[layer];
    if (cb_size_mul(B, y->state[s].dim, &count) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows overflow", state, B);
    cbi_free(y->given[s]);
    y->given[s] = NULL;
    if (in != NULL && given != NULL) {
        if ((y->given[s] = cbi_calloc(B + 1, 1)) == NULL)
            return cbi_engine_no_memory(err);
        memcpy(y->given[s], given, B);
    }
    y->initial_rows[s] = B;
    return take_rows(&y->initial[s], in, count, err);
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
    return take_rows(&e->layers[layer].d_final[s], in, e->steps.B * e->layers[layer].state[s].dim,
                     err);
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
