/* SPDX-License-Identifier: MIT */
/*
 * The f64 reference: executes the graph of each step node by node, row by row, with plain loops.
 * It uses neither the schedule nor any kernel, so that it can judge them. Here: creation and the
 * forward pass; reference_backward.c has the backward pass, reference_states.c the states that are
 * handed in and out.
 */
#include "engine/reference.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/reference_internal.h"

void cbi_reference_freeze(cb_reference *r, int frozen) {
    r->frozen = frozen;
}

cb_status cbi_reference_no_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "reference: out of memory");
}

static cb_status layer_init(cbi_reference_layer *y, const cb_cell *cell, cb_err *err) {
    size_t P = cell->param_count + 1, S = cell->state_count;
    y->cell = cell;
    y->at = cbi_calloc(cell->graph.count, sizeof *y->at);
    y->matrix = cbi_calloc(P, sizeof *y->matrix);
    y->d_matrix = cbi_calloc(P, sizeof *y->d_matrix);
    y->map = cbi_calloc(P, sizeof *y->map);
    y->initial = cbi_calloc(S, sizeof *y->initial);
    y->initial_rows = cbi_calloc(S, sizeof *y->initial_rows);
    y->d_final = cbi_calloc(S, sizeof *y->d_final);
    y->d_initial = cbi_calloc(S, sizeof *y->d_initial);
    size_t widest = 1;
    for (size_t k = 0; k < cell->mask_count; k++)
        widest = cell->masks[k].dim > widest ? cell->masks[k].dim : widest;
    y->streams = cbi_calloc(cell->mask_count + 1, sizeof *y->streams);
    y->mask_row = cbi_calloc(widest, sizeof *y->mask_row);
    if (!y->streams || !y->mask_row || !y->at || !y->matrix || !y->d_matrix || !y->map ||
        !y->initial || !y->initial_rows || !y->d_final || !y->d_initial)
        return cbi_reference_no_memory(err);
    for (size_t i = 0; i < cell->graph.count; i++) {
        y->at[i] = y->length;
        y->length += cell->graph.node[i].dim;
    }
    for (size_t k = 0; k < cell->param_count; k++) {
        const cb_param *p = &cell->params[k];
        if (p->cols == 0)
            continue;
        size_t n = p->rows * p->cols;
        y->matrix[k] = cbi_calloc(n, sizeof(double));
        y->d_matrix[k] = cbi_calloc(n, sizeof(double));
        if (p->structure != CB_STRUCTURE_FULL)
            y->map[k] = cbi_calloc(n, sizeof(int32_t));
        if (!y->matrix[k] || !y->d_matrix[k] || (p->structure != CB_STRUCTURE_FULL && !y->map[k]))
            return cbi_reference_no_memory(err);
        if (y->map[k])
            cbi_structure_map(p, y->map[k]);
    }
    return CB_OK;
}

static void layer_fini(cbi_reference_layer *y) {
    for (size_t k = 0; y->cell && k < y->cell->param_count; k++) {
        if (y->matrix)
            cbi_free(y->matrix[k]);
        if (y->d_matrix)
            cbi_free(y->d_matrix[k]);
        if (y->map)
            cbi_free(y->map[k]);
    }
    for (size_t s = 0; y->cell && s < y->cell->state_count; s++) {
        if (y->initial)
            cbi_free(y->initial[s]);
        if (y->d_final)
            cbi_free(y->d_final[s]);
        if (y->d_initial)
            cbi_free(y->d_initial[s]);
    }
    cbi_free(y->at);
    cbi_free(y->tape);
    cbi_free(y->side);
    cbi_free(y->matrix);
    cbi_free(y->d_matrix);
    cbi_free(y->map);
    cbi_free(y->initial);
    cbi_free(y->initial_rows);
    cbi_free(y->d_final);
    cbi_free(y->d_initial);
    cbi_free(y->d_input);
    cbi_free(y->streams);
    cbi_free(y->mask_row);
}

cb_status cb_reference_create(cb_reference **out, const cb_stack *stack, cb_err *err) {
    cb_status st = CB_OK;
    *out = NULL;
    cb_reference *r = cbi_calloc(1, sizeof *r);
    if (r == NULL)
        return cbi_reference_no_memory(err);
    r->stack = stack;
    r->layers = cbi_calloc(stack->layers, sizeof *r->layers);
    r->weights = cbi_calloc(stack->weights + 1, sizeof *r->weights);
    if (r->layers == NULL || r->weights == NULL)
        st = cbi_reference_no_memory(err);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++)
        st = layer_init(&r->layers[l], stack->cells[l], err);
    if (st == CB_OK)
        *out = r;
    else
        cb_reference_destroy(r);
    return st;
}

void cb_reference_destroy(cb_reference *r) {
    if (r == NULL)
        return;
    for (size_t l = 0; r->layers && l < r->stack->layers; l++)
        layer_fini(&r->layers[l]);
    cbi_free(r->layers);
    cbi_free(r->weights);
    cbi_free(r->rows);
    cbi_free(r->first);
    cbi_free(r->mirror);
    cbi_free(r->start);
    cbi_free(r->index);
    cbi_mask_source_fini(&r->masks);
    cbi_free(r);
}

size_t cbi_reference_turned(const cb_reference *r, size_t u, size_t frame) {
    return r->stack->units[u].reverse ? r->mirror[frame] : frame;
}

/* ---- forward ---- */

static void expand(cbi_reference_layer *y, const cb_reference *r, size_t l) {
    for (uint32_t k = 0; k < y->cell->param_count; k++) {
        const cb_param *p = &y->cell->params[k];
        const double *w = r->weights + cbi_stack_offset(r->stack, l, k);
        for (size_t i = 0; i < p->rows * p->cols; i++) {
            int32_t m = y->map[k] ? y->map[k][i] : (int32_t)i + 1;
            y->matrix[k][i] = m > 0 ? w[m - 1] : m < 0 ? -w[-m - 1] : 0;
        }
    }
}

static size_t previous_frame(const cb_reference *r, size_t t, size_t row) {
    return r->first[t - 1] + row;
}

/* A value that may stand for all elements at once. */
static double element(const double *v, size_t dim, size_t j) {
    return v[dim == 1 ? 0 : j];
}

/* The masks that an engine would draw, to the bit. */
static void fill_mask(cb_reference *r, size_t l, size_t t, size_t row, uint32_t mask, double *out) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_stack_mask *m = &r->stack->masks[r->stack->first_mask[l] + mask];
    const int drawn = r->masks.drawn;
    if (drawn)
        cbi_mask_draw(m, &y->streams[mask], r->masks.sequence[row], t + r->start[row], y->mask_row);
    for (size_t j = 0; j < m->dim; j++)
        out[j] = (double)(drawn ? y->mask_row[j] : cbi_mask_expectation(m));
}

void cbi_reference_run_node(cb_reference *r, size_t l, size_t t, size_t row, size_t frame,
                            cbi_ref ref, const double *x) {
    cbi_reference_layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    const cbi_node *n = &cell->graph.node[ref];
    double *v = y->tape + frame * y->length, *out = v + y->at[ref];
    const double *a = v + y->at[n->arg[0]];
    size_t da = cell->graph.node[n->arg[0]].dim;
    switch (n->kind) {
    case CBI_NUMBER:
        out[0] = n->number;
        break;
    case CBI_INPUT:
        if (x != NULL)
            memcpy(out, x + frame * n->dim, n->dim * sizeof *out);
        break;
    case CBI_STATE:
        for (size_t j = 0; j < n->dim; j++)
            out[j] = t == 0 ? cbi_reference_initial_value(r, l, n->index, row, j)
                            : y->tape[previous_frame(r, t, row) * y->length +
                                      y->at[cell->states[n->index].next] + j];
        break;
    case CBI_LOWER: {
        const cbi_reference_layer *b = &r->layers[l - 1];
        cbi_ref value = b->cell->values[cell->reads[n->index].value].ref;
        memcpy(out, b->tape + frame * b->length + b->at[value], n->dim * sizeof *out);
        break;
    }
    case CBI_VECTOR:
        memcpy(out, r->weights + cbi_stack_offset(r->stack, l, n->index), n->dim * sizeof *out);
        break;
    case CBI_MASK:
        fill_mask(r, l, t, row, n->index, out);
        break;
    case CBI_CLOCK: {
        const cbi_list *list = &cell->lists[n->index];
        for (size_t j = 0; j < n->dim; j++)
            out[j] = (t + r->start[row]) % list->values[j / (n->dim / list->count)] == 0;
        break;
    }
    case CBI_PRODUCT: {
        const double *m = y->matrix[n->index];
        int gather = r->stack->units[l].level == 0 && r->stack->kind == CB_INPUT_INDEX &&
                     cell->graph.node[n->arg[0]].kind == CBI_INPUT;
        for (size_t i = 0; i < n->dim; i++) {
            double sum =
                gather ? m[i * da + (size_t)r->index[cbi_reference_turned(r, l, frame)]] : 0;
            for (size_t j = 0; !gather && j < da; j++)
                sum += m[i * da + j] * a[j];
            out[i] = sum;
        }
        break;
    }
    case CBI_PRODUCT_T:
        for (size_t j = 0; j < n->dim; j++) {
            double sum = 0;
            for (size_t i = 0; i < da; i++)
                sum += y->matrix[n->index][i * n->dim + j] * a[i];
            out[j] = sum;
        }
        break;
    case CBI_POINTWISE: {
        size_t db = cell->graph.node[n->arg[1]].dim, dc = cell->graph.node[n->arg[2]].dim;
        const double *b = v + y->at[n->arg[1]], *c = v + y->at[n->arg[2]];
        unsigned char *side = y->side + frame * y->length + y->at[ref];
        if (r->frozen && strcmp(n->op->name, "stop") == 0)
            break;
        for (size_t j = 0; j < n->dim; j++) {
            const double p = element(a, da, j), q = n->op->arity > 1 ? element(b, db, j) : 0,
                         s = n->op->arity > 2 ? element(c, dc, j) : 0;
            if (n->op->kink && !r->frozen)
                side[j] = n->op->kink(p, q, s) > 0;
            out[j] =
                n->op->kink && r->frozen ? n->op->piece[side[j]](p, q, s) : n->op->value(p, q, s);
        }
        break;
    }
    case CBI_SUM:
        out[0] = 0;
        for (size_t j = 0; j < da; j++)
            out[0] += a[j];
        break;
    case CBI_BROADCAST:
        for (size_t j = 0; j < n->dim; j++)
            out[j] = a[0];
        break;
    case CBI_SPREAD:
        for (size_t j = 0; j < n->dim; j++)
            out[j] = a[j / (n->dim / da)];
        break;
    case CBI_FOLD:
        memset(out, 0, n->dim * sizeof *out);
        for (size_t j = 0; j < da; j++)
            out[j / (da / n->dim)] += a[j];
        break;
    default:
        break;
    }
}

static cb_status remember(cb_reference *r, const cb_steps *steps, const int32_t *index,
                          cb_err *err) {
    int same = r->done > CBI_REFERENCE_NOTHING && r->steps.frames == steps->frames &&
               r->steps.B == steps->B;
    r->done = CBI_REFERENCE_NOTHING;
    cbi_reference_drop_final_gradients(r);
    cbi_free(r->rows);
    cbi_free(r->first);
    cbi_free(r->mirror);
    cbi_free(r->start);
    r->mirror = cbi_calloc(steps->frames + 1, sizeof *r->mirror);
    r->start = cbi_calloc(steps->B + 1, sizeof *r->start);
    r->rows = cbi_calloc(steps->T + 1, sizeof *r->rows);
    r->first = cbi_calloc(steps->T + 1, sizeof *r->first);
    if (index != NULL) {
        cbi_free(r->index);
        r->index = cbi_calloc(steps->frames + 1, sizeof *r->index);
        if (r->index == NULL)
            return cbi_reference_no_memory(err);
        memcpy(r->index, index, steps->frames * sizeof *index);
    }
    if (r->rows == NULL || r->first == NULL || r->mirror == NULL || r->start == NULL)
        return cbi_reference_no_memory(err);
    if (steps->start != NULL)
        memcpy(r->start, steps->start, steps->B * sizeof *r->start);
    size_t frame = 0;
    for (size_t t = 0; t < steps->T; t++) {
        r->rows[t] = steps->rows[t];
        r->first[t] = frame;
        frame += steps->rows[t];
    }
    for (size_t row = 0; row < steps->B; row++) {
        size_t length = 0;
        while (length < steps->T && steps->rows[length] > row)
            length++;
        for (size_t t = 0; t < length; t++)
            r->mirror[r->first[t] + row] = (uint32_t)(r->first[length - 1 - t] + row);
    }
    r->steps = *steps;
    r->steps.rows = r->rows;
    r->steps.start = r->start;
    for (size_t l = 0; l < r->stack->layers && !same; l++) {
        cbi_reference_layer *y = &r->layers[l];
        cbi_free(y->tape);
        cbi_free(y->side);
        y->tape = cbi_calloc(steps->frames * y->length + 1, sizeof *y->tape);
        y->side = cbi_calloc(steps->frames * y->length + 1, sizeof *y->side);
        if (y->tape == NULL || y->side == NULL)
            return cbi_reference_no_memory(err);
    }
    return CB_OK;
}

static double *output_of(const cbi_reference_layer *y, size_t frame) {
    return y->tape + frame * y->length + y->at[y->cell->output];
}

/* The input of a unit in its own order: the caller's, or the outputs of the level below. */
static void gather_input(const cb_reference *r, size_t l, const double *x, double *to) {
    const cbi_unit *unit = &r->stack->units[l];
    size_t I = r->layers[l].cell->I;
    for (size_t f = 0; f < r->steps.frames; f++) {
        size_t g = cbi_reference_turned(r, l, f);
        if (unit->level == 0 && x != NULL)
            memcpy(to + f * I, x + g * I, I * sizeof *to);
        for (size_t v = unit->below; v < unit->below + unit->below_count; v++)
            memcpy(to + f * I + r->stack->units[v].column,
                   output_of(&r->layers[v], cbi_reference_turned(r, v, g)),
                   cb_cell_output_dim(r->stack->cells[v]) * sizeof *to);
    }
}

static cb_status run_layer(cb_reference *r, size_t l, const double *x, cb_err *err) {
    cbi_reference_layer *y = &r->layers[l];
    for (size_t s = 0; s < y->cell->state_count; s++)
        if (y->initial[s] && y->initial_rows[s] != r->steps.B)
            return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows were given, B is %zu",
                           y->cell->states[s].name, y->initial_rows[s], r->steps.B);
    for (size_t k = 0; k < y->cell->mask_count; k++)
        y->streams[k] =
            cbi_mask_stream(&r->stack->masks[r->stack->first_mask[l] + k], r->masks.seed);
    double *input = cbi_calloc(r->steps.frames * y->cell->I + 1, sizeof *input);
    if (input == NULL)
        return cbi_reference_no_memory(err);
    gather_input(r, l, x, input);
    for (size_t t = 0; t < r->steps.T; t++)
        for (size_t row = 0; row < r->rows[t]; row++)
            for (cbi_ref i = 0; i < y->cell->forward_count; i++)
                cbi_reference_run_node(r, l, t, row, r->first[t] + row, i,
                                       y->cell->kind == CB_INPUT_DENSE ? input : NULL);
    cbi_free(input);
    return CB_OK;
}

cb_status cb_reference_forward(cb_reference *r, const cb_steps *steps, const double *w,
                               const double *x, const int32_t *index, double *y, cb_err *err) {
    cb_status st;
    if ((st = cbi_steps_check(steps, err)) != CB_OK ||
        (st = cbi_index_check(r->stack, steps, index, err)) != CB_OK ||
        (st = cbi_mask_source_check(&r->masks, steps, err)) != CB_OK ||
        (st = remember(r, steps, index, err)) != CB_OK)
        return st;
    if (r->stack->kind != CB_INPUT_DENSE)
        x = NULL;
    memcpy(r->weights, w, r->stack->weights * sizeof *w);
    for (size_t l = 0; l < r->stack->layers; l++) {
        expand(&r->layers[l], r, l);
        if ((st = run_layer(r, l, x, err)) != CB_OK)
            return st;
    }
    size_t dim = cb_stack_output_dim(r->stack);
    for (size_t l = 0; l < r->stack->layers; l++)
        for (size_t f = 0; !r->stack->units[l].above_count && f < steps->frames; f++)
            memcpy(y + cbi_reference_turned(r, l, f) * dim + r->stack->units[l].column,
                   output_of(&r->layers[l], f), cb_cell_output_dim(r->stack->cells[l]) * sizeof *y);
    r->done = CBI_REFERENCE_OUTPUT;
    return CB_OK;
}

cb_status cb_reference_set_masks(cb_reference *r, uint64_t seed, const uint64_t *sequence, size_t B,
                                 cb_err *err) {
    return cbi_mask_source_set(&r->masks, seed, sequence, B, err);
}

double cbi_reference_kink_distance(const cb_reference *r) {
    double nearest = 1e300;
    for (size_t l = 0; l < r->stack->layers; l++) {
        const cbi_reference_layer *y = &r->layers[l];
        for (size_t i = 0; i < y->cell->forward_count; i++) {
            const cbi_node *n = &y->cell->graph.node[i];
            if (n->kind != CBI_POINTWISE || n->op->kink == NULL)
                continue;
            for (size_t f = 0; f < r->steps.frames; f++) {
                const double *v = y->tape + f * y->length;
                const double *a = v + y->at[n->arg[0]], *b = v + y->at[n->arg[1]];
                size_t da = y->cell->graph.node[n->arg[0]].dim,
                       db = y->cell->graph.node[n->arg[1]].dim;
                for (size_t j = 0; j < n->dim; j++) {
                    double d = fabs(n->op->kink(element(a, da, j), element(b, db, j), 0));
                    nearest = d < nearest ? d : nearest;
                }
            }
        }
    }
    return nearest;
}
