/* SPDX-License-Identifier: MIT */
/* Initialisation laws by name. */
#include "cell/ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *name;
    cb_law law;
    int takes_number;
} laws[] = {
    {"zero", CB_LAW_ZERO, 0},         {"constant", CB_LAW_CONSTANT, 1},
    {"uniform", CB_LAW_UNIFORM, 1},   {"normal", CB_LAW_NORMAL, 1},
    {"glorot", CB_LAW_GLOROT, 0},     {"orthogonal", CB_LAW_ORTHOGONAL, 1},
    {"identity", CB_LAW_IDENTITY, 1}, {NULL, CB_LAW_ZERO, 0},
};

cb_status cbi_law_find(const char *name, cb_law *law, int *takes_number, cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, name);
    for (int i = 0; laws[i].name; i++) {
        if (strcmp(laws[i].name, name) == 0) {
            *law = laws[i].law;
            *takes_number = laws[i].takes_number;
            return CB_OK;
        }
        cbi_near_offer(&near, laws[i].name);
    }
    *law = CB_LAW_ZERO;
    *takes_number = 0;
    return cb_fail(err, CB_EARG, "unknown initialisation law '%.40s'%s", name,
                   cbi_near_text(&near));
}

cb_status cb_init_parse(cb_init *out, const char *text, cb_err *err) {
    char name[CBI_NAME_SIZE];
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    int takes;
    *out = (cb_init){CB_LAW_ZERO, 0};
    if (n == 0 || n > CBI_NAME_MAX)
        return cb_fail(err, CB_EARG,
                       "expected an initialisation law such as \"normal(0.1)\", got "
                       "\"%.60s\"",
                       text);
    memcpy(name, text, n);
    name[n] = '\0';
    cb_status st = cbi_law_find(name, &out->law, &takes, err);
    if (st != CB_OK)
        return st;
    const char *rest = text + n;
    char *end = NULL;
    if (takes && *rest == '(') {
        out->a = cbi_strtod(rest + 1, &end) + 0.0; /* one zero: -0 + 0 is 0 */
        if (end != rest + 1 && end[0] == ')' && end[1] == '\0' && isfinite(out->a))
            return CB_OK;
    }
    if (!takes && *rest == '\0')
        return CB_OK;
    return cb_fail(err, CB_EARG, "\"%.60s\": %s %s", text, name,
                   takes ? "needs a number: (a)" : "takes no number");
}
