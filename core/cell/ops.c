/* SPDX-License-Identifier: MIT */
/*
 * The table of pointwise operations. Values are plain C in f64; at a kink the derivative is the one
 * that language.h promises: relu'(0) = abs'(0) = 0, max and min give a tie to the first argument.
 */
#include "cell/ops.h"

#include <math.h>
#include <string.h>

#define VALUE(name, expression)                                                                    \
    static double v_##name(double a, double b, double c) {                                         \
        (void)a, (void)b, (void)c;                                                                 \
        return (expression);                                                                       \
    }

VALUE(add, a + b)
VALUE(sub, a - b)
VALUE(mul, a *b)
VALUE(div, a / b)
VALUE(neg, -a)
VALUE(sigmoid, a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)))
VALUE(tanh, tanh(a))
VALUE(relu, a > 0 ? a : 0)
VALUE(exp, exp(a))
VALUE(log, log(a))
VALUE(logsigmoid, a >= 0 ? -log1p(exp(-a)) : a - log1p(exp(a)))
VALUE(softplus, a >= 0 ? a + log1p(exp(-a)) : log1p(exp(a)))
VALUE(abs, fabs(a))
VALUE(sign, (a > 0) - (a < 0))
VALUE(sqrt, sqrt(a))
VALUE(square, a *a)
VALUE(max, a >= b ? a : b)
VALUE(min, a <= b ? a : b)
VALUE(sin, sin(a))
VALUE(cos, cos(a))
VALUE(copy, a)
VALUE(greater, a > b ? 1 : 0)
VALUE(select, a != 0 ? b : c)

VALUE(kink_zero, a)
VALUE(kink_tie, a - b)
VALUE(zero, 0)
VALUE(one, 1)
VALUE(minus_one, -1)
VALUE(first, a)
VALUE(second, b)

/* clang-format off */
const cbi_op cbi_ops[] = {
    /* name        arity  use               derivative                                   value         kink, its sides */
    {"add",        2, CBI_OP_OPERATOR, {"1", "1", NULL},                              v_add,        NULL},
    {"sub",        2, CBI_OP_OPERATOR, {"1", "-1", NULL},                             v_sub,        NULL},
    {"mul",        2, CBI_OP_OPERATOR, {"b", "a", NULL},                              v_mul,        NULL},
    {"div",        2, CBI_OP_OPERATOR, {"1/b", "-(y/b)", NULL},                       v_div,        NULL},
    {"neg",        1, CBI_OP_OPERATOR, {"-1", NULL, NULL},                            v_neg,        NULL},
    {"sigmoid",    1, CBI_OP_FUNCTION, {"y*(1 - y)", NULL, NULL},                     v_sigmoid,    NULL},
    {"tanh",       1, CBI_OP_FUNCTION, {"1 - y*y", NULL, NULL},                       v_tanh,       NULL},
    {"relu",       1, CBI_OP_FUNCTION, {"greater(y, 0)", NULL, NULL},                 v_relu,       v_kink_zero, {v_zero, v_first}},
    {"exp",        1, CBI_OP_FUNCTION, {"y", NULL, NULL},                             v_exp,        NULL},
    {"log",        1, CBI_OP_FUNCTION, {"1/a", NULL, NULL},                           v_log,        NULL},
    {"logsigmoid", 1, CBI_OP_FUNCTION, {"1 - exp(y)", NULL, NULL},                    v_logsigmoid, NULL},
    {"softplus",   1, CBI_OP_FUNCTION, {"sigmoid(a)", NULL, NULL},                    v_softplus,   NULL},
    {"abs",        1, CBI_OP_FUNCTION, {"sign(a)", NULL, NULL},                       v_abs,        v_kink_zero, {v_neg, v_first}},
    {"sign",       1, CBI_OP_FUNCTION, {"0", NULL, NULL},                             v_sign,       v_kink_zero, {v_minus_one, v_one}},
    {"sqrt",       1, CBI_OP_FUNCTION, {"0.5/y", NULL, NULL},                         v_sqrt,       NULL},
    {"square",     1, CBI_OP_FUNCTION, {"2*a", NULL, NULL},                           v_square,     NULL},
    {"max",        2, CBI_OP_FUNCTION, {"1 - greater(b, a)", "greater(b, a)", NULL},  v_max,        v_kink_tie, {v_second, v_first}},
    {"min",        2, CBI_OP_FUNCTION, {"1 - greater(a, b)", "greater(a, b)", NULL},  v_min,        v_kink_tie, {v_first, v_second}},
    {"sin",        1, CBI_OP_FUNCTION, {"cos(a)", NULL, NULL},                        v_sin,        NULL},
    {"cos",        1, CBI_OP_FUNCTION, {"-sin(a)", NULL, NULL},                       v_cos,        NULL},
    {"greater",    2, CBI_OP_INTERNAL, {"0", "0", NULL},                              v_greater,    v_kink_tie, {v_zero, v_one}},
    {"stop",       1, CBI_OP_FUNCTION, {"0", NULL, NULL},                             v_copy,       NULL},
    {"copy",       1, CBI_OP_INTERNAL, {"1", NULL, NULL},                             v_copy,       NULL},
    {"select",     3, CBI_OP_INTERNAL, {"0", "a", "1 - a"},                           v_select,     NULL},
    {NULL, 0, CBI_OP_INTERNAL, {NULL, NULL, NULL}, NULL, NULL},
};
/* clang-format on */

const cbi_op *cbi_op_find(const char *name) {
    for (const cbi_op *op = cbi_ops; op->name; op++)
        if (strcmp(op->name, name) == 0)
            return op;
    return NULL;
}
