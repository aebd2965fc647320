/* SPDX-License-Identifier: MIT */
/*
 * What the tests of sweeps share: a tiny study, runs of it that are watched and disturbed, and the
 * yardstick: the dump of an undisturbed run with one worker, all that is about accuracy, with every
 * bit of it. However a study is disturbed, its dump must be the same in the end.
 *
 * A test program is its own worker (`test_x worker`) and its own coordinator, for the tests that
 * kill one (`test_x coordinate DB JOBS KILL_AFTER CONFIRM_TOP`): its main is fixture_main.
 */
#ifndef CB_TESTS_SWEEP_FIXTURE_H
#define CB_TESTS_SWEEP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <cmocka.h>

#include "cellbench/sweep.h"

/* ---- the study ---- */

enum { CELLS = 2, CONFIGS = 3, SEEDS = 6, TRIALS = CELLS * CONFIGS * SEEDS };
enum { FRESH = 3 };       /* seeds of a confirmation */
enum { VICTIM_SEED = 3 }; /* of the trials at which a worker is at fault, see fixture_fault */

/* With TEST_SWEEP_LONG in the environment the study has two trials of about a second each, and
 * start_coordinator writes checkpoints. */
#define LONG_CHECKPOINT 0.3 /* seconds between two */

/* Settings of the study's task; of the same study after it was edited. */
extern const char fixture_task[], fixture_other_task[];

/* Runs the study on a database; returns what cb_sweep_run does. */
cb_status run_study(const char *db, const cb_sweep_options *options, int keep_best, int64_t *failed,
                    cb_err *err);
cb_status run_confirmed(const char *db, const cb_sweep_options *options, int keep_best,
                        size_t confirm_top, int64_t *failed, cb_err *err);
cb_study tiny_study(cb_task *task);

/* ---- what the tests do while it runs ---- */

typedef struct watcher {
    int64_t kill_self_after;      /* results of this run; 0: never */
    int64_t kill_worker_after[2]; /* likewise; each once */
    int interrupt_workers;        /* send them what a terminal sends, once */
    int64_t stop_after;           /* 0: never */
    int stop_at_once;
    int stop_after_note;
    const char *edit; /* database in which the study gets another list of trials, once */
    void (*more)(struct watcher *w, const cb_progress *progress); /* NULL: no more */
    cb_progress last;
    int64_t most_running;
    int most_children;
    int calls, notes, estimates; /* estimates: calls that knew the time left */
    char note[1024], all_notes[8192];
    double best[CELLS];
} watcher;

void watch(void *context, const cb_progress *progress);
cb_sweep_options options_for(watcher *w, size_t jobs);
/* A child of this process; 0: none; and how many. */
pid_t some_child(void);
int count_children(void);

/* ---- databases ---- */

/* The path of a file in the tests' folder. */
const char *path_of(char *buffer, size_t size, const char *name);
/* Rows of a query as text, reals with every bit. Caller: cbi_free. */
char *query_text(const char *db, const char *sql);
int64_t query_number(const char *db, const char *sql);
/* The dump is that of the undisturbed run. */
void assert_same_results(const char *db);
/* Also: nothing is missing, nothing twice, nothing left over. */
void assert_same_as_reference(const char *db);

/* ---- processes ---- */

/* Runs the study to its end, with no failure and no child left. */
void assert_runs(const char *db, watcher *w, size_t jobs);
void assert_no_children(void);
/* Runs this program's other face; kill_after = 0: to the end; top: as confirm_top. */
pid_t start_confirming(const char *db, const char *jobs, int kill_after, const char *top);
pid_t start_coordinator(const char *db, const char *jobs, int kill_after);
int wait_status(pid_t pid);
/* Orphans of a killed coordinator become children of this process; they must end by themselves. */
void assert_orphans_end(void);

/*
 * What the workers of this process and its children do at trials of VICTIM_SEED (at all of them for
 * "noop" and "full"), by TEST_SWEEP_FAULT: "die" (SIGKILL), "crash" (SIGSEGV), "babble", "repeat"
 * (a row), "silent" (at the first setting alone), "fail" (an error of the trial), "memory", "disk"
 * (errors of the machine), "full" (the same), "noop" (end at once). NULL: nothing.
 */
void fixture_fault(const char *fault);

/* The group's set-up, which makes the reference, and tear-down. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* One of the program's other faces: *status is what to exit with. 0: it is to run its tests. */
int fixture_face(int argc, char **argv, int *status);

#define fixture_main(argc, argv, tests)                                                            \
    (fixture_face(argc, argv, &fixture_status)                                                     \
         ? fixture_status                                                                          \
         : cmocka_run_group_tests(tests, fixture_setup, fixture_teardown))
extern int fixture_status;

#endif
