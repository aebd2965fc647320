/* SPDX-License-Identifier: MIT */
#include "report/html.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/utf8.h"

static const char replacement[] = "\xef\xbf\xbd", minus[] = "\xe2\x88\x92", dash[] = "\xe2\x80\x93",
                  ellipsis[] = "\xe2\x80\xa6", thin_space[] = "\xe2\x80\xaf", times[] = "\xc3\x97";

/* ---- text ---- */

static const char *entity_of(uint32_t point) {
    switch (point) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Controls have meanings of their own in HTML, or none. */
static int is_control(uint32_t point) {
    return (point < 0x20 && point != '\n' && point != '\t') || (point >= 0x7f && point < 0xa0);
}

static void add_escaped(cbi_text *out, const char *text, size_t bytes, int is_name) {
    uint32_t point;
    size_t n;
    for (size_t i = 0; i < bytes && (n = cbi_utf8_next(text + i, &point)) > 0; i += n) {
        const char *entity = entity_of(point);
        if (entity != NULL)
            cbi_text_add(out, entity);
        else if (point == CBI_UTF8_REPLACEMENT || is_control(point) ||
                 (is_name && cbi_utf8_is_hidden(point)))
            cbi_text_add(out, replacement);
        else
            cbi_text_add_n(out, text + i, n);
    }
}

void cbi_html_text(cbi_text *out, const char *text) {
    add_escaped(out, text, strlen(text), 0);
}

void cbi_html_name(cbi_text *out, const char *name) {
    cbi_html_cut(out, name, CBI_HTML_NAME);
}

void cbi_html_cut(cbi_text *out, const char *name, size_t most) {
    const size_t bytes = cbi_utf8_cut(name, most);
    const int cut = name[bytes] != '\0';
    cbi_text_add(out, "<bdi");
    if (cut) {
        cbi_text_add(out, " title=\"");
        add_escaped(out, name, strlen(name), 1);
        cbi_text_add(out, "\"");
    }
    cbi_text_add(out, ">");
    add_escaped(out, name, bytes, 1);
    cbi_text_add(out, cut ? ellipsis : "");
    cbi_text_add(out, "</bdi>");
}

void cbi_name_plain(cbi_text *out, const char *name, size_t most) {
    uint32_t point;
    size_t n;
    for (size_t i = 0; (n = cbi_utf8_next(name, &point)) > 0; name += n, i++) {
        if (i == most) {
            cbi_text_add(out, ellipsis);
            break;
        }
        if (point == CBI_UTF8_REPLACEMENT || cbi_utf8_is_hidden(point))
            cbi_text_add(out, replacement);
        else
            cbi_text_add_n(out, name, n);
    }
}

/* ---- numbers ---- */

void cbi_plain_number(cbi_text *out, double value, int digits) {
    char text[64];
    if (!isfinite(value)) {
        cbi_text_add(out, dash);
        return;
    }
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    cbi_text_add(out, text);
}

void cbi_html_number(cbi_text *out, double value, int digits) {
    char text[64];
    if (!isfinite(value)) {
        cbi_text_add(out, dash);
        return;
    }
    /* "#" keeps the zeros: 0.0120 and 0.0123 stand under one another. Small numbers without power
     * of ten, for the same reason. */
    const double size = fabs(value);
    const int places = size > 0 ? (int)floor(log10(size)) : 0;
    if (places < -4 && places >= -7)
        (void)snprintf(text, sizeof text, "%.*f", digits - 1 - places, size);
    else
        (void)snprintf(text, sizeof text, "%#.*g", digits, size);
    char *power = strchr(text, 'e');
    const int exponent = power != NULL ? atoi(power + 1) : 0;
    if (power != NULL)
        *power = '\0';
    const size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.')
        text[length - 1] = '\0';
    if (value < 0)
        cbi_text_add(out, minus);
    cbi_text_add(out, text);
    if (power != NULL)
        cbi_text_addf(out,
                      "\xc2\xb7"
                      "10<sup>%s%d</sup>",
                      exponent < 0 ? minus : "", abs(exponent));
}

void cbi_html_count(cbi_text *out, int64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    const size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && text[i - 1] != '-' && (length - i) % 3 == 0 && length > 4)
            cbi_text_add(out, thin_space);
        if (text[i] == '-')
            cbi_text_add(out, minus);
        else
            cbi_text_add_n(out, &text[i], 1);
    }
}

void cbi_html_number_cell(cbi_text *out, double value, int digits) {
    char number[32];
    cbi_text_addf(out, "<td class=\"n\" data-value=\"%s\">",
                  isfinite(value) ? cbi_number(number, value) : "");
    if (digits > 0 || !isfinite(value))
        cbi_html_number(out, value, digits);
    else
        cbi_html_count(out, (int64_t)value);
    cbi_text_add(out, "</td>");
}

void cbi_html_ratio_cell(cbi_text *out, double ratio, int digits) {
    char number[32];
    cbi_text_addf(out, "<td class=\"n\" data-value=\"%s\">%s",
                  isfinite(ratio) ? cbi_number(number, ratio) : "", isfinite(ratio) ? times : "");
    cbi_html_number(out, ratio, digits);
    cbi_text_add(out, "</td>");
}

static void add_interval(cbi_text *out, double low, double high, int digits, const char *sign) {
    char number[32];
    cbi_text_addf(out, "<td class=\"n\" data-value=\"%s\">",
                  isfinite(low) ? cbi_number(number, low) : "");
    if (isfinite(low) && isfinite(high)) {
        cbi_text_add(out, sign);
        cbi_html_number(out, low, digits);
        cbi_text_add(out, " to ");
        cbi_html_number(out, high, digits);
    } else {
        cbi_text_add(out, dash);
    }
    cbi_text_add(out, "</td>");
}

void cbi_html_interval_cell(cbi_text *out, double low, double high, int digits) {
    add_interval(out, low, high, digits, "");
}

void cbi_html_ratios_cell(cbi_text *out, double low, double high, int digits) {
    add_interval(out, low, high, digits, times);
}

void cbi_html_p_cell(cbi_text *out, double p) {
    char number[32];
    cbi_text_addf(out, "<td class=\"n\" data-value=\"%s\">",
                  isfinite(p) ? cbi_number(number, p) : "");
    if (p < 0.001)
        cbi_text_add(out, "&lt; 0.001");
    else
        cbi_html_number(out, p, 2);
    cbi_text_add(out, "</td>");
}

void cbi_html_duration(cbi_text *out, double seconds) {
    if (!isfinite(seconds) || seconds < 0)
        cbi_text_add(out, dash);
    else if (seconds < 0.9995)
        cbi_text_addf(out, "%.3g ms", seconds * 1e3);
    else if (seconds < 59.95)
        cbi_text_addf(out, "%.3g s", seconds);
    else if (seconds < 3599.5)
        cbi_text_addf(out, "%d min %02d s", (int)round(seconds) / 60, (int)round(seconds) % 60);
    else
        cbi_text_addf(out, "%.0f h %02.0f min", floor(round(seconds / 60) / 60),
                      fmod(round(seconds / 60), 60));
}

void cbi_html_base64(cbi_text *out, const void *data, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i += 3) {
        const unsigned bits = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
                              (i + 2 < n ? (unsigned)p[i + 2] : 0);
        const char four[] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             i + 1 < n ? digits[bits >> 6 & 63] : '=',
                             i + 2 < n ? digits[bits & 63] : '='};
        cbi_text_add_n(out, four, sizeof four);
    }
}

/* ---- JSON ---- */

void cbi_json_text(cbi_text *out, const char *text) {
    uint32_t point;
    size_t n;
    cbi_text_add(out, "\"");
    for (; (n = cbi_utf8_next(text, &point)) > 0; text += n) {
        const int acts = point == '<' || point == '>' || point == '&' || point == '\'';
        if (point == CBI_UTF8_REPLACEMENT)
            cbi_text_add(out, replacement);
        else if (point == '"' || point == '\\')
            cbi_text_addf(out, "\\%c", (char)point);
        else if (acts || (point < 0x10000 && cbi_utf8_is_hidden(point)))
            cbi_text_addf(out, "\\u%04x", (unsigned)point);
        else
            cbi_text_add_n(out, text, n);
    }
    cbi_text_add(out, "\"");
}

void cbi_json_number(cbi_text *out, double value) {
    if (isfinite(value))
        cbi_text_addf(out, "%.6g", value);
    else
        cbi_text_add(out, "null");
}
