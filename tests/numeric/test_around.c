/* SPDX-License-Identifier: MIT */
/*
 * What stands around a cell: each regulariser and residual links, in the gradient check, for every
 * registered and every awkward cell; and what the masks promise.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cellbench/memory.h"
#include "cellbench/random.h"
#include "numeric/sequences.h"

static const struct {
    const char *name;
    cb_regularisers r;
} around[] = {
    {"variational_input", {.variational_input = 0.3}},
    {"variational_state", {.variational_state = 0.3}},
    {"recurrent_dropout", {.recurrent_dropout = 0.3}},
    {"zoneout", {.zoneout = (const cb_zoneout[]){{NULL, 0.3}}, .zoneout_count = 1}},
    {"all", {0.2, 0.2, 0.2, (const cb_zoneout[]){{NULL, 0.2}}, 1}},
};
enum { AROUND = sizeof around / sizeof *around };

/* Where masks that drop all of few elements leave norm() or relu() with 0 alone. */
static int is_delicate(const char *text) {
    return strstr(text, "norm(") != NULL || strstr(text, "relu(") != NULL;
}

/* As small as the cell can be built: every weight is moved four times. */
static cb_stack *smallest(cb_layer_spec *layers, size_t n, cb_input_kind kind, size_t I) {
    cb_err err;
    cb_stack *stack = NULL;
    for (size_t H = is_delicate(layers[n - 1].text) ? 8 : 2; stack == NULL && H <= 16; H += 2) {
        for (size_t l = 0; l < n; l++)
            layers[l].hidden = H;
        if (cb_stack_create(&stack, layers, n, kind, I, &err) == CB_ENOMEM)
            break;
    }
    if (stack == NULL)
        fail_msg("%s: %s", layers[0].name, err.text);
    return stack;
}

static void check(cb_layer_spec *layers, size_t n, cb_input_kind kind, size_t I,
                  const cb_regularisers *r, const char *what) {
    cb_err err;
    cb_check_result result;
    cb_stack *stack = smallest(layers, n, kind, I);
    OK(cb_stack_regularise(stack, r, &err));
    if (cb_check_stack(stack, 7, &result, &err) != CB_OK)
        fail_msg("%s with %s: %s", layers[0].name, what, err.text);
    if (!result.passed)
        fail_msg("%s with %s, %zu layer(s): gradient error %g (%s), f32 share %g (%s)%s",
                 layers[0].name, what, n, result.worst_gradient, result.worst_tensor,
                 result.worst_f32, result.worst_f32_tensor,
                 result.mistrusted ? ", mistrusted: the output is constant" : "");
    cb_stack_destroy(stack);
}

/* Alone with each; with all in both directions; with all in two layers, the upper one linked. */
static void test_every_cell(void **state) {
    (void)state;
    const cb_regularisers *all = &around[AROUND - 1].r;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++) {
        if (cell.below != NULL)
            continue; /* below */
        if (cell.kind == CB_INPUT_DENSE && is_delicate(cell.text))
            cell.I = 8;
        cb_layer_spec layer[2] = {{.name = cell.name, .text = cell.text},
                                  {.name = cell.name, .text = cell.text}};
        for (size_t k = 0; k + 1 < AROUND; k++)
            check(layer, 1, cell.kind, cell.I, &around[k].r, around[k].name);
        layer[0].bidirectional = 1;
        check(layer, 1, cell.kind, cell.I, all, "all, in both directions");
        layer[0].bidirectional = 0;
        cb_stack *one = smallest(layer, 1, cell.kind, cell.I);
        /* A cell that puts out less than it is wide is too narrow for a link. */
        layer[1].residual = cb_stack_output_dim(one) == layer[0].hidden;
        check(layer, 2, cell.kind, cell.I, all, "all and a residual link");
        cb_stack_destroy(one);
    }
}

/* Cells that read the layer below, over the one that they name. */
static void test_readers_of_the_layer_below(void **state) {
    (void)state;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++) {
        if (cell.below == NULL)
            continue;
        cb_layer_spec layers[3] = {{.name = cell.below->name, .text = cell.below->text},
                                   {.name = cell.name, .text = cell.text},
                                   {.name = cell.name, .text = cell.text, .residual = 1}};
        for (size_t k = 0; k + 1 < AROUND; k++)
            check(layers, 2, cell.kind, cell.I, &around[k].r, around[k].name);
        check(layers, 3, cell.kind, cell.I, &around[AROUND - 1].r, "all and a residual link");
    }
}

static void test_residual_links(void **state) {
    (void)state;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell) && i < 4; i++) {
        cb_layer_spec layers[3] = {{.name = cell.name, .text = cell.text},
                                   {.name = cell.name, .text = cell.text, .residual = 1},
                                   {.name = cell.name, .text = cell.text, .residual = 1}};
        check(layers, 3, cell.kind, cell.I, &(cb_regularisers){0}, "residual links");
    }
}

/* ---- what each means, in cells of one line whose matrices are 1 ---- */

enum { ROWS = 3, STEPS = 5, WIDE = 400, INPUTS = ROWS * STEPS * WIDE };

typedef struct small {
    cb_stack *stack;
    cb_engine *engine;
    float x[INPUTS], y[INPUTS];
} small;

static small *small_open(const char *text, int residual, const cb_regularisers *r) {
    cb_err err;
    small *s = calloc(1, sizeof *s);
    assert_non_null(s);
    const cb_layer_spec layer = {
        .name = "small", .text = text, .hidden = WIDE, .residual = residual};
    OK(cb_stack_create(&s->stack, &layer, 1, CB_INPUT_DENSE, WIDE, &err));
    OK(cb_stack_regularise(s->stack, r, &err));
    OK(cb_engine_create(&s->engine, s->stack, &err));
    const size_t n = cb_stack_weight_count(s->stack);
    double *drawn = calloc(n + 1, sizeof *drawn);
    float *w = calloc(n + 1, sizeof *w);
    assert_true(drawn != NULL && w != NULL);
    const cb_init_override ones[] = {{"W", {CB_LAW_IDENTITY, 1}}, {"R", {CB_LAW_IDENTITY, 1}}};
    OK(cb_stack_init(s->stack, 1, ones, strstr(text, "R h") ? 2 : 1, drawn, &err));
    for (size_t i = 0; i < n; i++)
        w[i] = (float)drawn[i];
    OK(cb_engine_set_weights(s->engine, w, &err));
    cb_random random = cb_random_stream(2, "x", 0);
    for (size_t i = 0; i < INPUTS; i++)
        s->x[i] = (float)cb_random_normal(&random);
    free(drawn);
    free(w);
    return s;
}

static void small_close(small *s) {
    cb_engine_destroy(s->engine);
    cb_stack_destroy(s->stack);
    free(s);
}

static void small_run(small *s, int keep) {
    static const uint32_t rows[STEPS] = {ROWS, ROWS, ROWS, ROWS, ROWS};
    static const uint64_t names[ROWS] = {7, 9, 1};
    const cb_steps steps = {.T = STEPS, .B = ROWS, .rows = rows, .frames = STEPS * ROWS};
    cb_rows y;
    cb_err err;
    OK(cb_engine_set_masks(s->engine, 5, names, ROWS, &err));
    OK(cb_engine_forward(s->engine, &steps, s->x, WIDE, NULL, keep, &y, &err));
    for (size_t f = 0; f < STEPS * ROWS; f++)
        memcpy(s->y + f * WIDE, y.data + f * y.ld, WIDE * sizeof *s->y);
}

/* Within five standard deviations of a share of n draws. */
static void assert_share(size_t hits, size_t n, double rate) {
    const double share = (double)hits / (double)n;
    if (fabs(share - rate) > 5 * sqrt(rate * (1 - rate) / (double)n))
        fail_msg("%zu of %zu are %g, expected about %g", hits, n, share, rate);
}

static int is_near(float a, double b) {
    return fabs((double)a - b) <= 1e-6 * (1 + fabs(b));
}

/* The state before the step and the input of an element. */
static double old_of(const small *s, size_t i) {
    return i < ROWS * WIDE ? 0 : (double)s->y[i - ROWS * WIDE];
}

static void test_zoneout(void **state) {
    (void)state;
    const double q = 0.3;
    small *s =
        small_open("state h\nh' = W x\n", 0,
                   &(cb_regularisers){.zoneout = &(cb_zoneout){NULL, q}, .zoneout_count = 1});
    size_t kept = 0;
    small_run(s, 1);
    for (size_t i = 0; i < INPUTS; i++) {
        const int is_old = (double)s->y[i] == old_of(s, i);
        assert_true(is_old != (s->y[i] == s->x[i]));
        kept += (size_t)is_old;
    }
    assert_share(kept, INPUTS, q);
    small_run(s, 0);
    for (size_t i = 0; i < INPUTS; i++)
        assert_true(is_near(s->y[i], q * old_of(s, i) + (1 - q) * (double)s->x[i]));
    small_close(s);
}

static void test_recurrent_dropout(void **state) {
    (void)state;
    const double q = 0.4;
    small *s =
        small_open("state h\nh' = 0.5*h + W x\n", 0, &(cb_regularisers){.recurrent_dropout = q});
    size_t dropped = 0, like_before = 0;
    small_run(s, 1);
    for (size_t i = 0; i < INPUTS; i++) {
        const int is_gone = (double)s->y[i] == 0.5 * old_of(s, i);
        assert_true(is_gone || is_near(s->y[i], 0.5 * old_of(s, i) + (double)s->x[i] / (1 - q)));
        dropped += (size_t)is_gone;
        like_before += i >= ROWS * WIDE && is_gone && s->y[i - ROWS * WIDE] == 0;
    }
    assert_share(dropped, INPUTS, q);
    assert_true(like_before < dropped); /* new in each step */
    small_run(s, 0);
    for (size_t i = 0; i < INPUTS; i++)
        assert_true(is_near(s->y[i], 0.5 * old_of(s, i) + (double)s->x[i]));
    small_close(s);
}

/* One mask for a sequence: what is dropped in one step is dropped in all. */
static void check_variational(const char *text, const cb_regularisers *r, double q, int of_input) {
    small *s = small_open(text, 0, r);
    small_run(s, 1);
    size_t dropped = 0;
    for (size_t i = ROWS * WIDE; i < INPUTS; i++) {
        const size_t first = i % (ROWS * WIDE) + (of_input ? 0 : ROWS * WIDE);
        const double own = of_input ? (double)s->x[i] : old_of(s, i);
        const double other = of_input ? old_of(s, i) : (double)s->x[i];
        const int gone = of_input ? s->y[first] == 0 : s->y[first] == s->x[first];
        assert_true(is_near(s->y[i], other + (gone ? 0 : own / (1 - q))));
        dropped += (size_t)gone;
    }
    assert_share(dropped / (STEPS - 1), ROWS * WIDE, q);
    small_run(s, 0);
    for (size_t i = 0; i < INPUTS; i++)
        assert_true(is_near(s->y[i], old_of(s, i) + (double)s->x[i]));
    small_close(s);
}

static void test_variational(void **state) {
    (void)state;
    check_variational("state h\nh' = R h + W x\n", &(cb_regularisers){.variational_state = 0.25},
                      0.25, 0);
    check_variational("state h\nh' = R h + W x\n", &(cb_regularisers){.variational_input = 0.25},
                      0.25, 1);
    /* What no matrix multiplies is not masked. */
    check_variational("state h\nh' = h + W x\n", &(cb_regularisers){.variational_state = 0.25}, 0,
                      0);
}

static void test_residual(void **state) {
    (void)state;
    small *plain = small_open("state h\nh' = 0.5*h + W x\n", 0, &(cb_regularisers){0});
    small *linked = small_open("state h\nh' = 0.5*h + W x\n", 1, &(cb_regularisers){0});
    small_run(plain, 1);
    small_run(linked, 1);
    for (size_t i = 0; i < INPUTS; i++)
        assert_true(linked->y[i] == plain->y[i] + plain->x[i]);
    small_close(plain);
    small_close(linked);
}

/* ---- where they act ---- */

static void expect_masks(const char *name, const char *expected) {
    cb_err err;
    size_t n;
    char got[512] = "";
    const cb_cell_def *def;
    OK(cb_cell_find(&def, cb_variants, name, &err));
    const cb_layer_spec layer = {.name = name, .text = def->text, .hidden = 8};
    cb_stack *stack;
    OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err));
    OK(cb_stack_regularise(stack, &around[AROUND - 1].r, &err));
    const cb_stack_mask *m = cb_stack_masks(stack, &n);
    for (size_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", m[i].name + 2);
    assert_string_equal(got, expected);
    cb_stack_destroy(stack);
}

static void test_places(void **state) {
    (void)state;
    expect_masks("rnn", "variational.x variational.h zoneout.h ");
    expect_masks("lstm", "variational.x variational.h recurrent-dropout.c zoneout.h zoneout.c ");
    expect_masks("peephole",
                 "variational.x variational.h recurrent-dropout.c zoneout.h zoneout.c ");
    expect_masks("gru", "variational.x variational.h recurrent-dropout.h zoneout.h ");
    expect_masks("gru-after", "variational.x variational.h recurrent-dropout.h zoneout.h ");
    expect_masks("clockwork", "variational.x variational.h zoneout.h ");
}

/* The update of a memory is found whatever form its equation has. */
static void test_forms_of_an_update(void **state) {
    (void)state;
    static const char *const forms[] = {
        "state h\nn = tanh(W x + R h)\nz = sigmoid(b)\nh' = (1 - z)*h + z*n\n",
        "state h\nn = tanh(W x + R h)\nz = sigmoid(b)\nh' = h + z*(n - h)\n",
        "state h\nn = tanh(W x + R h)\nz = sigmoid(b)\nh' = n*z - h*(z - 1)\n",
        "state h\nn = tanh(W x + R h)\nz = sigmoid(b)\nu = z*n\nk = h - z*h\nh' = u + k\n",
    };
    enum { B = 3 };
    const size_t lengths[B] = {5, 4, 2};
    const uint64_t names[B] = {1, 2, 3};
    outcome first = {0};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        cb_err err;
        cb_stack *stack;
        cb_engine *engine;
        /* W_n, R_n, b_z come in the same order in all. */
        const cb_layer_spec layer = {.name = "form", .text = forms[i], .hidden = 6};
        OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err));
        OK(cb_stack_regularise(stack, &(cb_regularisers){.recurrent_dropout = 0.5}, &err));
        batch b = batch_make(stack, lengths, B, 4, GIVEN);
        float *w = draw_weights(stack, 1, 0.5);
        OK(cb_engine_create(&engine, stack, &err));
        OK(cb_engine_set_weights(engine, w, &err));
        OK(cb_engine_set_masks(engine, 1, names, B, &err));
        outcome o = run_engine(engine, &b, 1);
        for (size_t k = 0; i > 0 && k < o.frames * o.dim; k++)
            assert_true(fabs(o.y[k] - first.y[k]) < 1e-6);
        for (size_t k = 0; i > 0 && k < o.weights; k++)
            assert_true(fabs(o.gradient[k] - first.gradient[k]) < 1e-5);
        if (i == 0)
            first = o;
        else
            outcome_free(&o);
        free(w);
        batch_free(&b);
        cb_engine_destroy(engine);
        cb_stack_destroy(stack);
    }
    outcome_free(&first);
}

/* ---- masks belong to sequences ---- */

static void test_masks_of_sequences(void **state) {
    (void)state;
    enum { B = 4, CUT = 3 };
    const size_t lengths[B] = {7, 5, 5, 2}, pick[2] = {2, 3};
    const uint64_t names[B] = {3, 1ULL << 40, 12, 8}, picked[2] = {12, 8},
                   later[3] = {3, 1ULL << 40, 12};
    const uint32_t gone[3] = {CUT, CUT, CUT};
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++) {
        cb_err err;
        cb_engine *engine;
        cb_stack *stack = stack_of(&cell, 1);
        OK(cb_stack_regularise(stack, &around[AROUND - 1].r, &err));
        batch whole = batch_make(stack, lengths, B, 3, OWN);
        batch some = batch_pick(&whole, pick, 2), begun = batch_cut(&whole, 0, CUT);
        batch rest = batch_cut(&whole, CUT, 7);
        float *w = draw_weights(stack, 2, 0.2);
        OK(cb_engine_create(&engine, stack, &err));
        OK(cb_engine_set_weights(engine, w, &err));
        OK(cb_engine_set_masks(engine, 4, names, B, &err));
        outcome all = run_engine(engine, &whole, 1), first = run_engine(engine, &begun, 1);
        same_bits(cell.name, first.y, all.y, first.frames * first.dim);
        /* The rest, from where the first steps ended; row 3 has ended. */
        size_t n;
        for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
            const cb_state_info *info = cb_cell_states(cb_stack_cell(stack, l), &n);
            for (size_t k = 0; k < n; k++)
                for (size_t j = 0; j < 3 * info[k].dim; j++)
                    rest.initial[state_offset(stack, l, k, 3) + j] =
                        (float)first.final[state_offset(stack, l, k, B) + j];
        }
        rest.given = ALL_GIVEN;
        rest.steps.start = gone;
        OK(cb_engine_set_masks(engine, 4, later, 3, &err));
        outcome second = run_engine(engine, &rest, 1);
        same_bits(cell.name, second.y, all.y + first.frames * first.dim,
                  second.frames * second.dim);
        OK(cb_engine_set_masks(engine, 4, picked, 2, &err));
        outcome part = run_engine(engine, &some, 1);
        for (size_t t = 0; t < 5; t++)
            for (size_t r = 0; r < some.rows[t]; r++)
                same_bits(cell.name, part.y + batch_frame(&some, t, r) * part.dim,
                          all.y + batch_frame(&whole, t, pick[r]) * part.dim, part.dim);
        outcome_free(&all), outcome_free(&first), outcome_free(&second), outcome_free(&part);
        batch_free(&whole), batch_free(&some), batch_free(&begun), batch_free(&rest);
        free(w);
        cb_engine_destroy(engine);
        cb_stack_destroy(stack);
    }
}

/* ---- mistakes ---- */

static void refuse(const cb_regularisers *r, const char *expected) {
    cb_err err;
    cb_stack *stack;
    const cb_layer_spec layer = {
        .name = "lstm", .text = "state h, cell\ncell' = 0.5*cell + W x\nh' = cell'\n", .hidden = 4};
    OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err));
    assert_int_equal(cb_stack_regularise(stack, r, &err), CB_EARG);
    if (strstr(err.text, expected) == NULL)
        fail_msg("expected '%s' in '%s'", expected, err.text);
    cb_stack_destroy(stack);
}

static void test_mistakes(void **state) {
    (void)state;
    cb_err err;
    cb_stack *stack;
    cb_engine *engine;
    refuse(&(cb_regularisers){.variational_input = 1}, "variational_input: expected 0 <= rate < 1");
    refuse(&(cb_regularisers){.variational_state = -0.1}, "variational_state");
    refuse(&(cb_regularisers){.recurrent_dropout = (double)NAN}, "recurrent_dropout");
    refuse(&(cb_regularisers){.zoneout = &(cb_zoneout){"h", 1.5}, .zoneout_count = 1},
           "zoneout of h: expected 0 <= rate < 1, got 1.5");
    refuse(&(cb_regularisers){.zoneout = &(cb_zoneout){"cel", 0.5}, .zoneout_count = 1},
           "zoneout: no cell here has a state 'cel', did you mean 'cell'?");
    cb_layer_spec layer = {
        .name = "rnn", .text = "state h\nh' = tanh(W x + R h)\n", .hidden = 4, .residual = 1};
    assert_int_equal(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err), CB_EARG);
    assert_non_null(strstr(err.text, "layer 1: rnn: residual: output + input needs one dimension, "
                                     "got 4 and 3"));
    assert_int_equal(cb_stack_create(&stack, &layer, 1, CB_INPUT_INDEX, 4, &err), CB_EARG);
    assert_non_null(strstr(err.text, "symbols"));
    layer.residual = 0;
    OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err));
    OK(cb_stack_regularise(stack, &around[0].r, &err));
    assert_int_equal(cb_stack_regularise(stack, &around[0].r, &err), CB_EARG);
    /* Names for another batch: with keep they are needed, without they are not looked at. */
    const uint32_t rows[1] = {2};
    const uint64_t names[3] = {1, 2, 3};
    const float x[6] = {0}, w[64] = {0};
    const cb_steps steps = {.T = 1, .B = 2, .rows = rows, .frames = 2};
    cb_rows y;
    OK(cb_engine_create(&engine, stack, &err));
    OK(cb_engine_set_weights(engine, w, &err));
    OK(cb_engine_set_masks(engine, 1, names, 3, &err));
    assert_int_equal(cb_engine_forward(engine, &steps, x, 3, NULL, 1, &y, &err), CB_ESHAPE);
    OK(cb_engine_forward(engine, &steps, x, 3, NULL, 0, &y, &err));
    OK(cb_engine_set_masks(engine, 1, NULL, 0, &err));
    OK(cb_engine_forward(engine, &steps, x, 3, NULL, 1, &y, &err));
    cb_engine_destroy(engine);
    cb_stack_destroy(stack);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell),
                                       cmocka_unit_test(test_readers_of_the_layer_below),
                                       cmocka_unit_test(test_residual_links),
                                       cmocka_unit_test(test_zoneout),
                                       cmocka_unit_test(test_recurrent_dropout),
                                       cmocka_unit_test(test_variational),
                                       cmocka_unit_test(test_residual),
                                       cmocka_unit_test(test_places),
                                       cmocka_unit_test(test_forms_of_an_update),
                                       cmocka_unit_test(test_masks_of_sequences),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests_name("around", tests, NULL, NULL);
}
