/* SPDX-License-Identifier: MIT */
/*
 * Progress of a run: when something is shown, and what is said besides it. What it looks like is in
 * view.c, how it gets onto a terminal in board.c.
 */
#include "cli/live.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/view.h"

static const double redraw_seconds = 0.1, line_seconds = 5.0, idle_seconds = 60.0;

void cbi_live_start(cbi_live *progress, const char *study, int quiet) {
    memset(progress, 0, sizeof *progress);
    progress->study = cbi_cli_printable(study, strlen(study), 0);
    progress->quiet = quiet;
    progress->board.descriptor = STDERR_FILENO;
    progress->live = cbi_board_possible(STDERR_FILENO);
    progress->last = cbi_cli_seconds() - line_seconds;
    progress->shown = -1;
}

static const char *study_of(const cbi_live *progress) {
    return progress->study != NULL ? progress->study : "";
}

/* ---- lines, elsewhere than on a terminal ---- */

static void show_line(cbi_live *progress, const cb_progress *now, double at) {
    int64_t count = cbi_view_finished(now);
    char *line = cbi_view_line(study_of(progress), now);
    double wait = count != progress->shown ? line_seconds : idle_seconds;
    cbi_free(progress->last_text);
    progress->last_text = NULL;
    if (line != NULL && at - progress->last >= wait) {
        fprintf(stderr, "%s\n", line);
        progress->last = at;
        progress->shown = count;
    } else if (count != progress->shown) {
        progress->last_text = line; /* said at the end, unless a newer one is said before */
        line = NULL;
    }
    cbi_free(line);
}

/* ---- the block on a terminal ---- */

static void show_block(cbi_live *progress, const cb_progress *now, const char *note) {
    cbi_board *b = &progress->board;
    const char *word = now->paused ? "paused" : progress->word;
    cbi_board_begin(b);
    cbi_view_head(b, study_of(progress), now);
    const size_t room = cbi_board_room(b);
    cbi_view_cells(b, now, word != NULL && room > 0 ? room - 1 : room);
    if (word != NULL)
        cbi_board_line(b, word);
    cbi_board_draw(b, note);
}

/* ---- both ---- */

/* Elsewhere than on a terminal: what the block would say in its last line. */
static void say_change(const cbi_live *progress, const cb_progress *now, const char *word) {
    if (progress->live && !progress->quiet)
        return;
    if (word != NULL && word != progress->word)
        fprintf(stderr, "%s\n", word);
    if (now->paused != progress->paused)
        fprintf(stderr, "%s\n", now->paused ? "paused" : "goes on");
}

void cbi_live_show(cbi_live *progress, const cb_progress *now, const char *word) {
    const double at = cbi_cli_seconds();
    char *note = now->note != NULL ? cbi_cli_printable(now->note, strlen(now->note), 1) : NULL;
    const int urgent = note != NULL || word != progress->word || now->paused != progress->paused;
    say_change(progress, now, word);
    progress->word = word;
    progress->paused = now->paused;
    if (note != NULL && (progress->quiet || !progress->live))
        fprintf(stderr, "%s\n", note);
    if (!progress->quiet && progress->live) {
        int over = cbi_view_finished(now) >= cbi_view_whole(now);
        if (urgent || over || at - progress->last >= redraw_seconds) {
            show_block(progress, now, note);
            progress->last = at;
        }
    } else if (!progress->quiet) {
        show_line(progress, now, at);
    }
    cbi_free(note);
}

void cbi_live_end(cbi_live *progress) {
    if (progress->last_text != NULL)
        fprintf(stderr, "%s\n", progress->last_text);
    cbi_board_leave(&progress->board);
    cbi_board_fini(&progress->board);
    cbi_free(progress->last_text);
    cbi_free(progress->study);
    progress->last_text = progress->study = NULL;
}
