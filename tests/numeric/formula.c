/* SPDX-License-Identifier: MIT */
#include "numeric/formula.h"

#include <stdlib.h>

typedef struct reader {
    const char *at;
    double I, H;
} reader;

static double sum(reader *r);

static double atom(reader *r) {
    double v = 0;
    if (*r->at == '(') {
        r->at++;
        v = sum(r);
        r->at++;
    } else if (*r->at == 'I' || *r->at == 'H') {
        v = *r->at++ == 'I' ? r->I : r->H;
    } else if (*r->at == 'F') {
        v = r->I == r->H ? 0 : r->H * r->I;
        r->at++;
    } else {
        char *end;
        v = strtod(r->at, &end);
        r->at = end;
    }
    return v;
}

static double product(reader *r) {
    double v = atom(r);
    while (*r->at == '*' || *r->at == '/') {
        char op = *r->at++;
        double w = atom(r);
        v = op == '*' ? v * w : v / w;
    }
    return v;
}

static double sum(reader *r) {
    double v = product(r);
    while (*r->at == '+' || *r->at == '-') {
        char op = *r->at++;
        double w = product(r);
        v = op == '+' ? v + w : v - w;
    }
    return v;
}

double formula_value(const char *formula, size_t I, size_t H) {
    reader r = {formula, (double)I, (double)H};
    return sum(&r);
}
