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
#include "numeric/registered.h"

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

static void check_registered(const cb_cell_def *def, size_t layers, cb_input_kind kind, size_t I,
                             size_t H) {
    cb_layer_spec spec[3];
    check(spec, registered_layers(def, layers, H, spec), kind, I);
}

/* Sizes that are no multiple of anything, I above and below H, and equal to it (fit is then x). */
static void test_registered(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        check_registered(cb_variants[i], 1, CB_INPUT_DENSE, 3, 8);
        check_registered(cb_variants[i], 2, CB_INPUT_DENSE, 3, 8);
        check_registered(cb_variants[i], 1, CB_INPUT_DENSE, 8, 8);
        check_registered(cb_variants[i], 1, CB_INPUT_DENSE, 5, 4);
        check_registered(cb_variants[i], 1, CB_INPUT_DENSE, 3, 20);
    }
}

static void test_registered_other_inputs(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        check_registered(cb_variants[i], 1, CB_INPUT_INDEX, 6, 8);
        check_registered(cb_variants[i], 1, CB_INPUT_NONE, 0, 8);
    }
}

static void test_awkward(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        check_text(a->name, a->text, a->kind, a->I, a->H);
}

static void test_depth_gated(void **state) {
    (void)state;
    const cb_cell_def *def;
    cb_err err;
    cb_stack *stack;
    cb_layer_spec layers[3];
    assert_int_equal(cb_cell_find(&def, cb_variants, "depth-gated", &err), CB_OK);
    assert_int_equal(registered_layers(def, 2, 5, layers), 3);
    check(layers, 3, CB_INPUT_DENSE, 3);
    assert_int_equal(cb_stack_create(&stack, layers + 1, 1, CB_INPUT_DENSE, 3, &err), CB_EARG);
    assert_non_null(strstr(err.text, "cannot be the lowest layer: there stands peephole"));
    layers[0].hidden = 4; /* lower.c has 4 elements where 5 are needed */
    assert_int_equal(cb_stack_create(&stack, layers, 2, CB_INPUT_DENSE, 3, &err), CB_ESHAPE);
    layers[0] = (cb_layer_spec){"rnn", "state h\nh' = tanh(W x + R h)\n", NULL, 0, 5};
    assert_int_equal(cb_stack_create(&stack, layers, 2, CB_INPUT_DENSE, 3, &err), CB_EARG);
    assert_non_null(strstr(err.text, "has no value 'c'"));
}

/* Both directions, below, above and beside layers of one direction, with unequal lengths. A cell
 * that reads values of the layer below has no reverse form. */
static void test_bidirectional(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        cb_layer_spec one = {
            .name = cb_variants[i]->name, .text = cb_variants[i]->text, .hidden = 4};
        cb_layer_spec two = one;
        two.bidirectional = 1;
        if (registered_lowest(cb_variants[i]))
            continue;
        check(&two, 1, CB_INPUT_DENSE, 3);
        check((cb_layer_spec[]){two, one}, 2, CB_INPUT_DENSE, 3);
        check(&two, 1, CB_INPUT_INDEX, 5);
    }
}

static void test_bidirectional_stacks(void **state) {
    (void)state;
    static const char *const names[] = {"lstm", "gru", "clockwork"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cb_cell_def *def;
        cb_err err;
        assert_int_equal(cb_cell_find(&def, cb_variants, names[i], &err), CB_OK);
        const cb_layer_spec one = {.name = def->name, .text = def->text, .hidden = 8};
        cb_layer_spec two = one;
        two.bidirectional = 1;
        check((cb_layer_spec[]){two, two}, 2, CB_INPUT_DENSE, 3);
        check((cb_layer_spec[]){one, two, one}, 3, CB_INPUT_DENSE, 3);
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
                          cb_input_kind kind, size_t I, size_t H, const cb_cell *below) {
    cb_err err;
    cb_cell *cell;
    if (cb_cell_create(&cell, name, text, NULL, 0, kind, I, H, below, &err) != CB_OK)
        fail_msg("%s", err.text);
    double expected = formula_value(formula, I, H);
    if ((double)cb_cell_param_count(cell) != expected)
        fail_msg("%s at I %zu, H %zu: %zu parameters, the formula %s gives %g", name, I, H,
                 cb_cell_param_count(cell), formula, expected);
    /* The canonical text builds the same cell and is its own canonical text. */
    cb_cell *again;
    if (cb_cell_create(&again, name, cb_cell_text(cell), NULL, 0, kind, I, H, below, &err) != CB_OK)
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

static void registered_count_matches(const cb_cell_def *def, size_t I, size_t H) {
    const cb_cell_def *lowest = registered_lowest(def);
    cb_cell *below = NULL;
    cb_err err;
    if (lowest)
        assert_int_equal(cb_cell_create(&below, lowest->name, lowest->text, NULL, 0, CB_INPUT_DENSE,
                                        I, H, NULL, &err),
                         CB_OK);
    count_matches(def->name, def->text, def->count, CB_INPUT_DENSE, below ? H : I, H, below);
    cb_cell_destroy(below);
}

static void test_counts(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        count_matches(a->name, a->text, a->count, a->kind, a->I, a->H, NULL);
    for (int i = 0; cb_variants[i]; i++) {
        registered_count_matches(cb_variants[i], 3, 8);
        registered_count_matches(cb_variants[i], 88, 64);
        registered_count_matches(cb_variants[i], 16, 16);
    }
}

/* The operations by name are those that the cost counts. */
static void test_operations(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        const cb_cell_def *def = cb_variants[i];
        cb_cell_operation *all;
        size_t count, forward = 0, backward = 0;
        cb_cell *cell;
        cb_err err;
        if (registered_lowest(def))
            continue;
        assert_int_equal(
            cb_cell_create(&cell, def->name, def->text, NULL, 0, CB_INPUT_DENSE, 6, 8, NULL, &err),
            CB_OK);
        assert_int_equal(cb_cell_get_operations(cell, &all, &count, &err), CB_OK);
        for (size_t k = 0; k < count; k++) {
            forward += all[k].forward;
            backward += all[k].backward;
        }
        assert_int_equal(forward, cb_cell_get_cost(cell).pointwise_ops);
        assert_int_equal(backward, cb_cell_get_cost(cell).backward_pointwise_ops);
        cb_free(all);
        cb_cell_destroy(cell);
    }
}

static int is_word(const char *text) {
    return text && *text && strspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text);
}

/* Each has what the list prints; a name means one cell; families stand together. */
static void test_rows(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        const cb_cell_def *def = cb_variants[i], *found;
        char year[8];
        cb_err err;
        assert_true(is_word(def->family));
        assert_non_null(def->title);
        snprintf(year, sizeof year, "%d", def->year);
        if (strstr(def->source, year) == NULL)
            fail_msg("%s: the source does not name the year %s", def->name, year);
        assert_int_equal(cb_cell_find(&found, cb_variants, def->name, &err), CB_OK);
        assert_ptr_equal(found, def);
        for (int k = 0; k < i; k++)
            if (strcmp(cb_variants[k]->family, def->family) == 0)
                assert_string_equal(cb_variants[i - 1]->family, def->family);
    }
}

/* A cell whose text is written from settings: `text` is what is written at their defaults. */
static void test_written_texts(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        char *text;
        cb_err err;
        assert_int_equal(cb_cell_def_text(&text, cb_variants[i], NULL, 0, &err), CB_OK);
        assert_string_equal(text, cb_variants[i]->text);
        cb_free(text);
    }
}

static void test_highway_depths(void **state) {
    (void)state;
    static const double wrong[] = {0, 11, 2.5, -1, 1e300};
    const cb_cell_def *def;
    char *text;
    cb_err err;
    assert_int_equal(cb_cell_find(&def, cb_variants, "highway", &err), CB_OK);
    for (double steps = 1; steps <= 10; steps++) {
        const cb_cell_setting set = {"steps", 1, &steps};
        cb_cell *cell;
        assert_int_equal(cb_cell_def_text(&text, def, &set, 1, &err), CB_OK);
        assert_int_equal(
            cb_cell_create(&cell, "highway", text, NULL, 0, CB_INPUT_DENSE, 3, 5, NULL, &err),
            CB_OK);
        assert_int_equal(cb_cell_param_count(cell), 2 * 5 * 3 + (size_t)steps * 2 * 5 * 6);
        assert_int_equal(cb_cell_get_cost(cell).stages, (size_t)steps);
        cb_cell_destroy(cell);
        if (steps == 1 || steps == 3 || steps == 10)
            check_text("highway", text, CB_INPUT_DENSE, 3, 4);
        cb_free(text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const cb_cell_setting set = {"steps", 1, &wrong[i]};
        assert_int_equal(cb_cell_def_text(&text, def, &set, 1, &err), CB_EARG);
        assert_null(text);
        assert_non_null(strstr(err.text, "expected a whole number from 1 to 10"));
    }
}

/* What their papers promise: nothing but pointwise work waits for the step before. */
static void test_parallel_cells(void **state) {
    (void)state;
    size_t found = 0;
    for (int i = 0; cb_variants[i]; i++) {
        const cb_cell_def *def = cb_variants[i];
        cb_cell *cell;
        cb_err err;
        if (strcmp(def->family, "parallel") != 0)
            continue;
        assert_int_equal(
            cb_cell_create(&cell, def->name, def->text, NULL, 0, CB_INPUT_DENSE, 6, 8, NULL, &err),
            CB_OK);
        if (cb_cell_get_cost(cell).stages != 0)
            fail_msg("%s has a product in its loop", def->name);
        cb_cell_destroy(cell);
        found++;
    }
    assert_true(found >= 4);
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
        cmocka_unit_test(test_registered),     cmocka_unit_test(test_registered_other_inputs),
        cmocka_unit_test(test_awkward),        cmocka_unit_test(test_depth_gated),
        cmocka_unit_test(test_mixed_stack),    cmocka_unit_test(test_bidirectional),
        cmocka_unit_test(test_counts),         cmocka_unit_test(test_clockwork_published_count),
        cmocka_unit_test(test_operations),     cmocka_unit_test(test_rows),
        cmocka_unit_test(test_written_texts),  cmocka_unit_test(test_highway_depths),
        cmocka_unit_test(test_parallel_cells), cmocka_unit_test(test_bidirectional_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
