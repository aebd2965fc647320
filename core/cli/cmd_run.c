/* SPDX-License-Identifier: MIT */
/*
 * cellbench run: runs a study, or goes on with it; then prints its leaderboard.
 */
#include "cli/cli.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/script.h"
#include "cellbench/sweep.h"
#include "cli/live.h"
#include "cli/view.h"
#include "cli/wish.h"

enum { MOST_JOBS = 1024, CHECKPOINT_SECONDS = 20, HANG_MINUTES = 60 };

/* ---- what the run asks ---- */

typedef struct command {
    cbi_live live;
    double deadline;       /* by cbi_cli_seconds; INFINITY: none */
    int64_t finished, all; /* trials, when it was told last */
} command;

static int is_over(const command *c) {
    return cbi_cli_seconds() >= c->deadline;
}

static int stop_asked(void *context) {
    return cbi_wish_to_stop() || is_over(context);
}

static int pause_asked(void *context) {
    (void)context;
    return cbi_wish_to_pause();
}

static void suspend(void *context) {
    (void)context;
    cbi_wish_suspend();
}

static void show(void *context, const cb_progress *now) {
    command *c = context;
    c->finished = cbi_view_finished(now);
    c->all = cbi_view_whole(now);
    cbi_live_show(&c->live, now,
                  cbi_wish_to_stop() ? "stopping: trials under way are saved; Ctrl-C again: at once"
                  : is_over(c)       ? "the time is over: trials under way are saved"
                                     : NULL);
}

/* ---- options with units ---- */

/* "90", "0.5": a number that is not negative. */
static int read_real(const char *text, double *out) {
    char *end = NULL;
    *out = strtod(text, &end);
    return *text >= '0' && *text <= '9' && *end == '\0' && isfinite(*out);
}

/* "500M", "1.5G": a number above 0 with a unit, of 1000s. */
static int read_size(const char *text, int64_t *out) {
    static const char units[] = "kMGT";
    const size_t length = strlen(text);
    const char *unit = length > 0 ? strchr(units, text[length - 1]) : NULL;
    char number[32];
    double value, factor = 1;
    if (length == 0 || length >= sizeof number || unit == NULL)
        return 0;
    memcpy(number, text, length);
    number[length - 1] = '\0';
    for (const char *u = units; u <= unit; u++)
        factor *= 1000;
    if (!read_real(number, &value) || value <= 0 || value * factor >= 1e18)
        return 0;
    *out = (int64_t)(value * factor);
    return 1;
}

/* The value of an option that is a number of seconds, minutes or hours. */
static int read_time(const cbi_cli_args *args, const char *name, double fallback, double *out) {
    const char *text = cbi_cli_value(args, name);
    *out = fallback;
    if (text == NULL || read_real(text, out))
        return 0;
    return cbi_cli_usage(args->command, "run: --%s: expected a number, as 30 or 0.5, got '%s'",
                         name, text);
}

static int read_options(const cbi_cli_args *args, command *c, cb_sweep_options *options) {
    const char *memory = cbi_cli_value(args, "memory");
    double hours = INFINITY, hang = 0;
    int status;
    if (memory != NULL && !read_size(memory, &options->memory_bytes))
        return cbi_cli_usage(args->command,
                             "run: --memory: expected a size, as 500M or 1.5G, got '%s'", memory);
    if ((status = read_time(args, "hours", INFINITY, &hours)) != 0 ||
        (status = read_time(args, "hang", HANG_MINUTES, &hang)) != 0 ||
        (status =
             read_time(args, "checkpoint", CHECKPOINT_SECONDS, &options->checkpoint_seconds)) != 0)
        return status;
    c->deadline = cbi_cli_seconds() + 3600 * hours;
    options->hang_seconds = 60 * hang;
    if (cbi_cli_flag(args, "mix") && cbi_cli_flag(args, "redo"))
        return cbi_cli_usage(args->command, "run: --mix and --redo exclude each other");
    return 0;
}

/* ---- where the results go ---- */

/* results/<study>.db where there is a folder results/, else <study>.db here. Characters that do not
 * belong into the name of a file are replaced. */
static char *default_path(const char *study) {
    cbi_text path = {0};
    struct stat info;
    char *out = NULL;
    int folder = stat("results", &info) == 0 && S_ISDIR(info.st_mode);
    cbi_text_add(&path, folder ? "results/" : "");
    for (const char *p = study; *p != '\0'; p++) {
        int plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' || (*p == '.' && p != study);
        cbi_text_add_n(&path, plain ? p : "-", 1);
    }
    cbi_text_add(&path, *study != '\0' ? ".db" : "study.db");
    if (cbi_text_take(&path, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&path);
    return out;
}

static size_t core_count(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MOST_JOBS ? MOST_JOBS : (size_t)n;
}

/* ---- the run ---- */

/* A worker needs a descriptor; the system's default is often lower than what it allows. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static cb_status sweep(const cbi_cli_args *args, cb_store *store, const cb_study *study, command *c,
                       cb_sweep_options *options, int64_t *failed, cb_err *err) {
    int64_t study_id = 0;
    options->command = args->line;
    options->jobs = (size_t)cbi_cli_number(args, "jobs", core_count());
    options->mix = cbi_cli_flag(args, "redo")  ? CB_MIX_REDO
                   : cbi_cli_flag(args, "mix") ? CB_MIX_ALLOW
                                               : CB_MIX_REFUSE;
    options->retry_failed = cbi_cli_flag(args, "retry-failed");
    options->context = c;
    options->progress = show;
    options->stop = stop_asked;
    options->pause = pause_asked;
    options->suspend = suspend;
    raise_descriptors();
    cbi_live_start(&c->live, study->info.name, cbi_cli_flag(args, "quiet"));
    cbi_wish_listen();
    cb_status st = cb_sweep_run(store, study, options, &study_id, failed, err);
    cbi_live_end(&c->live);
    return st;
}

/* What was asked for is done: says what came out. */
static cb_status conclude(const cbi_cli_args *args, cb_store *store, const cb_study *study,
                          cb_err *err) {
    if (cbi_cli_flag(args, "quiet"))
        return CB_OK;
    cb_status st = cbi_cli_print_leaderboard(store, study->info.name, CBI_CLI_PLAIN, err);
    if (st == CB_OK) {
        printf("\nall results: ");
        cbi_cli_put(stdout, cb_store_path(store));
        putchar('\n');
    }
    return st;
}

/* Stopped before the end, by a person or by --hours. */
static int say_stopped(const cbi_cli_args *args, const command *c) {
    fprintf(stderr, "%s; %lld of %lld trials have an end; the same command goes on from here: ",
            cbi_wish_to_stop() || !is_over(c) ? "stopped" : "the time is over",
            (long long)c->finished, (long long)c->all);
    cbi_cli_put(stderr, args->line);
    fputc('\n', stderr);
    return CBI_EXIT_INTERRUPT;
}

static int say_failed(const char *path, int64_t failed) {
    return cbi_cli_failf("%lld trial%s failed; why: cellbench status %s --failed; again: "
                         "--retry-failed",
                         (long long)failed, failed == 1 ? "" : "s", path);
}

static cb_status open_store(const cbi_cli_args *args, const cb_study *study, char **path,
                            cb_store **store, cb_err *err) {
    const char *given = cbi_cli_value(args, "db");
    *path = given != NULL ? cbi_strdup(given) : default_path(study->info.name);
    if (*path == NULL)
        return cb_fail(err, CB_ENOMEM, "the path of the database");
    cb_status st = cb_store_open(store, *path, CB_STORE_WRITE, err);
    if (st == CB_OK && !cbi_cli_flag(args, "quiet")) {
        fprintf(stderr, "results go to ");
        cbi_cli_put(stderr, *path);
        fputc('\n', stderr);
    }
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_script *script = NULL;
    const cb_study *study = NULL;
    cb_store *store = NULL;
    char *path = NULL;
    int64_t failed = 0;
    command c = {.deadline = INFINITY};
    cb_sweep_options options = {0};
    cb_status st;
    int status = read_options(args, &c, &options);
    if (status != CBI_EXIT_OK)
        return status;
    signal(SIGPIPE, SIG_IGN); /* that nobody reads what is told is no reason to stop */
    if ((st = cb_script_create(&script, cb_variants, &err)) == CB_OK &&
        (st = cb_script_study(script, args->rest[0], (int)args->count - 1, args->rest + 1, &study,
                              &err)) == CB_OK &&
        (st = open_store(args, study, &path, &store, &err)) == CB_OK &&
        (st = sweep(args, store, study, &c, &options, &failed, &err)) == CB_OK)
        st = conclude(args, store, study, &err);
    if (st == CB_ECANCEL)
        status = say_stopped(args, &c);
    else if (st != CB_OK)
        status = cbi_cli_fail(&err);
    else if (failed > 0)
        status = say_failed(path, failed);
    cbi_wish_end();
    cb_store_close(store);
    cb_script_destroy(script);
    cbi_free(path);
    return status;
}

/* What a study may say under `train`: this is where a person looks for it. */
static void print_train_settings(void) {
    cb_err err;
    printf("\nTraining settings, for `train` and `space` of a study:\n");
    if (cbi_cli_print_settings(cb_train_settings(), CBI_CLI_PLAIN, &err) != CB_OK)
        (void)cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"db", 0, CBI_CLI_TEXT, "FILE", 0, 0, "the database (results/STUDY.db, or STUDY.db here)"},
    {"jobs", 'j', CBI_CLI_NUMBER, "N", 1, MOST_JOBS, "trials at the same time (number of cores)"},
    {"memory", 0, CBI_CLI_TEXT, "SIZE", 0, 0,
     "for trials at work: 500M, 8G (9/10 of what is free)"},
    {"hours", 0, CBI_CLI_TEXT, "H", 0, 0, "stop after so long; the same command goes on"},
    {"checkpoint", 0, CBI_CLI_TEXT, "SECONDS", 0, 0, "between two of a trial (20; 0: none)"},
    {"hang", 0, CBI_CLI_TEXT, "MINUTES", 0, 0, "kill a worker silent for so long (60; 0: never)"},
    {"retry-failed", 0, CBI_CLI_FLAG, NULL, 0, 0, "run trials again that failed before"},
    {"mix", 0, CBI_CLI_FLAG, NULL, 0, 0, "go on beside results of other numerics (marked)"},
    {"redo", 0, CBI_CLI_FLAG, NULL, 0, 0, "run those again instead"},
    {"quiet", 'q', CBI_CLI_FLAG, NULL, 0, 0, "no progress and no leaderboard"},
    {0},
};

const cbi_cli_command cbi_cmd_run = {
    .name = "run",
    .summary = "run a study, or go on with it",
    .arguments = "STUDY.lua [NAME=VALUE...] [options]",
    .text = "Trains what the study names and the database does not hold yet. Every result is\n"
            "stored when its trial ends. Ctrl-C stops; the same command goes on, also after a\n"
            "kill or a power cut, and nothing is done twice: a trial under way goes on from its\n"
            "last checkpoint, in a folder beside the database. Ctrl-Z pauses, `fg` goes on. A\n"
            "result has the same bits whatever --jobs is. Several runs may work on one database\n"
            "at the same time. A trial that needs more memory than there is waits for others to\n"
            "end, or fails before it is begun. What failed for want of memory or disk is tried\n"
            "again by the next run; a trial that crashed two workers only with --retry-failed.\n"
            "NAME=VALUE is for the study, which reads it with cb.arguments.\n"
            "Exit status: 0 all done, 1 an error or a failed trial, 2 wrong usage, 130 stopped\n"
            "by Ctrl-C or by --hours.\n",
    .example = "  cellbench run experiments/quickstart.lua --jobs 2\n"
               "  cellbench run experiments/greff2015.lua trials=60\n",
    .options = options,
    .least = 1,
    .most = 1,
    .assignments = 1,
    .run = run,
    .more = print_train_settings,
};
