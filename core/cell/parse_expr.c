/* SPDX-License-Identifier: MIT */
/*
 * Expressions, of values and of dimensions: recursive descent, one function for each rule of the
 * grammar in cellbench/language.h. No names are resolved.
 */
#include "cell/parse.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Far beyond any cell of the literature (a few hundred): they bound the time that a text can take
 * (the graph is searched linearly) and the depth of every recursion over its tree. */
enum { DEPTH_MAX = 200, EXPRS_MAX = 4000 };

static cb_status new_expr(cbi_parser *p, cbi_expr_kind kind, cbi_place place, int *out) {
    cbi_ast *ast = p->ast;
    if (ast->expr_count >= EXPRS_MAX)
        return cbi_fail_at(p->err, CB_EPARSE, &ast->source, place,
                           "more than %d names, numbers and operations", EXPRS_MAX);
    cb_status st = cbi_grow((void **)&ast->exprs, &ast->expr_capacity, ast->expr_count + 1,
                            sizeof *ast->exprs);
    if (st != CB_OK)
        return cb_fail(p->err, st, "cell text: out of memory");
    memset(&ast->exprs[ast->expr_count], 0, sizeof *ast->exprs);
    ast->exprs[ast->expr_count].kind = kind;
    ast->exprs[ast->expr_count].place = place;
    ast->exprs[ast->expr_count].depth = 1;
    *out = (int)ast->expr_count++;
    return CB_OK;
}

/* Hangs `arg` below `self`. */
static cb_status adopt(cbi_parser *p, int self, int arg) {
    cbi_expr *e = &p->ast->exprs[self];
    const cbi_expr *a = &p->ast->exprs[arg];
    e->arg[e->args++] = arg;
    if (e->depth <= a->depth)
        e->depth = a->depth + 1;
    if (e->depth <= DEPTH_MAX)
        return CB_OK;
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, e->place,
                       "more than %d operations in a row: give a part an equation of its own",
                       DEPTH_MAX);
}

/* The arguments of function `self`; the parenthesis is next. */
static cb_status parse_arguments(cbi_parser *p, int self) {
    cb_status st;
    cbi_skip(p);
    cbi_place opened = cbi_here(p);
    cbi_accept(p, '(');
    do {
        int arg;
        if (p->ast->exprs[self].args == CBI_ARGS_MAX)
            return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                               "a function has at most %d arguments", CBI_ARGS_MAX);
        if ((st = cbi_parse_sum(p, &arg)) != CB_OK || (st = adopt(p, self, arg)) != CB_OK)
            return st;
    } while (cbi_accept(p, ','));
    return cbi_expect_close(p, opened);
}

static cb_status parse_atom(cbi_parser *p, int *out) {
    cb_status st;
    cbi_skip(p);
    cbi_place place = cbi_here(p);
    if (cbi_accept(p, '(')) {
        if ((st = cbi_parse_sum(p, out)) != CB_OK)
            return st;
        return cbi_expect_close(p, place);
    }
    if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        double value;
        if ((st = cbi_read_number(p, &value)) != CB_OK ||
            (st = new_expr(p, CBI_EXPR_NUMBER, place, out)))
            return st;
        p->ast->exprs[*out].number = value;
        return CB_OK;
    }
    char name[CBI_NAME_SIZE];
    if ((st =
             cbi_plain_name(p, "a value (a name, a number, a function or a parenthesis)", name, 0)))
        return st;
    cbi_expr_kind kind = CBI_EXPR_NAME;
    if (strcmp(name, "lower") == 0 && *p->at == '.') {
        p->at++;
        kind = CBI_EXPR_LOWER;
        if ((st = cbi_plain_name(p, "the name of a value of the layer below", name, 0)) != CB_OK)
            return st;
    } else if (*p->at == '\'') {
        p->at++;
        kind = CBI_EXPR_NEXT;
    } else if (*p->at == '_') {
        if ((st = cbi_name_suffix(p, name)) != CB_OK)
            return st;
    } else if (cbi_peek(p, '(')) {
        kind = CBI_EXPR_CALL;
    }
    if ((st = new_expr(p, kind, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, sizeof name);
    return kind == CBI_EXPR_CALL ? parse_arguments(p, *out) : CB_OK;
}

static cb_status parse_apply(cbi_parser *p, int *out) {
    if (!cbi_at_matrix(p))
        return parse_atom(p, out);
    cbi_place place = cbi_here(p);
    char name[CBI_NAME_SIZE];
    cb_status st = cbi_matrix_name(p, name);
    if (st != CB_OK)
        return st;
    if ((name[0] == 'H' || name[0] == 'I') && (name[1] == '\0' || name[1] == '_'))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                           "%c is a dimension, not a value", name[0]);
    if (cbi_at_matrix(p))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                           "a matrix multiplies a value, not a matrix: give the inner product an "
                           "equation of its own");
    int arg;
    if ((st = parse_atom(p, &arg)) != CB_OK ||
        (st = new_expr(p, CBI_EXPR_APPLY, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, sizeof name);
    return adopt(p, *out, arg);
}

static cb_status deeper(cbi_parser *p) {
    if (++p->depth <= DEPTH_MAX)
        return CB_OK;
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p), "nested deeper than %d",
                       DEPTH_MAX);
}

static cb_status parse_unary(cbi_parser *p, int *out) {
    int arg;
    cb_status st;
    cbi_skip(p);
    cbi_place place = cbi_here(p);
    if (!cbi_accept(p, '-'))
        return parse_apply(p, out);
    if ((st = deeper(p)) != CB_OK || (st = parse_unary(p, &arg)) != CB_OK ||
        (st = new_expr(p, CBI_EXPR_NEG, place, out)) != CB_OK)
        return st;
    p->depth--;
    return adopt(p, *out, arg);
}

static cb_status binary(cbi_parser *p, cbi_expr_kind kind, cbi_place place, int right, int *inout) {
    int left = *inout;
    cb_status st = new_expr(p, kind, place, inout);
    if (st != CB_OK || (st = adopt(p, *inout, left)) != CB_OK)
        return st;
    return adopt(p, *inout, right);
}

static cb_status parse_product(cbi_parser *p, int *out) {
    cb_status st = parse_unary(p, out);
    while (st == CB_OK) {
        cbi_skip(p);
        cbi_place place = cbi_here(p);
        int divide = cbi_peek(p, '/'), right;
        if (!divide && !cbi_peek(p, '*'))
            break;
        cbi_accept(p, divide ? '/' : '*');
        if ((st = parse_unary(p, &right)) == CB_OK)
            st = binary(p, divide ? CBI_EXPR_DIV : CBI_EXPR_MUL, place, right, out);
    }
    return st;
}

cb_status cbi_parse_sum(cbi_parser *p, int *out) {
    cb_status st = deeper(p);
    if (st == CB_OK)
        st = parse_product(p, out);
    while (st == CB_OK) {
        cbi_skip(p);
        cbi_place place = cbi_here(p);
        int minus = cbi_peek(p, '-'), right;
        if (!minus && !cbi_peek(p, '+'))
            break;
        cbi_accept(p, minus ? '-' : '+');
        if ((st = parse_product(p, &right)) == CB_OK)
            st = binary(p, minus ? CBI_EXPR_SUB : CBI_EXPR_ADD, place, right, out);
    }
    p->depth--;
    return st;
}

/* Integer expressions over I, H, dims and settings: the same operators, names and whole numbers. */
static cb_status parse_int_atom(cbi_parser *p, int *out) {
    cb_status st;
    cbi_skip(p);
    cbi_place place = cbi_here(p);
    if (cbi_accept(p, '(')) {
        if ((st = deeper(p)) != CB_OK || (st = cbi_parse_int_sum(p, out)) != CB_OK)
            return st;
        p->depth--;
        return cbi_expect_close(p, place);
    }
    if (isdigit((unsigned char)*p->at)) {
        double value;
        if ((st = cbi_read_number(p, &value)) != CB_OK)
            return st;
        if (value != floor(value) || value > 1e9)
            return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                               "a dimension is a whole number up to 1e9");
        if ((st = new_expr(p, CBI_EXPR_NUMBER, place, out)) != CB_OK)
            return st;
        p->ast->exprs[*out].number = value;
        return CB_OK;
    }
    char name[CBI_NAME_SIZE];
    if ((*p->at == 'I' || *p->at == 'H') && !isalnum((unsigned char)p->at[1]) && p->at[1] != '_') {
        name[0] = *p->at++;
        name[1] = '\0';
    } else if ((st = cbi_plain_name(p, "a dimension (I, H, a dim, a setting or a whole number)",
                                    name, 0)) != CB_OK) {
        return st;
    }
    if ((st = new_expr(p, CBI_EXPR_NAME, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, strlen(name) + 1);
    return CB_OK;
}

static cb_status parse_int_chain(cbi_parser *p, int *out, const char *ops,
                                 const cbi_expr_kind *kinds,
                                 cb_status (*next)(cbi_parser *, int *)) {
    cb_status st = next(p, out);
    while (st == CB_OK) {
        cbi_skip(p);
        cbi_place place = cbi_here(p);
        const char *op = *p->at ? strchr(ops, *p->at) : NULL;
        int right;
        if (op == NULL)
            break;
        cbi_accept(p, *op);
        if ((st = next(p, &right)) == CB_OK)
            st = binary(p, kinds[op - ops], place, right, out);
    }
    return st;
}

static cb_status parse_int_product(cbi_parser *p, int *out) {
    static const cbi_expr_kind kinds[] = {CBI_EXPR_MUL, CBI_EXPR_DIV};
    return parse_int_chain(p, out, "*/", kinds, parse_int_atom);
}

cb_status cbi_parse_int_sum(cbi_parser *p, int *out) {
    static const cbi_expr_kind kinds[] = {CBI_EXPR_ADD, CBI_EXPR_SUB};
    return parse_int_chain(p, out, "+-", kinds, parse_int_product);
}

cb_status cbi_ast_parse_expr(cbi_ast *ast, const char *text, int *root, cb_err *err) {
    memset(ast, 0, sizeof *ast);
    ast->source = (cbi_source){"derivative", text};
    cbi_parser p = {ast, text, text, 1, 0, 0, err};
    cb_status st = cbi_parse_sum(&p, root);
    if (st == CB_OK && *p.at != '\0')
        st = cbi_expected(&p, "the end of the expression");
    return st;
}
