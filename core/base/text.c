/* SPDX-License-Identifier: MIT */
/* Growing texts, numbers as text, and names nearest to a misspelt one. */
#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Makes room for n more bytes and the terminator. */
static int reserve(cbi_text *text, size_t n) {
    size_t need;
    if (text->failed)
        return 0;
    if (cb_size_add(text->length, n, &need) != CB_OK || cb_size_add(need, 1, &need) != CB_OK ||
        cbi_grow((void **)&text->data, &text->capacity, need, 1) != CB_OK)
        text->failed = 1;
    return !text->failed;
}

void cbi_text_add_n(cbi_text *text, const char *piece, size_t n) {
    if (!reserve(text, n))
        return;
    memcpy(text->data + text->length, piece, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void cbi_text_add(cbi_text *text, const char *piece) {
    cbi_text_add_n(text, piece, strlen(piece));
}

void cbi_text_addf(cbi_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        text->failed = 1;
    else if (reserve(text, (size_t)n)) {
        (void)vsnprintf(text->data + text->length, (size_t)n + 1, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void cbi_text_fini(cbi_text *text) {
    cbi_free(text->data);
    *text = (cbi_text){0};
}

cb_status cbi_text_take(cbi_text *text, char **out, cb_err *err) {
    *out = NULL;
    if (!reserve(text, 0)) {
        size_t length = text->length;
        cbi_text_fini(text);
        return cb_fail(err, CB_ENOMEM, "no memory for a text of more than %zu bytes", length);
    }
    text->data[text->length] = '\0';
    *out = text->data;
    *text = (cbi_text){0};
    return CB_OK;
}

double cbi_strtod(const char *text, char **end) {
    /* For "C" this allocates nothing and cannot fail. */
    return strtod_l(text, end, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

/* The host process may have set a locale with another decimal mark, of one or more bytes. */
static void to_plain(char *number) {
    char *to = number;
    for (const char *from = number; *from != '\0'; from++) {
        if (strchr("0123456789+-e", *from) != NULL)
            *to++ = *from;
        else if (to == number || to[-1] != '.')
            *to++ = '.';
    }
    *to = '\0';
}

const char *cbi_number(char *buffer, double value) {
    enum { SIZE = 32 };
    if (isnan(value))
        return strcpy(buffer, "nan");
    if (isinf(value))
        return strcpy(buffer, value > 0 ? "inf" : "-inf");
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(buffer, SIZE, "%.*g", digits, value);
        to_plain(buffer);
        if (cbi_strtod(buffer, NULL) == value)
            break;
    }
    return buffer;
}

enum { NEAR_LONGEST = 64 };

static size_t min3(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Whether two letters are equal but for their case, in ASCII. */
static int alike(char a, char b) {
    if (a >= 'A' && a <= 'Z')
        a = (char)(a - 'A' + 'a');
    if (b >= 'A' && b <= 'Z')
        b = (char)(b - 'A' + 'a');
    return a == b;
}

/* Optimal string alignment distance: insert, remove, replace, and swap of neighbours cost one, case
 * costs nothing. */
static size_t distance_of(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][NEAR_LONGEST + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = above[j - 1] + !alike(a[i - 1], b[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, replaced);
            if (i > 1 && j > 1 && alike(a[i - 1], b[j - 2]) && alike(a[i - 2], b[j - 1]) &&
                second[j - 2] + 1 < row[j])
                row[j] = second[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

void cbi_near_init(cbi_near *near, const char *wanted) {
    *near = (cbi_near){.wanted = wanted, .distance = SIZE_MAX};
}

void cbi_near_offer(cbi_near *near, const char *name) {
    size_t n = strnlen(near->wanted, NEAR_LONGEST + 1), m = strnlen(name, NEAR_LONGEST + 1);
    if (n > NEAR_LONGEST || m > NEAR_LONGEST)
        return;
    size_t distance = distance_of(near->wanted, n, name, m);
    /* Replacing every letter is no likeness. */
    if (distance <= 1 + n / 3 && distance < (n > m ? n : m) && distance < near->distance) {
        near->best = name;
        near->distance = distance;
    }
}

const char *cbi_near_text(cbi_near *near) {
    near->text[0] = '\0';
    if (near->best != NULL)
        (void)snprintf(near->text, sizeof near->text, ", did you mean '%s'?", near->best);
    return near->text;
}
