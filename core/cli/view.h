/* SPDX-License-Identifier: MIT */
/*
 * What a person is shown of a study's progress, in a block and in a line: the same while it runs
 * (`run`) and from another terminal (`status --live`).
 */
#ifndef CB_CLI_VIEW_H
#define CB_CLI_VIEW_H

#include "cellbench/sweep.h"
#include "cli/board.h"

/* Trials that have come to an end, and all of the study, with those that are known to come. */
int64_t cbi_view_finished(const cb_progress *now);
int64_t cbi_view_whole(const cb_progress *now);

/* The head with its bar and the counts. */
void cbi_view_head(cbi_board *board, const char *study, const cb_progress *now);
/* A table of the cells, in at most `room` lines; nothing where that is too little. */
void cbi_view_cells(cbi_board *board, const cb_progress *now, size_t room);
/* "NAME: 3 of 12 trials (25 %), ...": printable; NULL when memory is out. Caller: cbi_free. */
char *cbi_view_line(const char *study, const cb_progress *now);

#endif
