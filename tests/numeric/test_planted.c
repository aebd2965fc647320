/* SPDX-License-Identifier: MIT */
/*
 * Plants a wrong derivative, or a wrong value, in one row of the table of operations, and looks
 * whether the gradient check sees it. This program has the table to itself: it includes its source
 * and hands out a changed copy of the planted row, so that the library's own is never linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define cbi_op_find table_find
#include "cell/ops.c"
#undef cbi_op_find

const cbi_op *cbi_op_find(const char *name);

#include "cellbench/engine.h"

static cbi_op planted; /* name NULL: nothing is */

const cbi_op *cbi_op_find(const char *name) {
    return planted.name && strcmp(name, planted.name) == 0 ? &planted : table_find(name);
}

static void run(const char *text, cb_check_result *out) {
    cb_layer_spec layer = {"planted", text, NULL, 0, 5};
    cb_err err;
    cb_stack *stack;
    if (cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, 3, &err) != CB_OK ||
        cb_check_stack(stack, 11, out, &err) != CB_OK)
        fail_msg("%s: %s", text, err.text);
    cb_stack_destroy(stack);
}

static const char lstm[] = "state h, c\n"
                           "z = tanh(W x + R h + b)\n"
                           "i = sigmoid(W x + R h + b)\n"
                           "c' = (1 - i)*c + i*z\n"
                           "h' = tanh(c')\n";

/* clang-format off */
static const struct {
    const char *op;
    unsigned argument;
    const char *derivative; /* wrong, by a little where that is possible */
    const char *text;       /* a cell that uses the operation */
} plants[] = {
    {"tanh",       0, "1 - y",                lstm},
    {"tanh",       0, "1.00001*(1 - y*y)",    lstm},
    {"sigmoid",    0, "y*(1 - y)*0.9999",     lstm},
    {"sigmoid",    0, "y",                    lstm},
    {"mul",        0, "a",                    lstm},
    {"mul",        1, "b",                    lstm},
    {"add",        1, "1.00001",              lstm},
    {"sub",        1, "1",                    lstm},
    {"div",        0, "1",                    "state h\nh' = tanh(W x + R h)/(1.5 + sigmoid(W x + b))\n"},
    {"div",        1, "y/b",                  "state h\nh' = tanh(W x + R h)/(1.5 + sigmoid(W x + b))\n"},
    {"neg",        0, "1",                    "state h\nh' = tanh(W x + R (-h) + b)\n"},
    {"max",        0, "greater(b, a)",        "state h\nh' = tanh(max(W x + b, R h))\n"},
    {"max",        1, "0",                    "state h\nh' = tanh(max(W x + b, R h))\n"},
    {"min",        0, "1",                    "state h\nh' = tanh(min(W x + b, R h))\n"},
    {"relu",       0, "1",                    "state h\nh' = tanh(relu(W x + R h + b))\n"},
    {"abs",        0, "1",                    "state h\nh' = tanh(abs(W x + R h + b))\n"},
    {"exp",        0, "1",                    "state h\nh' = tanh(exp(W x + R h + b))\n"},
    {"log",        0, "y",                    "state h\nh' = tanh(log(1.5 + sigmoid(W x + R h + b)))\n"},
    {"logsigmoid", 0, "1 - y",                "state h\nh' = tanh(logsigmoid(W x + R h + b))\n"},
    {"softplus",   0, "sigmoid(y)",           "state h\nh' = tanh(softplus(W x + R h + b))\n"},
    {"sqrt",       0, "1/y",                  "state h\nh' = tanh(sqrt(1 + sigmoid(W x + R h + b)))\n"},
    {"square",     0, "a",                    "state h\nh' = tanh(square(W x + R h + b))\n"},
    {"sin",        0, "-cos(a)",              "state h\nh' = sin(W x + R h + b)\n"},
    {"cos",        0, "sin(a)",               "state h\nh' = cos(W x + R h + b)\n"},
    {"stop",       0, "1",                    "state h\nh' = tanh(W x + R h + b)*stop(tanh(W x + R h + b))\n"},
    {"sign",       0, "1",                    "state h\nh' = tanh(W x + R h + b)*sign(W x + 0.1)\n"},
};
/* clang-format on */
enum { PLANTS = sizeof plants / sizeof *plants };

/* Both engines run the same derived graph: nothing but the differences can see it. */
static void test_derivatives(void **state) {
    (void)state;
    for (size_t i = 0; i < PLANTS; i++) {
        cb_check_result healthy, sick;
        planted.name = NULL;
        run(plants[i].text, &healthy);
        if (!healthy.passed)
            fail_msg("%s: does not pass before anything was planted", plants[i].text);
        planted = *table_find(plants[i].op);
        planted.derivative[plants[i].argument] = plants[i].derivative;
        run(plants[i].text, &sick);
        planted.name = NULL;
        if (sick.passed || !(sick.worst_gradient > 1e-7))
            fail_msg("d %s / d argument %u = %s was not caught: error %g", plants[i].op,
                     plants[i].argument, plants[i].derivative, sick.worst_gradient);
    }
}

/* Operations that a text can name are all planted above: a new row needs a line there. */
static void test_every_operation_is_planted(void **state) {
    (void)state;
    for (const cbi_op *op = cbi_ops; op->name; op++) {
        size_t i = 0;
        while (i < PLANTS && strcmp(plants[i].op, op->name) != 0)
            i++;
        if (op->use != CBI_OP_INTERNAL && i == PLANTS)
            fail_msg("no wrong derivative is planted in '%s'", op->name);
    }
}

static double wrong_tanh(double a, double b, double c) {
    (void)b, (void)c;
    return tanh(a) * (1 + 1e-4);
}

/* A value that the reference and the f32 kernels do not agree on: one of them is wrong. */
static void test_value(void **state) {
    (void)state;
    cb_check_result result;
    planted = *table_find("tanh");
    planted.value = wrong_tanh;
    run(lstm, &result);
    planted.name = NULL;
    assert_false(result.passed);
    assert_true(result.worst_f32 > 1);
}

/* An output that hardly moves proves nothing, and the check says so. */
static void test_constant_output_is_mistrusted(void **state) {
    (void)state;
    cb_check_result result;
    run("state h\nh' = 0.000001*tanh(W x + R h + b)\n", &result);
    assert_true(result.mistrusted);
    assert_false(result.passed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivatives),
        cmocka_unit_test(test_every_operation_is_planted),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_constant_output_is_mistrusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
