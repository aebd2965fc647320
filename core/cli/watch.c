/* SPDX-License-Identifier: MIT */
#include "cli/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/board.h"
#include "cli/cli.h"
#include "cli/standing.h"
#include "cli/view.h"

/* A look at most each second, and reading takes at most this share (1/n) of the time. */
static const double look_seconds = 1.0, share = 20.0;
/* Without a terminal: a line when something has changed, or after a while. */
static const double line_seconds = 5.0, idle_seconds = 60.0;
/* A file that is being replaced may be half there: an error must last to be believed. */
static const double error_seconds = 10.0;
static const double new_seconds = 5.0;

typedef struct watch {
    const char *path, *study;
    int live; /* stdout is a terminal that can move its cursor */
    cbi_board board;
    int seen; /* it was read once */
    double begun;
    double error_since; /* 0: the last look was good */
    double last_line;
    char *line; /* the last one printed */
} watch;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static void on_resize(int number) {
    (void)number; /* ends the sleep, so that the block is drawn anew at once */
}

/* The second Ctrl-C ends the program whatever it is doing. A signal that is ignored from the start
 * stays so. */
static void catch_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_resize;
    sigaction(SIGWINCH, &action, NULL);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)SA_RESETHAND;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

static void rest(double seconds) {
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
    if (!interrupted)
        nanosleep(&time, NULL);
}

/* ---- in lines ---- */

static void say_line(watch *w, const char *line, int now) {
    const double at = cbi_cli_seconds();
    const int same = w->line != NULL && strcmp(line, w->line) == 0;
    if (now ? same : at - w->last_line < (same ? idle_seconds : line_seconds))
        return;
    puts(line);
    fflush(stdout);
    cbi_free(w->line);
    w->line = cbi_strdup(line);
    w->last_line = at;
}

static void say_standing(watch *w, const cbi_standing *s, int over) {
    char *name = cbi_cli_printable(s->study, strlen(s->study), 0);
    char *line = cbi_view_line(name != NULL ? name : "", &s->now);
    cbi_text text = {0};
    cbi_text_add(&text, line != NULL ? line : "");
    if (!over && !s->alive)
        cbi_text_add(&text, "; no run is at work");
    for (size_t i = 0; i < s->run_count && i < CBI_STANDING_RUNS; i++)
        if (!s->runs[i].works)
            cbi_text_addf(&text, "; run %lld %s", (long long)s->runs[i].run_id, s->runs[i].word);
    if (text.data != NULL && !text.failed)
        say_line(w, text.data, over);
    cbi_text_fini(&text);
    cbi_free(line);
    cbi_free(name);
}

/* ---- in a block ---- */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* In `rows` lines; 0: none. */
static void add_runs(cbi_board *b, const cbi_standing *s, size_t rows) {
    char since[32];
    const size_t shown = s->run_count <= rows ? s->run_count : rows - (rows > 0);
    for (size_t i = 0; i < shown; i++) {
        const cbi_standing_run *run = &s->runs[i];
        cbi_board_linef(b, "run %lld %s, %lld job%s, %lld at work, for %s, on %s",
                        (long long)run->run_id, run->word, (long long)run->jobs,
                        run->jobs == 1 ? "" : "s", (long long)run->trials,
                        cbi_cli_duration(since, run->seconds), run->host);
    }
    if (shown < s->run_count && rows > 0)
        cbi_board_linef(b, "and %zu more runs", s->run_count - shown);
}

static void add_failures(cbi_board *b, const cbi_standing *s, size_t rows) {
    for (size_t i = 0; i < least(rows, s->failure_count); i++)
        cbi_board_linef(b, "failed: trial %lld (%.40s): %.400s", (long long)s->failures[i].trial_id,
                        s->failures[i].cell, s->failures[i].reason);
}

/* Little room: the head, then the runs, a failure, and the cells that still fit. */
static void show_standing(watch *w, const cbi_standing *s, int over) {
    cbi_board *b = &w->board;
    cbi_board_begin(b);
    cbi_view_head(b, s->study, &s->now);
    const size_t room = cbi_board_room(b);
    const size_t runs = s->run_count > 0
                            ? least(least(s->run_count, CBI_STANDING_RUNS), room / 4 + 1)
                        : over ? 0
                               : 1;
    const size_t failures = least(s->failure_count, room / 5);
    const size_t others = s->studies > 1;
    if (room > runs + failures + others)
        cbi_view_cells(b, &s->now, room - runs - failures - others);
    if (s->run_count > 0)
        add_runs(b, s, runs);
    else if (!over)
        cbi_board_line(b, "no run is at work; `cellbench run` goes on with what is pending");
    add_failures(b, s, failures);
    if (others)
        cbi_board_linef(b, "%lld studies in this database, with %lld open trials in all",
                        (long long)s->studies, (long long)s->open);
    cbi_board_draw(b, NULL);
}

/* ---- looking ---- */

static void show(watch *w, const cbi_standing *s, int over) {
    if (w->live)
        show_standing(w, s, over);
    else
        say_standing(w, s, over);
}

/* A word instead of a standing; the last block goes. */
static void show_word(watch *w, const char *what) {
    char *text = NULL;
    cbi_text line = {0};
    cbi_text_addf(&line, "%s: %s", w->path, what);
    if (cbi_text_take(&line, &text, NULL) == CB_OK && w->live) {
        cbi_board_begin(&w->board);
        cbi_board_line(&w->board, text);
        cbi_board_draw(&w->board, NULL);
    } else if (text != NULL) {
        char *safe = cbi_cli_printable(text, strlen(text), 0);
        say_line(w, safe != NULL ? safe : "", w->line == NULL);
        cbi_free(safe);
    }
    cbi_text_fini(&line);
    cbi_free(text);
}

/* 1: there is nothing to open yet. A new database is an empty file for a moment. */
static int is_absent(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT && *path != '\0';
    return S_ISREG(info.st_mode) && info.st_size == 0;
}

/* One look. *over: there is nothing to wait for. */
static cb_status look(watch *w, int *over, cb_err *err) {
    cbi_standing s;
    cb_store *store = NULL;
    memset(&s, 0, sizeof s);
    *over = 0;
    if (is_absent(w->path)) {
        show_word(w, "not there yet");
        return CB_OK;
    }
    cb_status st = cb_store_open(&store, w->path, CB_STORE_READ, err);
    if (st == CB_OK)
        st = cbi_standing_read(&s, store, w->study, err);
    cb_store_close(store);
    if (st == CB_OK) {
        w->seen = 1;
        /* A run that begins makes the database first, and then its study. */
        *over = !s.alive && s.open == 0 &&
                (s.study != NULL || cbi_cli_seconds() - w->begun > new_seconds);
        if (s.study != NULL)
            show(w, &s, *over);
        else
            show_word(w, *over ? "no study" : "no study yet");
    }
    cbi_standing_fini(&s);
    return st;
}

/* Whether an error is to be waited out: another process may be at the file just now. */
static int may_pass(watch *w, cb_status st) {
    const double now = cbi_cli_seconds();
    if (st == CB_ENOMEM || (st != CB_EBUSY && !w->seen))
        return 0;
    if (w->error_since <= 0.0)
        w->error_since = now;
    return now - w->error_since < error_seconds;
}

int cbi_watch(const char *path, const char *study) {
    watch w = {.path = path, .study = study};
    cb_err err;
    cb_status st = CB_OK;
    int over = 0;
    w.board.descriptor = STDOUT_FILENO;
    w.live = cbi_board_possible(STDOUT_FILENO);
    w.begun = cbi_cli_seconds();
    w.last_line = w.begun - idle_seconds;
    catch_signals();
    while (!interrupted && !over) {
        const double begin = cbi_cli_seconds();
        st = look(&w, &over, &err);
        if (st == CB_OK)
            w.error_since = 0.0;
        else if (may_pass(&w, st))
            show_word(&w, err.text);
        else
            break;
        const double took = cbi_cli_seconds() - begin;
        if (!over)
            rest(took * share > look_seconds ? took * share : look_seconds);
        if (ferror(stdout))
            break;
    }
    cbi_board_leave(&w.board);
    cbi_board_fini(&w.board);
    cbi_free(w.line);
    return st == CB_OK || interrupted ? CBI_EXIT_OK : cbi_cli_fail(&err);
}
