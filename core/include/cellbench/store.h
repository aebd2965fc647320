/* SPDX-License-Identifier: MIT */
/*
 * The store: one SQLite file that holds studies, trials, attempts, learning curves and timings.
 * The schema, with a comment for every table and column, is core/store/schema.sql; its views are
 * in views.sql there.
 *
 * Several processes may work on one file at once. Each opens it for writing, begins a run, claims
 * trials one by one, and writes only what belongs to its own claims, in short transactions. A run
 * lives as long as the kernel holds its lock on its byte of "<path>.lock" (an open file
 * description lock: dropped at kill -9, not inherited over exec). Claims of dead runs go back to
 * pending when another run claims.
 *
 * An open store, with its queries, belongs to one thread. All functions that touch the file may
 * return CB_EBUSY (locked by another process for longer than they wait), CB_EIO (disk full, say),
 * CB_ESTORE (what SQLite reports) and CB_ENOMEM; what was committed before stays. Texts that are
 * given are copied, or not needed any more when the function returns.
 */
#ifndef CELLBENCH_STORE_H
#define CELLBENCH_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_store cb_store;

typedef enum cb_store_mode {
    CB_STORE_READ = 0, /* must exist; the file is not changed */
    CB_STORE_WRITE = 1 /* created, with its schema, if it does not exist */
} cb_store_mode;

/*
 * Opens a database. CB_ESTORE if the file is no SQLite database, belongs to another program
 * (application_id), or has a newer schema than this program knows: it is then left untouched, byte
 * for byte. CB_EIO with the path if the folder or file cannot be opened or written.
 */
CB_API CB_MUST_USE cb_status cb_store_open(cb_store **out, const char *path, cb_store_mode mode,
                                           cb_err *err);
/* Writes what is queued, ends the run if there is one, and leaves no -wal file behind if nobody
 * else has the database open. NULL is allowed. */
CB_API void cb_store_close(cb_store *store);
/* As it was given to cb_store_open; borrowed until close. */
CB_API const char *cb_store_path(const cb_store *store);

/* ---- a study: a name and a list of trials ---- */

/*
 * The list of a study is given anew at each run, as an edition, and lazily: a window of trials at a
 * time, ahead of the claims, so that a list of a million begins at once and no process holds it.
 *
 *     cb_store_study_begin(store, &info, &study_id, err)
 *     while (cb_store_study_next(store, study_id, &position, err) == CB_OK && position >= 0
 *            && position < trial_count)
 *         cb_store_study_add(store, study_id, position, window, n, again, &added, err)
 *
 * An edition is complete when all of its positions are registered. Then trials of earlier editions
 * that are not in it are marked retired in this study (their results stay). Until then they stay
 * in the views; claims only take trials of the present edition.
 */
typedef struct cb_study_info {
    const char *name;
    const char *script_path; /* as given by the user; may be "" */
    const char *script;      /* its text */
    const char *git_commit;  /* of the folder of the script; "" if none; "+dirty" appended */
    int64_t trial_count;     /* length of its list; 0: complete at once */
    const char *first_key;   /* of the first trial; "" if there is none: a script may give another
                                list than before, of other data say */
    const char *reproduces;  /* what its paper published (reproduction.h), as JSON; NULL: nothing */
} cb_study_info;

/* Inserts the study or, if its name exists, replaces its script, and begins a new edition of its
 * list; or joins the present one, if another run that lives works on it with the same script, count
 * and first key. */
CB_API CB_MUST_USE cb_status cb_store_study_begin(cb_store *store, const cb_study_info *info,
                                                  int64_t *study_id, cb_err *err);
/* The first position that is not registered yet in the edition that this store has begun or joined;
 * trial_count if it is complete; -1 if the study has got another list since, from another process:
 * there is then nothing to add for this one. */
CB_API CB_MUST_USE cb_status cb_store_study_next(cb_store *store, int64_t study_id,
                                                 int64_t *position, cb_err *err);

/* A value of a column or of a setting, with SQLite's own types. */
typedef enum cb_value_type {
    CB_VALUE_NULL = 0,
    CB_VALUE_INT = 1,
    CB_VALUE_REAL = 2,
    CB_VALUE_TEXT = 3
} cb_value_type;

typedef struct cb_value {
    cb_value_type type;
    int64_t integer;
    double real;
    const char *text; /* not necessarily terminated: length bytes */
    size_t length;
} cb_value;

typedef struct cb_trial_setting {
    const char *name; /* [a-z][a-z0-9_]{0,31} */
    cb_value value;
} cb_trial_setting;

/* A trial as a study lists it; what identifies it, and what people look for. */
typedef struct cb_trial_info {
    const char *key;           /* 64 hex digits */
    const char *spec;          /* canonical JSON of the resolved specification */
    const char *task_open;     /* JSON of all task settings, paths included: to open it again */
    const char *cell;          /* name in the study */
    const char *cell_text;     /* expanded */
    const char *cell_source;   /* paper, or "" */
    const char *task;          /* name */
    const char *task_identity; /* canonical JSON */
    const char *data_sha256;   /* "" for generated tasks */
    const char *metric;        /* deciding metric */
    int64_t seed;
    int64_t config; /* number of the setting within the study; seeds share it */
    int64_t hidden, param_count;
    /* Predicted, for progress and for what runs at once; they are no part of what identifies it. */
    double cost_flop; /* operations of all its epochs, at most */
    int64_t epochs_most;
    int64_t memory_bytes; /* of a worker that runs it */
    const cb_trial_setting *settings;
    size_t setting_count;
} cb_trial_info;

/* Which trials with an end are run again; each includes those before it. Earlier attempts stay in
 * the records. */
typedef enum cb_again {
    CB_AGAIN_NONE = 0,
    CB_AGAIN_MACHINE = 1, /* that failed with CB_CAUSE_MACHINE */
    CB_AGAIN_FAILED = 2,  /* all that failed; crashes of their workers are counted from 0 again */
    CB_AGAIN_OTHER = 3    /* done or diverged with other numerics or another instruction set than
                             those of the current run, which must have begun */
} cb_again;

typedef struct cb_added {
    int64_t linked;         /* trials that are new in this edition */
    int64_t requeued;       /* of those, put back to pending */
    int64_t other_numerics; /* of those, with results that CB_AGAIN_OTHER would do again, and not
                               put back; 0 without a run */
} cb_added;

/*
 * Registers n trials of the list, from `position` on, in one transaction. A trial whose key exists
 * (from this or another study) is linked, not repeated; one that the list names twice keeps its
 * first place. Positions that are registered are left as they are, so that two processes may add
 * the same window; if the study has got another list since (cb_store_study_next), nothing is done.
 * `again` says what is run again of the trials that are new in this edition. CB_EARG if positions
 * before this one are missing, if there are more trials than the list has, if a text is not what it
 * should be, or if two cells of the list have the same key: one result cannot stand for two.
 * `added` may be NULL.
 */
CB_API CB_MUST_USE cb_status cb_store_study_add(cb_store *store, int64_t study_id, int64_t position,
                                                const cb_trial_info *trials, size_t n,
                                                cb_again again, cb_added *added, cb_err *err);

/* Adds n confirmation trials to the study's present edition, behind its list: they are claimed,
 * counted and retired like the others, with the role `confirm`, at places from `position` on (at
 * least trial_count). One that the edition has already stays as it is; nothing is done if the study
 * has got another list since. Any process may do this, and several the same. */
CB_API CB_MUST_USE cb_status cb_store_study_confirm(cb_store *store, int64_t study_id,
                                                    int64_t position, const cb_trial_info *trials,
                                                    size_t n, cb_again again, cb_added *added,
                                                    cb_err *err);

/* Counts are of the present edition. What it has not registered yet counts as it was at the same
 * place of the list in the last edition, and else as pending. */
typedef struct cb_study_counts {
    int64_t total, pending, running, done, diverged, failed;
    int64_t other_numerics; /* done or diverged with other numerics or another instruction set than
                               those of the current run */
    int64_t trial_count;    /* length of the list; total also has confirmations, and counts a trial
                               that the list names twice once */
    int64_t unregistered;   /* positions of the list that are not registered yet */
    double left_flop;       /* predicted cost of what is pending or running; of what is not known
                               yet, the mean of the others */
} cb_study_counts;
CB_API CB_MUST_USE cb_status cb_store_study_count(cb_store *store, int64_t study_id,
                                                  cb_study_counts *out, cb_err *err);
/* Puts trials of the study back to pending, those of earlier editions that are not retired
 * included. */
CB_API CB_MUST_USE cb_status cb_store_study_requeue(cb_store *store, int64_t study_id,
                                                    cb_again again, int64_t *count, cb_err *err);

/* ---- a run: one coordinator process ---- */

typedef struct cb_run_info {
    const char *command;    /* command line */
    const char *version;    /* of cellbench */
    const char *git_commit; /* of the build */
    const char *compiler, *flags, *blis_version, *kernel, *instruction_set;
    const char *cpu;           /* model name */
    const char *host, *system; /* host name; kernel and distribution */
    int64_t cores, memory_bytes, numerics, jobs;
    int denormals_flushed;
} cb_run_info;

/* Takes the run's lock and inserts the machine (once) and the run. One run per open store. */
CB_API CB_MUST_USE cb_status cb_store_run_begin(cb_store *store, const cb_run_info *info,
                                                cb_err *err);

/* *alive: 1 while the process of that run holds its lock, be the store open for reading or for
 * writing, and this store's own run included. */
CB_API CB_MUST_USE cb_status cb_store_run_alive(const cb_store *store, int64_t run_id, int *alive,
                                                cb_err *err);

/* Tells other processes that this store's run is paused (1), or goes on (0). It is a lock too: a
 * run that dies is not paused any more. Does nothing without a run. */
CB_API void cb_store_run_pause(cb_store *store, int paused);
/* *paused: 1 while that run is alive and says that it is paused. */
CB_API CB_MUST_USE cb_status cb_store_run_paused(const cb_store *store, int64_t run_id, int *paused,
                                                 cb_err *err);

typedef struct cb_claim {
    int64_t trial_id, attempt_id;
    int64_t position, config; /* in the study */
    int64_t epochs_most, memory_bytes;
    double cost_flop;
    int64_t worker_crashes; /* earlier attempts, of any run, that ended with CB_CAUSE_WORKER; those
                               before CB_AGAIN_FAILED was asked for do not count */
    int64_t machine_failures; /* earlier attempts of this run that ended with CB_CAUSE_MACHINE */
    char key[65];
    char *spec;      /* owned; freed by cb_claim_fini */
    char *task_open; /* owned */
    char *cell;      /* owned; its name in the study */
} cb_claim;

/* Claims the next pending trial of the study's present edition, in list order; *got = 0 if there is
 * none now. Claims of dead runs are taken back first. Committed before it returns. */
CB_API CB_MUST_USE cb_status cb_store_claim(cb_store *store, int64_t study_id, cb_claim *out,
                                            int *got, cb_err *err);
/* Frees the texts; the attempt itself is ended by cb_store_finish. A claim of zeros is allowed. */
CB_API void cb_claim_fini(cb_claim *claim);

typedef struct cb_epoch_record {
    int64_t epoch;
    const char *split; /* "train", "valid", "test" */
    const char *metric;
    double value; /* not finite: stored as NULL */
    double seconds;
} cb_epoch_record;

typedef enum cb_attempt_end {
    CB_ATTEMPT_DONE = 0,
    CB_ATTEMPT_DIVERGED = 1,
    CB_ATTEMPT_FAILED = 2,  /* error_text says why; the trial is failed */
    CB_ATTEMPT_RETURNED = 3 /* stopped or lost with its worker: the trial is pending again */
} cb_attempt_end;

/* Whose fault it is that an attempt has no result. */
typedef enum cb_cause {
    CB_CAUSE_NONE = 0,
    CB_CAUSE_TRIAL = 1,  /* its own error */
    CB_CAUSE_WORKER = 2, /* its worker crashed, hung or spoke nonsense */
    CB_CAUSE_MACHINE = 3 /* killed from outside; no memory, disk full, input/output error */
} cb_cause;

typedef struct cb_attempt_result {
    cb_attempt_end end;
    cb_cause cause; /* of CB_ATTEMPT_FAILED and CB_ATTEMPT_RETURNED */
    int64_t epochs, best_epoch, updates;
    int64_t resumed_epochs; /* taken over from a checkpoint of an earlier attempt */
    double train, valid, test, valid_error, test_error; /* NaN: stored as NULL */
    double wall_seconds, cpu_seconds, flop;
    const char *weights_file, *weights_sha256; /* "" if not kept */
    const char *error_text;                    /* "" if none */
} cb_attempt_result;

/*
 * The end of an attempt with all its epoch rows: queued, then written in one transaction together
 * with what else arrived within 50 ms (group commit), so that results and curve of a trial appear
 * at once or not at all. Texts are copied.
 */
CB_API CB_MUST_USE cb_status cb_store_finish(cb_store *store, const cb_claim *claim,
                                             const cb_attempt_result *result,
                                             const cb_epoch_record *epochs, size_t epoch_count,
                                             cb_err *err);
/* Commits the queue if its oldest entry is 50 ms old, or at once if force. If the commit fails the
 * queue stays as it is, to be tried again. An entry whose attempt is no longer open in this run
 * (taken over, or ended otherwise) is dropped: the others are written, and CB_EBUSY says so, with
 * nothing left in the queue. The same end given twice is written once and is no error. */
CB_API CB_MUST_USE cb_status cb_store_commit(cb_store *store, int force, cb_err *err);
/* Milliseconds until cb_store_commit should be called; -1 if nothing is queued. */
CB_API int cb_store_commit_due_ms(const cb_store *store);

/* ---- timings ---- */

/* One sample: a row of the table timing, whose columns the names are. Texts that have few values
 * are checked by the schema. */
typedef struct cb_timing {
    const char *cell, *cell_text, *cell_source; /* the text expanded; source may be "" */
    const char *engine, *version, *kernel;
    const char *inputs, *phase, *part, *clock;
    int64_t steps, batch, input, hidden, layers, frames;
    int64_t jobs, sample, repeats, duration_ns;
    double flop, peak_flop_per_s; /* not finite: stored as NULL */
} cb_timing;

/* Writes n samples of this store's run in one transaction: all of them or none. CB_EARG without a
 * run, and for what the table does not take: a value out of range, or a sample that its series has
 * already. */
CB_API CB_MUST_USE cb_status cb_store_timing(cb_store *store, const cb_timing *samples, size_t n,
                                             cb_err *err);

/* ---- reading ---- */

typedef struct cb_query cb_query;

/* Prepares one read-only statement (a statement that would write, several statements, and wrong SQL
 * are CB_EARG) and binds n values to ?1 ... ?n, of which it must have exactly n. Close queries
 * before their store: one that is left open keeps the files of the database open. */
CB_API CB_MUST_USE cb_status cb_query_open(cb_query **out, cb_store *store, const char *sql,
                                           const cb_value *values, size_t n, cb_err *err);
/* Steps to the next row; *has_row = 0 behind the last one, or on an error. */
CB_API CB_MUST_USE cb_status cb_query_next(cb_query *query, int *has_row, cb_err *err);
CB_API size_t cb_query_column_count(const cb_query *query);
/* "" if there is no such column; borrowed until close. */
CB_API const char *cb_query_column_name(const cb_query *query, size_t column);
/* Of the current row, counted from 0; CB_VALUE_NULL if there is no such column. Texts are borrowed
 * until the next call of cb_query_next. */
CB_API cb_value cb_query_column(const cb_query *query, size_t column);
/* NULL is allowed. */
CB_API void cb_query_close(cb_query *query);

/* ---- merging ---- */

/* A trial that two databases have finished with the same numerics and instruction set, and other
 * numbers. Texts are borrowed for the call that tells it. */
typedef struct cb_merge_conflict {
    int64_t trial_id; /* in the database that is merged into */
    const char *cell;
    int64_t seed;
    double valid, test;             /* there; they stay */
    double other_valid, other_test; /* in the one that is read */
} cb_merge_conflict;

typedef struct cb_merge_options {
    void *context;
    void (*conflict)(void *context, const cb_merge_conflict *conflict); /* may be NULL */
} cb_merge_options;

typedef struct cb_merge_counts {
    int64_t studies, trials, runs, attempts, timings; /* that are new */
    int64_t renamed;                                  /* of the studies, under another name */
    int64_t known;                                    /* attempts that were there already */
    int64_t equal;           /* results that another run had found too, the same to the last bit */
    int64_t conflicts;       /* that it had found with other numbers */
    int64_t at_work;         /* results left out, because a run of this database is at the trial */
    int64_t weights;         /* files of weights copied */
    int64_t weights_missing; /* not found, or not what their hash says: left out */
} cb_merge_counts;

/*
 * Takes over what `from` (open for reading) holds and `store` (open for writing) does not, in one
 * transaction. Things are the same by what they are, not by their numbers: trials by their keys,
 * runs by their identities, attempts by trial, run and number, cells by name and text, tasks by
 * what decides their data, timings by what their series and sample is. Doing it again changes
 * nothing; a copy of a database at work may be merged again when it is further.
 *
 * What was running in `from` comes in as lost. A result that is there already stays; one that
 * differs from it is a conflict, told, and everything else is merged all the same. A study of the
 * same name with another script, or with another list from the same script, comes in as
 * "name [8 hexadecimal digits]". Files of weights are copied beside the database, if their hashes
 * are right.
 *
 * CB_ESTORE if `from` holds what cannot be: texts whose hashes are wrong, values that the schema
 * does not allow. Then, and on every other error, nothing is changed.
 */
CB_API CB_MUST_USE cb_status cb_store_merge(cb_store *store, cb_store *from,
                                            const cb_merge_options *options,
                                            cb_merge_counts *counts, cb_err *err);

/* CREATE statements of the schema, its views last, with their comments. */
CB_API const char *cb_store_schema(void);

#ifdef __cplusplus
}
#endif
#endif
