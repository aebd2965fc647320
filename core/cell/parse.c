/* SPDX-License-Identifier: MIT */
/*
 * Lines of a cell's text: declarations and equations, one function for each rule of the grammar in
 * cellbench/language.h.
 */
#include "cell/parse.h"

#include <string.h>

#include "base/alloc.h"

enum { STMTS_MAX = 1000, LIST_MAX = 4096 };

/* A parameter's name as declarations give it: matrix, or vector family, with or without suffix. */
static cb_status param_name(cbi_parser *p, char *out) {
    if (cbi_at_matrix(p))
        return cbi_matrix_name(p, out);
    cb_status st = cbi_plain_name(p, "the name of a parameter", out, 0);
    return st == CB_OK ? cbi_name_suffix(p, out) : st;
}

static cb_status signed_number(cbi_parser *p, double *out) {
    int minus = cbi_accept(p, '-');
    cb_status st = cbi_read_number(p, out);
    if (st == CB_OK && minus)
        *out = -*out;
    return st;
}

static cb_status new_stmt(cbi_parser *p, cbi_stmt_kind kind, cbi_place place, cbi_stmt **out) {
    cbi_ast *ast = p->ast;
    if (ast->stmt_count >= STMTS_MAX)
        return cbi_fail_at(p->err, CB_EPARSE, &ast->source, place,
                           "more than %d declarations and equations", STMTS_MAX);
    cb_status st = cbi_grow((void **)&ast->stmts, &ast->stmt_capacity, ast->stmt_count + 1,
                            sizeof *ast->stmts);
    if (st != CB_OK)
        return cb_fail(p->err, st, "cell text: out of memory");
    *out = &ast->stmts[ast->stmt_count++];
    memset(*out, 0, sizeof **out);
    (*out)->kind = kind;
    (*out)->place = place;
    (*out)->dim = (*out)->expr = -1;
    return CB_OK;
}

static cb_status add_number(cbi_parser *p, cbi_stmt *stmt, double value) {
    void *grown = cbi_realloc(stmt->numbers, (stmt->number_count + 1) * sizeof *stmt->numbers);
    if (grown == NULL)
        return cb_fail(p->err, CB_ENOMEM, "cell text: out of memory");
    stmt->numbers = grown;
    stmt->numbers[stmt->number_count++] = value;
    return CB_OK;
}

static cb_status one_number(cbi_parser *p, cbi_stmt *stmt) {
    double value;
    cb_status st = signed_number(p, &value);
    return st == CB_OK ? add_number(p, stmt, value) : st;
}

static cb_status bracket_dim(cbi_parser *p, int *dim) {
    cb_status st;
    if (!cbi_accept(p, '['))
        return CB_OK;
    if ((st = cbi_parse_int_sum(p, dim)) != CB_OK)
        return st;
    return cbi_expect(p, ']');
}

/* state, param: item { "," item } */
static cb_status parse_items(cbi_parser *p, cbi_stmt_kind kind, cbi_place first) {
    cb_status st;
    int continues = 0;
    do {
        cbi_skip(p);
        cbi_stmt *s;
        if ((st = new_stmt(p, kind, continues ? cbi_here(p) : first, &s)) != CB_OK)
            return st;
        s->continues = continues;
        s->place = cbi_here(p);
        continues = 1;
        if ((st = cbi_new_name(p, "a name", s->name)) != CB_OK)
            return st;
        int dim = -1;
        if ((st = bracket_dim(p, &dim)) != CB_OK)
            return st;
        s->dim = dim;
        if (!cbi_accept(p, '='))
            continue;
        cbi_skip(p);
        if (cbi_is_name_start(*p->at) && kind == CBI_STMT_STATE) {
            char word[CBI_NAME_SIZE];
            cbi_place place = cbi_here(p);
            if ((st = cbi_plain_name(p, "a number or 'learned'", word, 0)) != CB_OK)
                return st;
            if (strcmp(word, "learned") != 0)
                return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                                   "expected a number or 'learned', got '%s'", word);
            s->learned = 1;
        } else {
            s->has_number = 1;
            if ((st = one_number(p, s)) != CB_OK)
                return st;
        }
    } while (cbi_accept(p, ','));
    return CB_OK;
}

static cb_status parse_matrix(cbi_parser *p, cbi_stmt *s) {
    cb_status st;
    if (!cbi_at_matrix(p))
        return cbi_expected(p, "a matrix (a capital letter)");
    if ((st = cbi_matrix_name(p, s->name)) != CB_OK || (st = cbi_expect(p, '=')) != CB_OK ||
        (st = cbi_plain_name(p, "full, diagonal, blockdiag(n), upper(n), lower(n) or antisymmetric",
                             s->word, 0)) != CB_OK)
        return st;
    if (!cbi_accept(p, '('))
        return CB_OK;
    cbi_skip(p);
    if (cbi_is_name_start(*p->at))
        st = cbi_plain_name(p, "a setting", s->argument, 0);
    else
        st = one_number(p, s);
    return st == CB_OK ? cbi_expect(p, ')') : st;
}

static cb_status parse_init(cbi_parser *p, cbi_stmt *s) {
    cb_status st;
    if ((st = param_name(p, s->name)) != CB_OK || (st = cbi_expect(p, '=')) != CB_OK ||
        (st = cbi_plain_name(p,
                             "a law: zero, constant(a), uniform(a), uniform(a, b), normal(sd), "
                             "glorot, orthogonal(g) or identity(g)",
                             s->word, 0)) != CB_OK)
        return st;
    if (!cbi_accept(p, '('))
        return CB_OK;
    do {
        if ((st = one_number(p, s)) != CB_OK)
            return st;
    } while (s->number_count < 2 && cbi_accept(p, ','));
    return cbi_expect(p, ')');
}

static cb_status parse_set(cbi_parser *p, cbi_stmt *s) {
    cb_status st;
    if ((st = cbi_new_name(p, "the name of a setting", s->name)) != CB_OK ||
        (st = cbi_expect(p, '=')) != CB_OK)
        return st;
    do {
        if ((st = one_number(p, s)) != CB_OK)
            return st;
        if (s->number_count > LIST_MAX)
            return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, s->place,
                               "a list of at most %d numbers", LIST_MAX);
    } while (cbi_accept(p, ','));
    return CB_OK;
}

static cb_status parse_lowest(cbi_parser *p, cbi_stmt *s) {
    cbi_skip(p);
    size_t n = strcspn(p->at, " \t\r\n#");
    cb_status st = n ? cbi_check_name_length(p, n) : cbi_expected(p, "the name of a cell");
    if (st != CB_OK)
        return st;
    memcpy(s->word, p->at, n);
    for (size_t i = 0; i < n; i++)
        if (!cbi_is_name_char(s->word[i]) && s->word[i] != '-')
            return cbi_expected(p, "the name of a cell (lower case, digits, '-')");
    p->at += n;
    return CB_OK;
}

static cb_status parse_declaration(cbi_parser *p, cbi_stmt_kind kind, cbi_place place) {
    cb_status st;
    if (kind == CBI_STMT_STATE || kind == CBI_STMT_PARAM)
        return parse_items(p, kind, place);
    cbi_stmt *s;
    if ((st = new_stmt(p, kind, place, &s)) != CB_OK)
        return st;
    cbi_skip(p);
    s->place = cbi_here(p);
    int expr = -1;
    switch (kind) {
    case CBI_STMT_SET:
        return parse_set(p, s);
    case CBI_STMT_DIM:
        if ((st = cbi_new_name(p, "the name of a dimension", s->name)) == CB_OK &&
            (st = cbi_expect(p, '=')) == CB_OK && (st = cbi_parse_int_sum(p, &expr)) == CB_OK)
            s->expr = expr;
        return st;
    case CBI_STMT_FIXED:
        return param_name(p, s->name);
    case CBI_STMT_MATRIX:
        return parse_matrix(p, s);
    case CBI_STMT_INIT:
        return parse_init(p, s);
    case CBI_STMT_LIMIT:
        if ((st = param_name(p, s->name)) == CB_OK && (st = cbi_expect(p, '=')) == CB_OK)
            st = one_number(p, s);
        return st;
    case CBI_STMT_OUTPUT:
        if ((st = cbi_plain_name(p, "the name of a state or an equation", s->name, 0)) == CB_OK &&
            *p->at == '\'') {
            p->at++;
            s->prime = 1;
        }
        return st;
    default:
        return parse_lowest(p, s);
    }
}

static cb_status parse_equation(cbi_parser *p, cbi_place place, const char *name) {
    cb_status st;
    cbi_stmt *s;
    if ((st = new_stmt(p, CBI_STMT_EQUATION, place, &s)) != CB_OK)
        return st;
    memcpy(s->name, name, strlen(name) + 1);
    int dim = -1, expr = -1;
    if (*p->at == '\'') {
        p->at++;
        s->prime = 1;
    } else if ((st = bracket_dim(p, &dim)) != CB_OK) {
        return st;
    }
    s->dim = dim;
    size_t self = p->ast->stmt_count - 1;
    if (!cbi_accept(p, '='))
        return cbi_expected(p,
                            "'=' (an equation) or one of the words state, set, dim, param, fixed, "
                            "matrix, init, limit, output, lowest at the start of the line");
    if ((st = cbi_parse_sum(p, &expr)) != CB_OK)
        return st;
    p->ast->stmts[self].expr = expr;
    return CB_OK;
}

static cb_status parse_line(cbi_parser *p) {
    cbi_place place = cbi_here(p);
    char name[CBI_NAME_SIZE];
    cb_status st = cbi_plain_name(p, "a declaration or an equation", name, 0);
    if (st != CB_OK)
        return st;
    cbi_stmt_kind kind = cbi_kind_of_word(name);
    st = kind == CBI_STMT_EQUATION ? parse_equation(p, place, name)
                                   : parse_declaration(p, kind, place);
    if (st != CB_OK)
        return st;
    cbi_skip(p);
    if (*p->at != '\0' && *p->at != '\n')
        return cbi_expected(p, "the end of the line or an operator");
    return CB_OK;
}

cb_status cbi_ast_parse(cbi_ast *ast, const char *name, const char *text, cb_err *err) {
    memset(ast, 0, sizeof *ast);
    ast->source = (cbi_source){name, text};
    cbi_parser p = {ast, text, text, 1, 0, 0, err};
    for (;;) {
        p.open = 0;
        cbi_skip(&p);
        if (*p.at == '\0')
            return CB_OK;
        if (*p.at == '\n') {
            p.at++;
            p.line++;
            p.line_start = p.at;
            continue;
        }
        cb_status st = parse_line(&p);
        if (st != CB_OK)
            return st;
    }
}

void cbi_ast_fini(cbi_ast *ast) {
    for (size_t i = 0; i < ast->stmt_count; i++)
        cbi_free(ast->stmts[i].numbers);
    cbi_free(ast->stmts);
    cbi_free(ast->exprs);
    memset(ast, 0, sizeof *ast);
}
