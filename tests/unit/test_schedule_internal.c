/* SPDX-License-Identifier: MIT */
/*
 * White-box: what the schedule of a cell promises. That work is hoisted out of the loop, products
 * are grouped in as few stages as the equations allow, and nothing is kept that is cheap to do
 * again; and, for every awkward cell, that each value is there before it is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cell/cell_internal.h"
#include "numeric/awkward.h"
#include "unit/schedule_check.h"

static const char lstm[] = "state h, c\n"
                           "z = tanh(W x + R h + b)\n"
                           "i = sigmoid(W x + R h + b)\n"
                           "f = sigmoid(W x + R h + b)\n"
                           "c' = f*c + i*z\n"
                           "o = sigmoid(W x + R h + b)\n"
                           "h' = o*tanh(c')\n";
static const char gru[] = "state h\n"
                          "r = sigmoid(W x + R h + b)\n"
                          "z = sigmoid(W x + R h + b)\n"
                          "n = tanh(W x + R (r*h) + b)\n"
                          "h' = z*h + (1 - z)*n\n";
static const char coupled[] = "state h, c\n"
                              "z = tanh(W x + R h + b)\n"
                              "i = sigmoid(W x + R h + b)\n"
                              "f = 1 - i\n"
                              "c' = f*c + i*z\n"
                              "h' = tanh(c')\n";

static cb_cell *make(const char *text) {
    cb_err err;
    cb_cell *cell;
    if (cb_cell_create(&cell, "mine", text, NULL, 0, CB_INPUT_DENSE, 3, 6, NULL, &err) != CB_OK)
        fail_msg("%s", err.text);
    return cell;
}

static cb_cell *awkward(const char *name) {
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        if (strcmp(a->name, name) == 0)
            return make(a->text);
    fail_msg("no cell %s", name);
    return NULL;
}

/* Products of a phase with matrices of a family. */
static size_t products(const cb_cell *cell, const cbi_pass *pass, int phase, const char *family) {
    size_t n = 0;
    for (size_t s = 0; s < pass->stages[phase]; s++)
        for (size_t i = 0; i < pass->stage[phase][s].products; i++) {
            uint32_t m = pass->product[pass->stage[phase][s].first_product + i].matrix;
            n += strcmp(cell->params[m].family, family) == 0;
        }
    return n;
}

static size_t product_stages(const cbi_pass *pass, int phase) {
    size_t n = 0;
    for (size_t s = 0; s < pass->stages[phase]; s++)
        n += pass->stage[phase][s].products > 0;
    return n;
}

static size_t instructions(const cbi_pass *pass, int phase) {
    size_t n = 0;
    for (size_t s = 0; s < pass->stages[phase]; s++)
        n += pass->stage[phase][s].instrs;
    return n;
}

/* The forward node of an equation, or of a state after the step. */
static const cbi_pass_node *value(const cb_cell *cell, const char *name) {
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].name, name) == 0)
            return &cell->forward.node[cell->forward.map[cell->values[i].ref]];
    fail_msg("no value %s", name);
    return NULL;
}

static size_t kept(const cb_cell *cell) {
    size_t n = 0;
    for (size_t i = 0; i < cell->forward.count; i++)
        n += cell->forward.node[i].home == CBI_HOME_SEQUENCE;
    return n;
}

static void lstm_has_one_stage(void **state) {
    (void)state;
    cb_cell *cell = make(lstm);
    const cbi_pass *f = &cell->forward, *b = &cell->backward;
    assert_int_equal(products(cell, f, CBI_BEFORE, "W"), 4);
    assert_int_equal(products(cell, f, CBI_LOOP, "W"), 0);
    assert_int_equal(products(cell, f, CBI_LOOP, "R"), 4);
    assert_int_equal(product_stages(f, CBI_LOOP), 1);
    assert_int_equal(instructions(f, CBI_BEFORE) + instructions(f, CBI_AFTER), 0);
    /* Backward: R^T in the loop, in one stage; W^T after it, for whole blocks. */
    assert_int_equal(products(cell, b, CBI_LOOP, "R"), 4);
    assert_int_equal(products(cell, b, CBI_LOOP, "W"), 0);
    assert_int_equal(products(cell, b, CBI_AFTER, "W"), 4);
    assert_int_equal(product_stages(b, CBI_LOOP), 1);
    assert_int_equal(cell->matrix_sink_count, 8);
    assert_int_equal(cb_cell_get_cost(cell).stages, 1);
    cb_cell_destroy(cell);
}

static void gru_has_two_stages(void **state) {
    (void)state;
    cb_cell *cell = make(gru);
    const cbi_pass *f = &cell->forward;
    assert_int_equal(products(cell, f, CBI_BEFORE, "W"), 3);
    assert_int_equal(products(cell, f, CBI_LOOP, "W"), 0);
    assert_int_equal(product_stages(f, CBI_LOOP), 2);
    assert_int_equal(cb_cell_get_cost(cell).stages, 2);
    /* z is not needed before the second product: it waits, and shares its strip with h'. */
    assert_int_equal(value(cell, "z")->stage, value(cell, "h")->stage);
    assert_true(value(cell, "r")->stage < value(cell, "n")->stage);
    cb_cell_destroy(cell);
    /* Reset after the product: one stage. */
    cell = awkward("gru-after");
    assert_int_equal(cb_cell_get_cost(cell).stages, 1);
    cb_cell_destroy(cell);
}

static void mingru_has_no_product_in_the_loop(void **state) {
    (void)state;
    cb_cell *cell = awkward("mingru");
    assert_int_equal(product_stages(&cell->forward, CBI_LOOP), 0);
    assert_int_equal(product_stages(&cell->backward, CBI_LOOP), 0);
    assert_int_equal(value(cell, "z")->phase, CBI_BEFORE);
    assert_int_equal(value(cell, "n")->phase, CBI_BEFORE);
    assert_int_equal(value(cell, "h")->phase, CBI_LOOP);
    cb_cell_destroy(cell);
}

static void delayed_input_is_hoisted(void **state) {
    (void)state;
    cb_cell *cell = awkward("qrnn");
    assert_int_equal(cell->states[0].recurrent, 0); /* u' = x */
    assert_int_equal(cell->states[1].recurrent, 1);
    assert_int_equal(product_stages(&cell->forward, CBI_LOOP), 0);
    assert_int_equal(products(cell, &cell->forward, CBI_BEFORE, "V"), 3);
    assert_int_equal(value(cell, "z")->phase, CBI_BEFORE);
    assert_int_equal(value(cell, "y")->phase, CBI_AFTER);
    cb_cell_destroy(cell);
    cell = awkward("delayed-twice"); /* a delay of a delay */
    assert_int_equal(cell->states[0].recurrent | cell->states[1].recurrent, 0);
    assert_true(value(cell, "u")->stage < value(cell, "v")->stage);
    assert_int_equal(products(cell, &cell->forward, CBI_LOOP, "R"), 1);
    assert_int_equal(products(cell, &cell->forward, CBI_LOOP, "U"), 0);
    cb_cell_destroy(cell);
}

static void output_of_sru_is_after_the_loop(void **state) {
    (void)state;
    cb_cell *cell = awkward("sru");
    assert_int_equal(value(cell, "h")->phase, CBI_AFTER);
    assert_int_equal(value(cell, "r")->phase, CBI_AFTER);
    assert_int_equal(value(cell, "c")->phase, CBI_LOOP);
    assert_int_equal(value(cell, "u")->phase, CBI_BEFORE);
    assert_int_equal(product_stages(&cell->forward, CBI_LOOP), 0);
    cb_cell_destroy(cell);
}

static void complement_is_not_kept(void **state) {
    (void)state;
    cb_cell *cell = make(coupled);
    assert_int_equal(value(cell, "f")->home, CBI_HOME_STRIP);
    assert_int_equal(value(cell, "i")->home, CBI_HOME_SEQUENCE);
    assert_int_equal(kept(cell), 4); /* z, i, c', h' = tanh(c') */
    /* The backward pass makes 1 - i once, in a strip, for both of its uses. */
    const cbi_pass *b = &cell->backward;
    size_t made = 0;
    for (size_t i = 0; i < b->instr_count; i++)
        if (b->instr[i].kind == CBI_POINTWISE && strcmp(b->instr[i].op, "one_minus") == 0) {
            made++;
            assert_int_equal(b->node[b->instr[i].dst].home, CBI_HOME_STRIP);
        }
    assert_int_equal(made, 1);
    cb_cell_destroy(cell);
}

static void unread_states_are_outside_the_loop(void **state) {
    (void)state;
    cb_cell *cell = make("state h, s\nh' = tanh(R h + W x)\ns' = exp(V h')\n");
    assert_int_equal(value(cell, "s")->phase, CBI_AFTER);
    assert_int_equal(products(cell, &cell->forward, CBI_AFTER, "V"), 1);
    assert_int_equal(product_stages(&cell->forward, CBI_LOOP), 1);
    cb_cell_destroy(cell);
}

/* ---- each value is there before it is read ---- */

static void check_cell(const cb_cell *cell) {
    const char *broken = schedule_broken(cell);
    if (broken != NULL)
        fail_msg("%s: %s", cb_cell_name(cell), broken);
}

static void values_precede_their_readers(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++) {
        cb_err err;
        cb_cell *cell;
        assert_int_equal(
            cb_cell_create(&cell, a->name, a->text, NULL, 0, a->kind, a->I, a->H, NULL, &err),
            CB_OK);
        check_cell(cell);
        cb_cell_destroy(cell);
    }
}

/* More products in one sum than any fixed list would hold. */
static void sums_may_be_long(void **state) {
    (void)state;
    char text[16384] = "state h\nz0 = R h\n";
    for (int i = 1; i < 300; i++) {
        char line[64];
        snprintf(line, sizeof line, "z%d = tanh(R h)*z%d\n", i, i - 1);
        strcat(text, line);
    }
    strcat(text, "h' = z299\n");
    cb_cell *cell = make(text);
    check_cell(cell);
    assert_int_equal(products(cell, &cell->backward, CBI_LOOP, "R"), 300);
    cb_cell_destroy(cell);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_has_one_stage),
        cmocka_unit_test(gru_has_two_stages),
        cmocka_unit_test(mingru_has_no_product_in_the_loop),
        cmocka_unit_test(delayed_input_is_hoisted),
        cmocka_unit_test(output_of_sru_is_after_the_loop),
        cmocka_unit_test(complement_is_not_kept),
        cmocka_unit_test(unread_states_are_outside_the_loop),
        cmocka_unit_test(values_precede_their_readers),
        cmocka_unit_test(sums_may_be_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
