/* SPDX-License-Identifier: MIT */
/*
 * The characters of a text: spaces, comments and line ends, names, numbers, parentheses; and what
 * an error says of its place.
 */
#include "cell/parse.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

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
        char shown = start[from + i];
        if (c == '\t')
            shown = ' ';
        else if (c < 32 || c >= 127)
            shown = '?';
        quote[n++] = shown;
    }
    quote[n] = caret[pad] = '\0';
    return cb_fail(err, code, "%.100s: line %d, column %d: %s\n  %s\n  %s^", source->name,
                   place.line, column, message, quote, caret);
}

cbi_place cbi_here(const cbi_parser *p) {
    return (cbi_place){p->line, (int)(p->at - p->line_start) + 1};
}

/* Skips spaces and comments, and newlines while a parenthesis is open. */
void cbi_skip(cbi_parser *p) {
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

int cbi_peek(cbi_parser *p, char c) {
    cbi_skip(p);
    return *p->at == c;
}

int cbi_accept(cbi_parser *p, char c) {
    if (!cbi_peek(p, c))
        return 0;
    if (c == '(' || c == '[')
        p->open++;
    if ((c == ')' || c == ']') && p->open > 0)
        p->open--;
    p->at++;
    return 1;
}

/* What stands here, for messages. */
static const char *found(cbi_parser *p, char buffer[48]) {
    cbi_skip(p);
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

cb_status cbi_expected(cbi_parser *p, const char *what) {
    char buffer[48];
    const char *came = found(p, buffer);
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p), "expected %s, got %s", what,
                       came);
}

cb_status cbi_expect(cbi_parser *p, char c) {
    char what[4] = {'\'', c, '\'', 0};
    return cbi_accept(p, c) ? CB_OK : cbi_expected(p, what);
}

/* The parenthesis that closes what was opened at a place, perhaps lines above. */
cb_status cbi_expect_close(cbi_parser *p, cbi_place opened) {
    char what[64];
    if (cbi_accept(p, ')'))
        return CB_OK;
    snprintf(what, sizeof what, "an operator or the ')' of line %d, column %d", opened.line,
             opened.column);
    return cbi_expected(p, what);
}

const char *const cbi_words[CBI_STMT_EQUATION] = {"state",  "set",  "dim",   "param",  "fixed",
                                                  "matrix", "init", "limit", "output", "lowest"};

cb_status cbi_check_name_length(cbi_parser *p, size_t n) {
    if (n <= CBI_NAME_MAX)
        return CB_OK;
    return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                       "a name has at most %d characters, this one %zu", CBI_NAME_MAX, n);
}

/* What begins a line with this word; CBI_STMT_EQUATION if it is none of the language's. */
cbi_stmt_kind cbi_kind_of_word(const char *name) {
    int kind = 0;
    while (kind < CBI_STMT_EQUATION && strcmp(cbi_words[kind], name) != 0)
        kind++;
    return (cbi_stmt_kind)kind;
}

/* Appends a name [a-z][a-z0-9]* to out (which ends at `used`). */
cb_status cbi_plain_name(cbi_parser *p, const char *what, char *out, size_t used) {
    size_t n = 0;
    cbi_skip(p);
    if (!cbi_is_name_start(*p->at))
        return cbi_expected(p, what);
    while (cbi_is_name_char(p->at[n]))
        n++;
    cb_status st = cbi_check_name_length(p, n);
    if (st != CB_OK)
        return st;
    memcpy(out + used, p->at, n);
    out[used + n] = '\0';
    p->at += n;
    return CB_OK;
}

/* The name of something new: none of the words that begin a line. */
cb_status cbi_new_name(cbi_parser *p, const char *what, char *out) {
    cbi_skip(p);
    cbi_place place = cbi_here(p);
    cb_status st = cbi_plain_name(p, what, out, 0);
    if (st == CB_OK && cbi_kind_of_word(out) != CBI_STMT_EQUATION)
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, place,
                           "'%s' is a word of the language and cannot be defined", out);
    return st;
}

/* An optional "_name" after a family or matrix letter. */
cb_status cbi_name_suffix(cbi_parser *p, char *out) {
    if (*p->at != '_')
        return CB_OK;
    size_t n = strlen(out);
    out[n] = '_';
    p->at++;
    if (!cbi_is_name_start(*p->at))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                           "expected a name right after '_'");
    return cbi_plain_name(p, "a name after '_'", out, n + 1);
}

int cbi_at_matrix(cbi_parser *p) {
    cbi_skip(p);
    return *p->at >= 'A' && *p->at <= 'Z';
}

cb_status cbi_matrix_name(cbi_parser *p, char *out) {
    size_t n = 1;
    cbi_skip(p);
    while (isdigit((unsigned char)p->at[n]))
        n++;
    if (isalpha((unsigned char)p->at[n]))
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                           "a matrix is one capital letter, digits and perhaps '_name': "
                           "'%c' and then '%c' is not one",
                           *p->at, p->at[n]);
    cb_status st = cbi_check_name_length(p, n);
    if (st != CB_OK)
        return st;
    memcpy(out, p->at, n);
    out[n] = '\0';
    p->at += n;
    return cbi_name_suffix(p, out);
}

cb_status cbi_read_number(cbi_parser *p, double *out) {
    cbi_skip(p);
    const char *s = p->at;
    if (!isdigit((unsigned char)*s) && !(*s == '.' && isdigit((unsigned char)s[1])))
        return cbi_expected(p, "a number");
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
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                           "a number of %zu characters", n);
    memcpy(buffer, s, n);
    buffer[n] = '\0';
    *out = cbi_strtod(buffer, &end);
    if (*end != '\0' || !isfinite(*out) || isalpha((unsigned char)s[n]) || s[n] == '_')
        return cbi_fail_at(p->err, CB_EPARSE, &p->ast->source, cbi_here(p),
                           "not a number: '%s%.1s'", buffer,
                           isalpha((unsigned char)s[n]) || s[n] == '_' ? s + n : "");
    p->at += n;
    return CB_OK;
}
