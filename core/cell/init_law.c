/* SPDX-License-Identifier: MIT */
/* Initialisation laws: their names, and how they are written. */
#include "cell/ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { MOST_NUMBERS = 2 };

/* By cb_law. A name with another number of numbers is another law. */
static const struct {
    const char *name;
    size_t numbers;
} laws[] = {
    [CB_LAW_ZERO] = {"zero", 0},         [CB_LAW_CONSTANT] = {"constant", 1},
    [CB_LAW_UNIFORM] = {"uniform", 1},   [CB_LAW_NORMAL] = {"normal", 1},
    [CB_LAW_GLOROT] = {"glorot", 0},     [CB_LAW_ORTHOGONAL] = {"orthogonal", 1},
    [CB_LAW_IDENTITY] = {"identity", 1}, [CB_LAW_RANGE] = {"uniform", 2},
};
enum { LAWS = sizeof laws / sizeof *laws };

/* The law of this name that takes `count` numbers; if there is none, *named tells how many one of
 * the name takes. */
static size_t find(const char *name, size_t count, size_t *named) {
    size_t i = 0;
    *named = LAWS;
    for (; i < LAWS; i++)
        if (strcmp(laws[i].name, name) == 0) {
            if (laws[i].numbers == count)
                break;
            if (*named == LAWS)
                *named = i;
        }
    return i;
}

cb_status cbi_law_make(cb_init *out, const char *name, const double *numbers, size_t count,
                       cb_err *err) {
    size_t named, law = find(name, count, &named);
    *out = (cb_init){CB_LAW_ZERO, 0, 0};
    if (law == LAWS && named != LAWS)
        return cb_fail(err, CB_EARG, "%s %s", name,
                       strcmp(name, "uniform") == 0 ? "needs one number or two: (a) or (a, b)"
                       : laws[named].numbers == 0   ? "takes no number"
                                                    : "needs a number: (a)");
    if (law == LAWS) {
        cbi_near near;
        cbi_near_init(&near, name);
        for (size_t i = 0; i < LAWS; i++)
            cbi_near_offer(&near, laws[i].name);
        return cb_fail(err, CB_EARG, "unknown initialisation law '%.40s'%s", name,
                       cbi_near_text(&near));
    }
    /* One zero: -0 + 0 is 0. */
    *out =
        (cb_init){(cb_law)law, count > 0 ? numbers[0] + 0.0 : 0, count > 1 ? numbers[1] + 0.0 : 0};
    if (law == CB_LAW_RANGE && !(out->a < out->b))
        return cb_fail(err, CB_EARG, "uniform(a, b): expected a < b, got %g and %g", out->a,
                       out->b);
    return CB_OK;
}

/* "(1, 2)" or nothing: how many numbers there are; MOST_NUMBERS + 1 if that is not what stands
 * there. */
static size_t read_numbers(const char *at, double *numbers) {
    size_t count = 0;
    if (*at == '\0')
        return 0;
    for (char until = '('; *at == until && count < MOST_NUMBERS; until = ',') {
        char *end = NULL;
        at += 1 + strspn(at + 1, " ");
        numbers[count] = cbi_strtod(at, &end);
        if (end == at || !isfinite(numbers[count]))
            break;
        count++;
        at = end + strspn(end, " ");
        if (at[0] == ')' && at[1] == '\0')
            return count;
    }
    return MOST_NUMBERS + 1;
}

cb_status cb_init_parse(cb_init *out, const char *text, cb_err *err) {
    char name[CBI_NAME_SIZE];
    double numbers[MOST_NUMBERS];
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    *out = (cb_init){CB_LAW_ZERO, 0, 0};
    if (n == 0 || n > CBI_NAME_MAX)
        return cb_fail(err, CB_EARG,
                       "expected an initialisation law such as \"normal(0.1)\", got "
                       "\"%.60s\"",
                       text);
    memcpy(name, text, n);
    name[n] = '\0';
    cb_status st = cbi_law_make(out, name, numbers, read_numbers(text + n, numbers), err);
    return st == CB_OK ? st : cb_fail_prefix(err, st, "\"%.60s\": ", text);
}

char *cb_init_text(char text[CB_INIT_TEXT], const cb_init *init) {
    char a[32], b[32];
    const size_t numbers = laws[init->law].numbers;
    snprintf(text, CB_INIT_TEXT, "%s%s%s%s%s%s", laws[init->law].name, numbers > 0 ? "(" : "",
             numbers > 0 ? cbi_number(a, init->a) : "", numbers > 1 ? ", " : "",
             numbers > 1 ? cbi_number(b, init->b) : "", numbers > 0 ? ")" : "");
    return text;
}
