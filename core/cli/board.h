/* SPDX-License-Identifier: MIT */
/*
 * A block of lines on a terminal that is drawn again and again in the same place, each time with
 * one write. Every line is cut to the width of the terminal so that none wraps; the cursor is left
 * visible below the block, so that there is nothing to restore whenever the program ends. Lines
 * drawn before a terminal became narrower have wrapped since: their height is counted again from
 * their lengths.
 */
#ifndef CB_CLI_BOARD_H
#define CB_CLI_BOARD_H

#include <stddef.h>

#include "base/text.h"

enum { CBI_BOARD_LINES = 64 };

/* Starts as {.descriptor = ...}, the terminal's. */
typedef struct cbi_board {
    int descriptor;
    size_t columns, rows; /* room for this drawing */
    size_t count;         /* its lines so far */
    cbi_text text;
    size_t width[CBI_BOARD_LINES];
    size_t drawn; /* lines of the last drawing that stand on the terminal, and their widths */
    size_t drawn_width[CBI_BOARD_LINES];
} cbi_board;

/* Whether the descriptor is a terminal that can move its cursor. */
int cbi_board_possible(int descriptor);
/* Begins a drawing: asks for the terminal's size, and forgets lines that were not drawn. */
void cbi_board_begin(cbi_board *board);
/* Lines that still fit, so that the cursor's line stays on the screen too. */
size_t cbi_board_room(const cbi_board *board);
/* Adds a line: made printable and cut. One that does not fit is left out. */
void cbi_board_line(cbi_board *board, const char *line);
void cbi_board_linef(cbi_board *board, const char *format, ...) CB_PRINTF(2, 3);
/* Items side by side, in as many lines as they need. */
void cbi_board_items(cbi_board *board, char items[][32], size_t n);
/* Draws it in place of the last one. note: printable, said once above it; or NULL. */
void cbi_board_draw(cbi_board *board, const char *note);
/* The last drawing stays on the terminal, and what is drawn next comes below it. */
void cbi_board_leave(cbi_board *board);
void cbi_board_fini(cbi_board *board);

#endif
