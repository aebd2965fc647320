/* SPDX-License-Identifier: MIT */
#include "report/utf8.h"

size_t cbi_utf8_next(const char *text, uint32_t *point) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t n = 1;
    *point = *p;
    if (*p < 0x80)
        return *p != 0;
    if (*p >= 0xc2 && *p < 0xe0)
        n = 2, *point = *p & 0x1fU;
    else if (*p >= 0xe0 && *p < 0xf0)
        n = 3, *point = *p & 0x0fU;
    else if (*p >= 0xf0 && *p < 0xf5)
        n = 4, *point = *p & 0x07U;
    else
        *point = CBI_UTF8_REPLACEMENT;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0U) != 0x80) { /* the terminator, too */
            *point = CBI_UTF8_REPLACEMENT;
            return 1;
        }
        *point = *point << 6 | (p[i] & 0x3fU);
    }
    if (n > 1 &&
        (*point < least[n] || *point > 0x10ffff || (*point >= 0xd800 && *point < 0xe000))) {
        *point = CBI_UTF8_REPLACEMENT;
        return 1;
    }
    return n;
}

int cbi_utf8_is_hidden(uint32_t point) {
    static const struct {
        uint32_t first, last;
    } hidden[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c},
                  {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                  {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (point >= hidden[i].first && point <= hidden[i].last)
            return 1;
    return 0;
}

size_t cbi_utf8_cut(const char *text, size_t most) {
    size_t bytes = 0, n;
    uint32_t point;
    for (size_t i = 0; i < most && (n = cbi_utf8_next(text + bytes, &point)) > 0; i++)
        bytes += n;
    return bytes;
}
