/* SPDX-License-Identifier: MIT */
/*
 * The text reader: bytes to code points, code points to symbols through a table over all of
 * Unicode (4 MB, of which only the pages in use are ever touched for writing), symbols to frames.
 */
#include "tasks/characters.h"

#include "base/alloc.h"

enum { CODE_POINTS = 0x110000 };

/* Length of the well-formed UTF-8 character (Unicode, table 3-7: no overlong forms, no surrogates)
 * at the beginning of `left` bytes, and its code point; 0: there is none. */
static size_t decode(const unsigned char *p, size_t left, int32_t *code) {
    static const struct {
        unsigned char low, high; /* of the first byte */
        unsigned char bits;      /* what it carries */
        unsigned char more;      /* bytes that follow */
        unsigned char second[2]; /* range of the second; that of others is 80..BF */
    } forms[] = {
        {0x00, 0x7F, 0x7F, 0, {0, 0}},       {0xC2, 0xDF, 0x1F, 1, {0x80, 0xBF}},
        {0xE0, 0xE0, 0x0F, 2, {0xA0, 0xBF}}, {0xE1, 0xEC, 0x0F, 2, {0x80, 0xBF}},
        {0xED, 0xED, 0x0F, 2, {0x80, 0x9F}}, {0xEE, 0xEF, 0x0F, 2, {0x80, 0xBF}},
        {0xF0, 0xF0, 0x07, 3, {0x90, 0xBF}}, {0xF1, 0xF3, 0x07, 3, {0x80, 0xBF}},
        {0xF4, 0xF4, 0x07, 3, {0x80, 0x8F}},
    };
    size_t f = 0;
    const size_t count = sizeof forms / sizeof *forms;
    while (f < count && (*p < forms[f].low || *p > forms[f].high))
        f++;
    if (f == count || forms[f].more >= left)
        return 0;
    *code = *p & forms[f].bits;
    for (size_t i = 1; i <= forms[f].more; i++) {
        unsigned low = i == 1 ? forms[f].second[0] : 0x80;
        unsigned high = i == 1 ? forms[f].second[1] : 0xBF;
        if (p[i] < low || p[i] > high)
            return 0;
        *code = *code << 6 | (p[i] & 0x3F);
    }
    return forms[f].more + 1U;
}

/* All characters of the text; *n of them. */
static cb_status decode_all(int32_t **out, size_t *n, const char *text, size_t length,
                            const char *file, cb_err *err) {
    const unsigned char *bytes = (const unsigned char *)text;
    *n = 0;
    *out = cbi_calloc(length + 1, sizeof **out);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for %zu characters", file, length);
    for (size_t at = 0; at < length;) {
        size_t size = decode(bytes + at, length - at, &(*out)[*n]);
        if (size == 0)
            return cb_fail(err, CB_EDATA, "%s: expected text in UTF-8, got the byte 0x%02x at %zu",
                           file, bytes[at], at);
        if (bytes[at] == 0)
            return cb_fail(err, CB_EDATA, "%s: expected text, got a zero byte at %zu", file, at);
        at += size;
        ++*n;
    }
    return CB_OK;
}

/* symbol[code point], from 1; 0: not among the n characters. */
static cb_status number_symbols(int32_t **out, int32_t *symbols, const int32_t *codes, size_t n,
                                const char *file, cb_err *err) {
    int32_t *symbol = cbi_calloc(CODE_POINTS, sizeof *symbol);
    *out = symbol;
    *symbols = 0;
    if (symbol == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its table of characters", file);
    for (size_t i = 0; i < n; i++)
        symbol[codes[i]] = 1;
    for (size_t c = 0; c < CODE_POINTS; c++)
        if (symbol[c] != 0)
            symbol[c] = ++*symbols;
    if (*symbols < 2)
        return cb_fail(err, CB_EDATA,
                       "%s: split 'train': expected different characters, got only U+%04X", file,
                       (unsigned)codes[0]);
    if (*symbols >= CBI_MOST_SYMBOLS)
        return cb_fail(err, CB_EDATA,
                       "%s: split 'train': expected fewer than %d different characters, got %d",
                       file, CBI_MOST_SYMBOLS, *symbols);
    return CB_OK;
}

cb_status cbi_characters_read(cbi_dataset *set, cb_data *data, const char *text, size_t length,
                              size_t limit, const cbi_cut *cut, const char *file, cb_err *err) {
    cb_status st = CB_OK;
    int32_t *codes = NULL, *symbol = NULL, symbols = 0;
    size_t n = 0, begin[CB_SPLITS + 1];
    if ((st = decode_all(&codes, &n, text, length, file, err)) != CB_OK)
        goto out;
    if (limit > 0 && n > limit)
        n = limit;
    if ((st = cbi_cut_splits(begin, cut, n, 2, "characters", err)) != CB_OK) {
        st = cb_fail_prefix(err, st, "%s: ", file);
        goto out;
    }
    st = number_symbols(&symbol, &symbols, codes, begin[CB_VALID], file, err);
    if (st != CB_OK)
        goto out;
    data->input_dim = data->target_dim = (size_t)symbols + 1;
    for (cb_split_name k = CB_TRAIN; k < CB_SPLITS; k++) {
        size_t frames = begin[k + 1] - begin[k] - 1;
        if ((st = cbi_cut_pieces(set, data, k, frames, cut, err)) != CB_OK) {
            st = cb_fail_prefix(err, st, "%s: ", file);
            goto out;
        }
        for (size_t t = 0; t <= frames; t++) {
            int32_t known = symbol[codes[begin[k] + t]];
            int32_t value = known > 0 ? known - 1 : symbols;
            if (t < frames)
                set->split[k].index[t] = value;
            if (t > 0)
                set->split[k].label[t - 1] = value;
        }
    }
out:
    cbi_free(symbol);
    cbi_free(codes);
    return st;
}
