/* SPDX-License-Identifier: MIT */
/*
 * Progress of a run on stderr: on a terminal one block that is drawn again and again, elsewhere at
 * most a line every five seconds and one at the end.
 */
#ifndef CB_CLI_LIVE_H
#define CB_CLI_LIVE_H

#include <stddef.h>

#include "cellbench/sweep.h"
#include "cli/board.h"

typedef struct cbi_live {
    char *study;      /* printable */
    int live;         /* stderr is a terminal that can move its cursor */
    int quiet;        /* only notes */
    const char *word; /* what was said last of why it stops; NULL: it does not */
    int paused;       /* shown as paused */
    cbi_board board;
    double last;     /* when something was last shown, in seconds */
    int64_t shown;   /* trials that were finished then */
    char *last_text; /* the final line to print, elsewhere than on a terminal */
} cbi_live;

void cbi_live_start(cbi_live *progress, const char *study, int quiet);
/* Shows it; `word`: that the run is being stopped, and how; a constant. NULL: it is not. */
void cbi_live_show(cbi_live *progress, const cb_progress *now, const char *word);
/* Leaves the last block or line standing and gives the terminal back. */
void cbi_live_end(cbi_live *progress);

#endif
