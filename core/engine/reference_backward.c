/* SPDX-License-Identifier: MIT */
/* The backward pass of the f64 reference: the nodes of the graph behind the forward ones. */
#include <string.h>

#include "base/alloc.h"
#include "engine/reference_internal.h"

static void add_sinks(cb_reference *r, size_t l, size_t frame, double *gradient) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    const double *v = y->tape + frame * y->length;
    for (size_t k = 0; k < cell->matrix_sink_count; k++) {
        const cbi_matrix_sink *s = &cell->matrix_sinks[k];
        const cb_param *p = &cell->params[s->param];
        const double *g = v + y->at[s->gradient], *a = v + y->at[s->operand];
        double *d = y->d_matrix[s->param];
        if (r->stack->units[l].level == 0 && r->stack->kind == CB_INPUT_INDEX &&
            cell->graph.node[s->operand].kind == CBI_INPUT) {
            for (size_t i = 0; i < p->rows; i++)
                d[i * p->cols + (size_t)r->index[cbi_reference_turned(r, l, frame)]] += g[i];
            continue;
        }
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->cols; j++)
                d[i * p->cols + j] += g[i] * a[j];
    }
    for (size_t k = 0; k < cell->vector_sink_count; k++) {
        const cbi_vector_sink *s = &cell->vector_sinks[k];
        double *d = gradient + cbi_stack_offset(r->stack, l, s->param);
        for (size_t j = 0; j < cell->params[s->param].rows; j++)
            d[j] += v[y->at[s->gradient] + j];
    }
}

/* Gradients that arrive in a step: from above, from the step after, from the layer above. */
static void set_incoming(cb_reference *r, size_t l, size_t t, size_t row, const double *dy) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    size_t frame = r->first[t] + row;
    double *v = y->tape + frame * y->length;
    int last = t + 1 == r->steps.T || row >= r->rows[t + 1];
    for (cbi_ref i = 0; i < cell->graph.count; i++) {
        const cbi_node *n = &cell->graph.node[i];
        double *out = v + y->at[i];
        if (n->kind == CBI_D_OUTPUT) {
            memcpy(out, dy + frame * n->dim, n->dim * sizeof *out);
        } else if (n->kind == CBI_D_STATE) {
            cbi_ref d = cell->d_state[n->index];
            for (size_t j = 0; j < n->dim; j++) {
                if (last)
                    out[j] = y->d_final[n->index] ? y->d_final[n->index][row * n->dim + j] : 0;
                else
                    out[j] = d == CBI_NONE
                                 ? 0
                                 : y->tape[(r->first[t + 1] + row) * y->length + y->at[d] + j];
            }
        } else if (n->kind == CBI_D_UPPER) {
            const cbi_reference_layer *u = &r->layers[l + 1];
            cbi_ref d = u->cell->d_lower[n->index];
            for (size_t j = 0; j < n->dim; j++)
                out[j] = d == CBI_NONE ? 0 : u->tape[frame * u->length + u->at[d] + j];
        }
    }
}

static cb_status backward_layer(cb_reference *r, size_t l, const double *dy, double *gradient,
                                cb_err *err) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    for (uint32_t k = 0; k < cell->param_count; k++)
        if (y->d_matrix[k])
            memset(y->d_matrix[k], 0, cell->params[k].rows * cell->params[k].cols * sizeof(double));
    for (size_t t = r->steps.T; t-- > 0;)
        for (size_t row = 0; row < r->rows[t]; row++) {
            size_t frame = r->first[t] + row;
            set_incoming(r, l, t, row, dy);
            for (cbi_ref i = (cbi_ref)cell->forward_count; i < cell->graph.count; i++)
                cbi_reference_run_node(r, l, t, row, frame, i, NULL);
            add_sinks(r, l, frame, gradient);
        }
    for (uint32_t k = 0; k < cell->param_count; k++) {
        const cb_param *p = &cell->params[k];
        double *g = gradient + cbi_stack_offset(r->stack, l, k);
        for (size_t i = 0; i < p->rows * p->cols; i++) {
            int32_t m = y->map[k] ? y->map[k][i] : (int32_t)i + 1;
            if (m > 0)
                g[m - 1] += y->d_matrix[k][i];
            else if (m < 0)
                g[-m - 1] -= y->d_matrix[k][i];
        }
    }
    cbi_free(y->d_input);
    y->d_input = cbi_calloc(r->steps.frames * cell->I + 1, sizeof(double));
    if (y->d_input == NULL)
        return cbi_reference_no_memory(err);
    for (size_t f = 0; f < r->steps.frames && cell->d_input != CBI_NONE; f++)
        memcpy(y->d_input + f * cell->I, y->tape + f * y->length + y->at[cell->d_input],
               cell->I * sizeof(double));
    return cbi_reference_keep_initial_gradient(r, l, gradient, err);
}

/* The gradient of a unit's output in its own order: the caller's, or what the units above sent. */
static void gather_gradient(const cb_reference *r, size_t l, const double *dy, double *to) {
    const cbi_unit *unit = &r->stack->units[l];
    size_t dim = cb_cell_output_dim(r->stack->cells[l]), top = cb_stack_output_dim(r->stack);
    for (size_t f = 0; f < r->steps.frames; f++) {
        size_t g = cbi_reference_turned(r, l, f);
        for (size_t j = 0; j < dim; j++) {
            double sum = unit->above_count ? 0 : dy[g * top + unit->column + j];
            for (size_t v = unit->above; v < unit->above + unit->above_count; v++)
                sum += r->layers[v].d_input[cbi_reference_turned(r, v, g) * r->layers[v].cell->I +
                                            unit->column + j];
            to[f * dim + j] = sum;
        }
    }
}

static void add_input_gradient(const cb_reference *r, double *dx) {
    size_t I = r->stack->I;
    memset(dx, 0, r->steps.frames * I * sizeof *dx);
    for (size_t l = 0; l < r->stack->layers && r->stack->units[l].level == 0; l++)
        for (size_t f = 0; f < r->steps.frames; f++)
            for (size_t j = 0; j < I; j++)
                dx[cbi_reference_turned(r, l, f) * I + j] += r->layers[l].d_input[f * I + j];
}

cb_status cb_reference_backward(cb_reference *r, const double *dy, double *gradient, double *dx,
                                cb_err *err) {
    if (r->done < CBI_REFERENCE_OUTPUT)
        return cb_fail(err, CB_EARG, "backward without a forward pass");
    memset(gradient, 0, r->stack->weights * sizeof *gradient);
    for (size_t l = r->stack->layers; l-- > 0;) {
        size_t dim = cb_cell_output_dim(r->stack->cells[l]);
        double *own = cbi_calloc(r->steps.frames * dim + 1, sizeof *own);
        if (own == NULL)
            return cbi_reference_no_memory(err);
        gather_gradient(r, l, dy, own);
        cb_status st = backward_layer(r, l, own, gradient, err);
        cbi_free(own);
        if (st != CB_OK)
            return st;
    }
    cbi_reference_drop_final_gradients(r);
    r->done = CBI_REFERENCE_DIFFERENTIATED;
    if (dx != NULL && r->stack->kind == CB_INPUT_DENSE)
        add_input_gradient(r, dx);
    return CB_OK;
}
