/* SPDX-License-Identifier: MIT */
/*
 * The parser of cell texts: recursive descent over characters, one function for each rule of the
 * grammar in cellbench/language.h. It knows the shape of the language and no names.
 */
#include "cell/ast.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* Far beyond any cell of the literature (a few hundred): they bound the time that a text can take
 * (the graph is searched linearly) and the depth of every recursion over its tree. */
enum { DEPTH_MAX = 200, EXPRS_MAX = 4000, STMTS_MAX = 1000 };

const char *const cbi_words[CBI_STMT_EQUATION] = {"state",  "set",  "dim",   "param",  "fixed",
                                                  "matrix", "init", "limit", "output", "lowest"};

typedef struct parser {
    cbi_ast *ast;
    const char *at; /* next character */
    const char *line_start;
    int line;
    int open;  /* parentheses and brackets open: newlines are spaces */
    int depth; /* of recursion */
    cb_err *err;
} parser;

cb_status cbi_fail_at(cb_err *err, cb_status code, const cbi_source *source, cbi_place place,
                      const char *format, ...) {
    char message[512];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    const char *start = source->text;
    for (int line = 1; line < place.line && *start; start++)
        line += *start == '\n';
    int length = (int)strcspn(start, "\r\n");
    /* A very long line is shown around the place only. */
    int column = place.column < 1 ? 1 : place.column;
    int from = column > 60 ? column - 60 : 0, most = 100;
    if (length - from < most)
        most = length - from > 0 ? length - from : 0;
    char quote[128], caret[128];
    int n = 0, pad = 0;
    for (int i = 0; i < most; i++) {
        unsigned char c = (unsigned char)start[from + i];
        /* A message is plain ASCII: one '?' for each character of UTF-8, cut or not. */
        if ((c & 0xc0) == 0x80)
            continue;
        if (from + i < column - 1)
            caret[pad++] = ' ';
        quote[n++] = c == '\t' ? ' ' : (c < 32 || c >= 127) ? '?' : (char)c;
    }
    quote[n] = caret[pad] = '\0';
    return cb_fail(err, code, "%.100s: line %d, column %d: %s\n  %s\n  %s^", source->name,
                   place.line, column, message, quote, caret);
}

static cbi_place here(const parser *p) {
    return (cbi_place){p->line, (int)(p->at - p->line_start) + 1};
}

/* Skips spaces and comments, and newlines while a parenthesis is open. */
static void skip(parser *p) {
    for (;;) {
        if (*p->at == '#')
            p->at += strcspn(p->at, "\n");
        if (*p->at == ' ' || *p->at == '\t' || *p->at == '\r') {
            p->at++;
        } else if (*p->at == '\n' && p->open > 0) {
            p->at++;
            p->line++;
            p->line_start = p->at;
        } else {
            return;
        }
    }
}

static int peek(parser *p, char c) {
    skip(p);
    return *p->at == c;
}

static int accept(parser *p, char c) {
    if (!peek(p, c))
        return 0;
    if (c == '(' || c == '[')
        p->open++;
    if ((c == ')' || c == ']') && p->open > 0)
        p->open--;
    p->at++;
    return 1;
}

/* What stands here, for messages. */
static const char *found(parser *p, char buffer[48]) {
    skip(p);
    unsigned char c = (unsigned char)*p->at;
    if (c == '\0')
        return "the end of the text";
    if (c == '\n')
        return "the end of the line";
    if (isalnum(c) || c == '_') {
        int n = 0;
        while (n < 32 && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_'))
            n++;
        snprintf(buffer, 48, "'%.*s'", n, p->at);
    } else if (c < 32 || c >= 127) {
        snprintf(buffer, 48, "byte 0x%02x", c);
    } else {
        snprintf(buffer, 48, "'%c'", c);
    }
    return buffer;
}

static cb_status expected(parser *p, const char *what) {
    char buffer[48];
    const char *came = found(p, buffer);
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p), "expected %s, got %s", what,
                       came);
}

static cb_status expect(parser *p, char c) {
    char what[4] = {'\'', c, '\'', 0};
    return accept(p, c) ? CB_OK : expected(p, what);
}

/* The parenthesis that closes what was opened at a place, perhaps lines above. */
static cb_status expect_close(parser *p, cbi_place opened) {
    char what[64];
    if (accept(p, ')'))
        return CB_OK;
    snprintf(what, sizeof what, "an operator or the ')' of line %d, column %d", opened.line,
             opened.column);
    return expected(p, what);
}

static int is_name_start(char c) {
    return c >= 'a' && c <= 'z';
}
static int is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static cb_status too_long(parser *p, size_t n) {
    if (n <= CBI_NAME_MAX)
        return CB_OK;
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                       "a name has at most %d characters, this one %zu", CBI_NAME_MAX, n);
}

/* What begins a line with this word; CBI_STMT_EQUATION if it is none of the language's. */
static cbi_stmt_kind kind_of_word(const char *name) {
    int kind = 0;
    while (kind < CBI_STMT_EQUATION && strcmp(cbi_words[kind], name) != 0)
        kind++;
    return (cbi_stmt_kind)kind;
}

/* Appends a name [a-z][a-z0-9]* to out (which ends at `used`). */
static cb_status plain_name(parser *p, const char *what, char *out, size_t used) {
    size_t n = 0;
    skip(p);
    if (!is_name_start(*p->at))
        return expected(p, what);
    while (is_name_char(p->at[n]))
        n++;
    cb_status st = too_long(p, n);
    if (st != CB_OK)
        return st;
    memcpy(out + used, p->at, n);
    out[used + n] = '\0';
    p->at += n;
    return CB_OK;
}

/* The name of something new: none of the words that begin a line. */
static cb_status new_name(parser *p, const char *what, char *out) {
    skip(p);
    cbi_place place = here(p);
    cb_status st = plain_name(p, what, out, 0);
    if (st == CB_OK && kind_of_word(out) != CBI_STMT_EQUATION)
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                           "'%s' is a word of the language and cannot be defined", out);
    return st;
}

/* An optional "_name" after a family or matrix letter. */
static cb_status suffix(parser *p, char *out) {
    if (*p->at != '_')
        return CB_OK;
    size_t n = strlen(out);
    out[n] = '_';
    p->at++;
    if (!is_name_start(*p->at))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                           "expected a name right after '_'");
    return plain_name(p, "a name after '_'", out, n + 1);
}

static int at_matrix(parser *p) {
    skip(p);
    return *p->at >= 'A' && *p->at <= 'Z';
}

static cb_status matrix_name(parser *p, char *out) {
    size_t n = 1;
    skip(p);
    while (isdigit((unsigned char)p->at[n]))
        n++;
    if (isalpha((unsigned char)p->at[n]))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                           "a matrix is one capital letter, digits and perhaps '_name': "
                           "'%c' and then '%c' is not one",
                           *p->at, p->at[n]);
    cb_status st = too_long(p, n);
    if (st != CB_OK)
        return st;
    memcpy(out, p->at, n);
    out[n] = '\0';
    p->at += n;
    return suffix(p, out);
}

/* A parameter's name as declarations give it: matrix, or vector family, with or without suffix. */
static cb_status param_name(parser *p, char *out) {
    if (at_matrix(p))
        return matrix_name(p, out);
    cb_status st = plain_name(p, "the name of a parameter", out, 0);
    return st == CB_OK ? suffix(p, out) : st;
}

static cb_status number(parser *p, double *out) {
    skip(p);
    const char *s = p->at;
    if (!isdigit((unsigned char)*s) && !(*s == '.' && isdigit((unsigned char)s[1])))
        return expected(p, "a number");
    size_t n = 0;
    while (isdigit((unsigned char)s[n]) || s[n] == '.')
        n++;
    if ((s[n] == 'e' || s[n] == 'E') &&
        (isdigit((unsigned char)s[n + 1]) ||
         ((s[n + 1] == '-' || s[n + 1] == '+') && isdigit((unsigned char)s[n + 2])))) {
        n += 2;
        while (isdigit((unsigned char)s[n]))
            n++;
    }
    char buffer[64], *end;
    if (n >= sizeof buffer)
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                           "a number of %zu characters", n);
    memcpy(buffer, s, n);
    buffer[n] = '\0';
    *out = strtod(buffer, &end);
    if (*end != '\0' || !isfinite(*out) || isalpha((unsigned char)s[n]) || s[n] == '_')
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p), "not a number: '%s%.1s'",
                           buffer, isalpha((unsigned char)s[n]) || s[n] == '_' ? s + n : "");
    p->at += n;
    return CB_OK;
}

static cb_status signed_number(parser *p, double *out) {
    int minus = accept(p, '-');
    cb_status st = number(p, out);
    if (st == CB_OK && minus)
        *out = -*out;
    return st;
}

static cb_status new_expr(parser *p, cbi_expr_kind kind, cbi_place place, int *out) {
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
static cb_status adopt(parser *p, int self, int arg) {
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

static cb_status parse_sum(parser *p, int *out);

/* The arguments of function `self`; the parenthesis is next. */
static cb_status parse_arguments(parser *p, int self) {
    cb_status st;
    skip(p);
    cbi_place opened = here(p);
    accept(p, '(');
    do {
        int arg;
        if (p->ast->exprs[self].args == CBI_ARGS_MAX)
            return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                               "a function has at most %d arguments", CBI_ARGS_MAX);
        if ((st = parse_sum(p, &arg)) != CB_OK || (st = adopt(p, self, arg)) != CB_OK)
            return st;
    } while (accept(p, ','));
    return expect_close(p, opened);
}

static cb_status parse_atom(parser *p, int *out) {
    cb_status st;
    skip(p);
    cbi_place place = here(p);
    if (accept(p, '(')) {
        if ((st = parse_sum(p, out)) != CB_OK)
            return st;
        return expect_close(p, place);
    }
    if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        double value;
        if ((st = number(p, &value)) != CB_OK || (st = new_expr(p, CBI_EXPR_NUMBER, place, out)))
            return st;
        p->ast->exprs[*out].number = value;
        return CB_OK;
    }
    char name[CBI_NAME_SIZE];
    if ((st = plain_name(p, "a value (a name, a number, a function or a parenthesis)", name, 0)))
        return st;
    cbi_expr_kind kind = CBI_EXPR_NAME;
    if (strcmp(name, "lower") == 0 && *p->at == '.') {
        p->at++;
        kind = CBI_EXPR_LOWER;
        if ((st = plain_name(p, "the name of a value of the layer below", name, 0)) != CB_OK)
            return st;
    } else if (*p->at == '\'') {
        p->at++;
        kind = CBI_EXPR_NEXT;
    } else if (*p->at == '_') {
        if ((st = suffix(p, name)) != CB_OK)
            return st;
    } else if (peek(p, '(')) {
        kind = CBI_EXPR_CALL;
    }
    if ((st = new_expr(p, kind, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, sizeof name);
    return kind == CBI_EXPR_CALL ? parse_arguments(p, *out) : CB_OK;
}

static cb_status parse_apply(parser *p, int *out) {
    if (!at_matrix(p))
        return parse_atom(p, out);
    cbi_place place = here(p);
    char name[CBI_NAME_SIZE];
    cb_status st = matrix_name(p, name);
    if (st != CB_OK)
        return st;
    if ((name[0] == 'H' || name[0] == 'I') && (name[1] == '\0' || name[1] == '_'))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                           "%c is a dimension, not a value", name[0]);
    if (at_matrix(p))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p),
                           "a matrix multiplies a value, not a matrix: give the inner product an "
                           "equation of its own");
    int arg;
    if ((st = parse_atom(p, &arg)) != CB_OK ||
        (st = new_expr(p, CBI_EXPR_APPLY, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, sizeof name);
    return adopt(p, *out, arg);
}

static cb_status deeper(parser *p) {
    if (++p->depth <= DEPTH_MAX)
        return CB_OK;
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, here(p), "nested deeper than %d",
                       DEPTH_MAX);
}

static cb_status parse_unary(parser *p, int *out) {
    cb_status st = deeper(p);
    if (st != CB_OK)
        return st;
    skip(p);
    cbi_place place = here(p);
    if (accept(p, '-')) {
        int arg;
        if ((st = parse_unary(p, &arg)) == CB_OK &&
            (st = new_expr(p, CBI_EXPR_NEG, place, out)) == CB_OK)
            st = adopt(p, *out, arg);
    } else {
        st = parse_apply(p, out);
    }
    p->depth--;
    return st;
}

static cb_status binary(parser *p, cbi_expr_kind kind, cbi_place place, int right, int *inout) {
    int left = *inout;
    cb_status st = new_expr(p, kind, place, inout);
    if (st != CB_OK || (st = adopt(p, *inout, left)) != CB_OK)
        return st;
    return adopt(p, *inout, right);
}

static cb_status parse_product(parser *p, int *out) {
    cb_status st = parse_unary(p, out);
    while (st == CB_OK) {
        skip(p);
        cbi_place place = here(p);
        int divide = peek(p, '/'), right;
        if (!divide && !peek(p, '*'))
            break;
        accept(p, divide ? '/' : '*');
        if ((st = parse_unary(p, &right)) == CB_OK)
            st = binary(p, divide ? CBI_EXPR_DIV : CBI_EXPR_MUL, place, right, out);
    }
    return st;
}

static cb_status parse_sum(parser *p, int *out) {
    cb_status st = deeper(p);
    if (st == CB_OK)
        st = parse_product(p, out);
    while (st == CB_OK) {
        skip(p);
        cbi_place place = here(p);
        int minus = peek(p, '-'), right;
        if (!minus && !peek(p, '+'))
            break;
        accept(p, minus ? '-' : '+');
        if ((st = parse_product(p, &right)) == CB_OK)
            st = binary(p, minus ? CBI_EXPR_SUB : CBI_EXPR_ADD, place, right, out);
    }
    p->depth--;
    return st;
}

/* Integer expressions over I, H, dims and settings: the same operators, names and whole numbers. */
static cb_status parse_int_sum(parser *p, int *out);

static cb_status parse_int_atom(parser *p, int *out) {
    cb_status st;
    skip(p);
    cbi_place place = here(p);
    if (accept(p, '(')) {
        if ((st = deeper(p)) != CB_OK || (st = parse_int_sum(p, out)) != CB_OK)
            return st;
        p->depth--;
        return expect_close(p, place);
    }
    if (isdigit((unsigned char)*p->at)) {
        double value;
        if ((st = number(p, &value)) != CB_OK)
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
    } else if ((st = plain_name(p, "a dimension (I, H, a dim, a setting or a whole number)", name,
                                0)) != CB_OK) {
        return st;
    }
    if ((st = new_expr(p, CBI_EXPR_NAME, place, out)) != CB_OK)
        return st;
    memcpy(p->ast->exprs[*out].name, name, strlen(name) + 1);
    return CB_OK;
}

static cb_status parse_int_chain(parser *p, int *out, const char *ops, const cbi_expr_kind *kinds,
                                 cb_status (*next)(parser *, int *)) {
    cb_status st = next(p, out);
    while (st == CB_OK) {
        skip(p);
        cbi_place place = here(p);
        const char *op = *p->at ? strchr(ops, *p->at) : NULL;
        int right;
        if (op == NULL)
            break;
        accept(p, *op);
        if ((st = next(p, &right)) == CB_OK)
            st = binary(p, kinds[op - ops], place, right, out);
    }
    return st;
}

static cb_status parse_int_product(parser *p, int *out) {
    static const cbi_expr_kind kinds[] = {CBI_EXPR_MUL, CBI_EXPR_DIV};
    return parse_int_chain(p, out, "*/", kinds, parse_int_atom);
}

static cb_status parse_int_sum(parser *p, int *out) {
    static const cbi_expr_kind kinds[] = {CBI_EXPR_ADD, CBI_EXPR_SUB};
    return parse_int_chain(p, out, "+-", kinds, parse_int_product);
}

/* ---- statements ---- */

static cb_status new_stmt(parser *p, cbi_stmt_kind kind, cbi_place place, cbi_stmt **out) {
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

static cb_status add_number(parser *p, cbi_stmt *stmt, double value) {
    void *grown = cbi_realloc(stmt->numbers, (stmt->number_count + 1) * sizeof *stmt->numbers);
    if (grown == NULL)
        return cb_fail(p->err, CB_ENOMEM, "cell text: out of memory");
    stmt->numbers = grown;
    stmt->numbers[stmt->number_count++] = value;
    return CB_OK;
}

static cb_status one_number(parser *p, cbi_stmt *stmt) {
    double value;
    cb_status st = signed_number(p, &value);
    return st == CB_OK ? add_number(p, stmt, value) : st;
}

static cb_status bracket_dim(parser *p, int *dim) {
    cb_status st;
    if (!accept(p, '['))
        return CB_OK;
    if ((st = parse_int_sum(p, dim)) != CB_OK)
        return st;
    return expect(p, ']');
}

/* state, param: item { "," item } */
static cb_status parse_items(parser *p, cbi_stmt_kind kind, cbi_place first) {
    cb_status st;
    int continues = 0;
    do {
        skip(p);
        cbi_stmt *s;
        if ((st = new_stmt(p, kind, continues ? here(p) : first, &s)) != CB_OK)
            return st;
        s->continues = continues;
        s->place = here(p);
        continues = 1;
        if ((st = new_name(p, "a name", s->name)) != CB_OK)
            return st;
        int dim = -1;
        if ((st = bracket_dim(p, &dim)) != CB_OK)
            return st;
        s->dim = dim;
        if (!accept(p, '='))
            continue;
        skip(p);
        if (is_name_start(*p->at) && kind == CBI_STMT_STATE) {
            char word[CBI_NAME_SIZE];
            cbi_place place = here(p);
            if ((st = plain_name(p, "a number or 'learned'", word, 0)) != CB_OK)
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
    } while (accept(p, ','));
    return CB_OK;
}

static cb_status parse_matrix(parser *p, cbi_stmt *s) {
    cb_status st;
    if (!at_matrix(p))
        return expected(p, "a matrix (a capital letter)");
    if ((st = matrix_name(p, s->name)) != CB_OK || (st = expect(p, '=')) != CB_OK ||
        (st = plain_name(p, "full, diagonal, blockdiag(n), upper(n), lower(n) or antisymmetric",
                         s->word, 0)) != CB_OK)
        return st;
    if (!accept(p, '('))
        return CB_OK;
    skip(p);
    if (is_name_start(*p->at))
        st = plain_name(p, "a setting", s->argument, 0);
    else
        st = one_number(p, s);
    return st == CB_OK ? expect(p, ')') : st;
}

static cb_status parse_init(parser *p, cbi_stmt *s) {
    cb_status st;
    if ((st = param_name(p, s->name)) != CB_OK || (st = expect(p, '=')) != CB_OK ||
        (st = plain_name(p,
                         "a law: zero, constant(a), uniform(a), normal(sd), glorot, "
                         "orthogonal(g) or identity(g)",
                         s->word, 0)) != CB_OK)
        return st;
    if (!accept(p, '('))
        return CB_OK;
    if ((st = one_number(p, s)) != CB_OK)
        return st;
    return expect(p, ')');
}

static cb_status parse_set(parser *p, cbi_stmt *s) {
    cb_status st;
    if ((st = new_name(p, "the name of a setting", s->name)) != CB_OK ||
        (st = expect(p, '=')) != CB_OK)
        return st;
    do {
        if ((st = one_number(p, s)) != CB_OK)
            return st;
        if (s->number_count > 4096)
            return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, s->place,
                               "a list of at most 4096 numbers");
    } while (accept(p, ','));
    return CB_OK;
}

static cb_status parse_lowest(parser *p, cbi_stmt *s) {
    skip(p);
    size_t n = strcspn(p->at, " \t\r\n#");
    cb_status st = n ? too_long(p, n) : expected(p, "the name of a cell");
    if (st != CB_OK)
        return st;
    memcpy(s->word, p->at, n);
    for (size_t i = 0; i < n; i++)
        if (!is_name_char(s->word[i]) && s->word[i] != '-')
            return expected(p, "the name of a cell (lower case, digits, '-')");
    p->at += n;
    return CB_OK;
}

static cb_status parse_declaration(parser *p, cbi_stmt_kind kind, cbi_place place) {
    cb_status st;
    if (kind == CBI_STMT_STATE || kind == CBI_STMT_PARAM)
        return parse_items(p, kind, place);
    cbi_stmt *s;
    if ((st = new_stmt(p, kind, place, &s)) != CB_OK)
        return st;
    skip(p);
    s->place = here(p);
    int expr = -1;
    switch (kind) {
    case CBI_STMT_SET:
        return parse_set(p, s);
    case CBI_STMT_DIM:
        if ((st = new_name(p, "the name of a dimension", s->name)) == CB_OK &&
            (st = expect(p, '=')) == CB_OK && (st = parse_int_sum(p, &expr)) == CB_OK)
            s->expr = expr;
        return st;
    case CBI_STMT_FIXED:
        return param_name(p, s->name);
    case CBI_STMT_MATRIX:
        return parse_matrix(p, s);
    case CBI_STMT_INIT:
        return parse_init(p, s);
    case CBI_STMT_LIMIT:
        if ((st = param_name(p, s->name)) == CB_OK && (st = expect(p, '=')) == CB_OK)
            st = one_number(p, s);
        return st;
    case CBI_STMT_OUTPUT:
        if ((st = plain_name(p, "the name of a state or an equation", s->name, 0)) == CB_OK &&
            *p->at == '\'') {
            p->at++;
            s->prime = 1;
        }
        return st;
    default:
        return parse_lowest(p, s);
    }
}

static cb_status parse_equation(parser *p, cbi_place place, const char *name) {
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
    if (!accept(p, '='))
        return expected(p, "'=' (an equation) or one of the words state, set, dim, param, fixed, "
                           "matrix, init, limit, output, lowest at the start of the line");
    if ((st = parse_sum(p, &expr)) != CB_OK)
        return st;
    p->ast->stmts[self].expr = expr;
    return CB_OK;
}

static cb_status parse_line(parser *p) {
    cbi_place place = here(p);
    char name[CBI_NAME_SIZE];
    cb_status st = plain_name(p, "a declaration or an equation", name, 0);
    if (st != CB_OK)
        return st;
    cbi_stmt_kind kind = kind_of_word(name);
    st = kind == CBI_STMT_EQUATION ? parse_equation(p, place, name)
                                   : parse_declaration(p, kind, place);
    if (st != CB_OK)
        return st;
    skip(p);
    if (*p->at != '\0' && *p->at != '\n')
        return expected(p, "the end of the line or an operator");
    return CB_OK;
}

cb_status cbi_ast_parse(cbi_ast *ast, const char *name, const char *text, cb_err *err) {
    memset(ast, 0, sizeof *ast);
    ast->source = (cbi_source){name, text};
    parser p = {ast, text, text, 1, 0, 0, err};
    for (;;) {
        p.open = 0;
        skip(&p);
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

cb_status cbi_ast_parse_expr(cbi_ast *ast, const char *text, int *root, cb_err *err) {
    memset(ast, 0, sizeof *ast);
    ast->source = (cbi_source){"derivative", text};
    parser p = {ast, text, text, 1, 0, 0, err};
    cb_status st = parse_sum(&p, root);
    if (st == CB_OK && *p.at != '\0')
        st = expected(&p, "the end of the expression");
    return st;
}

void cbi_ast_fini(cbi_ast *ast) {
    for (size_t i = 0; i < ast->stmt_count; i++)
        cbi_free(ast->stmts[i].numbers);
    cbi_free(ast->stmts);
    cbi_free(ast->exprs);
    memset(ast, 0, sizeof *ast);
}
