/* SPDX-License-Identifier: MIT */
/* Growing texts, and names nearest to a misspelt one. */
#ifndef CB_BASE_TEXT_H
#define CB_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "cellbench/status.h"

/* Starts as {0}. After a failed append `failed` is set and further appends do nothing, so that a
 * long text is built without a check after each piece. */
typedef struct cbi_text {
    char *data; /* terminated; NULL while empty */
    size_t length, capacity;
    int failed;
} cbi_text;

void cbi_text_add(cbi_text *text, const char *piece);
void cbi_text_add_n(cbi_text *text, const char *piece, size_t n);
void cbi_text_addf(cbi_text *text, const char *format, ...) CB_PRINTF(2, 3);
void cbi_text_fini(cbi_text *text);
/* Moves the text out (cbi_free it); "" if empty; CB_ENOMEM if any append failed. */
CB_MUST_USE cb_status cbi_text_take(cbi_text *text, char **out, cb_err *err);

/* Shortest of %.15g, %.16g, %.17g that reads back as the same double; writes "1e+300" style,
 * "inf", "-inf", "nan". buffer holds 32. */
const char *cbi_number(char *buffer, double value);

/* strtod of the "C" locale, whatever the host process has set. */
double cbi_strtod(const char *text, char **end);

/* Follows a misspelt name: keeps the nearest of all names offered (edit distance with swaps and
 * without case, at most 1 + length/3). cbi_near_text: ", did you mean 'x'?" or "". */
typedef struct cbi_near {
    const char *wanted;
    const char *best;
    size_t distance;
    char text[96];
} cbi_near;
void cbi_near_init(cbi_near *near, const char *wanted);
void cbi_near_offer(cbi_near *near, const char *name);
const char *cbi_near_text(cbi_near *near);

#endif
