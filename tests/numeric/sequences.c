/* SPDX-License-Identifier: MIT */
/* Batches of drawn sequences, and both engines on them. */
#include "numeric/sequences.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cellbench/random.h"
#include "numeric/awkward.h"
#include "numeric/registered.h"

int cell_at(size_t i, any_cell *cell) {
    size_t registered = 0;
    while (cb_variants[registered])
        registered++;
    if (i < registered) {
        const cb_cell_def *def = cb_variants[i];
        *cell = (any_cell){.name = def->name,
                           .text = def->text,
                           .kind = CB_INPUT_DENSE,
                           .I = 3,
                           .H = 8,
                           .below = registered_lowest(def)};
    } else {
        const awkward_cell *a = &awkward_cells[i - registered];
        if (a->name == NULL)
            return 0;
        *cell = (any_cell){.name = a->name, .text = a->text, .kind = a->kind, .I = a->I, .H = a->H};
    }
    cell->clocked = strstr(cell->text, "clock(") != NULL;
    return 1;
}

cb_stack *stack_of(const any_cell *cell, size_t layers) {
    cb_layer_spec spec[4];
    const size_t below = cell->below != NULL;
    cb_stack *stack;
    cb_err err;
    assert_in_range(layers, 1, 3);
    if (below)
        spec[0] = (cb_layer_spec){cell->below->name, cell->below->text, NULL, 0, cell->H};
    for (size_t l = 0; l < layers; l++)
        spec[below + l] = (cb_layer_spec){cell->name, cell->text, NULL, 0, cell->H};
    OK(cb_stack_create(&stack, spec, below + layers, cell->kind, cell->I, &err));
    return stack;
}

static const cb_state_info *states_of(const cb_stack *stack, size_t layer, size_t *n) {
    return cb_cell_states(cb_stack_cell(stack, layer), n);
}

size_t state_offset(const cb_stack *stack, size_t layer, size_t s, size_t B) {
    size_t elements = 0, n;
    for (size_t l = 0; l <= layer; l++) {
        const cb_state_info *info = states_of(stack, l, &n);
        for (size_t k = 0; k < (l == layer ? s : n); k++)
            elements += info[k].dim;
    }
    return elements * B;
}

size_t state_elements(const cb_stack *stack) {
    size_t last = cb_stack_layer_count(stack) - 1, n;
    states_of(stack, last, &n);
    return state_offset(stack, last, n, 1);
}

static void *zeros(size_t n, size_t size) {
    void *block = calloc(n + 1, size);
    assert_non_null(block);
    return block;
}

size_t batch_frame(const batch *b, size_t t, size_t row) {
    size_t frame = row;
    while (t-- > 0)
        frame += b->rows[t];
    return frame;
}

/* All arrays, empty, for these lengths. */
static batch shaped(const cb_stack *stack, const size_t *lengths, size_t B, start given) {
    batch b = {.stack = stack, .given = given};
    b.steps.T = B ? lengths[0] : 0;
    b.steps.B = B;
    b.rows = zeros(b.steps.T, sizeof *b.rows);
    for (size_t r = 0; r < B; r++)
        for (size_t t = 0; t < lengths[r]; t++)
            b.rows[t]++, b.steps.frames++;
    b.steps.rows = b.rows;
    if (cb_stack_input_kind(stack) == CB_INPUT_DENSE)
        b.x = zeros(b.steps.frames * cb_stack_input_dim(stack), sizeof *b.x);
    if (cb_stack_input_kind(stack) == CB_INPUT_INDEX)
        b.index = zeros(b.steps.frames, sizeof *b.index);
    b.dy = zeros(b.steps.frames * cb_stack_output_dim(stack), sizeof *b.dy);
    b.initial = zeros(B * state_elements(stack), sizeof *b.initial);
    b.d_final = zeros(B * state_elements(stack), sizeof *b.d_final);
    return b;
}

static size_t length_of(const batch *b, size_t row) {
    size_t t = 0;
    while (t < b->steps.T && b->rows[t] > row)
        t++;
    return t;
}

batch batch_make(const cb_stack *stack, const size_t *lengths, size_t B, uint64_t seed,
                 start given) {
    batch b = shaped(stack, lengths, B, given);
    size_t I = cb_stack_input_dim(stack), dim = cb_stack_output_dim(stack), n;
    for (size_t r = 0; r < B; r++) {
        cb_random random = cb_random_stream(seed, "sequence", r);
        for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
            const cb_state_info *info = states_of(stack, l, &n);
            for (size_t s = 0; s < n; s++)
                for (size_t j = 0; j < info[s].dim; j++) {
                    size_t at = state_offset(stack, l, s, B) + r * info[s].dim + j;
                    b.initial[at] = (float)(info[s].init + 0.5 * cb_random_normal(&random));
                    b.d_final[at] = (float)cb_random_normal(&random);
                }
        }
        for (size_t t = 0; t < lengths[r]; t++) {
            size_t frame = batch_frame(&b, t, r);
            for (size_t j = 0; b.x && j < I; j++)
                b.x[frame * I + j] = (float)cb_random_normal(&random);
            if (b.index)
                b.index[frame] = (int32_t)cb_random_below(&random, I);
            for (size_t j = 0; j < dim; j++)
                b.dy[frame * dim + j] = (float)cb_random_normal(&random);
        }
    }
    return b;
}

static void copy_frame(batch *to, size_t a, const batch *from, size_t b) {
    size_t I = cb_stack_input_dim(to->stack), dim = cb_stack_output_dim(to->stack);
    if (to->x)
        memcpy(to->x + a * I, from->x + b * I, I * sizeof *to->x);
    if (to->index)
        to->index[a] = from->index[b];
    memcpy(to->dy + a * dim, from->dy + b * dim, dim * sizeof *to->dy);
}

static void copy_states(batch *to, size_t a, const batch *from, size_t b) {
    size_t n;
    for (size_t l = 0; l < cb_stack_layer_count(to->stack); l++) {
        const cb_state_info *info = states_of(to->stack, l, &n);
        for (size_t s = 0; s < n; s++) {
            size_t i = state_offset(to->stack, l, s, to->steps.B) + a * info[s].dim;
            size_t j = state_offset(to->stack, l, s, from->steps.B) + b * info[s].dim;
            memcpy(to->initial + i, from->initial + j, info[s].dim * sizeof *to->initial);
            memcpy(to->d_final + i, from->d_final + j, info[s].dim * sizeof *to->d_final);
        }
    }
}

batch batch_pick(const batch *from, const size_t *pick, size_t n) {
    size_t *lengths = zeros(n, sizeof *lengths);
    for (size_t i = 0; i < n; i++)
        lengths[i] = length_of(from, pick[i]);
    batch b = shaped(from->stack, lengths, n, from->given);
    for (size_t i = 0; i < n; i++) {
        copy_states(&b, i, from, pick[i]);
        for (size_t t = 0; t < lengths[i]; t++)
            copy_frame(&b, batch_frame(&b, t, i), from, batch_frame(from, t, pick[i]));
    }
    free(lengths);
    return b;
}

batch batch_cut(const batch *whole, size_t from, size_t to) {
    size_t B = whole->rows[from], *lengths = zeros(B, sizeof *lengths);
    for (size_t r = 0; r < B; r++) {
        size_t length = length_of(whole, r);
        lengths[r] = (length < to ? length : to) - from;
    }
    batch b = shaped(whole->stack, lengths, B, whole->given);
    for (size_t r = 0; r < B; r++) {
        copy_states(&b, r, whole, r);
        for (size_t t = 0; t < lengths[r]; t++)
            copy_frame(&b, batch_frame(&b, t, r), whole, batch_frame(whole, from + t, r));
    }
    free(lengths);
    return b;
}

void batch_free(batch *b) {
    free(b->rows);
    free(b->x);
    free(b->index);
    free(b->dy);
    free(b->initial);
    free(b->d_final);
}

float *draw_weights(const cb_stack *stack, uint64_t seed, double spread) {
    size_t count, n = cb_stack_weight_count(stack);
    double *w = zeros(n, sizeof *w);
    float *single = zeros(n, sizeof *single);
    const cb_stack_param *p = cb_stack_params(stack, &count);
    cb_random random = cb_random_stream(seed, "weights", 0);
    cb_err err;
    OK(cb_stack_init(stack, seed, NULL, 0, w, &err));
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < p[k].param->free_count; i++) {
            double move = p[k].param->fixed ? 0 : spread * cb_random_normal(&random);
            single[p[k].offset + i] = (float)(w[p[k].offset + i] + move);
        }
    free(w);
    return single;
}

/* ---- running ---- */

static outcome empty_outcome(const batch *b) {
    const cb_stack *s = b->stack;
    outcome o = {.frames = b->steps.frames,
                 .B = b->steps.B,
                 .I = b->x ? cb_stack_input_dim(s) : 0,
                 .dim = cb_stack_output_dim(s),
                 .weights = cb_stack_weight_count(s),
                 .states = state_elements(s)};
    o.y = zeros(o.frames * o.dim, sizeof *o.y);
    o.dx = zeros(o.frames * o.I, sizeof *o.dx);
    o.final = zeros(o.B * o.states, sizeof *o.final);
    o.d_initial = zeros(o.B * o.states, sizeof *o.d_initial);
    o.gradient = zeros(o.weights, sizeof *o.gradient);
    return o;
}

void outcome_free(outcome *o) {
    free(o->y);
    free(o->dx);
    free(o->final);
    free(o->d_initial);
    free(o->gradient);
}

static void widen(double *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
}

static double *widened(const float *from, size_t n) {
    double *to = zeros(n, sizeof *to);
    if (from)
        widen(to, from, n);
    return to;
}

static const float *initial_of(const batch *b, const cb_state_info *info, size_t at) {
    return b->given == ALL_GIVEN || (b->given == GIVEN && fabs(info->init) < 1e3) ? b->initial + at
                                                                                  : NULL;
}

outcome run_engine(cb_engine *e, const batch *b, int keep) {
    outcome o = empty_outcome(b);
    size_t layers = cb_stack_layer_count(b->stack), n;
    float *buffer = zeros(o.weights + o.B * o.states + o.frames * o.I, sizeof *buffer);
    float *dx = buffer + o.weights + o.B * o.states;
    cb_rows y;
    cb_err err;
    for (size_t l = 0; l < layers; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++)
            OK(cb_engine_set_initial(e, l, info[s].name,
                                     initial_of(b, &info[s], state_offset(b->stack, l, s, o.B)),
                                     o.B, &err));
    }
    OK(cb_engine_forward(e, &b->steps, b->x, o.I, b->index, keep, &y, &err));
    assert_int_equal(y.dim, o.dim);
    for (size_t f = 0; f < o.frames; f++)
        widen(o.y + f * o.dim, y.data + f * y.ld, o.dim);
    cb_rows dy = keep ? cb_engine_output_gradient(e) : (cb_rows){NULL, 0, 0};
    for (size_t f = 0; keep && f < o.frames; f++)
        memcpy(dy.data + f * dy.ld, b->dy + f * o.dim, o.dim * sizeof *dy.data);
    for (size_t l = 0; l < layers; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++) {
            size_t at = state_offset(b->stack, l, s, o.B);
            OK(cb_engine_final_state(e, l, info[s].name, buffer, &err));
            widen(o.final + at, buffer, o.B * info[s].dim);
            if (keep)
                OK(cb_engine_set_final_gradient(e, l, info[s].name, b->d_final + at, &err));
        }
    }
    if (keep) {
        for (size_t i = 0; i < o.weights; i++)
            buffer[i] = NAN; /* the gradient is overwritten, not added to */
        for (size_t i = 0; i < o.frames * o.I; i++)
            dx[i] = NAN;
        OK(cb_engine_backward(e, buffer, o.I ? dx : NULL, o.I, &err));
        widen(o.gradient, buffer, o.weights);
        widen(o.dx, dx, o.frames * o.I);
    }
    for (size_t l = 0; l < layers && keep; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++) {
            OK(cb_engine_initial_gradient(e, l, info[s].name, buffer, &err));
            widen(o.d_initial + state_offset(b->stack, l, s, o.B), buffer, o.B * info[s].dim);
        }
    }
    free(buffer);
    return o;
}

outcome run_fresh(const batch *b, const float *w) {
    cb_engine *e;
    cb_err err;
    OK(cb_engine_create(&e, b->stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    outcome o = run_engine(e, b, 1);
    cb_engine_destroy(e);
    return o;
}

outcome run_reference(const batch *b, const float *w) {
    outcome o = empty_outcome(b);
    size_t layers = cb_stack_layer_count(b->stack), n;
    double *w64 = widened(w, o.weights), *x = widened(b->x, o.frames * o.I);
    double *dy = widened(b->dy, o.frames * o.dim);
    double *initial = widened(b->initial, o.B * o.states);
    double *d_final = widened(b->d_final, o.B * o.states);
    cb_reference *r;
    cb_err err;
    OK(cb_reference_create(&r, b->stack, &err));
    for (size_t l = 0; l < layers; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++) {
            size_t at = state_offset(b->stack, l, s, o.B);
            OK(cb_reference_set_initial(
                r, l, info[s].name, initial_of(b, &info[s], at) ? initial + at : NULL, o.B, &err));
        }
    }
    OK(cb_reference_forward(r, &b->steps, w64, b->x ? x : NULL, b->index, o.y, &err));
    for (size_t l = 0; l < layers; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++) {
            size_t at = state_offset(b->stack, l, s, o.B);
            OK(cb_reference_final_state(r, l, info[s].name, o.final + at, &err));
            OK(cb_reference_set_final_gradient(r, l, info[s].name, d_final + at, &err));
        }
    }
    OK(cb_reference_backward(r, dy, o.gradient, o.I ? o.dx : NULL, &err));
    for (size_t l = 0; l < layers; l++) {
        const cb_state_info *info = states_of(b->stack, l, &n);
        for (size_t s = 0; s < n; s++)
            OK(cb_reference_initial_gradient(
                r, l, info[s].name, o.d_initial + state_offset(b->stack, l, s, o.B), &err));
    }
    cb_reference_destroy(r);
    free(w64);
    free(x);
    free(dy);
    free(initial);
    free(d_final);
    return o;
}

/* ---- comparing ---- */

void same_bits(const char *what, const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 || isnan(a[i]))
            fail_msg("%s: element %zu of %zu: %.9g and %.9g", what, i, n, a[i], b[i]);
}

void same_outcome(const char *what, const outcome *a, const outcome *b) {
    char text[160];
    const struct {
        const char *name;
        const double *a, *b;
        size_t n;
    } part[] = {{"y", a->y, b->y, a->frames * a->dim},
                {"final states", a->final, b->final, a->B * a->states},
                {"dx", a->dx, b->dx, a->frames * a->I},
                {"gradient of initial states", a->d_initial, b->d_initial, a->B * a->states},
                {"gradient of weights", a->gradient, b->gradient, a->weights}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        snprintf(text, sizeof text, "%s, %s", what, part[i].name);
        same_bits(text, part[i].a, part[i].b, part[i].n);
    }
}
