/* SPDX-License-Identifier: MIT */
/*
 * The f64 reference: executes the graph of each step node by node, row by row, with plain loops.
 * It uses neither the schedule nor any kernel, so that it can judge them.
 */
#include "engine/reference.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/mask.h"

typedef struct layer {
    const cb_cell *cell;
    size_t *at;          /* [nodes] offset of a node's value in a row of the tape */
    size_t length;       /* of a row: forward and backward nodes */
    double *tape;        /* [frames][length] */
    unsigned char *side; /* [frames][length] of operations with a kink, on which side they stood */
    double **matrix;     /* [params] effective matrices, dense */
    double **d_matrix;
    int32_t **map;    /* [params] structures, NULL if full */
    double **initial; /* [states] given, [B][dim], or NULL */
    size_t *initial_rows;
    double **d_final;   /* [states] given, or NULL */
    double **d_initial; /* [states] [B][dim], result */
    double *d_input;    /* [frames][I] */
    cb_random *streams; /* [masks] of the pass at hand */
    float *mask_row;    /* [widest mask] */
} layer;

/* What has been run, each including those before it; a refused call leaves NOTHING. */
typedef enum progress { NOTHING = 0, OUTPUT, DIFFERENTIATED } progress;

struct cb_reference {
    const cb_stack *stack;
    layer *layers;
    cb_steps steps;
    uint32_t *rows;
    size_t *first;    /* [T]: first frame of each step */
    uint32_t *mirror; /* [frames]: the frame of the same sequence counted from its end */
    uint32_t *start;  /* [B]: t of each sequence's first step */
    double *weights;
    int32_t *index;
    int frozen;
    cbi_mask_source masks;
    progress done;
};

void cbi_reference_freeze(cb_reference *r, int frozen) {
    r->frozen = frozen;
}

static cb_status no_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "reference: out of memory");
}

static cb_status layer_init(layer *y, const cb_cell *cell, cb_err *err) {
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
        return no_memory(err);
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
            return no_memory(err);
        if (y->map[k])
            cbi_structure_map(p, y->map[k]);
    }
    return CB_OK;
}

static void layer_fini(layer *y) {
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
        return no_memory(err);
    r->stack = stack;
    r->layers = cbi_calloc(stack->layers, sizeof *r->layers);
    r->weights = cbi_calloc(stack->weights + 1, sizeof *r->weights);
    if (r->layers == NULL || r->weights == NULL)
        st = no_memory(err);
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

/* Between a unit's own order of frames and that of its level. */
static size_t turned(const cb_reference *r, size_t u, size_t frame) {
    return r->stack->units[u].reverse ? r->mirror[frame] : frame;
}

/* ---- forward ---- */

static void expand(layer *y, const cb_reference *r, size_t l) {
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

static double initial_value(const cb_reference *r, size_t l, size_t s, size_t row, size_t j) {
    const layer *y = &r->layers[l];
    const cbi_state *state = &y->cell->states[s];
    if (y->initial[s])
        return y->initial[s][row * state->dim + j];
    if (state->learned)
        return r->weights[cbi_stack_offset(r->stack, l, state->init_param) + j];
    return state->init;
}

/* A value that may stand for all elements at once. */
static double element(const double *v, size_t dim, size_t j) {
    return v[dim == 1 ? 0 : j];
}

/* The masks that an engine would draw, to the bit. */
static void fill_mask(cb_reference *r, size_t l, size_t t, size_t row, uint32_t mask, double *out) {
    layer *y = &r->layers[l];
    const cb_stack_mask *m = &r->stack->masks[r->stack->first_mask[l] + mask];
    const int drawn = r->masks.drawn;
    if (drawn)
        cbi_mask_draw(m, &y->streams[mask], r->masks.sequence[row], t + r->start[row], y->mask_row);
    for (size_t j = 0; j < m->dim; j++)
        out[j] = (double)(drawn ? y->mask_row[j] : cbi_mask_expectation(m));
}

static void run_node(cb_reference *r, size_t l, size_t t, size_t row, size_t frame, cbi_ref ref,
                     const double *x) {
    layer *y = &r->layers[l];
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
            out[j] = t == 0 ? initial_value(r, l, n->index, row, j)
                            : y->tape[previous_frame(r, t, row) * y->length +
                                      y->at[cell->states[n->index].next] + j];
        break;
    case CBI_LOWER: {
        const layer *b = &r->layers[l - 1];
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
            double sum = gather ? m[i * da + (size_t)r->index[turned(r, l, frame)]] : 0;
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

/* They belong to one forward pass, and are used once. */
static void drop_final_gradients(cb_reference *r) {
    for (size_t l = 0; l < r->stack->layers; l++)
        for (size_t s = 0; s < r->layers[l].cell->state_count; s++) {
            cbi_free(r->layers[l].d_final[s]);
            r->layers[l].d_final[s] = NULL;
        }
}

static cb_status remember(cb_reference *r, const cb_steps *steps, const int32_t *index,
                          cb_err *err) {
    int same = r->done > NOTHING && r->steps.frames == steps->frames && r->steps.B == steps->B;
    r->done = NOTHING;
    drop_final_gradients(r);
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
            return no_memory(err);
        memcpy(r->index, index, steps->frames * sizeof *index);
    }
    if (r->rows == NULL || r->first == NULL || r->mirror == NULL || r->start == NULL)
        return no_memory(err);
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
        layer *y = &r->layers[l];
        cbi_free(y->tape);
        cbi_free(y->side);
        y->tape = cbi_calloc(steps->frames * y->length + 1, sizeof *y->tape);
        y->side = cbi_calloc(steps->frames * y->length + 1, sizeof *y->side);
        if (y->tape == NULL || y->side == NULL)
            return no_memory(err);
    }
    return CB_OK;
}

static double *output_of(const layer *y, size_t frame) {
    return y->tape + frame * y->length + y->at[y->cell->output];
}

/* The input of a unit in its own order: the caller's, or the outputs of the level below. */
static void gather_input(const cb_reference *r, size_t l, const double *x, double *to) {
    const cbi_unit *unit = &r->stack->units[l];
    size_t I = r->layers[l].cell->I;
    for (size_t f = 0; f < r->steps.frames; f++) {
        size_t g = turned(r, l, f);
        if (unit->level == 0 && x != NULL)
            memcpy(to + f * I, x + g * I, I * sizeof *to);
        for (size_t v = unit->below; v < unit->below + unit->below_count; v++)
            memcpy(to + f * I + r->stack->units[v].column,
                   output_of(&r->layers[v], turned(r, v, g)),
                   cb_cell_output_dim(r->stack->cells[v]) * sizeof *to);
    }
}

static cb_status run_layer(cb_reference *r, size_t l, const double *x, cb_err *err) {
    layer *y = &r->layers[l];
    for (size_t s = 0; s < y->cell->state_count; s++)
        if (y->initial[s] && y->initial_rows[s] != r->steps.B)
            return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows were given, B is %zu",
                           y->cell->states[s].name, y->initial_rows[s], r->steps.B);
    for (size_t k = 0; k < y->cell->mask_count; k++)
        y->streams[k] =
            cbi_mask_stream(&r->stack->masks[r->stack->first_mask[l] + k], r->masks.seed);
    double *input = cbi_calloc(r->steps.frames * y->cell->I + 1, sizeof *input);
    if (input == NULL)
        return no_memory(err);
    gather_input(r, l, x, input);
    for (size_t t = 0; t < r->steps.T; t++)
        for (size_t row = 0; row < r->rows[t]; row++)
            for (cbi_ref i = 0; i < y->cell->forward_count; i++)
                run_node(r, l, t, row, r->first[t] + row, i,
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
            memcpy(y + turned(r, l, f) * dim + r->stack->units[l].column,
                   output_of(&r->layers[l], f), cb_cell_output_dim(r->stack->cells[l]) * sizeof *y);
    r->done = OUTPUT;
    return CB_OK;
}

/* ---- backward ---- */

static void add_sinks(cb_reference *r, size_t l, size_t frame, double *gradient) {
    layer *y = &r->layers[l];
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
                d[i * p->cols + (size_t)r->index[turned(r, l, frame)]] += g[i];
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
    layer *y = &r->layers[l];
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
            const layer *u = &r->layers[l + 1];
            cbi_ref d = u->cell->d_lower[n->index];
            for (size_t j = 0; j < n->dim; j++)
                out[j] = d == CBI_NONE ? 0 : u->tape[frame * u->length + u->at[d] + j];
        }
    }
}

static cb_status keep_initial_gradient(cb_reference *r, size_t l, double *gradient, cb_err *err) {
    layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    for (size_t s = 0; s < cell->state_count; s++) {
        size_t dim = cell->states[s].dim;
        cbi_free(y->d_initial[s]);
        y->d_initial[s] = cbi_calloc(r->steps.B * dim + 1, sizeof(double));
        if (y->d_initial[s] == NULL)
            return no_memory(err);
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

static cb_status backward_layer(cb_reference *r, size_t l, const double *dy, double *gradient,
                                cb_err *err) {
    layer *y = &r->layers[l];
    const cb_cell *cell = y->cell;
    for (uint32_t k = 0; k < cell->param_count; k++)
        if (y->d_matrix[k])
            memset(y->d_matrix[k], 0, cell->params[k].rows * cell->params[k].cols * sizeof(double));
    for (size_t t = r->steps.T; t-- > 0;)
        for (size_t row = 0; row < r->rows[t]; row++) {
            size_t frame = r->first[t] + row;
            set_incoming(r, l, t, row, dy);
            for (cbi_ref i = (cbi_ref)cell->forward_count; i < cell->graph.count; i++)
                run_node(r, l, t, row, frame, i, NULL);
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
        return no_memory(err);
    for (size_t f = 0; f < r->steps.frames && cell->d_input != CBI_NONE; f++)
        memcpy(y->d_input + f * cell->I, y->tape + f * y->length + y->at[cell->d_input],
               cell->I * sizeof(double));
    return keep_initial_gradient(r, l, gradient, err);
}

/* The gradient of a unit's output in its own order: the caller's, or what the units above sent. */
static void gather_gradient(const cb_reference *r, size_t l, const double *dy, double *to) {
    const cbi_unit *unit = &r->stack->units[l];
    size_t dim = cb_cell_output_dim(r->stack->cells[l]), top = cb_stack_output_dim(r->stack);
    for (size_t f = 0; f < r->steps.frames; f++) {
        size_t g = turned(r, l, f);
        for (size_t j = 0; j < dim; j++) {
            double sum = unit->above_count ? 0 : dy[g * top + unit->column + j];
            for (size_t v = unit->above; v < unit->above + unit->above_count; v++)
                sum +=
                    r->layers[v].d_input[turned(r, v, g) * r->layers[v].cell->I + unit->column + j];
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
                dx[turned(r, l, f) * I + j] += r->layers[l].d_input[f * I + j];
}

cb_status cb_reference_backward(cb_reference *r, const double *dy, double *gradient, double *dx,
                                cb_err *err) {
    if (r->done < OUTPUT)
        return cb_fail(err, CB_EARG, "backward without a forward pass");
    memset(gradient, 0, r->stack->weights * sizeof *gradient);
    for (size_t l = r->stack->layers; l-- > 0;) {
        size_t dim = cb_cell_output_dim(r->stack->cells[l]);
        double *own = cbi_calloc(r->steps.frames * dim + 1, sizeof *own);
        if (own == NULL)
            return no_memory(err);
        gather_gradient(r, l, dy, own);
        cb_status st = backward_layer(r, l, own, gradient, err);
        cbi_free(own);
        if (st != CB_OK)
            return st;
    }
    drop_final_gradients(r);
    r->done = DIFFERENTIATED;
    if (dx != NULL && r->stack->kind == CB_INPUT_DENSE)
        add_input_gradient(r, dx);
    return CB_OK;
}

cb_status cb_reference_set_masks(cb_reference *r, uint64_t seed, const uint64_t *sequence, size_t B,
                                 cb_err *err) {
    return cbi_mask_source_set(&r->masks, seed, sequence, B, err);
}

/* ---- states ---- */

cb_status cb_reference_final_state(const cb_reference *r, size_t l, const char *state, double *out,
                                   cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    const layer *y = &r->layers[l];
    if (r->done < OUTPUT)
        return cb_fail(err, CB_EARG, "final state of '%s' without a forward pass", state);
    size_t dim = y->cell->states[s].dim;
    for (size_t row = 0; row < r->steps.B && r->steps.T == 0; row++)
        for (size_t j = 0; j < dim; j++)
            out[row * dim + j] = initial_value(r, l, s, row, j);
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
        return no_memory(err);
    memcpy(*slot, in, count * sizeof **slot);
    return CB_OK;
}

cb_status cb_reference_set_initial(cb_reference *r, size_t l, const char *state, const double *in,
                                   size_t B, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    layer *y = &r->layers[l];
    y->initial_rows[s] = B;
    return copy_given(&y->initial[s], in, B * y->cell->states[s].dim, err);
}

cb_status cb_reference_set_final_gradient(cb_reference *r, size_t l, const char *state,
                                          const double *in, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    if (r->done < OUTPUT)
        return cb_fail(err, CB_EARG, "gradient of the final state '%s' without a forward pass",
                       state);
    layer *y = &r->layers[l];
    return copy_given(&y->d_final[s], in, r->steps.B * y->cell->states[s].dim, err);
}

cb_status cb_reference_initial_gradient(const cb_reference *r, size_t l, const char *state,
                                        double *out, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(r->stack, l, state, &s, err);
    if (st != CB_OK)
        return st;
    const layer *y = &r->layers[l];
    if (r->done < DIFFERENTIATED)
        return cb_fail(err, CB_EARG, "initial gradient of '%s' without a backward pass", state);
    memcpy(out, y->d_initial[s], r->steps.B * y->cell->states[s].dim * sizeof *out);
    return CB_OK;
}

double cbi_reference_kink_distance(const cb_reference *r) {
    double nearest = 1e300;
    for (size_t l = 0; l < r->stack->layers; l++) {
        const layer *y = &r->layers[l];
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
