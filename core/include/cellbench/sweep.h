/* SPDX-License-Identifier: MIT */
/*
 * Sweeps: search spaces and samplers; the coordinator, which claims trials in the store and hands
 * them to workers; the workers.
 *
 * A worker is the program itself, exec'd as `cellbench worker`, started once and fed one trial
 * after another over a socket pair. It never opens the database and runs no Lua.
 */
#ifndef CELLBENCH_SWEEP_H
#define CELLBENCH_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"
#include "cellbench/store.h"
#include "cellbench/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- search spaces ---- */

typedef enum cb_axis_kind {
    CB_AXIS_CHOICE = 0,     /* one of n values */
    CB_AXIS_INT = 1,        /* low..high, uniform, both included */
    CB_AXIS_LOG_INT = 2,    /* low..high, uniform in log, rounded down; both included */
    CB_AXIS_UNIFORM = 3,    /* [low, high) */
    CB_AXIS_LOG_UNIFORM = 4 /* [low, high), uniform in log */
} cb_axis_kind;

typedef struct cb_axis {
    const char *name;
    cb_axis_kind kind;
    double low, high;
    size_t choices; /* CB_AXIS_CHOICE: how many */
} cb_axis;

/* CB_EARG if the range is empty, not finite, or has a log of a value <= 0. */
CB_API CB_MUST_USE cb_status cb_axis_check(const cb_axis *axis, cb_err *err);
/* The draw of random search: stream (search seed, "search/<name>", trial). Returns the value; for a
 * choice its index. Neither the order of axes nor other axes matter. */
CB_API double cb_axis_draw(const cb_axis *axis, uint64_t search_seed, uint64_t trial);
/* Points of a grid on this axis: choices, or the integers of CB_AXIS_INT; 0: not countable. */
CB_API size_t cb_axis_grid_count(const cb_axis *axis);
/* Point i, below cb_axis_grid_count; for a choice its index. */
CB_API double cb_axis_grid_value(const cb_axis *axis, size_t i);

/* ---- studies ---- */

/* One trial of a study, made on demand. */
typedef struct cb_study_trial {
    cb_trial *trial;  /* owned by the receiver */
    const char *cell; /* texts and settings: borrowed until the next call */
    const char *cell_source;
    int64_t seed;
    int64_t config;
    const cb_trial_setting *settings; /* what a person varies: hidden, rate, ... */
    size_t setting_count;
} cb_study_trial;

typedef struct cb_study_cell {
    const char *name;
    size_t configs; /* settings that it is tried with */
} cb_study_cell;

/* A study as data. The script module makes one from a Lua table; tests make them in C. */
typedef struct cb_study {
    void *context;
    cb_study_info info;
    const cb_task *task;
    size_t count; /* trials: settings x cells x seeds; what `info` says of its list is not read */
    /*
     * How the list is made, for those who must not walk through all of it: settings are its outer
     * loop, cells the middle one, seeds the inner one, and a cell whose settings are used up drops
     * out. cell_count 0: not told.
     */
    const cb_study_cell *cells;
    size_t cell_count, seed_count;
    /* Makes trial i < count; the same i gives the same trial. What is wrong with it is an error,
     * and then *out is all zeros. Asked while others run, a little ahead of them: it should not
     * take long. */
    cb_status (*get)(void *context, size_t i, cb_study_trial *out, cb_err *err);
    int keep_best; /* keep best weights as safetensors beside the database */
    /*
     * Confirmation. When every trial of a cell has come to an end, its `confirm_top` best settings
     * (by the mean validation value over the study's seeds; a setting that did not finish with some
     * seed stands behind those that did with more; ties: the smaller config) are run with
     * `confirm_seeds` further seeds, none of which is a seed of the list above: their test values
     * are of seeds that chose nothing. 0 and 0: none.
     */
    size_t confirm_top, confirm_seeds;
    /* Trial i of the list again, with the k-th fresh seed (k < confirm_seeds). NULL if there are
     * none. */
    cb_status (*confirm)(void *context, size_t i, size_t k, cb_study_trial *out, cb_err *err);
} cb_study;

/* ---- running ---- */

/* How far a run is; all of it is borrowed for the call that tells it. */
typedef struct cb_cell_progress {
    const char *cell;
    int64_t done, running;
    double best_valid; /* NaN: none yet */
} cb_cell_progress;

typedef struct cb_progress {
    cb_study_counts counts;
    int64_t awaited;   /* confirmation trials to come, whose settings are not known yet; they
                          are not in counts */
    int64_t here_done; /* finished by this run */
    double elapsed_seconds;
    double left_seconds; /* estimate from cost and speed so far; NaN while unknown */
    const char *metric;
    const cb_cell_progress *cells; /* in the study's order */
    size_t cell_count;
    const char *note; /* something to say once: a worker that died, a failed trial; or NULL */
    int paused;       /* the run is about to stand still, see cb_sweep_options.pause */
} cb_progress;

typedef enum cb_mix {
    CB_MIX_REFUSE = 0, /* results with other numerics or instruction set exist: CB_EARG, says so */
    CB_MIX_ALLOW = 1,  /* go on; the views show which is which */
    CB_MIX_REDO = 2    /* do those again */
} cb_mix;

typedef struct cb_sweep_options {
    const char *program; /* path of the executable to exec as worker; NULL: /proc/self/exe */
    const char *command; /* command line, for the records */
    size_t jobs;         /* workers; >= 1 */
    cb_mix mix;
    int retry_failed;
    double checkpoint_seconds; /* between two checkpoints of a trial; 0: none are written */
    double hang_seconds;       /* a worker that is silent for so long is killed; 0: never */
    int64_t memory_bytes; /* what the trials at work may take together, as predicted; 0: 9/10 of
                             what is free now, for this process and its control groups */
    void *context;
    /* May be NULL. Called at least every 250 ms and after each trial. */
    void (*progress)(void *context, const cb_progress *progress);
    /* May be NULL. Asked as often as progress is told; 1: running trials write their checkpoints
     * and go back to pending, and the sweep returns CB_ECANCEL. */
    int (*stop)(void *context);
    /* May be NULL. Asked as often; 1: what is finished is committed, the workers are stopped
     * (SIGSTOP), and `suspend` is called, which returns when the run is to go on. No transaction is
     * open meanwhile, and the time does not count. */
    int (*pause)(void *context);
    void (*suspend)(void *context);
} cb_sweep_options;

/*
 * Registers the study's list of trials in the store, window by window ahead of what is claimed, and
 * runs what is pending, its confirmation trials as soon as the list is registered and a cell's best
 * settings are known; returns when nothing is left to do.
 *
 * Trials that fail are recorded and do not stop it; *failed counts those of the study. Whose fault
 * it was decides what follows (cb_cause): the trial's own, then it has failed; its worker crashed,
 * then another worker tries it, and a trial that takes a second one with it, over all runs, is set
 * aside as failed; the machine's, then it is tried once more, and by the next run again.
 * A trial that needs more memory than there is for it alone fails by fault of the machine before it
 * is begun; others wait for those at work.
 *
 * Trials go on from checkpoints in "<database without .db>.checkpoints", a folder that is empty,
 * and goes, when all trials have their results.
 *
 * The store must be open for writing and have no run yet. Errors: CB_EARG (jobs, also where the
 * limit of open files has no room for them; results of other numerics, see cb_mix), what a trial of
 * the study says (at the end: those before it are run), CB_ECANCEL, those of the store, and CB_EIO
 * where workers cannot be started or one trial after another meets a full disk.
 */
CB_API CB_MUST_USE cb_status cb_sweep_run(cb_store *store, const cb_study *study,
                                          const cb_sweep_options *options, int64_t *study_id,
                                          int64_t *failed, cb_err *err);

/* The worker's main loop on a connected socket; returns when the coordinator closes it. */
CB_API CB_MUST_USE cb_status cb_worker_run(int socket, cb_err *err);

/* What the records say about this program and machine; texts are borrowed, valid for ever. */
CB_API void cb_run_info_fill(cb_run_info *out);

#ifdef __cplusplus
}
#endif
#endif
