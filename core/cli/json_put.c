/* SPDX-License-Identifier: MIT */
#include "cli/json_put.h"

#include <stdio.h>

/* The one control character that JSON_ENSURE_ASCII lets through stands in a text wherever it is. */
static int put(const char *bytes, size_t n, void *context) {
    (void)context;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] == 0x7f)
            fputs("\\u007f", stdout);
        else
            putchar(bytes[i]);
    return 0;
}

int cbi_cli_json_put(const json_t *value) {
    const int status = json_dump_callback(
        value, put, NULL, JSON_INDENT(2) | JSON_REAL_PRECISION(17) | JSON_ENSURE_ASCII);
    putchar('\n');
    return status;
}
