/* SPDX-License-Identifier: MIT */
#include "cli/board.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/cli.h"

int cbi_board_possible(int descriptor) {
    const char *term = getenv("TERM");
    return isatty(descriptor) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

void cbi_board_begin(cbi_board *b) {
    size_t columns, rows;
    cbi_cli_terminal_size(b->descriptor, &columns, &rows);
    b->columns = columns > 1 ? columns - 1 : 1;
    b->rows = rows > CBI_BOARD_LINES ? CBI_BOARD_LINES : rows;
    b->count = 0;
    cbi_text_fini(&b->text);
    b->text = (cbi_text){0};
}

size_t cbi_board_room(const cbi_board *b) {
    return b->rows > b->count + 1 ? b->rows - b->count - 1 : 0;
}

void cbi_board_line(cbi_board *b, const char *line) {
    char *copy = cbi_cli_printable(line, strlen(line), 0);
    if (copy != NULL && cbi_board_room(b) > 0) {
        cbi_cli_cut(copy, b->columns);
        b->width[b->count++] = cbi_cli_columns(copy);
        cbi_text_addf(&b->text, "%s\033[K\n", copy);
    }
    cbi_free(copy);
}

void cbi_board_linef(cbi_board *b, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    cbi_board_line(b, line);
}

void cbi_board_items(cbi_board *b, char items[][32], size_t n) {
    cbi_text line = {0};
    for (size_t i = 0; i < n; i++) {
        if (line.length > 0 && line.length + 2 + strlen(items[i]) > b->columns) {
            cbi_board_line(b, line.data);
            cbi_text_fini(&line);
            line = (cbi_text){0};
        }
        cbi_text_addf(&line, "%s%s", line.length > 0 ? "  " : "", items[i]);
    }
    if (line.length > 0)
        cbi_board_line(b, line.data);
    cbi_text_fini(&line);
}

/* Terminal lines that the last drawing takes at today's width. */
static size_t drawn_height(const cbi_board *b, size_t columns) {
    size_t height = 0;
    for (size_t i = 0; i < b->drawn; i++)
        height += b->drawn_width[i] > columns ? (b->drawn_width[i] + columns - 1) / columns : 1;
    return height;
}

static void write_all(int descriptor, const char *text, size_t n) {
    while (n > 0) {
        ssize_t written = write(descriptor, text, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        n -= (size_t)written;
    }
}

void cbi_board_draw(cbi_board *b, const char *note) {
    cbi_text out = {0};
    size_t height = drawn_height(b, b->columns + 1);
    cbi_text_add(&out, "\r");
    if (height > 0)
        cbi_text_addf(&out, "\033[%zuA", height);
    cbi_text_add(&out, "\033[J");
    if (note != NULL)
        cbi_text_addf(&out, "%s\n", note);
    if (b->text.data != NULL && !b->text.failed)
        cbi_text_add(&out, b->text.data);
    if (!out.failed) {
        write_all(b->descriptor, out.data, out.length);
        b->drawn = b->count;
        memcpy(b->drawn_width, b->width, sizeof b->width);
    }
    cbi_text_fini(&out);
}

void cbi_board_leave(cbi_board *b) {
    if (b->drawn > 0)
        write_all(b->descriptor, "\n", 1);
    b->drawn = 0;
}

void cbi_board_fini(cbi_board *b) {
    cbi_text_fini(&b->text);
    b->text = (cbi_text){0};
    b->drawn = b->count = 0;
}
