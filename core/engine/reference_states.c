/* SPDX-License-Identifier: MIT */
/* States handed in and out of the f64 reference. */
#include <string.h>

#include "base/alloc.h"
#include "engine/reference_internal.h"

double cbi_reference_initial_value(const cb_reference *r, size_t l, size_t s, size_t row,
                                   size_t j) {
    const cbi_reference_layer *y = &r->layers[l];
    const cbi_state *state = &y->cell->states[s];
    if (y->initial[s])
        return y->initial[s][row * state->dim + j];
    if (state->learned)
        return r->weights[cbi_stack_offset(r->stack, l, state->init_param) + j];
    return state->init;
}

void cbi_reference_drop_final_gradients(cb_reference *r) {
    for (size_t l = 0; l < r->stack->layers; l++)
        for (size_t s = 0; s < r->layers[l].cell->state_count; s++) {
            cbi_free(r->layers[l].d_final[s]);
            r->layers[l].d_final[s] = NULL;
        }
}

cb_status cbi_reference_keep_initial_gradient(cb_reference *r, size_t l, double *gradient,
                                              cb_err *err) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    for (size_t s = 0; s < cell->state_count; s++) {
        size_t dim = cell->states[s].dim;
        cbi_free(y->d_initial[s]);
        y->d_initial[s] = cbi_calloc(r->steps.B * dim + 1, sizeof(double));
        if (y->d_initial[s] == NULL)
            return cbi_reference_no_memory(err);
        if (cell->d_state[s] == CBI_NONE && r->steps.T > 0)
            continue;
        for (size_t row = 0; row < r->steps.B; row++)
            for (size_t j = 0; j < dim; j++) {
                double g = r->steps.T > 0  ? y->tape[row * y->length + y->at[cell->d_state[s]] + j]
                           : y->d_final[s] ? y->d_final[s][row * dim + j]
                                           : 0;
                y->d_initial[s][row * dim + j] = g;
                if (cell->states[s].learned && !y->initial[s])
                    gradient[cbi_stack_offset(r->stack, l, cell->states[s].init_param) + j] += g;
            }
    }
    return CB_OK;
}

cb_status cb_reference_final_state(const cb_reference *r, size_t l, const char *state, double *out,
                                   cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    const cbi_reference_layer *y = &r->layers[l];
    if (r->done < CBI_REFERENCE_OUTPUT)
        return cb_fail(err, CB_EARG, "final state of '%s' without a forward pass", state);
    size_t dim = y->cell->states[s].dim;
    for (size_t row = 0; row < r->steps.B && r->steps.T == 0; row++)
        for (size_t j = 0; j < dim; j++)
            out[row * dim + j] = cbi_reference_initial_value(r, l, s, row, j);
    for (size_t t = 0; t < r->steps.T; t++)
        for (size_t row = 0; row < r->rows[t]; row++)
            memcpy(out + row * dim,
                   y->tape + (r->first[t] + row) * y->length + y->at[y->cell->states[s].next],
                   dim * sizeof *out);
    return CB_OK;
}

static cb_status copy_given(double **slot, const double *in, size_t count, cb_err *err) {
    cbi_free(*slot);
    *slot = NULL;
    if (in == NULL)
        return CB_OK;
    if ((*slot = cbi_calloc(count + 1, sizeof **slot)) == NULL)
        return cbi_reference_no_memory(err);
    memcpy(*slot, in, count * sizeof **slot);
    return CB_OK;
}

cb_status cb_reference_set_initial(cb_reference *r, size_t l, const char *state, const double *in,
                                   size_t B, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    cbi_reference_layer *y = &r->layers[l];
    y->initial_rows[s] = B;
    return copy_given(&y->initial[s], in, B * y->cell->states[s].dim, err);
}

cb_status cb_reference_set_final_gradient(cb_reference *r, size_t l, const char *state,
                                          const double *in, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    if (r->done < CBI_REFERENCE_OUTPUT)
        return cb_fail(err, CB_EARG, "gradient of the final state '%s' without a forward pass",
                       state);
    cbi_reference_layer *y = &r->layers[l];
    return copy_given(&y->d_final[s], in, r->steps.B * y->cell->states[s].dim, err);
}

cb_status cb_reference_initial_gradient(const cb_reference *r, size_t l, const char *state,
                                        double *out, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    const cbi_reference_layer *y = &r->layers[l];
    if (r->done < CBI_REFERENCE_DIFFERENTIATED)
        return cb_fail(err, CB_EARG, "initial gradient of '%s' without a backward pass", state);
    memcpy(out, y->d_initial[s], r->steps.B * y->cell->states[s].dim * sizeof *out);
    return CB_OK;
}
