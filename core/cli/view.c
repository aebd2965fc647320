/* SPDX-License-Identifier: MIT */
#include "cli/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"

int64_t cbi_view_finished(const cb_progress *now) {
    return now->counts.done + now->counts.diverged + now->counts.failed;
}

int64_t cbi_view_whole(const cb_progress *now) {
    return now->counts.total + now->awaited;
}

static const char *left_text(char *buffer, const cb_progress *now) {
    char duration[32];
    const int over = cbi_view_finished(now) >= cbi_view_whole(now);
    if (over && now->here_done == 0)
        snprintf(buffer, 64, "nothing left to do");
    else if (over)
        snprintf(buffer, 64, "took %s", cbi_cli_duration(duration, now->elapsed_seconds));
    else if (isfinite(now->left_seconds))
        snprintf(buffer, 64, "%s left", cbi_cli_duration(duration, now->left_seconds));
    else
        snprintf(buffer, 64, "time left not known yet");
    return buffer;
}

static int percent(const cb_progress *now) {
    const int64_t whole = cbi_view_whole(now);
    return whole > 0 ? (int)(100 * cbi_view_finished(now) / whole) : 100;
}

/* ---- in a line ---- */

static void add_best(cbi_text *line, const cb_progress *now) {
    char number[32];
    int any = 0;
    for (size_t i = 0; i < now->cell_count; i++) {
        const cb_cell_progress *cell = &now->cells[i];
        if (!isfinite(cell->best_valid))
            continue;
        char *name = cbi_cli_printable(cell->cell, strlen(cell->cell), 0);
        if (any)
            cbi_text_add(line, ", ");
        else
            cbi_text_addf(line, "; best %s: ", now->metric != NULL ? now->metric : "value");
        any = 1;
        snprintf(number, sizeof number, "%.4g", cell->best_valid);
        cbi_text_addf(line, "%s %s", name != NULL ? name : "?", number);
        cbi_free(name);
    }
}

char *cbi_view_line(const char *study, const cb_progress *now) {
    cbi_text line = {0};
    char left[64], *out = NULL;
    const cb_study_counts *c = &now->counts;
    cbi_text_addf(&line, "%s: %lld of %lld trials (%d %%)", study,
                  (long long)cbi_view_finished(now), (long long)cbi_view_whole(now), percent(now));
    if (c->running > 0)
        cbi_text_addf(&line, ", %lld running", (long long)c->running);
    if (c->failed > 0)
        cbi_text_addf(&line, ", %lld failed", (long long)c->failed);
    if (c->diverged > 0)
        cbi_text_addf(&line, ", %lld diverged", (long long)c->diverged);
    cbi_text_addf(&line, ", %s", left_text(left, now));
    add_best(&line, now);
    if (cbi_text_take(&line, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&line);
    return out;
}

/* ---- in a block ---- */

static void add_bar(cbi_board *b, const cb_progress *now) {
    char left[64], bar[64], line[192];
    const size_t used = strlen(left_text(left, now)) + 12;
    const int64_t whole = cbi_view_whole(now);
    size_t width = b->columns > used + 4 ? b->columns - used : 4;
    width = width > 40 ? 40 : width;
    size_t full = whole > 0 ? width * (size_t)cbi_view_finished(now) / (size_t)whole : width;
    memset(bar, '.', width);
    memset(bar, '#', full < width ? full : width);
    bar[width] = '\0';
    snprintf(line, sizeof line, "[%s] %3d %%  %s", bar, percent(now), left);
    cbi_board_line(b, line);
}

static void add_counts(cbi_board *b, const cb_progress *now) {
    const cb_study_counts *c = &now->counts;
    const struct {
        const char *name;
        int64_t count;
        int always;
    } rows[] = {{"done", c->done, 1},
                {"running", c->running, 1},
                {"pending", c->pending + now->awaited, 1},
                {"failed", c->failed, 1},
                {"diverged", c->diverged, 0}};
    char items[5][32];
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].always || rows[i].count > 0)
            snprintf(items[n++], sizeof items[0], "%lld %s", (long long)rows[i].count,
                     rows[i].name);
    cbi_board_items(b, items, n);
}

void cbi_view_head(cbi_board *b, const char *study, const cb_progress *now) {
    cbi_board_linef(b, "%.180s: %lld of %lld trials", study, (long long)cbi_view_finished(now),
                    (long long)cbi_view_whole(now));
    add_bar(b, now);
    add_counts(b, now);
}

static void cell_row(cbi_board *b, const cb_cell_progress *cell, size_t name_width) {
    char best[64];
    char *name = cbi_cli_printable(cell->cell, strlen(cell->cell), 0);
    if (name == NULL)
        return;
    cbi_cli_cut(name, name_width);
    if (isfinite(cell->best_valid))
        snprintf(best, sizeof best, "%.5g", cell->best_valid);
    else
        snprintf(best, sizeof best, "-");
    cbi_board_linef(b, "%s%*s %6lld %4lld %11s", name, (int)(name_width - cbi_cli_columns(name)),
                    "", (long long)cell->done, (long long)cell->running, best);
    cbi_free(name);
}

/* The widest name, at most a third of the terminal. */
static size_t name_column(const cbi_board *b, const cb_progress *now) {
    size_t widest = 4;
    for (size_t i = 0; i < now->cell_count; i++) {
        char *name = cbi_cli_printable(now->cells[i].cell, strlen(now->cells[i].cell), 0);
        size_t width = name != NULL ? cbi_cli_columns(name) : 0;
        widest = width > widest ? width : widest;
        cbi_free(name);
    }
    return widest > b->columns / 3 ? b->columns / 3 : widest;
}

void cbi_view_cells(cbi_board *b, const cb_progress *now, size_t room) {
    char head[64];
    const size_t width = name_column(b, now);
    if (room < 2 || now->cell_count == 0)
        return;
    /* The head takes a line, and so does the word about those that do not fit. */
    const size_t rows = now->cell_count + 1 <= room ? now->cell_count : room - 2;
    if (rows == 0)
        return;
    snprintf(head, sizeof head, "best %s", now->metric != NULL ? now->metric : "value");
    cbi_board_linef(b, "%-*s %6s %4s %11s", (int)width, "cell", "done", "run", head);
    for (size_t i = 0; i < rows; i++)
        cell_row(b, &now->cells[i], width);
    if (rows < now->cell_count)
        cbi_board_linef(b, "and %zu more", now->cell_count - rows);
}
