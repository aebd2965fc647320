/* SPDX-License-Identifier: MIT */
/*
 * The gradient check. The loss is a random linear function of all outputs and final states, so that
 * every gradient path is open; weights, inputs and initial states are drawn, then rounded to f32,
 * so that both engines work on the same numbers.
 *
 * Differences. Four points, f'(v) = (8 (f(v+h) - f(v-h)) - (f(v+2h) - f(v-2h))) / 12h, error
 * O(h^4): with h = 1e-4 the truncation is below 1e-14 and rounding about 1e-16 |f| / h = 1e-11.
 * While a difference is taken, operations with a kink stay on the side on which they stood at the
 * point itself, so that a step across is no matter. A point where a value is so near to a kink that
 * f32 may find it on the other side is drawn again.
 *
 * f32 bound. An accumulation of K products over T steps errs by about eps * log2(K T) of the
 * largest element if errors are independent; each step adds its pointwise operations (a few ulp
 * each) and hands its error on. c = 8 covers a dozen operations of up to 4 ulp; the backward pass
 * runs through both directions and gets twice that; each layer feeds on the error of the one below.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "engine/reference.h"

enum { STEPS = 6, BATCH = 4, SAMPLES = 48, DRAWS = 200 };
static const double STEP_SIZE = 1e-4;
/* Hundreds of terms (16 frames x 8 elements and more), each of the size of other gradients and each
 * with its error. */
static const double SCALAR_FLOOR = 100;
static const double KINK_MARGIN = 2e-5; /* f32 errs by about 1e-6 of values of order 1 */
static const uint32_t rows_of_step[STEPS] = {4, 4, 3, 2, 2, 1};
static const size_t frames_of_check = 16;

/* All that is varied or compared, one flat vector: weights, x, initial states. */
typedef struct tensor {
    char name[96];
    size_t offset, count;
    int fixed;
    size_t layer, state; /* initial states */
} tensor;

typedef struct checker {
    const cb_stack *stack;
    cb_reference *reference;
    cb_engine *engine;
    cb_steps steps;
    tensor *tensors;
    size_t tensor_count, values;
    double *v;        /* [values] the point */
    double *analytic; /* [values] */
    float *single;    /* [values] f32 gradient */
    double *dy, *y;
    double *d_final; /* as initial states */
    int32_t *index;
    size_t states_at; /* offset of the first initial state */
    int given;        /* initial states are given */
    cb_err *err;
} checker;

static double *alloc_d(size_t n) {
    return cbi_calloc(n + 1, sizeof(double));
}

static void add_tensor(checker *c, const char *name, size_t count, int fixed) {
    tensor *t = &c->tensors[c->tensor_count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->offset = c->values;
    t->count = count;
    t->fixed = fixed;
    c->values += count;
}

static cb_status lay_out(checker *c) {
    const cb_stack *s = c->stack;
    size_t states = 0;
    c->given = 1;
    for (size_t l = 0; l < s->layers; l++)
        states += s->cells[l]->state_count;
    c->tensors = cbi_calloc(s->param_count + states + 1, sizeof *c->tensors);
    if (c->tensors == NULL)
        return CB_ENOMEM;
    for (size_t k = 0; k < s->param_count; k++)
        add_tensor(c, s->params[k].name, s->params[k].param->free_count, s->params[k].param->fixed);
    add_tensor(c, "x", s->kind == CB_INPUT_DENSE ? frames_of_check * s->I : 0, 0);
    c->states_at = c->tensor_count;
    for (size_t l = 0; l < s->layers; l++)
        for (size_t k = 0; k < s->cells[l]->state_count; k++) {
            char name[96];
            snprintf(name, sizeof name, "%zu.%s(0)", l + 1, s->cells[l]->states[k].name);
            add_tensor(c, name, BATCH * s->cells[l]->states[k].dim, 0);
            c->tensors[c->tensor_count - 1].layer = l;
            c->tensors[c->tensor_count - 1].state = k;
            /* A start such as -1e30 has its meaning: nothing is put in its place. */
            if (fabs(s->cells[l]->states[k].init) > 1e3)
                c->given = 0;
        }
    size_t out = frames_of_check * cb_stack_output_dim(s);
    c->v = alloc_d(c->values);
    c->analytic = alloc_d(c->values);
    c->single = cbi_calloc(c->values + 1, sizeof(float));
    c->dy = alloc_d(out);
    c->y = alloc_d(out);
    c->d_final = alloc_d(c->values);
    c->index = cbi_calloc(frames_of_check, sizeof *c->index);
    return c->v && c->analytic && c->single && c->dy && c->y && c->d_final && c->index ? CB_OK
                                                                                       : CB_ENOMEM;
}

static double rounded(double v) {
    return (double)(float)v;
}

static cb_status draw(checker *c, uint64_t seed, uint64_t attempt) {
    const cb_stack *s = c->stack;
    cb_random random = cb_random_stream(seed, "check", attempt);
    cb_status st = cb_stack_init(s, seed + attempt, NULL, 0, c->v, c->err);
    if (st != CB_OK)
        return st;
    for (size_t k = 0; k < c->tensor_count; k++) {
        const tensor *t = &c->tensors[k];
        for (size_t i = 0; i < t->count; i++) {
            double *v = &c->v[t->offset + i];
            double start = k >= c->states_at ? s->cells[t->layer]->states[t->state].init : *v;
            double spread = k + 1 < c->states_at ? 0.3 : k + 1 == c->states_at ? 1 : 0.5;
            if (k + 1 == c->states_at)
                start = 0;
            *v = rounded(start + (t->fixed ? 0 : spread * cb_random_normal(&random)));
            c->d_final[t->offset + i] = rounded(cb_random_normal(&random));
        }
    }
    for (size_t i = 0; i < frames_of_check * cb_stack_output_dim(s); i++)
        c->dy[i] = rounded(cb_random_normal(&random));
    for (size_t i = 0; s->kind == CB_INPUT_INDEX && i < frames_of_check; i++)
        c->index[i] = (int32_t)cb_random_below(&random, s->I);
    return CB_OK;
}

static const char *state_name(const checker *c, const tensor *t) {
    return c->stack->cells[t->layer]->states[t->state].name;
}

/* The loss at c->v by the reference. */
static cb_status loss(checker *c, double *out) {
    const tensor *input = &c->tensors[c->states_at - 1];
    const double *x = input->count ? c->v + input->offset : NULL;
    double buffer[BATCH * 256];
    cb_status st = CB_OK;
    for (size_t k = c->states_at; c->given && st == CB_OK && k < c->tensor_count; k++) {
        const tensor *t = &c->tensors[k];
        st = cb_reference_set_initial(c->reference, t->layer, state_name(c, t), c->v + t->offset,
                                      BATCH, c->err);
    }
    if (st == CB_OK)
        st = cb_reference_forward(c->reference, &c->steps, c->v, x, c->index, c->y, c->err);
    if (st != CB_OK)
        return st;
    *out = 0;
    for (size_t i = 0; i < frames_of_check * cb_stack_output_dim(c->stack); i++)
        *out += c->y[i] * c->dy[i];
    for (size_t k = c->states_at; k < c->tensor_count; k++) {
        const tensor *t = &c->tensors[k];
        if (t->count > sizeof buffer / sizeof *buffer)
            return cb_fail(c->err, CB_ESHAPE, "check: a state of more than 256 elements");
        st = cb_reference_final_state(c->reference, t->layer, state_name(c, t), buffer, c->err);
        if (st != CB_OK)
            return st;
        for (size_t i = 0; i < t->count; i++)
            *out += buffer[i] * c->d_final[t->offset + i];
    }
    return CB_OK;
}

static cb_status analytic(checker *c) {
    const tensor *x = &c->tensors[c->states_at - 1];
    cb_status st = CB_OK;
    for (size_t k = c->states_at; st == CB_OK && k < c->tensor_count; k++)
        st = cb_reference_set_final_gradient(c->reference, c->tensors[k].layer,
                                             state_name(c, &c->tensors[k]),
                                             c->d_final + c->tensors[k].offset, c->err);
    if (st == CB_OK)
        st = cb_reference_backward(c->reference, c->dy, c->analytic,
                                   x->count ? c->analytic + x->offset : NULL, c->err);
    for (size_t k = c->states_at; st == CB_OK && c->given && k < c->tensor_count; k++)
        st = cb_reference_initial_gradient(c->reference, c->tensors[k].layer,
                                           state_name(c, &c->tensors[k]),
                                           c->analytic + c->tensors[k].offset, c->err);
    return st;
}

static cb_status difference(checker *c, size_t i, double *out) {
    const double h = STEP_SIZE;
    static const double step[4] = {1, -1, 2, -2};
    double f[4], keep = c->v[i];
    cb_status st = CB_OK;
    for (int k = 0; k < 4 && st == CB_OK; k++) {
        c->v[i] = keep + step[k] * h;
        st = loss(c, &f[k]);
    }
    c->v[i] = keep;
    *out = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h);
    return st;
}

static double largest(const double *v, size_t n) {
    double m = 0;
    for (size_t i = 0; i < n; i++)
        m = fabs(v[i]) > m ? fabs(v[i]) : m;
    return m;
}

/* Where all that is compared is 0 (the derivatives of sign()), so is the scale: no error is none. */
static double share_of(double error, double scale) {
    return error == 0 ? 0 : error / scale;
}

/* The largest gradient of any tensor; its thousandth is the least scale that errors are held to. */
static double floor_scale(const checker *c) {
    double m = 0;
    for (size_t k = 0; k < c->tensor_count; k++)
        if (!c->tensors[k].fixed && (c->given || k < c->states_at)) {
            double g = largest(c->analytic + c->tensors[k].offset, c->tensors[k].count);
            m = g > m ? g : m;
        }
    return 1e-3 * m;
}

static cb_status check_differences(checker *c, cb_check_result *out) {
    double least = floor_scale(c);
    cb_status st = CB_OK;
    cbi_reference_freeze(c->reference, 1);
    for (size_t k = 0; k < c->tensor_count && st == CB_OK; k++) {
        const tensor *t = &c->tensors[k];
        if (t->fixed || t->count == 0 || (k >= c->states_at && !c->given))
            continue;
        size_t stride = (t->count + SAMPLES - 1) / SAMPLES;
        double scale = least, worst = 0, values[SAMPLES + 1];
        size_t n = 0;
        for (size_t i = 0; i < t->count && st == CB_OK; i += stride, n++) {
            st = difference(c, t->offset + i, &values[n]);
            scale = fabs(values[n]) > scale ? fabs(values[n]) : scale;
        }
        n = 0;
        for (size_t i = 0; i < t->count && st == CB_OK; i += stride, n++) {
            double e = share_of(fabs(values[n] - c->analytic[t->offset + i]), scale);
            worst = e > worst || isnan(e) ? (isnan(e) ? (double)INFINITY : e) : worst;
        }
        if (worst > out->worst_gradient || out->worst_tensor[0] == '\0') {
            out->worst_gradient = worst;
            snprintf(out->worst_tensor, sizeof out->worst_tensor, "%s", t->name);
        }
    }
    cbi_reference_freeze(c->reference, 0);
    return st;
}

/* ---- f32 against f64 ---- */

static cb_status run_single(checker *c, float *y, float *w) {
    const cb_stack *s = c->stack;
    const tensor *x = &c->tensors[c->states_at - 1];
    float *fx = w + s->weights, *state = fx + x->count;
    cb_rows rows, dy;
    cb_status st;
    for (size_t i = 0; i < c->values; i++)
        w[i] = (float)c->v[i];
    if ((st = cb_engine_set_weights(c->engine, w, c->err)) != CB_OK)
        return st;
    for (size_t k = c->states_at; c->given && k < c->tensor_count; k++) {
        const tensor *t = &c->tensors[k];
        if ((st = cb_engine_set_initial(c->engine, t->layer, state_name(c, t), w + t->offset, BATCH,
                                        c->err)) != CB_OK)
            return st;
    }
    if ((st = cb_engine_forward(c->engine, &c->steps, x->count ? fx : NULL, s->I,
                                s->kind == CB_INPUT_INDEX ? c->index : NULL, 1, &rows, c->err)))
        return st;
    dy = cb_engine_output_gradient(c->engine);
    for (size_t f = 0; f < frames_of_check; f++)
        for (size_t j = 0; j < rows.dim; j++) {
            y[f * rows.dim + j] = rows.data[f * rows.ld + j];
            dy.data[f * dy.ld + j] = (float)c->dy[f * rows.dim + j];
        }
    for (size_t k = c->states_at; k < c->tensor_count; k++) {
        const tensor *t = &c->tensors[k];
        for (size_t i = 0; i < t->count; i++)
            state[i] = (float)c->d_final[t->offset + i];
        if ((st = cb_engine_set_final_gradient(c->engine, t->layer, state_name(c, t), state,
                                               c->err)) != CB_OK)
            return st;
    }
    if ((st = cb_engine_backward(c->engine, c->single, x->count ? c->single + x->offset : NULL,
                                 s->I, c->err)) != CB_OK)
        return st;
    for (size_t k = c->states_at; c->given && k < c->tensor_count; k++)
        if ((st = cb_engine_initial_gradient(c->engine, c->tensors[k].layer,
                                             state_name(c, &c->tensors[k]),
                                             c->single + c->tensors[k].offset, c->err)) != CB_OK)
            return st;
    return CB_OK;
}

static void compare(const float *a, const double *b, size_t n, double least, double bound,
                    const char *name, cb_check_result *out) {
    double scale = largest(b, n), worst = 0;
    if (scale < least)
        scale = least;
    for (size_t i = 0; i < n; i++) {
        double e = share_of(fabs((double)a[i] - b[i]), scale) / bound;
        if (!(e <= worst))
            worst = isnan(e) ? (double)INFINITY : e;
    }
    if (worst > out->worst_f32 || out->worst_f32_tensor[0] == '\0') {
        out->worst_f32 = worst;
        snprintf(out->worst_f32_tensor, sizeof out->worst_f32_tensor, "%s", name);
    }
}

static cb_status check_single(checker *c, cb_check_result *out) {
    const cb_stack *s = c->stack;
    size_t out_dim = cb_stack_output_dim(s), K = 1;
    double base;
    cb_status st = CB_OK;
    float *y = cbi_calloc(frames_of_check * out_dim + 1, sizeof *y);
    float *w = cbi_calloc(2 * c->values + 1, sizeof *w);
    if (st == CB_OK && (y == NULL || w == NULL))
        st = cb_fail(c->err, CB_ENOMEM, "check: out of memory");
    if (st == CB_OK)
        st = loss(c, &base);
    if (st == CB_OK)
        st = run_single(c, y, w);
    if (st == CB_OK) {
        for (size_t k = 0; k < s->param_count; k++)
            if (s->params[k].param->cols > K)
                K = s->params[k].param->cols;
        double bound =
            8 * (double)FLT_EPSILON * ceil(log2((double)(K * STEPS))) * (double)s->layers;
        double least = floor_scale(c);
        compare(y, c->y, frames_of_check * out_dim, 1e-3, bound, "output", out);
        for (size_t k = 0; k < c->tensor_count; k++) {
            const tensor *t = &c->tensors[k];
            /* What is read by a whole row collects the errors of all its elements, while their
             * gradients cancel. */
            const double own = t->count == 1 ? SCALAR_FLOOR * least : least;
            if (!t->fixed && t->count && (c->given || k < c->states_at))
                compare(c->single + t->offset, c->analytic + t->offset, t->count, own, 2 * bound,
                        t->name, out);
        }
    }
    cbi_free(y);
    cbi_free(w);
    return st;
}

/* A draw whose values are finite and away from kinks. */
static cb_status find_point(checker *c, uint64_t seed, cb_check_result *out) {
    double base;
    for (uint64_t attempt = 0; attempt < DRAWS; attempt++) {
        cb_status st = draw(c, seed, attempt);
        if (st == CB_OK)
            st = loss(c, &base);
        if (st != CB_OK)
            return st;
        if (isfinite(base) && cbi_reference_kink_distance(c->reference) > KINK_MARGIN)
            return CB_OK;
        out->redrawn++;
    }
    return cb_fail(c->err, CB_EARG,
                   "check: no draw of %d had finite values away from the kinks: try a smaller size",
                   DRAWS);
}

/* Masks are drawn once and held fixed, or stand for their expectations. */
static cb_status create_engines(checker *c, uint64_t seed, int drawn) {
    static const uint64_t names[BATCH] = {0, 1, 2, 3};
    const uint64_t *sequence = drawn ? names : NULL;
    cb_status st;
    if ((st = cb_reference_create(&c->reference, c->stack, c->err)) != CB_OK ||
        (st = cb_engine_create(&c->engine, c->stack, c->err)) != CB_OK ||
        (st = cb_reference_set_masks(c->reference, seed, sequence, BATCH, c->err)) != CB_OK)
        return st;
    return cb_engine_set_masks(c->engine, seed, sequence, BATCH, c->err);
}

static cb_status check_once(const cb_stack *stack, uint64_t seed, int drawn, cb_check_result *out,
                            cb_err *err) {
    checker c = {.stack = stack, .err = err};
    c.steps = (cb_steps){.T = STEPS, .B = BATCH, .rows = rows_of_step, .frames = frames_of_check};
    memset(out, 0, sizeof *out);
    cb_status st = lay_out(&c);
    if (st != CB_OK)
        cb_fail(err, st, "check: out of memory");
    if (st == CB_OK)
        st = create_engines(&c, seed, drawn);
    if (st == CB_OK)
        st = find_point(&c, seed, out);
    if (st == CB_OK)
        st = analytic(&c);
    if (st == CB_OK) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < frames_of_check * cb_stack_output_dim(stack); i++) {
            low = c.y[i] < low ? c.y[i] : low;
            high = c.y[i] > high ? c.y[i] : high;
        }
        out->mistrusted = !(high - low > 1e-3);
        st = check_differences(&c, out);
    }
    if (st == CB_OK)
        st = check_single(&c, out);
    cb_engine_destroy(c.engine);
    cb_reference_destroy(c.reference);
    cbi_free(c.tensors);
    cbi_free(c.v);
    cbi_free(c.analytic);
    cbi_free(c.single);
    cbi_free(c.dy);
    cbi_free(c.y);
    cbi_free(c.d_final);
    cbi_free(c.index);
    return st;
}

/* The worse of two results, place by place. */
static void merge(cb_check_result *into, const cb_check_result *other) {
    if (!(other->worst_gradient <= into->worst_gradient)) {
        into->worst_gradient = other->worst_gradient;
        memcpy(into->worst_tensor, other->worst_tensor, sizeof into->worst_tensor);
    }
    if (!(other->worst_f32 <= into->worst_f32)) {
        into->worst_f32 = other->worst_f32;
        memcpy(into->worst_f32_tensor, other->worst_f32_tensor, sizeof into->worst_f32_tensor);
    }
    into->redrawn += other->redrawn;
    into->mistrusted |= other->mistrusted;
}

/* Whether the expectations of the masks make another cell than none: those of masks that drop are
 * 1. */
static int has_zones(const cb_stack *s) {
    for (size_t i = 0; i < s->mask_count; i++)
        if (s->masks[i].kind == CB_MASK_ZONE)
            return 1;
    return 0;
}

cb_status cb_check_stack(const cb_stack *stack, uint64_t seed, cb_check_result *out, cb_err *err) {
    cb_check_result expected;
    const unsigned saved = cb_engine_denormals_flush();
    cb_status st = check_once(stack, seed, stack->mask_count > 0, out, err);
    if (st == CB_OK && has_zones(stack) &&
        (st = check_once(stack, seed, 0, &expected, err)) == CB_OK)
        merge(out, &expected);
    if (st == CB_OK)
        out->passed = out->worst_gradient <= 1e-7 && out->worst_f32 <= 1 && !out->mistrusted;
    cb_engine_denormals_restore(saved);
    return st;
}
