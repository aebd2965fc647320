/* SPDX-License-Identifier: MIT */
/*
 * White-box: what structures and clocks leave out changes no bit. Each cell is run twice, with all
 * planes filled with NaN before: once with nothing left out, once as it comes; and held against the
 * f64 reference. And that what can be left out is.
 */
#include "numeric/sequences.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

typedef struct clocked_cell {
    const char *name, *text;
    cb_input_kind kind;
    size_t I, H;
    int leaves_out; /* units that stand still cost less: 1 forward, 2 backward */
} clocked_cell;

#define CLOCKWORK(periods)                                                                         \
    "set periods = " periods "\nstate h\nmatrix R = upper(periods)\n"                              \
    "h' = clock(periods, tanh(W x + R h + b), h)\n"

static const clocked_cell cells[] = {
    {"clockwork of whole groups", CLOCKWORK("1, 2, 4"), CB_INPUT_DENSE, 5, 96, 3},
    {"clockwork of half groups", CLOCKWORK("1, 2, 4, 8, 3, 5, 7, 9"), CB_INPUT_DENSE, 17, 64, 3},
    {"clockwork of odd groups", CLOCKWORK("1, 2, 3, 5"), CB_INPUT_DENSE, 3, 68, 3},
    {"clockwork of wide groups", CLOCKWORK("2, 3"), CB_INPUT_DENSE, 3, 160, 3},
    {"clockwork from slow to fast", CLOCKWORK("4, 1, 3"), CB_INPUT_DENSE, 3, 144, 3},
    {"clockwork that all stands still", CLOCKWORK("3, 7"), CB_INPUT_DENSE, 3, 64, 3},
    {"clockwork on an index", CLOCKWORK("1, 4"), CB_INPUT_INDEX, 7, 64, 3},
    {"clockwork without input",
     "set periods = 1, 3\nstate h = 0.5\n"
     "h' = clock(periods, tanh(R h + b), h)\n",
     CB_INPUT_NONE, 0, 64, 3},
    {"clockwork, full matrix",
     "set periods = 1, 2, 8\nstate h\n"
     "h' = clock(periods, tanh(W x + R h + b), h)\n",
     CB_INPUT_DENSE, 9, 96, 3},
    {"clockwork LSTM",
     "set periods = 1, 2, 4, 8\nstate h, c\nmatrix R = upper(periods)\n"
     "z = tanh(W x + R h + b)\n"
     "i = sigmoid(W x + R h + p*c + b)\n"
     "f = sigmoid(W x + R h + p*c + b)\n"
     "c' = clock(periods, f*c + i*z, c)\n"
     "o = sigmoid(W x + R h + p*c' + b)\n"
     "h' = clock(periods, o*tanh(c'), h)\n",
     CB_INPUT_DENSE, 6, 128, 3},
    {"clockwork GRU",
     "set periods = 1, 2, 4\nstate h\nmatrix R = upper(periods)\n"
     "r = sigmoid(W x + R h + b)\nz = sigmoid(W x + R h + b)\n"
     "n = tanh(W x + R (r*h) + b)\n"
     "h' = clock(periods, z*h + (1 - z)*n, h)\n",
     CB_INPUT_DENSE, 6, 96, 3},
    {"zero where it stands still",
     "set periods = 1, 3\nstate h\nmatrix R = lower(periods)\n"
     "s = clock(periods, tanh(W x + R h + b), 0)\nq = clock(periods, s*s, 2)\n"
     "h' = tanh(R s + P q + 0.5*h)\n",
     CB_INPUT_DENSE, 6, 64, 3},
    {"one clock of two",
     "set periods = 1, 2\nset others = 3, 1\nstate h, c\n"
     "h' = clock(periods, tanh(W x + R h + b), h)\n"
     "c' = clock(others, tanh(W x + R c + b), h')\n",
     CB_INPUT_DENSE, 3, 64, 0},
    {"a clock and a norm",
     "set periods = 1, 2\nstate h\nparam g\n"
     "a = clock(periods, tanh(W x + R h), h)\nh' = clock(periods, tanh(g*norm(a) + b), h)\n",
     CB_INPUT_DENSE, 3, 64, 2},
    {"new values before the loop",
     "set periods = 1, 2\nstate h\nn = tanh(W x + b)\n"
     "h' = clock(periods, n, 0.5*h)\n",
     CB_INPUT_DENSE, 3, 64, 3},
    {"a delayed state",
     "set periods = 1, 2\nstate h, u\nu' = clock(periods, W x, 0.25)\n"
     "h' = clock(periods, tanh(W u + R h + p*u + b), h)\n",
     CB_INPUT_DENSE, 3, 64, 3},
    {"blocks on a diagonal, no clock",
     "set n = 3\nstate h\nmatrix R = blockdiag(n)\nmatrix W = lower(n)\n"
     "z = sigmoid(W x + R h + b)\nh' = z*h + (1 - z)*tanh(W x + R h + b)\n",
     CB_INPUT_DENSE, 144, 144, 0},
    {"a diagonal, no clock", "state h\nmatrix R = diagonal\nh' = tanh(W x + R h + b)\n",
     CB_INPUT_DENSE, 3, 200, 0},
    {NULL, NULL, CB_INPUT_DENSE, 0, 0, 0},
};

/* ---- no bit changes ---- */

static void poison(cbi_plane *p) {
    for (size_t i = 0; p->memory && i < (p->capacity + 1) * p->ld; i++)
        p->memory[i] = NAN;
}

static void poison_all(cb_engine *e) {
    for (size_t l = 0; l < e->stack->layers; l++) {
        cbi_layer *y = &e->layers[l];
        for (size_t i = 0; i < y->cell->forward.count; i++)
            poison(&y->forward[i]);
        for (size_t i = 0; i < y->cell->backward.count; i++)
            poison(&y->backward[i]);
        for (size_t s = 0; s < y->cell->state_count; s++) {
            poison(&y->state[s]);
            poison(&y->old[s]);
            poison(&y->carry_in[s]);
            poison(&y->carry_out[s]);
        }
    }
}

static outcome run_poisoned(const batch *b, const float *w, int whole) {
    cb_engine *e;
    cb_err err;
    OK(cb_engine_create(&e, b->stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    if (whole)
        cbi_engine_compute_all(e);
    outcome first = run_engine(e, b, 1); /* makes room */
    outcome_free(&first);
    poison_all(e);
    outcome o = run_engine(e, b, 1);
    cb_engine_destroy(e);
    return o;
}

static double worst(const double *a, const double *b, size_t n) {
    double most = 0, scale = 1e-3;
    for (size_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(b[i]));
        most = isnan(a[i]) ? HUGE_VAL : fmax(most, fabs(a[i] - b[i]));
    }
    return most / scale;
}

/* f32 over at most 21 steps of up to 200 terms: a few hundred roundings; a layer above multiplies
 * what comes from below. */
static void check_reference(const char *what, const outcome *o, const batch *b, const float *w) {
    outcome r = run_reference(b, w);
    const double limit = cb_stack_layer_count(b->stack) == 1 ? 3e-5 : 3e-4;
    if (!(worst(o->y, r.y, o->frames * o->dim) < limit) ||
        !(worst(o->dx, r.dx, o->frames * o->I) < limit) ||
        !(worst(o->gradient, r.gradient, o->weights) < limit) ||
        !(worst(o->d_initial, r.d_initial, o->B * o->states) < limit))
        fail_msg("%s: y %g, dx %g, gradient %g, initial %g", what,
                 worst(o->y, r.y, o->frames * o->dim), worst(o->dx, r.dx, o->frames * o->I),
                 worst(o->gradient, r.gradient, o->weights),
                 worst(o->d_initial, r.d_initial, o->B * o->states));
    outcome_free(&r);
}

static cb_stack *make_stack(const clocked_cell *c, size_t layers, int bidirectional) {
    cb_layer_spec spec[2];
    cb_stack *stack;
    cb_err err;
    for (size_t l = 0; l < layers; l++)
        spec[l] = (cb_layer_spec){
            .name = c->name, .text = c->text, .hidden = c->H, .bidirectional = bidirectional};
    OK(cb_stack_create(&stack, spec, layers, c->kind, c->I, &err));
    return stack;
}

static const size_t alone[] = {21}, very_long[] = {300}, few[] = {19, 19, 12, 1},
                    many[] = {20, 20, 20, 20, 20, 20, 20, 17, 17, 17, 9, 9, 8, 2, 1};
static const uint32_t equal_start[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
                      other_start[] = {0, 2, 4, 6, 8, 1, 0, 0, 0, 7, 11, 0, 2, 5, 1};

static void check_cell(const clocked_cell *c, size_t layers, int both, const size_t *lengths,
                       size_t B, const uint32_t *begun) {
    char what[160];
    cb_stack *stack = make_stack(c, layers, both);
    float *w = draw_weights(stack, 3, 0.1);
    batch b = batch_make(stack, lengths, B, 5, GIVEN);
    b.steps.start = begun;
    snprintf(what, sizeof what, "%s, %zu layers, B %zu%s%s", c->name, layers, B,
             both ? ", bidirectional" : "", begun ? ", from a start" : "");
    outcome whole = run_poisoned(&b, w, 1), left = run_poisoned(&b, w, 0);
    same_outcome(what, &whole, &left);
    if (lengths[0] <= 21) /* what its limits are for */
        check_reference(what, &left, &b, w);
    outcome_free(&whole);
    outcome_free(&left);
    batch_free(&b);
    free(w);
    cb_stack_destroy(stack);
}

static void test_bits(void **state) {
    (void)state;
    for (const clocked_cell *c = cells; c->name; c++) {
        check_cell(c, 1, 0, alone, 1, NULL);
        check_cell(c, 1, 0, alone, 1, equal_start);
        check_cell(c, 1, 1, alone, 1, NULL);
        check_cell(c, 1, 0, very_long, 1, NULL); /* two blocks */
        check_cell(c, 2, 0, few, 4, NULL);
        check_cell(c, 1, 0, many, 15, NULL);
        check_cell(c, 1, 0, many, 15, equal_start);
        check_cell(c, 1, 0, many, 15, other_start);
        check_cell(c, 1, 1, many, 15, NULL);
    }
}

/* ---- it is left out ---- */

static void test_schedule(void **state) {
    (void)state;
    for (const clocked_cell *c = cells; c->name; c++) {
        cb_stack *stack = make_stack(c, 1, 0);
        const cb_cell *cell = cb_stack_cell(stack, 0);
        int forward = 0, backward = 0;
        for (size_t s = 0; s < cell->forward.stages[CBI_LOOP]; s++)
            forward |= cell->forward.stage[CBI_LOOP][s].has_idle;
        for (size_t s = 0; s < cell->backward.stages[CBI_LOOP]; s++)
            backward |= 2 * cell->backward.stage[CBI_LOOP][s].has_idle;
        if (forward + backward != c->leaves_out)
            fail_msg("%s: expected %d, got %d", c->name, c->leaves_out, forward + backward);
        cb_stack_destroy(stack);
    }
}

static size_t count_kind(const cbi_instr *list, size_t n, const char *op) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += list[i].op && strcmp(list[i].op, op) == 0;
    return found;
}

/* No unit of a clockwork LSTM that stands still takes a sigmoid, tanh or a derivative of one. */
static void test_nothing_dear(void **state) {
    static const char *const dear[] = {"tanh", "sigmoid", "d_tanh", "d_sigmoid", "mul", NULL};
    (void)state;
    const clocked_cell *c = cells;
    while (strcmp(c->name, "clockwork LSTM") != 0)
        c++;
    cb_stack *stack = make_stack(c, 1, 0);
    const cb_cell *cell = cb_stack_cell(stack, 0);
    for (int b = 0; b < 2; b++) {
        const cbi_pass *pass = b ? &cell->backward : &cell->forward;
        for (size_t s = 0; s < pass->stages[CBI_LOOP]; s++) {
            const cbi_stage *stage = &pass->stage[CBI_LOOP][s];
            assert_true(stage->has_idle || stage->instrs == 0);
            for (size_t k = 0; dear[k]; k++)
                assert_int_equal(count_kind(pass->instr + stage->first_idle, stage->idles, dear[k]),
                                 0);
        }
    }
    cb_stack_destroy(stack);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_nothing_dear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
