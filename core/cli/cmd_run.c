/* SPDX-License-Identifier: MIT */
/*
 * cellbench run: runs a study, or goes on with it; then prints its leaderboard.
 */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/script.h"
#include "cellbench/sweep.h"
#include "cli/live.h"

enum { MOST_JOBS = 1024 };

/* ---- Ctrl-C ---- */

/* Signals that came so far. A handler has no other way to say so. */
static volatile sig_atomic_t interrupts;

static void on_interrupt(int number) {
    (void)number;
    interrupts = 1;
    /* The second one ends the program as if it had never been caught. The database is safe at any
     * moment; the trials under way are run again next time. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* A signal that is ignored from the start stays so: nohup, and `&` in a script, mean it. */
static void catch_interrupts(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

static int stop_asked(void *context) {
    (void)context;
    return interrupts != 0;
}

static void show(void *context, const cb_progress *now) {
    cbi_live_show(context, now, interrupts != 0);
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

static cb_status sweep(const cbi_cli_args *args, cb_store *store, const cb_study *study,
                       int64_t *failed, cb_err *err) {
    int64_t study_id = 0;
    cbi_live progress;
    cb_sweep_options options = {
        .command = args->line,
        .jobs = (size_t)cbi_cli_number(args, "jobs", core_count()),
        .mix = cbi_cli_flag(args, "redo")  ? CB_MIX_REDO
               : cbi_cli_flag(args, "mix") ? CB_MIX_ALLOW
                                           : CB_MIX_REFUSE,
        .retry_failed = cbi_cli_flag(args, "retry-failed"),
        .context = &progress,
        .progress = show,
        .stop = stop_asked,
    };
    cbi_live_start(&progress, study->info.name, cbi_cli_flag(args, "quiet"));
    catch_interrupts();
    cb_status st = cb_sweep_run(store, study, &options, &study_id, failed, err);
    cbi_live_end(&progress);
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

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_script *script = NULL;
    const cb_study *study = NULL;
    cb_store *store = NULL;
    char *path = NULL;
    int64_t failed = 0;
    int status = CBI_EXIT_OK;
    cb_status st;
    if (cbi_cli_flag(args, "mix") && cbi_cli_flag(args, "redo"))
        return cbi_cli_usage(args->command, "run: --mix and --redo exclude each other");
    signal(SIGPIPE, SIG_IGN); /* that nobody reads what is told is no reason to stop */
    if ((st = cb_script_create(&script, cb_variants, &err)) != CB_OK ||
        (st = cb_script_study(script, args->rest[0], &study, &err)) != CB_OK)
        goto out;
    const char *given = cbi_cli_value(args, "db");
    path = given != NULL ? cbi_strdup(given) : default_path(study->info.name);
    if (path == NULL) {
        st = cb_fail(&err, CB_ENOMEM, "the path of the database");
        goto out;
    }
    if ((st = cb_store_open(&store, path, CB_STORE_WRITE, &err)) != CB_OK)
        goto out;
    if (!cbi_cli_flag(args, "quiet")) {
        fprintf(stderr, "results go to ");
        cbi_cli_put(stderr, path);
        fputc('\n', stderr);
    }
    if ((st = sweep(args, store, study, &failed, &err)) == CB_OK)
        st = conclude(args, store, study, &err);
out:
    if (st == CB_ECANCEL) {
        fprintf(stderr, "stopped; the same command goes on from here: ");
        cbi_cli_put(stderr, args->line);
        fputc('\n', stderr);
        status = CBI_EXIT_INTERRUPT;
    } else if (st != CB_OK) {
        status = cbi_cli_fail(&err);
    } else if (failed > 0) {
        status = cbi_cli_failf("%lld trial%s failed; why: cellbench status %s --failed; again: "
                               "--retry-failed",
                               (long long)failed, failed == 1 ? "" : "s", path);
    }
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
    {"retry-failed", 0, CBI_CLI_FLAG, NULL, 0, 0, "run trials again that failed before"},
    {"mix", 0, CBI_CLI_FLAG, NULL, 0, 0, "go on beside results of other numerics (marked)"},
    {"redo", 0, CBI_CLI_FLAG, NULL, 0, 0, "run those again instead"},
    {"quiet", 'q', CBI_CLI_FLAG, NULL, 0, 0, "no progress and no leaderboard"},
    {0},
};

const cbi_cli_command cbi_cmd_run = {
    .name = "run",
    .summary = "run a study, or go on with it",
    .arguments = "STUDY.lua [options]",
    .text = "Trains what the study names and the database does not hold yet. Every result is\n"
            "stored when its trial ends. Ctrl-C stops; the same command goes on, also after a\n"
            "kill or a power cut, and nothing is done twice. A result has the same bits whatever\n"
            "--jobs is. Several runs may work on one database at the same time.\n"
            "Exit status: 0 all done, 1 an error or a failed trial, 2 wrong usage, 130 stopped.\n",
    .example = "  cellbench run experiments/quickstart.lua --jobs 2\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
    .more = print_train_settings,
};
