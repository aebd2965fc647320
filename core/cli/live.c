/* SPDX-License-Identifier: MIT */
/*
 * Progress of a run. The block is written with one write each time, every line cut to the width of
 * the terminal so that none wraps; the cursor is left visible below it, so that there is nothing to
 * restore whenever the program ends. Lines drawn before a terminal became narrower have wrapped
 * since: their height is counted again from their lengths.
 */
#include "cli/live.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/cli.h"

static const double redraw_seconds = 0.1, line_seconds = 5.0, idle_seconds = 60.0;

void cbi_live_start(cbi_live *progress, const char *study, int quiet) {
    const char *term = getenv("TERM");
    memset(progress, 0, sizeof *progress);
    progress->study = cbi_cli_printable(study, strlen(study), 0);
    progress->quiet = quiet;
    progress->live =
        isatty(STDERR_FILENO) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
    progress->last = cbi_cli_seconds() - line_seconds;
    progress->shown = -1;
}

static int64_t finished(const cb_study_counts *counts) {
    return counts->done + counts->diverged + counts->failed;
}

/* Trials of the study, with those that are known to come. */
static int64_t whole(const cb_progress *now) {
    return now->counts.total + now->awaited;
}

static const char *left_text(char *buffer, const cb_progress *now) {
    char duration[32];
    if (finished(&now->counts) >= whole(now) && now->here_done == 0)
        snprintf(buffer, 64, "nothing left to do");
    else if (finished(&now->counts) >= whole(now))
        snprintf(buffer, 64, "took %s", cbi_cli_duration(duration, now->elapsed_seconds));
    else if (isfinite(now->left_seconds))
        snprintf(buffer, 64, "%s left", cbi_cli_duration(duration, now->left_seconds));
    else
        snprintf(buffer, 64, "time left not known yet");
    return buffer;
}

static int percent(const cb_progress *now) {
    return whole(now) > 0 ? (int)(100 * finished(&now->counts) / whole(now)) : 100;
}

/* ---- lines, elsewhere than on a terminal ---- */

static char *plain_line(const cbi_live *progress, const cb_progress *now) {
    cbi_text line = {0};
    char left[64], number[32], *out = NULL;
    const cb_study_counts *c = &now->counts;
    cbi_text_addf(&line, "%s: %lld of %lld trials (%d %%)",
                  progress->study != NULL ? progress->study : "", (long long)finished(c),
                  (long long)whole(now), percent(now));
    if (c->running > 0)
        cbi_text_addf(&line, ", %lld running", (long long)c->running);
    if (c->failed > 0)
        cbi_text_addf(&line, ", %lld failed", (long long)c->failed);
    if (c->diverged > 0)
        cbi_text_addf(&line, ", %lld diverged", (long long)c->diverged);
    cbi_text_addf(&line, ", %s", left_text(left, now));
    int any = 0;
    for (size_t i = 0; i < now->cell_count; i++) {
        const cb_cell_progress *cell = &now->cells[i];
        if (!isfinite(cell->best_valid))
            continue;
        char *name = cbi_cli_printable(cell->cell, strlen(cell->cell), 0);
        if (any)
            cbi_text_add(&line, ", ");
        else
            cbi_text_addf(&line, "; best %s: ", now->metric != NULL ? now->metric : "value");
        any = 1;
        snprintf(number, sizeof number, "%.4g", cell->best_valid);
        cbi_text_addf(&line, "%s %s", name != NULL ? name : "?", number);
        cbi_free(name);
    }
    if (cbi_text_take(&line, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&line);
    return out;
}

static void show_line(cbi_live *progress, const cb_progress *now, double at) {
    int64_t count = finished(&now->counts);
    char *line = plain_line(progress, now);
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

typedef struct block {
    cbi_text text;
    size_t columns, lines;
    size_t width[CBI_LIVE_LINES];
} block;

static void add_line(block *b, const char *line) {
    char *copy = cbi_cli_printable(line, strlen(line), 0);
    if (copy != NULL && b->lines < CBI_LIVE_LINES) {
        cbi_cli_cut(copy, b->columns);
        b->width[b->lines++] = cbi_cli_columns(copy);
        cbi_text_addf(&b->text, "%s\033[K\n", copy);
    }
    cbi_free(copy);
}

/* Items side by side, in as many lines as they need. */
static void add_items(block *b, char items[][32], size_t n) {
    cbi_text line = {0};
    for (size_t i = 0; i < n; i++) {
        if (line.length > 0 && line.length + 2 + strlen(items[i]) > b->columns) {
            add_line(b, line.data);
            cbi_text_fini(&line);
            line = (cbi_text){0};
        }
        cbi_text_addf(&line, "%s%s", line.length > 0 ? "  " : "", items[i]);
    }
    if (line.length > 0)
        add_line(b, line.data);
    cbi_text_fini(&line);
}

static void add_bar(block *b, const cb_progress *now) {
    char left[64], bar[64], line[192];
    const size_t used = strlen(left_text(left, now)) + 12;
    size_t width = b->columns > used + 4 ? b->columns - used : 4;
    width = width > 40 ? 40 : width;
    size_t full =
        whole(now) > 0 ? width * (size_t)finished(&now->counts) / (size_t)whole(now) : width;
    memset(bar, '.', width);
    memset(bar, '#', full < width ? full : width);
    bar[width] = '\0';
    snprintf(line, sizeof line, "[%s] %3d %%  %s", bar, percent(now), left);
    add_line(b, line);
}

static void add_counts(block *b, const cb_progress *now) {
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
    add_items(b, items, n);
}

static void add_cells(block *b, const cb_progress *now, size_t most) {
    char line[256], best[64], head[64];
    size_t name_width = 4;
    for (size_t i = 0; i < now->cell_count; i++) {
        size_t width = cbi_cli_columns(now->cells[i].cell);
        name_width = width > name_width ? width : name_width;
    }
    if (name_width > b->columns / 3)
        name_width = b->columns / 3;
    snprintf(head, sizeof head, "best %s", now->metric != NULL ? now->metric : "value");
    snprintf(line, sizeof line, "%-*s %6s %4s %11s", (int)name_width, "cell", "done", "run", head);
    add_line(b, line);
    for (size_t i = 0; i < now->cell_count && i < most; i++) {
        const cb_cell_progress *cell = &now->cells[i];
        char *name = cbi_cli_printable(cell->cell, strlen(cell->cell), 0);
        if (name == NULL)
            continue;
        cbi_cli_cut(name, name_width);
        if (isfinite(cell->best_valid))
            snprintf(best, sizeof best, "%.5g", cell->best_valid);
        else
            snprintf(best, sizeof best, "-");
        snprintf(line, sizeof line, "%s%*s %6lld %4lld %11s", name,
                 (int)(name_width - cbi_cli_columns(name)), "", (long long)cell->done,
                 (long long)cell->running, best);
        add_line(b, line);
        cbi_free(name);
    }
    if (now->cell_count > most) {
        snprintf(line, sizeof line, "and %zu more", now->cell_count - most);
        add_line(b, line);
    }
}

/* Terminal lines that the block drawn before takes at today's width. */
static size_t drawn_height(const cbi_live *progress, size_t columns) {
    size_t height = 0;
    for (size_t i = 0; i < progress->drawn; i++)
        height += progress->width[i] > columns ? (progress->width[i] + columns - 1) / columns : 1;
    return height;
}

static void write_all(const char *text, size_t n) {
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, n);
        if (written <= 0)
            return;
        text += written;
        n -= (size_t)written;
    }
}

static void show_block(cbi_live *progress, const cb_progress *now, const char *note) {
    block b;
    cbi_text out = {0};
    size_t columns, lines;
    char line[256];
    memset(&b, 0, sizeof b);
    cbi_cli_terminal_size(STDERR_FILENO, &columns, &lines);
    b.columns = columns > 1 ? columns - 1 : 1;
    snprintf(line, sizeof line, "%.180s: %lld of %lld trials",
             progress->study != NULL ? progress->study : "", (long long)finished(&now->counts),
             (long long)whole(now));
    add_line(&b, line);
    add_bar(&b, now);
    add_counts(&b, now);
    size_t room = lines > b.lines + 4 ? lines - b.lines - 4 : 0;
    if (room > CBI_LIVE_LINES - 8)
        room = CBI_LIVE_LINES - 8;
    if (room > 0)
        add_cells(&b, now, room);
    if (progress->stopping)
        add_line(&b, "stopping; Ctrl-C again: at once");

    size_t height = drawn_height(progress, columns);
    cbi_text_add(&out, "\r");
    if (height > 0)
        cbi_text_addf(&out, "\033[%zuA", height);
    cbi_text_add(&out, "\033[J");
    if (note != NULL)
        cbi_text_addf(&out, "%s\n", note);
    if (b.text.data != NULL && !b.text.failed)
        cbi_text_add(&out, b.text.data);
    if (!out.failed) {
        write_all(out.data, out.length);
        progress->drawn = b.lines;
        memcpy(progress->width, b.width, sizeof b.width);
    }
    cbi_text_fini(&b.text);
    cbi_text_fini(&out);
}

/* ---- both ---- */

void cbi_live_show(cbi_live *progress, const cb_progress *now, int stopping) {
    const double at = cbi_cli_seconds();
    char *note = now->note != NULL ? cbi_cli_printable(now->note, strlen(now->note), 1) : NULL;
    int urgent = note != NULL || stopping != progress->stopping;
    if (urgent && stopping && !progress->stopping && !progress->live)
        fprintf(stderr, "stopping; Ctrl-C again stops at once\n");
    progress->stopping = stopping;
    if (note != NULL && (progress->quiet || !progress->live))
        fprintf(stderr, "%s\n", note);
    if (!progress->quiet && progress->live) {
        int over = finished(&now->counts) >= whole(now);
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
    if (progress->drawn > 0)
        fputc('\n', stderr);
    cbi_free(progress->last_text);
    cbi_free(progress->study);
    progress->last_text = progress->study = NULL;
}
