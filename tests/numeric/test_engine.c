/* SPDX-License-Identifier: MIT */
/*
 * What the f32 engine promises beside being right: identities of bits for every registered and
 * awkward cell, refusals that leave everything usable, and memory as it says.
 */
#include "faults.h"
#include "numeric/sequences.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- identities, for every cell ---- */

typedef void (*identity)(const any_cell *cell, const cb_stack *stack, const float *w);

static void for_every_cell(identity check) {
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++)
        for (size_t layers = 1; layers <= 2; layers++) {
            cb_stack *stack = stack_of(&cell, layers);
            float *w = draw_weights(stack, 3, 0.1);
            check(&cell, stack, w);
            free(w);
            cb_stack_destroy(stack);
        }
}

/* The bits of sequence pick[i] of the whole are those of sequence i of the part. */
static void same_sequences(const char *name, const batch *whole, const outcome *a,
                           const size_t *pick, const batch *part, const outcome *b) {
    char what[160];
    size_t n;
    for (size_t i = 0; i < b->B; i++) {
        snprintf(what, sizeof what, "%s, sequence %zu of %zu and %zu of %zu", name, pick[i], a->B,
                 i, b->B);
        for (size_t t = 0; t < part->steps.T && part->rows[t] > i; t++) {
            size_t f = batch_frame(whole, t, pick[i]), g = batch_frame(part, t, i);
            same_bits(what, a->y + f * a->dim, b->y + g * b->dim, a->dim);
            same_bits(what, a->dx + f * a->I, b->dx + g * b->I, a->I);
        }
        for (size_t l = 0; l < cb_stack_layer_count(whole->stack); l++) {
            const cb_state_info *info = cb_cell_states(cb_stack_cell(whole->stack, l), &n);
            for (size_t s = 0; s < n; s++) {
                size_t dim = info[s].dim;
                size_t f = state_offset(whole->stack, l, s, a->B) + pick[i] * dim;
                size_t g = state_offset(whole->stack, l, s, b->B) + i * dim;
                same_bits(what, a->final + f, b->final + g, dim);
                same_bits(what, a->d_initial + f, b->d_initial + g, dim);
            }
        }
    }
}

enum { MANY = 37, LONGEST = 12, EQUAL = 20 };

/* Long enough for blocks, uniform and not; every length from 12 down to 1 occurs. */
static void many_lengths(size_t *lengths) {
    for (size_t r = 0; r < MANY; r++)
        lengths[r] = r < EQUAL ? LONGEST : LONGEST * (MANY - r - 1) / (MANY - EQUAL) + 1;
}

static void check_company(const any_cell *cell, const cb_stack *stack, const float *w) {
    size_t lengths[MANY], turned[MANY];
    static const size_t alone[] = {0, 7, 21, 36}, some[] = {1, 5, 19, 22, 30, 36};
    many_lengths(lengths);
    batch whole = batch_make(stack, lengths, MANY, 5, GIVEN);
    outcome a = run_fresh(&whole, w);
    for (size_t i = 0; i < sizeof alone / sizeof *alone + 2; i++) {
        const size_t *pick = i < 4 ? &alone[i] : i == 4 ? some : turned;
        for (size_t r = 0; r < MANY; r++)
            turned[r] = r < EQUAL ? EQUAL - 1 - r : r;
        batch part = batch_pick(&whole, pick, i < 4 ? 1 : i == 4 ? 6 : MANY);
        outcome b = run_fresh(&part, w);
        same_sequences(cell->name, &whole, &a, pick, &part, &b);
        outcome_free(&b);
        batch_free(&part);
    }
    outcome_free(&a);
    batch_free(&whole);
}

/* A sequence has the same bits alone, among others, and in any order. */
static void test_company(void **state) {
    (void)state;
    for_every_cell(check_company);
}

/* States [B][dim] of `from`, the first rows of each, into the array of another batch size. */
static void hand_over(const cb_stack *stack, const double *from, size_t B_from, float *to,
                      size_t B_to) {
    size_t n, rows = B_from < B_to ? B_from : B_to;
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
        const cb_state_info *info = cb_cell_states(cb_stack_cell(stack, l), &n);
        for (size_t s = 0; s < n; s++)
            for (size_t i = 0; i < rows * info[s].dim; i++)
                to[state_offset(stack, l, s, B_to) + i] =
                    (float)from[state_offset(stack, l, s, B_from) + i];
    }
}

/* The second part says at which step it goes on: clocks read it. */
static void check_cut(const any_cell *cell, const cb_stack *stack, const float *w) {
    static const size_t lengths[] = {12, 12, 10, 8, 5, 2};
    enum { B = 6, CUT = 5 };
    static const uint32_t begun[B] = {CUT, CUT, CUT, CUT, CUT, CUT};
    char what[160];
    batch whole = batch_make(stack, lengths, B, 6, GIVEN);
    batch first = batch_cut(&whole, 0, CUT), second = batch_cut(&whole, CUT, lengths[0]);
    const size_t left = second.steps.B, frames = first.steps.frames;
    outcome a = run_fresh(&whole, w), b = run_fresh(&first, w);
    hand_over(stack, b.final, B, second.initial, left);
    second.given = ALL_GIVEN;
    second.steps.start = begun;
    outcome c = run_fresh(&second, w);
    hand_over(stack, c.d_initial, left, first.d_final, B);
    outcome_free(&b);
    b = run_fresh(&first, w);
    snprintf(what, sizeof what, "%s, %zu layer(s), cut at %d", cell->name,
             cb_stack_layer_count(stack), CUT);
    same_bits(what, a.y, b.y, frames * a.dim);
    same_bits(what, a.y + frames * a.dim, c.y, c.frames * a.dim);
    same_bits(what, a.dx, b.dx, frames * a.I);
    same_bits(what, a.dx + frames * a.I, c.dx, c.frames * a.I);
    same_bits(what, a.d_initial, b.d_initial, B * a.states);
    for (size_t i = 0; i < a.weights; i++) { /* sums in another order */
        double sum = b.gradient[i] + c.gradient[i];
        assert_true(fabs(sum - a.gradient[i]) <= 1e-4 * (1 + fabs(a.gradient[i])));
    }
    outcome_free(&a);
    outcome_free(&b);
    outcome_free(&c);
    batch_free(&whole);
    batch_free(&first);
    batch_free(&second);
}

/* A sequence cut in two, its states and their gradients handed over, has the bits of the whole. */
static void test_cut(void **state) {
    (void)state;
    for_every_cell(check_cut);
}

/* Shapes that grow and shrink, longer and shorter than a block, on one engine, with and without
 * keep: each time the bits of a fresh engine. */
static void check_reuse(const any_cell *cell, const cb_stack *stack, const float *w) {
    static const struct {
        size_t T, B;
    } shapes[] = {{3, 2}, {30, 11}, {1, 1}, {0, 3}, {2, 300}, {40, 1}, {3, 2}};
    char what[160];
    cb_engine *engine;
    cb_err err;
    OK(cb_engine_create(&engine, stack, &err));
    OK(cb_engine_set_weights(engine, w, &err));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t lengths[300];
        for (size_t r = 0; r < shapes[i].B; r++)
            lengths[r] = shapes[i].T ? shapes[i].T - (shapes[i].T > 2 && r > 5) : 0;
        batch b = batch_make(stack, lengths, shapes[i].B, i, i % 2 ? GIVEN : OWN);
        outcome fresh = run_fresh(&b, w), brief = run_engine(engine, &b, 0);
        outcome again = run_engine(engine, &b, 1);
        snprintf(what, sizeof what, "%s, T %zu, B %zu", cell->name, shapes[i].T, shapes[i].B);
        same_bits(what, fresh.y, brief.y, fresh.frames * fresh.dim);
        same_bits(what, fresh.final, brief.final, fresh.B * fresh.states);
        same_outcome(what, &fresh, &again);
        outcome_free(&fresh);
        outcome_free(&brief);
        outcome_free(&again);
        batch_free(&b);
    }
    cb_engine_destroy(engine);
}

static void test_reuse(void **state) {
    (void)state;
    for_every_cell(check_reuse);
}

/* ---- single cells ---- */

static const any_cell lstm = {"lstm",
                              "state h, c\n"
                              "z  = tanh(W x + R h + b)\n"
                              "i  = sigmoid(W x + R h + b)\n"
                              "f  = sigmoid(W x + R h + b)\n"
                              "c' = f*c + i*z\n"
                              "o  = sigmoid(W x + R h + b)\n"
                              "h' = o*tanh(c')\n",
                              CB_INPUT_DENSE,
                              3,
                              8,
                              0};
static const any_cell by_index = {
    "by-index", "state h = learned\nh' = tanh(W x + R h + b)\n", CB_INPUT_INDEX, 5, 4, 0};

/* With x = 0 the input's matrices do not matter, and have no gradient. */
static void test_zero_input(void **state) {
    (void)state;
    static const size_t lengths[] = {5, 5, 3};
    cb_stack *stack = stack_of(&lstm, 1);
    size_t count;
    const cb_stack_param *p = cb_stack_params(stack, &count);
    float *w = draw_weights(stack, 1, 0.1), *other = draw_weights(stack, 1, 0.1);
    batch b = batch_make(stack, lengths, 3, 2, OWN);
    memset(b.x, 0, b.steps.frames * lstm.I * sizeof *b.x);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; p[k].param->name[0] == 'W' && i < p[k].param->free_count; i++)
            other[p[k].offset + i] += 1;
    outcome one = run_fresh(&b, w), two = run_fresh(&b, other);
    same_bits("x = 0, y", one.y, two.y, one.frames * one.dim);
    same_bits("x = 0, gradients", one.gradient, two.gradient, one.weights);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; p[k].param->name[0] == 'W' && i < p[k].param->free_count; i++)
            assert_true(one.gradient[p[k].offset + i] == 0);
    outcome_free(&one);
    outcome_free(&two);
    batch_free(&b);
    free(w);
    free(other);
    cb_stack_destroy(stack);
}

/* No steps: the final states are the initial ones, and so are their gradients. */
static void test_no_steps(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 0, 0};
    const any_cell *cells[] = {&lstm, &by_index};
    for (size_t i = 0; i < 2; i++)
        for (start given = OWN; given <= GIVEN; given++) {
            cb_stack *stack = stack_of(cells[i], 2);
            float *w = draw_weights(stack, 1, 0.1);
            batch b = batch_make(stack, lengths, 3, 2, given);
            outcome o = run_fresh(&b, w), r = run_reference(&b, w);
            same_bits("no steps", o.final, r.final, o.B * o.states);
            same_bits("no steps", o.d_initial, r.d_initial, o.B * o.states);
            for (size_t k = 0; k < o.weights; k++)
                assert_true(fabs(o.gradient[k] - r.gradient[k]) <= 1e-6 * fabs(r.gradient[k]));
            for (size_t k = 0; k < o.B * o.states; k++) {
                assert_true(o.d_initial[k] == (double)b.d_final[k]);
                assert_true(given == OWN || o.final[k] == (double)b.initial[k]);
            }
            outcome_free(&o);
            outcome_free(&r);
            batch_free(&b);
            free(w);
            cb_stack_destroy(stack);
        }
}

/* ---- refusals ---- */

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        err.text[0] = '\0';                                                                        \
        assert_int_equal((call), (status));                                                        \
        if (strstr(err.text, (words)) == NULL)                                                     \
            fail_msg("expected '%s' in: %s", (words), err.text);                                   \
    } while (0)

static void test_order_of_calls(void **state) {
    (void)state;
    static const uint32_t rows[] = {2, 2};
    static const float x[12];
    const cb_steps steps = {2, 2, rows, 4};
    cb_stack *stack = stack_of(&lstm, 2);
    float *w = draw_weights(stack, 1, 0), *gradient = draw_weights(stack, 1, 0);
    float states[16] = {0};
    cb_engine *e;
    cb_rows y;
    cb_err err;
    OK(cb_engine_create(&e, stack, &err));
    REFUSED(cb_engine_forward(e, &steps, x, 3, NULL, 1, &y, &err), CB_EARG, "weights");
    OK(cb_engine_set_weights(e, w, &err));
    REFUSED(cb_engine_backward(e, gradient, NULL, 0, &err), CB_EARG, "forward");
    REFUSED(cb_engine_final_state(e, 0, "h", states, &err), CB_EARG, "forward");
    REFUSED(cb_engine_set_final_gradient(e, 0, "h", states, &err), CB_EARG, "forward");
    REFUSED(cb_engine_initial_gradient(e, 0, "h", states, &err), CB_EARG, "backward");
    OK(cb_engine_forward(e, &steps, x, 3, NULL, 0, &y, &err));
    REFUSED(cb_engine_backward(e, gradient, NULL, 0, &err), CB_EARG, "keep");
    REFUSED(cb_engine_set_final_gradient(e, 0, "h", states, &err), CB_EARG, "keep");
    OK(cb_engine_forward(e, &steps, x, 3, NULL, 1, &y, &err));
    REFUSED(cb_engine_initial_gradient(e, 0, "h", states, &err), CB_EARG, "backward");
    REFUSED(cb_engine_backward(e, gradient, gradient, 2, &err), CB_EARG, "dx");
    cb_rows dy = cb_engine_output_gradient(e);
    for (size_t f = 0; f < 4; f++)
        memset(dy.data + f * dy.ld, 0, dy.dim * sizeof *dy.data);
    OK(cb_engine_backward(e, gradient, NULL, 0, &err));
    OK(cb_engine_initial_gradient(e, 1, "c", states, &err));
    REFUSED(cb_engine_initial_gradient(e, 2, "c", states, &err), CB_EARG, "0 to 1");
    REFUSED(cb_engine_final_state(e, 0, "cc", states, &err), CB_EARG, "did you mean 'c'");
    REFUSED(cb_engine_set_initial(e, 0, "x", states, 2, &err), CB_EARG, "no state 'x'");
    cb_engine_destroy(e);
    free(w);
    free(gradient);
    cb_stack_destroy(stack);
}

/* Gradients of final states belong to the forward pass before them: the next one drops them. */
static void test_final_gradient_is_dropped(void **state) {
    (void)state;
    static const size_t lengths[] = {3, 2};
    cb_stack *stack = stack_of(&lstm, 1);
    float *w = draw_weights(stack, 1, 0.1), *gradient = draw_weights(stack, 1, 0);
    batch b = batch_make(stack, lengths, 2, 4, OWN);
    cb_engine *e;
    cb_rows y;
    cb_err err;
    OK(cb_engine_create(&e, stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    for (int given = 0; given < 2; given++) {
        OK(cb_engine_forward(e, &b.steps, b.x, 3, NULL, 1, &y, &err));
        OK(cb_engine_set_final_gradient(e, 0, "h", b.d_final, &err));
        if (given)
            OK(cb_engine_set_final_gradient(e, 0, "h", NULL, &err));
        else
            OK(cb_engine_forward(e, &b.steps, b.x, 3, NULL, 1, &y, &err));
        cb_rows dy = cb_engine_output_gradient(e);
        for (size_t f = 0; f < b.steps.frames; f++)
            memset(dy.data + f * dy.ld, 0, dy.dim * sizeof *dy.data);
        OK(cb_engine_backward(e, gradient, NULL, 0, &err));
        for (size_t i = 0; i < cb_stack_weight_count(stack); i++)
            assert_true(gradient[i] == 0.0f);
    }
    cb_engine_destroy(e);
    free(gradient);
    free(w);
    batch_free(&b);
    cb_stack_destroy(stack);
}

/* dy that was written once counts for each pass over the same batch. */
static void test_output_gradient_stays(void **state) {
    (void)state;
    static const size_t lengths[] = {3, 2};
    for (int both = 0; both < 2; both++) {
        const cb_layer_spec layer = {
            .name = "lstm", .text = lstm.text, .hidden = 5, .bidirectional = both};
        cb_stack *stack;
        cb_engine *e;
        cb_rows y;
        cb_err err;
        OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err));
        const size_t n = cb_stack_weight_count(stack);
        float *w = draw_weights(stack, 1, 0.1), *gradient = draw_weights(stack, 1, 0);
        float *first = draw_weights(stack, 1, 0);
        batch b = batch_make(stack, lengths, 2, 4, OWN);
        OK(cb_engine_create(&e, stack, &err));
        OK(cb_engine_set_weights(e, w, &err));
        for (int pass = 0; pass < 3; pass++) {
            OK(cb_engine_forward(e, &b.steps, b.x, 3, NULL, 1, &y, &err));
            const cb_rows dy = cb_engine_output_gradient(e);
            for (size_t f = 0; pass == 0 && f < b.steps.frames; f++)
                for (size_t j = 0; j < dy.dim; j++)
                    dy.data[f * dy.ld + j] = (float)(f + j + 1);
            OK(cb_engine_backward(e, pass ? gradient : first, NULL, 0, &err));
        }
        assert_memory_equal(gradient, first, n * sizeof *first);
        assert_true(first[0] != 0.0f);
        cb_engine_destroy(e);
        free(first);
        free(gradient);
        free(w);
        batch_free(&b);
        cb_stack_destroy(stack);
    }
}

/* Where dx can stand in for a plane of the engine's it has the same bits as where it cannot; also
 * where the gradient of the input is that of something else. */
static void test_dx_in_place(void **state) {
    (void)state;
    enum { I = 16, B = 3 };
    static const size_t lengths[B] = {120, 90, 70};
    static const char *const texts[] = {
        NULL, /* lstm */
        "state h\nh' = x\n",
        "state h\nh' = x + 0.5*h\n",
        "state h\nh' = tanh(x + h)\n",
        "state h\nh' = tanh(W x + U h + b) + x\n",
        "state h\nu = x\nh' = tanh(W u + U h) * u\n",
    };
    for (size_t c = 0; c < sizeof texts / sizeof *texts; c++)
        for (size_t layers = 1; layers <= 2; layers++) {
            const cb_layer_spec layer = {
                .name = "cell", .text = texts[c] ? texts[c] : lstm.text, .hidden = I};
            const cb_layer_spec both[] = {layer, layer};
            cb_stack *stack;
            cb_engine *e;
            cb_rows y;
            cb_err err;
            OK(cb_stack_create(&stack, both, layers, CB_INPUT_DENSE, I, &err));
            const size_t n = cb_stack_weight_count(stack);
            float *w = draw_weights(stack, 1, 0.1), *gradient = calloc(n + 1, sizeof *gradient);
            batch b = batch_make(stack, lengths, B, 4, OWN);
            const size_t floats = b.steps.frames * I;
            float *in_place = aligned_alloc(64, floats * sizeof *in_place);
            float *apart = calloc(b.steps.frames * (I + 1), sizeof *apart);
            OK(cb_engine_create(&e, stack, &err));
            OK(cb_engine_set_weights(e, w, &err));
            for (int pass = 0; pass < 4; pass++) {
                OK(cb_engine_forward(e, &b.steps, b.x, I, NULL, 1, &y, &err));
                const cb_rows dy = cb_engine_output_gradient(e);
                for (size_t f = 0; f < b.steps.frames; f++)
                    memcpy(dy.data + f * dy.ld, b.dy + f * dy.dim, dy.dim * sizeof *dy.data);
                if (pass % 2)
                    OK(cb_engine_backward(e, gradient, apart, I + 1, &err));
                else
                    OK(cb_engine_backward(e, gradient, in_place, I, &err));
            }
            for (size_t f = 0; f < b.steps.frames; f++)
                assert_memory_equal(apart + f * (I + 1), in_place + f * I, I * sizeof *apart);
            cb_engine_destroy(e);
            free(in_place);
            free(apart);
            free(gradient);
            free(w);
            batch_free(&b);
            cb_stack_destroy(stack);
        }
}

static void test_wrong_steps(void **state) {
    (void)state;
    static const uint32_t good[] = {3, 2, 1}, grows[] = {3, 1, 2}, empty[] = {3, 2, 0};
    static const float x[18], states[16];
    static const struct {
        cb_steps steps;
        const char *text;
    } wrong[] = {
        {{3, 3, grows, 6}, "rows[2] = 2, expected 1 to 1"},
        {{3, 3, empty, 5}, "rows[2] = 0"},
        {{3, 4, good, 6}, "rows[0] = 3, expected B = 4"},
        {{3, 3, good, 7}, "sum to 6, frames says 7"},
        {{0, 3, NULL, 1}, "sum to 0, frames says 1"},
    };
    cb_stack *stack = stack_of(&lstm, 1);
    float *w = draw_weights(stack, 1, 0);
    cb_engine *e;
    cb_rows y;
    cb_err err;
    OK(cb_engine_create(&e, stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        REFUSED(cb_engine_forward(e, &wrong[i].steps, x, 3, NULL, 1, &y, &err), CB_ESHAPE,
                wrong[i].text);
    const cb_steps steps = {3, 3, good, 6};
    REFUSED(cb_engine_forward(e, &steps, NULL, 3, NULL, 1, &y, &err), CB_EARG, "dense");
    REFUSED(cb_engine_forward(e, &steps, x, 2, NULL, 1, &y, &err), CB_EARG, "3 columns");
    OK(cb_engine_set_initial(e, 0, "c", states, 2, &err));
    REFUSED(cb_engine_forward(e, &steps, x, 3, NULL, 1, &y, &err), CB_ESHAPE,
            "initial state 'c': 2 rows were given, B is 3");
    assert_null(y.data);
    REFUSED(cb_engine_backward(e, w, NULL, 0, &err), CB_EARG, "forward");
    OK(cb_engine_set_initial(e, 0, "c", NULL, 0, &err));
    OK(cb_engine_forward(e, &steps, x, 3, NULL, 1, &y, &err));
    REFUSED(cb_engine_set_initial(e, 0, "c", states, SIZE_MAX / 2, &err), CB_ESHAPE, "");
    cb_engine_destroy(e);
    free(w);
    cb_stack_destroy(stack);
}

static void test_index_range(void **state) {
    (void)state;
    static const uint32_t rows[] = {2, 2, 1};
    static const int32_t good[] = {0, 4, 1, 2, 3}, high[] = {0, 4, 1, 5, 9},
                         low[] = {0, 1, -1, 0, 0};
    const cb_steps steps = {3, 2, rows, 5};
    cb_stack *stack = stack_of(&by_index, 1);
    float *w = draw_weights(stack, 1, 0);
    cb_engine *e;
    cb_rows y;
    cb_err err;
    OK(cb_engine_create(&e, stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    REFUSED(cb_engine_forward(e, &steps, NULL, 0, high, 1, &y, &err), CB_EARG,
            "frame 3: expected 0 to 4, got 5");
    REFUSED(cb_engine_forward(e, &steps, NULL, 0, low, 1, &y, &err), CB_EARG,
            "frame 2: expected 0 to 4, got -1");
    REFUSED(cb_engine_forward(e, &steps, NULL, 0, NULL, 1, &y, &err), CB_EARG, "index");
    OK(cb_engine_forward(e, &steps, NULL, 0, good, 1, &y, &err));
    REFUSED(cb_engine_backward(e, w, w, 5, &err), CB_EARG, "dense");
    cb_engine_destroy(e);
    free(w);
    cb_stack_destroy(stack);
}

/* ---- memory ---- */

typedef struct meter {
    size_t now, most;
} meter;

enum { HEAD = 16 }; /* keeps the alignment of malloc; holds the size */

/* Without the room to align to a huge page, which is never touched. */
static size_t touched(size_t size) {
    const size_t huge = (size_t)2 << 20;
    return size < 2 * huge ? size : size - huge;
}

static void *metered_resize(void *context, void *block, size_t size) {
    meter *m = context;
    char *old = block ? (char *)block - HEAD : NULL;
    size_t before = 0;
    if (old)
        memcpy(&before, old, sizeof before);
    char *grown = realloc(old, size + HEAD);
    if (grown == NULL)
        return NULL;
    memcpy(grown, &size, sizeof size);
    m->now += touched(size) - touched(before);
    m->most = m->now > m->most ? m->now : m->most;
    return grown + HEAD;
}

static void metered_release(void *context, void *block) {
    meter *m = context;
    size_t size;
    if (block == NULL)
        return;
    memcpy(&size, (char *)block - HEAD, sizeof size);
    m->now -= touched(size);
    free((char *)block - HEAD);
}

static void check_memory(const any_cell *cell, size_t layers, size_t T, size_t B, int keep) {
    meter m = {0};
    const cb_allocator table = {metered_resize, metered_release, &m};
    size_t lengths[64], predicted;
    cb_engine *e;
    cb_rows y;
    cb_err err;
    for (size_t r = 0; r < B; r++)
        lengths[r] = T - r * T / (2 * B);
    cb_stack *stack = stack_of(cell, layers);
    float *w = draw_weights(stack, 1, 0.1), *gradient = draw_weights(stack, 1, 0);
    batch b = batch_make(stack, lengths, B, 1, OWN);
    OK(cb_engine_memory(stack, B, b.steps.frames, keep, &predicted, &err));
    cb_stack_destroy(stack);
    cb_memory_set(&table); /* while nothing of the library's is alive */
    stack = stack_of(cell, layers);
    size_t stack_bytes = m.now;
    OK(cb_engine_create(&e, stack, &err));
    OK(cb_engine_set_weights(e, w, &err));
    OK(cb_engine_forward(e, &b.steps, b.x, cell->I, b.index, keep, &y, &err));
    cb_rows dy = cb_engine_output_gradient(e);
    for (size_t f = 0; keep && f < b.steps.frames; f++)
        memset(dy.data + f * dy.ld, 0, dy.dim * sizeof *dy.data);
    if (keep)
        OK(cb_engine_backward(e, gradient, NULL, 0, &err));
    const size_t held = m.most - stack_bytes;
    cb_engine_destroy(e);
    cb_stack_destroy(stack);
    cb_memory_set(NULL);
    assert_int_equal(m.now, 0);
    if (predicted < held || predicted > 2 * held)
        fail_msg("%s, %zu layer(s), H %zu, T %zu, B %zu, keep %d: predicted %zu bytes, held %zu",
                 cell->name, layers, cell->H, T, B, keep, predicted, held);
    batch_free(&b);
    free(w);
    free(gradient);
}

static void test_memory(void **state) {
    (void)state;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++)
        for (int keep = 0; keep < 2; keep++) {
            cell.H = cell.H % 5 == 0 && cell.H % 2 ? 45 : 48;
            if (strcmp(cell.name, "clockwork-9") == 0)
                cell.H = 48;
            if (cell.kind == CB_INPUT_DENSE && strcmp(cell.name, "sru-square") != 0)
                cell.I = 24;
            else if (cell.kind == CB_INPUT_DENSE)
                cell.I = cell.H;
            check_memory(&cell, 1, 50, 16, keep);
            check_memory(&cell, 2, 8, 64, keep);
        }
    any_cell large = lstm;
    large.H = 300;
    check_memory(&large, 2, 4, 3, 1);
    large.H = 100;
    large.I = 1;
    check_memory(&large, 1, 200, 1, 0);
    large.H = 1024; /* operands of gradients are laid up */
    large.I = 24;
    check_memory(&large, 1, 10, 64, 1);
}

static void test_memory_overflow(void **state) {
    (void)state;
    cb_stack *stack = stack_of(&lstm, 2);
    size_t bytes;
    cb_err err;
    assert_int_equal(cb_engine_memory(stack, 1, SIZE_MAX / 2, 1, &bytes, &err), CB_ESHAPE);
    cb_stack_destroy(stack);
}

/* ---- every allocation refused once ---- */

typedef struct errand {
    const any_cell *cell;
    const float *w;
    float *gradient;
} errand;

static cb_status run_errand(void *context) {
    static const uint32_t rows[] = {2, 2, 1};
    static const float x[15], states[16];
    static const int32_t index[5];
    static const cb_steps steps = {3, 2, rows, 5};
    const errand *job = context;
    const int dense = job->cell->kind == CB_INPUT_DENSE;
    const cb_layer_spec layers[2] = {{job->cell->name, job->cell->text, NULL, 0, job->cell->H},
                                     {job->cell->name, job->cell->text, NULL, 0, job->cell->H}};
    cb_stack *stack;
    cb_engine *e = NULL;
    cb_rows y;
    cb_err err;
    cb_status st = cb_stack_create(&stack, layers, 2, job->cell->kind, job->cell->I, &err);
    if (st == CB_OK)
        st = cb_engine_create(&e, stack, &err);
    if (st == CB_OK)
        st = cb_engine_set_weights(e, job->w, &err);
    if (st == CB_OK)
        st = cb_engine_set_initial(e, 1, "h", states, 2, &err);
    if (st == CB_OK)
        st = cb_engine_forward(e, &steps, dense ? x : NULL, job->cell->I, dense ? NULL : index, 1,
                               &y, &err);
    if (st == CB_OK)
        st = cb_engine_set_final_gradient(e, 1, "h", states, &err);
    if (st == CB_OK) {
        cb_rows dy = cb_engine_output_gradient(e);
        for (size_t f = 0; f < 5; f++)
            memset(dy.data + f * dy.ld, 0, dy.dim * sizeof *dy.data);
        st = cb_engine_backward(e, job->gradient, NULL, 0, &err);
    }
    if (st != CB_OK) {
        if (strstr(err.text, "memory") == NULL)
            fail_msg("%s", err.text);
    }
    cb_engine_destroy(e);
    cb_stack_destroy(stack);
    return st;
}

static void test_refused_memory(void **state) {
    (void)state;
    /* With a structure, a layer that does not read its input, and an index. */
    static const any_cell deaf = {
        "deaf", "state h\nmatrix R = upper(2)\nh' = tanh(R h + 0.1)\n", CB_INPUT_DENSE, 3, 4, 0};
    const any_cell *cells[] = {&lstm, &by_index, &deaf};
    for (size_t i = 0; i < 3; i++) {
        cb_stack *stack = stack_of(cells[i], 2);
        float *w = draw_weights(stack, 1, 0), *gradient = draw_weights(stack, 1, 0);
        errand job = {cells[i], w, gradient};
        cb_stack_destroy(stack);
        assert_true(faults_run(run_errand, &job) > 50);
        free(w);
        free(gradient);
    }
}

static cb_status run_check(void *context) {
    static const cb_layer_spec layer = {"tiny", "state h\nh' = tanh(W x + R h)\n", NULL, 0, 2};
    cb_check_result *result = context;
    cb_stack *stack;
    cb_err err;
    cb_status st = cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 2, &err);
    if (st == CB_OK)
        st = cb_check_stack(stack, 1, result, &err);
    cb_stack_destroy(stack);
    return st;
}

static void test_refused_memory_in_check(void **state) {
    (void)state;
    cb_check_result result;
    assert_true(faults_run(run_check, &result) > 50);
    assert_true(result.passed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_zero_input),
        cmocka_unit_test(test_no_steps),
        cmocka_unit_test(test_order_of_calls),
        cmocka_unit_test(test_final_gradient_is_dropped),
        cmocka_unit_test(test_output_gradient_stays),
        cmocka_unit_test(test_dx_in_place),
        cmocka_unit_test(test_wrong_steps),
        cmocka_unit_test(test_index_range),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_overflow),
        cmocka_unit_test(test_refused_memory),
        cmocka_unit_test(test_refused_memory_in_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
