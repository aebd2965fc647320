/* SPDX-License-Identifier: MIT */
/* A text is a list of tokens; a change of an expression finds the ends of what it changes by
 * counting parentheses, and so leaves most texts well formed. */
#include "numeric/mutate.h"

#include <ctype.h>
#include <string.h>

/* ---- tokens ---- */

static int is_word(int c) {
    return isalnum(c) || c == '_' || c == '.' || c == '\'';
}

static size_t token_length(const char *at) {
    size_t n = 0;
    if (!is_word((unsigned char)*at))
        return 1;
    while (is_word((unsigned char)at[n]) || (n > 0 && isdigit((unsigned char)*at) &&
                                             (at[n] == '-' || at[n] == '+') && at[n - 1] == 'e'))
        n++;
    return n < MUTATE_TOKEN - 1 ? n : MUTATE_TOKEN - 1;
}

void mutate_begin(mutation *m, const char *text, cb_random random) {
    m->count = 0;
    m->random = random;
    for (size_t n; *text && m->count < MUTATE_TOKENS; text += n) {
        n = token_length(text);
        if (*text == ' ' || *text == '\r')
            continue;
        memcpy(m->token[m->count], text, n);
        m->token[m->count++][n] = '\0';
    }
}

char *mutate_text(const mutation *m, char out[MUTATE_TEXT]) {
    size_t length = 0;
    for (size_t i = 0; i < m->count; i++) {
        const size_t n = strlen(m->token[i]);
        if (length + n + 2 >= MUTATE_TEXT)
            break;
        memcpy(out + length, m->token[i], n);
        length += n;
        if (*m->token[i] != '\n')
            out[length++] = ' ';
    }
    out[length] = '\0';
    return out;
}

static size_t below(mutation *m, size_t n) {
    return (size_t)cb_random_below(&m->random, n);
}

static int is(const mutation *m, size_t i, const char *token) {
    return i < m->count && strcmp(m->token[i], token) == 0;
}

/* `token` may be one of the list's own: it is copied before anything moves. */
static void set(mutation *m, size_t i, const char *token) {
    char copy[MUTATE_TOKEN];
    if (i >= m->count)
        return;
    strcpy(copy, token);
    strcpy(m->token[i], copy);
}

static void insert(mutation *m, size_t i, const char *token) {
    char copy[MUTATE_TOKEN];
    if (m->count == MUTATE_TOKENS || i > m->count)
        return;
    strcpy(copy, token);
    memmove(m->token[i + 1], m->token[i], (m->count - i) * sizeof m->token[0]);
    m->count++;
    strcpy(m->token[i], copy);
}

static void cut(mutation *m, size_t from, size_t to) {
    if (from >= to || to > m->count)
        return;
    memmove(m->token[from], m->token[to], (m->count - to) * sizeof m->token[0]);
    m->count -= to - from;
}

/* ---- what may stand where ---- */

static const char *const functions[] = {"tanh",   "sigmoid",    "relu",     "exp",  "log",  "sin",
                                        "cos",    "logsigmoid", "softplus", "abs",  "sign", "sqrt",
                                        "square", "sum",        "mean",     "norm", "stop"};
static const char *const operators[] = {"+", "-", "*", "/"};
static const char *const leaves[] = {"x", "b", "p", "b1", "1", "0.5", "2", "b_all", "lower.h"};
static const char *const matrices[] = {"W", "R", "U", "R_all", "W_h"};
static const char *const strays[] = {"(",     ")",   ",",   "=",   "'", "h",
                                     "state", "dim", "[2]", "[",   "]", "\n",
                                     "1e30",  "max", "fit", "set", "?", "output"};

#define ANY(list) (list)[below(m, sizeof(list) / sizeof *(list))]

static int is_operator(const mutation *m, size_t i) {
    return is(m, i, "+") || is(m, i, "-") || is(m, i, "*") || is(m, i, "/");
}

static int is_matrix(const mutation *m, size_t i) {
    return i < m->count && isupper((unsigned char)*m->token[i]);
}

static int is_function(const mutation *m, size_t i) {
    return i + 1 < m->count && islower((unsigned char)*m->token[i]) && is(m, i + 1, "(");
}

/* Begin of the line of token i. */
static size_t line_of(const mutation *m, size_t i) {
    while (i > 0 && !is(m, i - 1, "\n"))
        i--;
    return i;
}

static size_t line_end(const mutation *m, size_t i) {
    while (i < m->count && !is(m, i, "\n"))
        i++;
    return i;
}

/* Whether an equation's right side begins at token i of its line: after NAME = or NAME [ dim ] =.
 */
static size_t right_side(const mutation *m, size_t line) {
    static const char *const words[] = {"state",  "set",  "dim",   "param",  "fixed",
                                        "matrix", "init", "limit", "output", "lowest"};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (is(m, line, words[k]))
            return m->count;
    for (size_t i = line; i < m->count && !is(m, i, "\n"); i++)
        if (is(m, i, "="))
            return i + 1;
    return m->count;
}

/* A token on the right side of some equation; m->count if chance finds none. */
static size_t any_place(mutation *m) {
    for (int tries = 0; tries < 50 && m->count > 0; tries++) {
        const size_t i = below(m, m->count), begin = right_side(m, line_of(m, i));
        if (begin <= i && !is(m, i, "\n"))
            return i;
    }
    return m->count;
}

/* Where an operand that begins at i ends: signs, a matrix, a function's name, then one token or
 * what stands in parentheses. */
static size_t operand_end(const mutation *m, size_t i) {
    while (is(m, i, "-") || is_matrix(m, i))
        i++;
    if (is_function(m, i))
        i++;
    if (!is(m, i, "("))
        return i < m->count ? i + 1 : i;
    for (size_t depth = 0; i < m->count && !is(m, i, "\n"); i++) {
        depth += (size_t)is(m, i, "(");
        depth -= (size_t)is(m, i, ")");
        if (depth == 0)
            return i + 1;
    }
    return i;
}

/* A place where an operand begins. */
static size_t any_operand(mutation *m) {
    for (int tries = 0; tries < 50; tries++) {
        const size_t i = any_place(m);
        if (i == m->count)
            return i;
        const int word = isalnum((unsigned char)*m->token[i]) || is(m, i, "(");
        const int after = i > 0 && (is_operator(m, i - 1) || is(m, i - 1, "(") ||
                                    is(m, i - 1, ",") || is(m, i - 1, "="));
        if (word && after)
            return i;
    }
    return m->count;
}

/* A leaf, or a value that the cell names: mostly one that is known at `place`, which is an equation
 * above it, or a state; of that the old value, or below its equation also the new one. */
static const char *any_value(mutation *m, size_t place, char out[MUTATE_TOKEN]) {
    if (below(m, 4) == 0)
        return strcpy(out, ANY(leaves));
    for (int tries = 0; tries < 20 && m->count > 0; tries++) {
        const size_t line = line_of(m, below(m, m->count));
        if (right_side(m, line) == m->count)
            continue;
        strcpy(out, m->token[line]);
        char *prime = strchr(out, '\'');
        const int is_above = line < line_of(m, place), careless = below(m, 20) == 0;
        if (prime && (below(m, 2) || !(is_above || careless)))
            *prime = '\0';
        else if (!is_above && !careless)
            continue;
        return out;
    }
    return strcpy(out, "x");
}

/* ---- changes ---- */

static void replace_operation(mutation *m) {
    const size_t i = any_place(m);
    if (is_operator(m, i))
        set(m, i, ANY(operators));
    else if (is_function(m, i))
        set(m, i, ANY(functions));
    else if (is_matrix(m, i))
        set(m, i, ANY(matrices));
}

static void insert_operation(mutation *m) {
    char value[MUTATE_TOKEN];
    const size_t i = any_operand(m), end = operand_end(m, i);
    if (i == m->count)
        return;
    switch (below(m, 4)) {
    case 0: /* f(e) */
        insert(m, end, ")");
        insert(m, i, "(");
        insert(m, i, ANY(functions));
        break;
    case 1: /* (e + value) */
        insert(m, end, ")");
        insert(m, end, any_value(m, i, value));
        insert(m, end, ANY(operators));
        insert(m, i, "(");
        break;
    case 2: /* M e */
        if (!is_matrix(m, i))
            insert(m, i, ANY(matrices));
        break;
    default: /* (e + M value) */
        insert(m, end, ")");
        insert(m, end, any_value(m, i, value));
        insert(m, end, ANY(matrices));
        insert(m, end, "+");
        insert(m, i, "(");
        break;
    }
}

static void remove_operation(mutation *m) {
    const size_t i = any_place(m);
    if (is_matrix(m, i) || is_function(m, i))
        cut(m, i, i + 1);
    else if (is_operator(m, i))
        cut(m, i, operand_end(m, i + 1));
}

static void rewire(mutation *m) {
    char value[MUTATE_TOKEN];
    const size_t i = any_operand(m);
    if (i == m->count)
        return;
    size_t at = i;
    while (is_matrix(m, at))
        at++;
    const size_t end = operand_end(m, at);
    any_value(m, i, value);
    cut(m, at, end);
    insert(m, at, value);
}

/* A line is removed, or moved to another place. */
static void move_line(mutation *m) {
    if (m->count == 0)
        return;
    const size_t from = line_of(m, below(m, m->count)), end = line_end(m, from);
    char kept[64][MUTATE_TOKEN];
    const size_t n = end - from;
    if (n >= 64 || end == m->count)
        return;
    memcpy(kept, m->token[from], (n + 1) * sizeof kept[0]);
    cut(m, from, end + 1);
    if (m->count == 0 || below(m, 4) == 0)
        return;
    const size_t to = line_of(m, below(m, m->count));
    for (size_t k = n + 1; k-- > 0;)
        insert(m, to, kept[k]);
}

/* An equation more, with a value of its own; it is read where a later change happens to. */
static void add_line(mutation *m) {
    char value[MUTATE_TOKEN], name[3] = {(char)('q' + (int)below(m, 6)), '0', '\0'};
    const size_t at = m->count ? line_of(m, below(m, m->count)) : 0;
    const char *const tokens[] = {name, "=", ANY(functions), "(", any_value(m, at, value),
                                  ")",  "\n"};
    for (size_t k = sizeof tokens / sizeof *tokens; k-- > 0;)
        insert(m, at, tokens[k]);
}

static void stray(mutation *m) {
    const size_t i = m->count ? below(m, m->count) : 0;
    switch (below(m, 3)) {
    case 0:
        cut(m, i, i + 1);
        break;
    case 1:
        set(m, i, ANY(strays));
        break;
    default:
        insert(m, i, ANY(strays));
        break;
    }
}

void mutate_once(mutation *m) {
    static void (*const changes[])(mutation *) = {replace_operation,
                                                  replace_operation,
                                                  insert_operation,
                                                  insert_operation,
                                                  remove_operation,
                                                  remove_operation,
                                                  rewire,
                                                  rewire,
                                                  move_line,
                                                  add_line,
                                                  stray};
    changes[below(m, sizeof changes / sizeof *changes)](m);
}
