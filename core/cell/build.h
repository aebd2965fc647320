/* SPDX-License-Identifier: MIT */
/*
 * Between the files that turn the tree of a text into a cell's forward graph: names.c,
 * declarations.c, parameters.c, expression.c, functions.c and, on top, build.c.
 */
#ifndef CB_CELL_BUILD_H
#define CB_CELL_BUILD_H

#include "cell/cell_internal.h"

typedef struct cbi_builder {
    cb_cell *cell;
    cbi_ast *ast;
    const cbi_stmt *equation; /* the one being built */
    cb_err *err;
} cbi_builder;

/* FAIL(b, code, place, format, ...): the error, with the place in the text. */
#define FAIL(b, code, place, ...) cbi_fail_at((b)->err, code, &(b)->ast->source, place, __VA_ARGS__)
cb_status cbi_no_memory(cbi_builder *b);

/* names.c */

/* The first statement of a kind that has this name; NULL if there is none. */
const cbi_stmt *cbi_find_stmt(const cbi_builder *b, cbi_stmt_kind kind, const char *name);
cbi_state *cbi_find_state(const cbi_builder *b, const char *name);
/* Equations and next states that are built, that is, stand above the current equation. */
const cbi_value *cbi_find_value(const cb_cell *cell, const char *name);
/* Length of the part before '_'. */
size_t cbi_family_length(const char *name);
int cbi_is_builtin_family(const char *name); /* b, p, b1, p1, ... */
int cbi_is_family(const cbi_builder *b, const char *name);
/* Functions that are not in the operation table; ended by NULL. */
extern const char *const cbi_special_functions[];
int cbi_is_function(const char *name);
/* A list is what clock() reads, or what has more than one number. */
int cbi_is_list(const cbi_builder *b, const cbi_stmt *set);
cb_status cbi_unknown_name(cbi_builder *b, const cbi_expr *e);
/* The value of an integer expression as a dimension, 1 to 1e7; `place` is blamed. */
CB_MUST_USE cb_status cbi_dim_value(cbi_builder *b, int index, cbi_place place, size_t *out);

/* declarations.c */

CB_MUST_USE cb_status cbi_override_settings(cbi_builder *b, const cb_cell_setting *settings,
                                            size_t count);
CB_MUST_USE cb_status cbi_declare(cbi_builder *b);

/* parameters.c */

/* The parameter of a use; made if it is the first one. cols = 0: a vector. */
CB_MUST_USE cb_status cbi_get_param(cbi_builder *b, const cbi_expr *e, size_t rows, size_t cols,
                                    uint32_t *out);
CB_MUST_USE cb_status cbi_apply_declarations(cbi_builder *b);

/* expression.c; `want` is the dimension that the place needs, 0 if it leaves that open. */

CB_MUST_USE cb_status cbi_build_expr(cbi_builder *b, int index, size_t want, cbi_ref *out);
CB_MUST_USE cb_status cbi_build_pointwise(cbi_builder *b, const cbi_expr *e, const cbi_op *op,
                                          size_t want, cbi_ref *out);
/* The dimension that an expression has of itself; 0: cannot be told from the inside. */
size_t cbi_infer(cbi_builder *b, int index);
/* Fails if a value of dimension `has` cannot stand where `want` is needed. */
CB_MUST_USE cb_status cbi_check_dim(cbi_builder *b, const cbi_expr *e, const char *what, size_t has,
                                    size_t want);
/* A matrix or fit() stands in the expression. */
int cbi_contains_matrix(const cbi_builder *b, int index);

/* functions.c */

CB_MUST_USE cb_status cbi_build_call(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out);

#endif
