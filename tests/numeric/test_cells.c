/* SPDX-License-Identifier: MIT */
/*
 * Every registered cell and every awkward one: builds, prints a text that builds the same cell,
 * counts its parameters as its paper does, passes the gradient check alone and in stacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/engine.h"
#include "cellbench/memory.h"
#include "numeric/awkward.h"
#include "numeric/formula.h"

static void check(const cb_layer_spec *layers, size_t n, cb_input_kind kind, size_t I) {
    cb_err err;
    cb_stack *stack;
    cb_check_result result;
    if (cb_stack_create(&stack, layers, n, kind, I, &err) != CB_OK)
        fail_msg("%s: %s", layers[0].name, err.text);
    if (cb_check_stack(stack, 7, &result, &err) != CB_OK)
        fail_msg("%s: %s", layers[0].name, err.text);
    if (!result.passed)
        fail_msg("%s, %zu layer(s), I %zu, H %zu: gradient error %g (%s), f32 share %g (%s)%s",
                 layers[0].name, n, I, layers[0].hidden, result.worst_gradient, result.worst_tensor,
                 result.worst_f32, result.worst_f32_tensor,
                 result.mistrusted ? ", mistrusted: the output is constant" : "");
    cb_stack_destroy(stack);
}

static void check_text(const char *name, const char *text, cb_input_kind kind, size_t I, size_t H) {
    cb_layer_spec layers[2] = {{name, text, NULL, 0, H}, {name, text, NULL, 0, H}};
    check(layers, 1, kind, I);
    check(layers, 2, kind, I);
}

static void test_registered(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{3, 8}, {1, 4}, {8, 8}, {5, 24}};
    for (int i = 0; cb_variants[i]; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            check_text(cb_variants[i]->name, cb_variants[i]->text, CB_INPUT_DENSE, sizes[k][0],
                       sizes[k][1]);
}

static void test_registered_other_inputs(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        check_text(cb_variants[i]->name, cb_variants[i]->text, CB_INPUT_INDEX, 6, 8);
        check_text(cb_variants[i]->name, cb_variants[i]->text, CB_INPUT_NONE, 0, 8);
    }
}

static void test_awkward(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        check_text(a->name, a->text, a->kind, a->I, a->H);
}

static void test_depth_gated(void **state) {
    (void)state;
    const char *lstm = NULL;
    for (int i = 0; cb_variants[i]; i++)
        if (strcmp(cb_variants[i]->name, "lstm") == 0)
            lstm = cb_variants[i]->text;
    assert_non_null(lstm);
    cb_layer_spec layers[3] = {{"lstm", lstm, NULL, 0, 5},
                               {"depth-gated", depth_gated, NULL, 0, 5},
                               {"depth-gated", depth_gated, NULL, 0, 5}};
    check(layers, 2, CB_INPUT_DENSE, 3);
    check(layers, 3, CB_INPUT_DENSE, 3);
    cb_err err;
    cb_stack *stack;
    assert_int_equal(cb_stack_create(&stack, layers + 1, 1, CB_INPUT_DENSE, 3, &err), CB_EARG);
    assert_non_null(strstr(err.text, "cannot be the lowest layer: there stands lstm"));
    layers[0].hidden = 4; /* lower.c has 4 elements where 5 are needed */
    assert_int_equal(cb_stack_create(&stack, layers, 2, CB_INPUT_DENSE, 3, &err), CB_ESHAPE);
    layers[0] = (cb_layer_spec){"rnn", "state h\nh' = tanh(W x + R h)\n", NULL, 0, 5};
    assert_int_equal(cb_stack_create(&stack, layers, 2, CB_INPUT_DENSE, 3, &err), CB_EARG);
    assert_non_null(strstr(err.text, "has no value 'c'"));
}

/* Both directions, below, above and beside layers of one direction, with unequal lengths. */
static void test_bidirectional(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        cb_layer_spec one = {
            .name = cb_variants[i]->name, .text = cb_variants[i]->text, .hidden = 8};
        cb_layer_spec two = one;
        two.bidirectional = 1;
        check(&two, 1, CB_INPUT_DENSE, 3);
        check((cb_layer_spec[]){two, two}, 2, CB_INPUT_DENSE, 3);
        check((cb_layer_spec[]){two, one}, 2, CB_INPUT_DENSE, 3);
        check((cb_layer_spec[]){one, two, one}, 3, CB_INPUT_DENSE, 3);
        check(&two, 1, CB_INPUT_INDEX, 5);
        check((cb_layer_spec[]){two, one}, 2, CB_INPUT_NONE, 0);
    }
}

/* A mixed stack, with a layer that does not read its input at all. */
static void test_mixed_stack(void **state) {
    (void)state;
    cb_layer_spec layers[3] = {{"a", "state h\nh' = tanh(W x + R h + b)\n", NULL, 0, 5},
                               {"b", "state h\nh' = tanh(R h + b + 0.5)\n", NULL, 0, 4},
                               {"c", awkward_cells[1].text, NULL, 0, 3}};
    check(layers, 2, CB_INPUT_DENSE, 3);
    check(layers, 3, CB_INPUT_DENSE, 3);
}

static void count_matches(const char *name, const char *text, const char *formula,
                          cb_input_kind kind, size_t I, size_t H) {
    cb_err err;
    cb_cell *cell;
    if (cb_cell_create(&cell, name, text, NULL, 0, kind, I, H, NULL, &err) != CB_OK)
        fail_msg("%s", err.text);
    double expected = formula_value(formula, I, H);
    if ((double)cb_cell_param_count(cell) != expected)
        fail_msg("%s at I %zu, H %zu: %zu parameters, the formula %s gives %g", name, I, H,
                 cb_cell_param_count(cell), formula, expected);
    /* The canonical text builds the same cell and is its own canonical text. */
    cb_cell *again;
    if (cb_cell_create(&again, name, cb_cell_text(cell), NULL, 0, kind, I, H, NULL, &err) != CB_OK)
        fail_msg("canonical text of %s: %s", name, err.text);
    assert_string_equal(cb_cell_text(again), cb_cell_text(cell));
    char *one, *two;
    assert_int_equal(cb_cell_describe(cell, &one, &err), CB_OK);
    assert_int_equal(cb_cell_describe(again, &two, &err), CB_OK);
    assert_string_equal(one, two);
    cb_free(one);
    cb_free(two);
    cb_cell_destroy(again);
    cb_cell_destroy(cell);
}

static void test_counts(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        count_matches(a->name, a->text, a->count, a->kind, a->I, a->H);
    for (int i = 0; cb_variants[i]; i++) {
        count_matches(cb_variants[i]->name, cb_variants[i]->text, cb_variants[i]->count,
                      CB_INPUT_DENSE, 3, 8);
        count_matches(cb_variants[i]->name, cb_variants[i]->text, cb_variants[i]->count,
                      CB_INPUT_DENSE, 88, 64);
    }
}

/* science.md 1.7: 64 units in 8 modules, scalar input and output, have 2,497 parameters in all. */
static void test_clockwork_published_count(void **state) {
    (void)state;
    static const double periods[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    cb_cell_setting setting = {"periods", 8, periods};
    const cb_cell_def *def;
    cb_err err;
    cb_cell *cell;
    assert_int_equal(cb_cell_find(&def, cb_variants, "clockwork", &err), CB_OK);
    assert_int_equal(
        cb_cell_create(&cell, def->name, def->text, &setting, 1, CB_INPUT_DENSE, 1, 64, NULL, &err),
        CB_OK);
    assert_int_equal(cb_cell_param_count(cell) + 64 + 1, 2497);
    cb_cell_destroy(cell);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registered),  cmocka_unit_test(test_registered_other_inputs),
        cmocka_unit_test(test_awkward),     cmocka_unit_test(test_depth_gated),
        cmocka_unit_test(test_mixed_stack), cmocka_unit_test(test_bidirectional),
        cmocka_unit_test(test_counts),      cmocka_unit_test(test_clockwork_published_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
