/* SPDX-License-Identifier: MIT */
/* Between the files that parse a text: lexer.c, parse_expr.c and, on top, parse.c. */
#ifndef CB_CELL_PARSE_H
#define CB_CELL_PARSE_H

#include "cell/ast.h"

typedef struct cbi_parser {
    cbi_ast *ast;
    const char *at; /* next character */
    const char *line_start;
    int line;
    int open;  /* parentheses and brackets open: newlines are spaces */
    int depth; /* of recursion */
    cb_err *err;
} cbi_parser;

/* lexer.c. What reads something skips the space before it. */

cbi_place cbi_here(const cbi_parser *p);
void cbi_skip(cbi_parser *p);
int cbi_peek(cbi_parser *p, char c);
int cbi_accept(cbi_parser *p, char c); /* 1: it was there and is behind us */
CB_MUST_USE cb_status cbi_expect(cbi_parser *p, char c);
/* The ')' of a parenthesis that was opened at a place, perhaps lines above. */
CB_MUST_USE cb_status cbi_expect_close(cbi_parser *p, cbi_place opened);
/* "expected <what>, got <what stands here>" */
cb_status cbi_expected(cbi_parser *p, const char *what);
/* What a line begins that has this word first; CBI_STMT_EQUATION if it is a name. */
cbi_stmt_kind cbi_kind_of_word(const char *name);

static inline int cbi_is_name_start(char c) {
    return c >= 'a' && c <= 'z';
}
static inline int cbi_is_name_char(char c) {
    return cbi_is_name_start(c) || (c >= '0' && c <= '9');
}
CB_MUST_USE cb_status cbi_check_name_length(cbi_parser *p, size_t n);
/* Appends a name [a-z][a-z0-9]* to out (which ends at `used`). */
CB_MUST_USE cb_status cbi_plain_name(cbi_parser *p, const char *what, char *out, size_t used);
/* The name of something new: none of the words that begin a line. */
CB_MUST_USE cb_status cbi_new_name(cbi_parser *p, const char *what, char *out);
/* An optional "_name", added to out. */
CB_MUST_USE cb_status cbi_name_suffix(cbi_parser *p, char *out);
int cbi_at_matrix(cbi_parser *p);
CB_MUST_USE cb_status cbi_matrix_name(cbi_parser *p, char *out);
/* Without a sign; finite. */
CB_MUST_USE cb_status cbi_read_number(cbi_parser *p, double *out);

/* parse_expr.c; *out is an index into ast->exprs. */

CB_MUST_USE cb_status cbi_parse_sum(cbi_parser *p, int *out);
/* Integer expressions over I, H, dims and settings: the same operators, names and whole numbers. */
CB_MUST_USE cb_status cbi_parse_int_sum(cbi_parser *p, int *out);

#endif
