/* SPDX-License-Identifier: MIT */
/*
 * Cells that nobody would write: random equations, drawn from fixed seeds, differentiated,
 * scheduled and held against finite differences and f64. They find what no list of sensible cells
 * does: values read from several phases, sums in odd orders, states that only delay, gradients used
 * twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "cellbench/engine.h"
#include "cellbench/memory.h"
#include "cellbench/random.h"

enum { STATES = 3 };
#ifndef CELLS /* as many as a person likes */
#define CELLS 200
#endif

typedef struct writer {
    cb_random random;
    cbi_text text;
    int equations;      /* values v0 .. above the current line */
    int done[STATES];   /* states whose equation stands above */
    const char *shared; /* "" or "_s": parameters of the whole cell */
} writer;

static int below(writer *w, int n) {
    return (int)cb_random_below(&w->random, (uint64_t)n);
}

/* Something known: x (where I = H), a state, an equation, a next state. */
static void add_value(writer *w, int with_x) {
    int n = below(w, with_x ? 7 : 6);
    if (n == 6) {
        cbi_text_add(&w->text, "x");
    } else if (n < 3 || (n == 5 && w->equations == 0)) {
        int s = below(w, STATES);
        cbi_text_addf(&w->text, "s%d%s", s, n == 2 && w->done[s] ? "'" : "");
    } else if (w->equations > 0) {
        cbi_text_addf(&w->text, "v%d", below(w, w->equations));
    } else {
        cbi_text_add(&w->text, "s0");
    }
}

static void add_product(writer *w) {
    static const char *const matrices[] = {"W", "R", "U", "V"};
    int m = below(w, 4);
    cbi_text_addf(&w->text, "%s%s ", matrices[m], m > 1 ? w->shared : "");
    if (m == 0) {
        cbi_text_add(&w->text, "x");
    } else if (below(w, 4) == 0) {
        cbi_text_add(&w->text, "(");
        add_value(w, 0);
        cbi_text_add(&w->text, "*");
        add_value(w, 0);
        cbi_text_add(&w->text, ")");
    } else {
        add_value(w, 0);
    }
}

static void add_expression(writer *w, int depth) {
    static const char *const functions[] = {"tanh", "sigmoid", "sin", "softplus", "norm", "stop"};
    static const char *const operators[] = {" + ", " - ", "*"};
    int n = below(w, depth <= 0 ? 4 : 10);
    if (n == 0) {
        add_product(w);
    } else if (n == 1) {
        cbi_text_add(&w->text, below(w, 2) ? "b" : "p");
    } else if (n < 4) {
        add_value(w, 1);
    } else if (n < 6) {
        cbi_text_addf(&w->text, "%s(", functions[below(w, 6)]);
        add_expression(w, depth - 1);
        cbi_text_add(&w->text, ")");
    } else if (n == 6) {
        cbi_text_add(&w->text, "(1 - ");
        add_expression(w, depth - 1);
        cbi_text_add(&w->text, ")");
    } else if (n == 7) {
        cbi_text_add(&w->text, "mean(");
        add_value(w, 0);
        cbi_text_add(&w->text, ")*");
        add_value(w, 1);
    } else {
        cbi_text_add(&w->text, "(");
        add_expression(w, depth - 1);
        cbi_text_add(&w->text, operators[below(w, 3)]);
        add_expression(w, depth - 1);
        cbi_text_add(&w->text, ")");
    }
}

static void write_cell(writer *w) {
    cbi_text_add(&w->text, "state s0, s1, s2\n");
    w->shared = below(w, 2) ? "_s" : "";
    int order = below(w, STATES), extra = below(w, 4);
    for (int line = 0; line < STATES + extra; line++) {
        int s = (order + line) % STATES, is_state = line >= extra;
        if (is_state)
            cbi_text_addf(&w->text, "s%d' = ", s);
        else
            cbi_text_addf(&w->text, "v%d = ", line);
        /* Bounded, so that no state runs away; sometimes a plain delay or an average. */
        int form = is_state ? below(w, 5) : 4;
        if (form == 0)
            cbi_text_addf(&w->text, below(w, 3) ? "s%d" : "x", below(w, STATES));
        else if (form == 1)
            cbi_text_addf(&w->text, "0.5*s%d + 0.3*", s);
        if (form != 0) {
            cbi_text_add(&w->text, form == 4 && !is_state ? "(" : "tanh(");
            add_expression(w, 3);
            cbi_text_add(&w->text, " + 0.1*");
            add_product(w);
            cbi_text_add(&w->text, ")");
        }
        cbi_text_add(&w->text, "\n");
        if (is_state)
            w->done[s] = 1;
        else
            w->equations++;
    }
    cbi_text_addf(&w->text, "output s%d'\n", below(w, STATES));
}

static void test_random_cells(void **state) {
    (void)state;
    size_t checked = 0;
    for (uint64_t seed = 0; seed < CELLS; seed++) {
        writer w = {.random = cb_random_stream(seed, "cell", 0)};
        cb_err err;
        char *text;
        write_cell(&w);
        assert_int_equal(cbi_text_take(&w.text, &text, &err), CB_OK);
        cb_layer_spec layers[2] = {{"random", text, NULL, 0, 4}, {"random", text, NULL, 0, 4}};
        cb_stack *stack;
        cb_check_result result;
        if (cb_stack_create(&stack, layers, 1 + seed % 2, CB_INPUT_DENSE, 4, &err) != CB_OK)
            fail_msg("seed %d: %s\n%s", (int)seed, err.text, text);
        if (cb_check_stack(stack, seed, &result, &err) != CB_OK)
            fail_msg("seed %d: %s\n%s", (int)seed, err.text, text);
        /* A constant output proves nothing and is no fault. norm() of nearly equal elements
         * magnifies rounding, and curves within the step of the differences. */
        int norm = strstr(text, "norm(") != NULL;
        if (!result.mistrusted &&
            (result.worst_gradient > (norm ? 0.05 : 1e-6) || (!norm && result.worst_f32 > 4)))
            fail_msg("seed %d: gradient error %g (%s), f32 share %g (%s)\n%s", (int)seed,
                     result.worst_gradient, result.worst_tensor, result.worst_f32,
                     result.worst_f32_tensor, text);
        checked += !result.mistrusted;
        cb_stack_destroy(stack);
        cb_free(text);
    }
    assert_true(checked > CELLS * 8 / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
