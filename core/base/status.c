/* SPDX-License-Identifier: MIT */
/* Status names and error texts. Nothing here allocates: CB_ENOMEM can always be reported. */
#include "cellbench/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cb_status_name(cb_status status) {
    static const char *const names[] = {
        [CB_OK] = "CB_OK",
        [CB_ENOMEM] = "CB_ENOMEM",
        [CB_ESHAPE] = "CB_ESHAPE",
        [CB_EARG] = "CB_EARG",
        [CB_EIO] = "CB_EIO",
        [CB_EPARSE] = "CB_EPARSE",
        [CB_EDATA] = "CB_EDATA",
        [CB_EBUSY] = "CB_EBUSY",
        [CB_ESTORE] = "CB_ESTORE",
        [CB_ECANCEL] = "CB_ECANCEL",
        [CB_EINTERNAL] = "CB_EINTERNAL",
    };
    size_t i = (size_t)status;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown status";
}

/* Cutting in the middle of a UTF-8 sequence would make the text unfit for JSON and SQLite: drops
 * an incomplete last sequence. */
static void trim_utf8(char *text) {
    size_t n = strlen(text), back = 0;
    while (back < n && back < 3 && ((unsigned char)text[n - 1 - back] & 0xC0u) == 0x80u)
        back++;
    if (back == n)
        return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    size_t length = lead < 0x80u ? 1 : lead < 0xE0u ? 2 : lead < 0xF0u ? 3 : 4;
    if (lead >= 0xC0u && length > back + 1)
        text[n - 1 - back] = '\0';
}

static void format_text(char *out, size_t size, const char *format, va_list args) {
    int n = vsnprintf(out, size, format, args);
    if (n < 0)
        out[0] = '\0';
    else if ((size_t)n >= size)
        trim_utf8(out);
}

cb_status cb_fail(cb_err *err, cb_status code, const char *format, ...) {
    if (err == NULL)
        return code;
    /* A caller may quote err->text itself in the new text: format beside it first. */
    char text[CB_ERR_TEXT];
    va_list args;
    va_start(args, format);
    format_text(text, sizeof text, format, args);
    va_end(args);
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

cb_status cb_fail_prefix(cb_err *err, cb_status code, const char *format, ...) {
    if (err == NULL)
        return code;
    char text[CB_ERR_TEXT];
    va_list args;
    va_start(args, format);
    format_text(text, sizeof text, format, args);
    va_end(args);
    size_t used = strlen(text), rest = strnlen(err->text, sizeof err->text - 1);
    size_t room = sizeof text - 1 - used, taken = rest < room ? rest : room;
    memcpy(text + used, err->text, taken);
    text[used + taken] = '\0';
    if (taken < rest)
        trim_utf8(text);
    memcpy(err->text, text, used + taken + 1);
    return err->code;
}
