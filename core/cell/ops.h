/* SPDX-License-Identifier: MIT */
/*
 * The table of pointwise operations: name, arity, value in f64, and derivative as expressions of
 * the language in the arguments a, b, c and the value y. Adding an operation is one row here and
 * one loop in kernels/.
 */
#ifndef CB_CELL_OPS_H
#define CB_CELL_OPS_H

#include <stddef.h>

typedef enum cbi_op_use {
    CBI_OP_FUNCTION = 0, /* written as name(...) */
    CBI_OP_OPERATOR = 1, /* + - * / and unary minus */
    CBI_OP_INTERNAL = 2  /* only in derived graphs and in what a rule of the language expands to */
} cbi_op_use;

typedef struct cbi_op {
    const char *name;
    unsigned arity; /* 1..3 */
    cbi_op_use use;
    const char *derivative[3]; /* d y / d argument; "0" if it has none */
    double (*value)(double a, double b, double c);
    /* For gradient checks: above 0 on one side of the kink, where the derivative jumps, below on
     * the other, its size the distance; NULL: smooth everywhere. */
    double (*kink)(double a, double b, double c);
    double (*piece[2])(double a, double b, double c); /* the value on the side below, above */
} cbi_op;

/* Ended by a row with name NULL. */
extern const cbi_op cbi_ops[];
/* NULL if there is none. */
const cbi_op *cbi_op_find(const char *name);

#endif
