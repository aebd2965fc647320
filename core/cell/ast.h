/* SPDX-License-Identifier: MIT */
/*
 * A cell's text as a tree: what the parser makes and the builder and the printer read. No names are
 * resolved here.
 */
#ifndef CB_CELL_AST_H
#define CB_CELL_AST_H

#include <stddef.h>

#include "cellbench/cell.h"
#include "cellbench/status.h"

enum { CBI_NAME_MAX = 32, CBI_NAME_SIZE = CBI_NAME_MAX * 2 + 4, CBI_ARGS_MAX = 3 };

/* Where something stands: counted from 1. */
typedef struct cbi_place {
    int line, column;
} cbi_place;

/* The text that error messages quote. */
typedef struct cbi_source {
    const char *name;
    const char *text;
} cbi_source;

/* "<cell>: line 3, column 8: <message>", the line and a caret under the place. */
cb_status cbi_fail_at(cb_err *err, cb_status code, const cbi_source *source, cbi_place place,
                      const char *format, ...) CB_PRINTF(5, 6);

typedef enum cbi_expr_kind {
    CBI_EXPR_NUMBER,
    CBI_EXPR_NAME,  /* value, setting, dimension or learned vector: x, h, p_o */
    CBI_EXPR_NEXT,  /* h' */
    CBI_EXPR_LOWER, /* lower.c */
    CBI_EXPR_CALL,
    CBI_EXPR_APPLY, /* matrix `name` times arg[0] */
    CBI_EXPR_ADD,
    CBI_EXPR_SUB,
    CBI_EXPR_MUL,
    CBI_EXPR_DIV,
    CBI_EXPR_NEG
} cbi_expr_kind;

typedef struct cbi_expr {
    cbi_expr_kind kind;
    cbi_place place;
    char name[CBI_NAME_SIZE];
    double number;
    int arg[CBI_ARGS_MAX]; /* indices into cbi_ast.exprs */
    int args;
    int depth; /* of the tree below, counted from 1 */
} cbi_expr;

typedef enum cbi_stmt_kind {
    CBI_STMT_STATE,
    CBI_STMT_SET,
    CBI_STMT_DIM,
    CBI_STMT_PARAM,
    CBI_STMT_FIXED,
    CBI_STMT_MATRIX,
    CBI_STMT_INIT,
    CBI_STMT_LIMIT,
    CBI_STMT_OUTPUT,
    CBI_STMT_LOWEST,
    CBI_STMT_EQUATION
} cbi_stmt_kind;

/* The word that begins a declaration, by kind. */
extern const char *const cbi_words[CBI_STMT_EQUATION];

/* One declared item or equation; `state h, c` makes two statements with the same first place. */
typedef struct cbi_stmt {
    cbi_stmt_kind kind;
    cbi_place place;
    int continues;            /* 1: stands on the line of the statement before (state h, c) */
    char name[CBI_NAME_SIZE]; /* declared or defined name; parameter of matrix, init, limit */
    char word[CBI_NAME_SIZE]; /* structure, law, cell of `lowest` */
    int prime;                /* equation, output: name' */
    int dim;                  /* expression of [dim], or -1 */
    size_t value;             /* dim, param: its dimension once evaluated; 0: none yet */
    int expr;                 /* right side of an equation or `dim`, or -1 */
    int has_number, learned;  /* state, param: = number | learned */
    double *numbers;          /* set: its values; state, param, init, limit: one number */
    size_t number_count;
    char argument[CBI_NAME_SIZE]; /* matrix: the setting in upper(n); "" if a number or none */
} cbi_stmt;

typedef struct cbi_ast {
    cbi_source source;
    cbi_expr *exprs;
    size_t expr_count, expr_capacity;
    cbi_stmt *stmts;
    size_t stmt_count, stmt_capacity;
} cbi_ast;

/* Parses a whole cell. ast->source borrows name and text. */
CB_MUST_USE cb_status cbi_ast_parse(cbi_ast *ast, const char *name, const char *text, cb_err *err);
/* Parses one expression, for the derivatives of the operation table; *root is its index. */
CB_MUST_USE cb_status cbi_ast_parse_expr(cbi_ast *ast, const char *text, int *root, cb_err *err);
void cbi_ast_fini(cbi_ast *ast);

/* The canonical text: one statement a line, single spaces, the fewest parentheses. Caller:
 * cbi_free. */
CB_MUST_USE cb_status cbi_ast_print(const cbi_ast *ast, char **out, cb_err *err);

/* The law of this name with these numbers behind it, e.g. uniform and -0.1, 0.1. CB_EARG. */
CB_MUST_USE cb_status cbi_law_make(cb_init *out, const char *name, const double *numbers,
                                   size_t count, cb_err *err);

#endif
