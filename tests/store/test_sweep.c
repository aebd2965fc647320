/* SPDX-License-Identifier: MIT */
/*
 * Studies run for real: workers, a store, and everything that can go wrong between them. The
 * program is its own worker (`test_sweep worker`) and its own coordinator, for the tests that kill
 * one (`test_sweep coordinate DB JOBS KILL_AFTER CONFIRM_TOP`).
 *
 * It is one file, long as it is, because it is its own worker and coordinator in all of its tests.
 *
 * The yardstick is the dump of an undisturbed run with one worker: all that is about accuracy, with
 * every bit of it. However a study is disturbed, its dump must be the same in the end.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "cellbench/sweep.h"
#include "sweep/plan.h"
#include "sweep/worker.h"

/* ---- the study ---- */

enum { CELLS = 2, CONFIGS = 3, SEEDS = 6, TRIALS = CELLS * CONFIGS * SEEDS, VICTIM_SEED = 3 };
enum { FRESH = 3 }; /* seeds of a confirmation */

static const char task_settings[] = "{\"length\":8,\"train\":40,\"valid\":20,\"test\":20}";
static const char other_settings[] = "{\"length\":9,\"train\":40,\"valid\":20,\"test\":20}";
static const char *const cell_names[CELLS] = {"plain", "gated"};
static const char *const cell_texts[CELLS] = {
    "state h\nh' = tanh(W x + R h + b)\n",
    "state h\nz = sigmoid(W x + R h + b)\nh' = z*h + (1 - z)*tanh(W x + R h + b)\n"};

/* Trial i, in the order config, cell, seed. */
static cb_status study_make(void *context, size_t i, size_t seed, cb_study_trial *out,
                            cb_err *err) {
    static cb_trial_setting setting;
    cb_task *task = context;
    size_t cell = i / SEEDS % CELLS, config = i / SEEDS / CELLS;
    double rate = 0.01 * (double)(config + 1);
    json_t *raw =
        json_pack("{s:{s:s},s:[{s:s,s:s}],s:i,s:{s:f,s:i,s:i},s:i}", "task", "name", "adding",
                  "layers", "name", cell_names[cell], "text", cell_texts[cell], "hidden", 2,
                  "train", "rate", rate, "epochs", 2, "batch", 8, "seed", (int)seed);
    char *text = NULL;
    cb_status st = cbi_json_canonical(&text, raw, err);
    if (st == CB_OK)
        st = cb_trial_create(&out->trial, text, task, err);
    setting = (cb_trial_setting){"rate", {.type = CB_VALUE_REAL, .real = rate}};
    out->cell = cell_names[cell];
    out->cell_source = "";
    out->seed = (int64_t)seed;
    out->config = (int64_t)config;
    out->settings = &setting;
    out->setting_count = 1;
    json_decref(raw);
    cbi_free(text);
    return st;
}

static cb_status study_get(void *context, size_t i, cb_study_trial *out, cb_err *err) {
    return study_make(context, i, i % SEEDS + 1, out, err);
}

/* Seeds behind those of the list. */
static cb_status study_confirm(void *context, size_t i, size_t k, cb_study_trial *out,
                               cb_err *err) {
    return study_make(context, i, SEEDS + 1 + k, out, err);
}

static cb_study tiny_study(cb_task *task) {
    return (cb_study){.context = task,
                      .info = {"tiny", "tiny.lua", "return nil", ""},
                      .task = task,
                      .count = TRIALS,
                      .get = study_get};
}

/* Runs the study on a database; returns what cb_sweep_run does. */
static cb_status run_confirmed(const char *db, const cb_sweep_options *options, int keep_best,
                               size_t confirm_top, int64_t *failed, cb_err *err) {
    cb_store *store = NULL;
    cb_task *task = NULL;
    int64_t id;
    cb_status st;
    *failed = 0;
    if ((st = cb_task_open(&task, "adding", task_settings, err)) == CB_OK &&
        (st = cb_store_open(&store, db, CB_STORE_WRITE, err)) == CB_OK) {
        cb_study study = tiny_study(task);
        study.keep_best = keep_best;
        study.confirm_top = confirm_top;
        study.confirm_seeds = confirm_top > 0 ? FRESH : 0;
        study.confirm = study_confirm;
        st = cb_sweep_run(store, &study, options, &id, failed, err);
    }
    cb_store_close(store);
    cb_task_close(task);
    return st;
}

static cb_status run_study(const char *db, const cb_sweep_options *options, int keep_best,
                           int64_t *failed, cb_err *err) {
    return run_confirmed(db, options, keep_best, 0, failed, err);
}

/* ---- what the tests do while it runs ---- */

typedef struct watcher {
    int64_t kill_self_after;      /* results of this run; 0: never */
    int64_t kill_worker_after[2]; /* likewise; each once */
    int interrupt_workers;        /* send them SIGINT, once */
    int64_t stop_after;           /* 0: never */
    int stop_at_once;
    const char *edit; /* database in which the study gets another list of trials, once */
    cb_progress last;
    int calls, notes, estimates; /* estimates: calls that knew the time left */
    char note[512];
    double best[CELLS];
} watcher;

/* A child of this process; 0: none. */
static pid_t some_child(void) {
    char path[64];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

/* As another process would, whose script of the same name has another task. */
static void edit_study(const char *db) {
    cb_store *store;
    cb_task *task;
    cbi_plan plan = {0};
    int64_t id;
    assert_int_equal(cb_task_open(&task, "adding", other_settings, NULL), CB_OK);
    assert_int_equal(cb_store_open(&store, db, CB_STORE_WRITE, NULL), CB_OK);
    const cb_study study = tiny_study(task);
    assert_int_equal(cbi_plan_register(&plan, store, &study, NULL, NULL, &id, NULL), CB_OK);
    cbi_plan_fini(&plan);
    cb_store_close(store);
    cb_task_close(task);
}

static void watch(void *context, const cb_progress *progress) {
    watcher *w = context;
    w->calls++;
    w->last = *progress;
    w->estimates += progress->left_seconds > 0;
    for (size_t i = 0; i < progress->cell_count && i < CELLS; i++)
        w->best[i] = progress->cells[i].best_valid;
    if (progress->note != NULL) {
        w->notes++;
        snprintf(w->note, sizeof w->note, "%s", progress->note);
    }
    /* Slow enough for several group commits before the end. */
    if (w->kill_self_after > 0)
        usleep(20000);
    if (w->kill_self_after > 0 && progress->here_done >= w->kill_self_after)
        kill(getpid(), SIGKILL);
    for (size_t i = 0; i < 2; i++)
        if (w->kill_worker_after[i] > 0 && progress->here_done >= w->kill_worker_after[i]) {
            w->kill_worker_after[i] = 0;
            assert_true(some_child() > 0);
            kill(some_child(), SIGKILL);
        }
    if (w->edit != NULL && progress->here_done >= 5) {
        edit_study(w->edit);
        w->edit = NULL;
    }
    if (w->interrupt_workers && progress->here_done > 2) {
        w->interrupt_workers = 0;
        assert_true(some_child() > 0);
        kill(some_child(), SIGINT);
    }
}

static int stop_asked(void *context) {
    const watcher *w = context;
    return w->stop_at_once || (w->stop_after > 0 && w->last.here_done >= w->stop_after);
}

static cb_sweep_options options_for(watcher *w, size_t jobs) {
    return (cb_sweep_options){
        .command = "test_sweep", .jobs = jobs, .context = w, .progress = watch, .stop = stop_asked};
}

/* ---- dumps ---- */

static char folder[64];

static const char *path_of(char *buffer, size_t size, const char *name) {
    snprintf(buffer, size, "%s/%s", folder, name);
    return buffer;
}

/* Rows of a query as text, reals with every bit. */
static char *query_text(const char *db, const char *sql) {
    cb_store *store;
    cb_query *query;
    cbi_text text = {0};
    char *out;
    int has_row;
    cb_err err = {0};
    if (cb_store_open(&store, db, CB_STORE_READ, &err) != CB_OK ||
        cb_query_open(&query, store, sql, NULL, 0, &err) != CB_OK)
        fail_msg("%s", err.text);
    for (;;) {
        assert_int_equal(cb_query_next(query, &has_row, &err), CB_OK);
        if (!has_row)
            break;
        for (size_t i = 0; i < cb_query_column_count(query); i++) {
            cb_value value = cb_query_column(query, i);
            if (value.type == CB_VALUE_REAL)
                cbi_text_addf(&text, "%a ", value.real);
            else if (value.type == CB_VALUE_INT)
                cbi_text_addf(&text, "%lld ", (long long)value.integer);
            else if (value.type == CB_VALUE_TEXT)
                cbi_text_addf(&text, "%.*s ", (int)value.length, value.text);
            else
                cbi_text_add(&text, "- ");
        }
        cbi_text_add(&text, "\n");
    }
    cb_query_close(query);
    cb_store_close(store);
    assert_int_equal(cbi_text_take(&text, &out, NULL), CB_OK);
    return out;
}

static int64_t query_number(const char *db, const char *sql) {
    char *text = query_text(db, sql);
    int64_t value = strtoll(text, NULL, 10);
    cbi_free(text);
    return value;
}

static const char dump_sql[] =
    "SELECT t.key, t.seed, t.state, a.epochs, a.best_epoch, a.updates, a.train, a.valid, a.test, "
    "e.epoch, e.split, e.metric, e.value FROM trial AS t "
    "JOIN attempt AS a ON a.attempt_id = t.result_attempt_id "
    "JOIN epoch AS e ON e.attempt_id = a.attempt_id "
    "ORDER BY t.key, e.epoch, e.split, e.metric";

static char *reference; /* dump of the undisturbed run */

static void assert_same_as_reference(const char *db) {
    char *dump = query_text(db, dump_sql);
    assert_string_equal(dump, reference);
    cbi_free(dump);
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'done'"), TRIALS);
    /* Nothing twice, and nothing left over. */
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'done'"), TRIALS);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'running'"), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM epoch AS e JOIN attempt AS a "
                                      "USING (attempt_id) WHERE a.state IN ('returned', 'lost')"),
                     0);
}

static void assert_no_children(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void assert_runs(const char *db, watcher *w, size_t jobs) {
    cb_sweep_options options = options_for(w, jobs);
    int64_t failed;
    cb_err err = {0};
    if (run_study(db, &options, 0, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(failed, 0);
    assert_no_children();
}

/* ---- tests ---- */

static int make_reference(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    snprintf(folder, sizeof folder, "/tmp/test_sweep.XXXXXX");
    assert_non_null(mkdtemp(folder));
    path_of(db, sizeof db, "reference.db");
    assert_runs(db, &w, 1);
    reference = query_text(db, dump_sql);
    assert_same_as_reference(db);
    /* Two epochs: their training and validation values at least, and the test value once. */
    assert_true(query_number(db, "SELECT count(*) FROM epoch") >= 5 * TRIALS);
    assert_int_equal(w.last.here_done, TRIALS);
    assert_int_equal(w.last.counts.done, TRIALS);
    assert_true(w.last.left_seconds == 0);
    assert_true(w.estimates > 0);
    assert_true(isfinite(w.best[0]) && isfinite(w.best[1]));
    assert_true(w.calls >= TRIALS);
    assert_int_equal(w.notes, 0);
    /* Again: there is nothing to do. */
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_int_equal(w.last.here_done, 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    cbi_free(reference);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static void test_two_jobs(void **state) {
    (void)state;
    char db[128];
    watcher w = {.interrupt_workers = 1};
    assert_runs(path_of(db, sizeof db, "two.db"), &w, 2);
    assert_same_as_reference(db);
    /* SIGINT is for the coordinator to decide on: no worker was lost by it. */
    assert_int_equal(w.interrupt_workers, 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
}

static void test_worker_killed(void **state) {
    (void)state;
    char db[128];
    watcher w = {.kill_worker_after = {4, 9}};
    assert_runs(path_of(db, sizeof db, "worker.db"), &w, 2);
    assert_same_as_reference(db);
    assert_int_equal(w.kill_worker_after[0] + w.kill_worker_after[1], 0);
    assert_true(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'returned'") >= 1);
    assert_true(w.notes >= 1);
    assert_non_null(strstr(w.note, "killed by signal 9"));
}

/* Runs this program's other face; KILL_AFTER = 0: to the end. */
/* top: as confirm_top. */
static pid_t start_confirming(const char *db, const char *jobs, int kill_after, const char *top) {
    char after[16];
    snprintf(after, sizeof after, "%d", kill_after);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_sweep", "coordinate", db, jobs, after, top, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static pid_t start_coordinator(const char *db, const char *jobs, int kill_after) {
    return start_confirming(db, jobs, kill_after, "0");
}

static int wait_status(pid_t pid) {
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Orphans of a killed coordinator become children of this process; they must end by themselves. */
static void assert_orphans_end(void) {
    for (int i = 0; i < 500; i++) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0)
            return;
        if (pid == 0)
            usleep(10000);
    }
    fail_msg("workers live on 5 s after their coordinator was killed");
}

static void test_coordinator_killed(void **state) {
    (void)state;
    static const int kill_after[] = {3, 11, 1};
    char db[128];
    path_of(db, sizeof db, "coordinator.db");
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (size_t i = 0; i < sizeof kill_after / sizeof kill_after[0]; i++) {
        int status = wait_status(start_coordinator(db, "2", kill_after[i]));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_orphans_end();
    }
    /* And at a moment that nobody chose. */
    pid_t pid = start_coordinator(db, "2", 0);
    usleep(30000);
    kill(pid, SIGKILL);
    wait_status(pid);
    assert_orphans_end();
    watcher w = {0};
    assert_runs(db, &w, 2);
    assert_same_as_reference(db);
    assert_true(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'lost'") >= 1);
    assert_true(w.last.here_done < TRIALS);
}

static void test_two_coordinators(void **state) {
    (void)state;
    char db[128];
    path_of(db, sizeof db, "both.db");
    pid_t one = start_coordinator(db, "1", 0), two = start_coordinator(db, "1", 0);
    assert_int_equal(wait_status(one), 0);
    assert_int_equal(wait_status(two), 0);
    assert_same_as_reference(db);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
}

/* One of two is killed: the other takes over what it had claimed. */
static void test_one_of_two_killed(void **state) {
    (void)state;
    char db[128];
    path_of(db, sizeof db, "takeover.db");
    pid_t one = start_coordinator(db, "1", 3), two = start_coordinator(db, "1", 0);
    wait_status(one);
    assert_int_equal(wait_status(two), 0);
    assert_orphans_end();
    assert_same_as_reference(db);
}

static void test_stop(void **state) {
    (void)state;
    char db[128];
    watcher w = {.stop_after = 5};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "stop.db");
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_ECANCEL);
    assert_no_children();
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    assert_true(query_number(db, "SELECT count(*) FROM trial WHERE state = 'pending'") > 0);
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_same_as_reference(db);
}

/* Before anything is registered. */
static void test_stop_at_once(void **state) {
    (void)state;
    char db[128];
    watcher w = {.stop_at_once = 1};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    assert_int_equal(run_study(path_of(db, sizeof db, "once.db"), &options, 0, &failed, &err),
                     CB_ECANCEL);
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial"), 0);
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_same_as_reference(db);
}

/* The study is edited while it runs: the run goes on with the new list, task and all. */
static void test_edited_meanwhile(void **state) {
    (void)state;
    static const char listed_sql[] =
        "SELECT count(*) FROM study_trial JOIN trial USING (trial_id) JOIN task USING (task_id) "
        "WHERE retired = 0 AND state = 'done' AND identity LIKE '%\"length\":9%'";
    char db[128];
    watcher w = {.edit = path_of(db, sizeof db, "edited.db")};
    assert_runs(db, &w, 2);
    assert_null(w.edit);
    assert_int_equal(query_number(db, listed_sql), TRIALS);
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    /* Back to the first list: what it had is still there. */
    int64_t before = query_number(db, "SELECT count(*) FROM study_trial WHERE retired = 1 AND "
                                      "trial_id IN (SELECT trial_id FROM trial "
                                      "WHERE state = 'done')");
    assert_true(before >= 5);
    w = (watcher){0};
    assert_runs(db, &w, 2);
    assert_int_equal(w.last.here_done, TRIALS - before);
}

/* ---- trials and workers at fault ---- */

static void run_with_fault(const char *db, const char *fault, watcher *w, int64_t *failed) {
    cb_sweep_options options = options_for(w, 2);
    cb_err err = {0};
    assert_int_equal(setenv("TEST_SWEEP_FAULT", fault, 1), 0);
    if (run_study(db, &options, 0, failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    unsetenv("TEST_SWEEP_FAULT");
    assert_no_children();
}

static void test_failing_trial(void **state) {
    (void)state;
    static const char failed_sql[] =
        "SELECT count(*) FROM trial JOIN attempt ON attempt_id = result_attempt_id "
        "WHERE trial.state = 'failed' AND seed = 3 AND error_text = 'planted: bad specification'";
    char db[128];
    watcher w = {0};
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "fail.db");
    run_with_fault(db, "fail", &w, &failed);
    assert_int_equal(failed, CELLS * CONFIGS);
    assert_int_equal(query_number(db, failed_sql), CELLS * CONFIGS);
    assert_int_equal(w.last.counts.done, TRIALS - CELLS * CONFIGS);
    assert_non_null(strstr(w.note, "planted"));
    /* The same without anybody who looks on. */
    cb_sweep_options blind = {.command = "", .jobs = 2};
    path_of(db, sizeof db, "blind.db");
    assert_int_equal(setenv("TEST_SWEEP_FAULT", "fail", 1), 0);
    assert_int_equal(run_study(db, &blind, 0, &failed, &err), CB_OK);
    unsetenv("TEST_SWEEP_FAULT");
    assert_int_equal(failed, CELLS * CONFIGS);
    /* Failed trials stay so, until someone asks for them. */
    w = (watcher){0};
    cb_sweep_options options = options_for(&w, 1);
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, CELLS * CONFIGS);
    assert_int_equal(w.last.here_done, 0);
    options.retry_failed = 1;
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, 0);
    assert_same_as_reference(db);
}

/* A trial that kills each worker it meets does not go round for ever. */
static void test_deadly_trial(void **state) {
    (void)state;
    static const char failed_sql[] =
        "SELECT count(*) FROM trial JOIN attempt ON attempt_id = result_attempt_id "
        "WHERE trial.state = 'failed' AND seed = 3 AND error_text LIKE '%killed by signal 9%'";
    char db[128];
    watcher w = {0};
    int64_t failed;
    run_with_fault(path_of(db, sizeof db, "deadly.db"), "die", &w, &failed);
    assert_int_equal(failed, CELLS * CONFIGS);
    assert_int_equal(query_number(db, failed_sql), CELLS * CONFIGS);
    assert_int_equal(w.last.counts.done, TRIALS - CELLS * CONFIGS);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'returned'"),
                     CELLS * CONFIGS);
}

/* Likewise one that makes its worker talk nonsense, or say the same row twice. */
static void test_babbling_worker(void **state) {
    (void)state;
    static const char *const faults[] = {"babble", "repeat"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char db[128];
        watcher w = {0};
        int64_t failed;
        run_with_fault(path_of(db, sizeof db, faults[i]), faults[i], &w, &failed);
        assert_int_equal(failed, CELLS * CONFIGS);
        assert_int_equal(w.last.counts.done, TRIALS - CELLS * CONFIGS);
    }
}

static void test_no_worker(void **state) {
    (void)state;
    static const struct {
        const char *program, *expected;
    } cases[] = {{"/nowhere/cellbench", "/nowhere/cellbench"},
                 {"/bin/true", ", before it was ready"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char db[128];
        watcher w = {0};
        cb_sweep_options options = options_for(&w, 1);
        int64_t failed;
        cb_err err = {0};
        options.program = cases[i].program;
        path_of(db, sizeof db, "none.db");
        assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_EIO);
        if (strstr(err.text, cases[i].expected) == NULL)
            fail_msg("expected '%s' in: %s", cases[i].expected, err.text);
        assert_no_children();
        assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state <> 'pending'"),
                         0);
    }
}

static void test_jobs_out_of_range(void **state) {
    (void)state;
    static const size_t jobs[] = {0, 100000};
    for (size_t i = 0; i < 2; i++) {
        char db[128];
        watcher w = {0};
        cb_sweep_options options = options_for(&w, jobs[i]);
        int64_t failed;
        cb_err err = {0};
        assert_int_equal(run_study(path_of(db, sizeof db, "jobs.db"), &options, 0, &failed, &err),
                         CB_EARG);
        assert_non_null(strstr(err.text, "jobs: expected 1 to"));
    }
}

/* ---- weights, numerics ---- */

static void test_keep_best(void **state) {
    (void)state;
    char db[128], path[192], *name, *hash, hex[CBI_SHA256_HEX], *data;
    size_t length;
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "kept.db");
    if (run_study(db, &options, 1, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_same_as_reference(db);
    name = query_text(db, "SELECT weights_file FROM attempt ORDER BY attempt_id LIMIT 1");
    hash = query_text(db, "SELECT weights_sha256 FROM attempt ORDER BY attempt_id LIMIT 1");
    name[strcspn(name, " \n")] = '\0';
    hash[strcspn(hash, " \n")] = '\0';
    assert_int_equal(strncmp(name, "kept.weights/", 13), 0);
    path_of(path, sizeof path, name);
    if (cbi_file_read(&data, &length, path, 1 << 20, &err) != CB_OK)
        fail_msg("%s", err.text);
    cbi_sha256_hex(data, length, hex);
    assert_string_equal(hex, hash);
    assert_int_equal(query_number(db, "SELECT count(DISTINCT weights_file) FROM attempt"), TRIALS);
    cbi_free(data);
    cbi_free(name);
    cbi_free(hash);
}

/* Gives every trial a result of other numerics. */
static void make_other_numerics(const char *db) {
    cb_store *store;
    cb_task *task;
    cbi_plan plan = {0};
    cb_run_info info;
    cb_claim claim;
    int64_t id;
    int got;
    const cb_attempt_result result = {
        .valid = 1, .test = 1, .weights_file = "", .weights_sha256 = "", .error_text = ""};
    assert_int_equal(cb_task_open(&task, "adding", task_settings, NULL), CB_OK);
    assert_int_equal(cb_store_open(&store, db, CB_STORE_WRITE, NULL), CB_OK);
    cb_study study = tiny_study(task);
    cb_run_info_fill(&info);
    info.numerics += 1000;
    assert_int_equal(cb_store_run_begin(store, &info, NULL), CB_OK);
    assert_int_equal(cbi_plan_register(&plan, store, &study, NULL, NULL, &id, NULL), CB_OK);
    assert_int_equal(plan.item_count, TRIALS);
    assert_int_equal(plan.cell_count, CELLS);
    while (assert_int_equal(cb_store_claim(store, id, &claim, &got, NULL), CB_OK), got) {
        assert_non_null(cbi_plan_find(&plan, claim.key));
        assert_int_equal(cb_store_finish(store, &claim, &result, NULL, 0, NULL), CB_OK);
        cb_claim_fini(&claim);
    }
    cbi_plan_fini(&plan);
    cb_store_close(store);
    cb_task_close(task);
}

static void test_mix(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "mix.db");
    make_other_numerics(db);
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_EARG);
    assert_non_null(strstr(err.text, "36 of the 36 trials"));
    options.mix = CB_MIX_ALLOW;
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(w.last.here_done, 0);
    options.mix = CB_MIX_REDO;
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(w.last.here_done, TRIALS);
    assert_int_equal(w.last.counts.other_numerics, 0);
    char *dump = query_text(db, dump_sql);
    assert_string_equal(dump, reference);
    cbi_free(dump);
}

static void test_run_info(void **state) {
    (void)state;
    cb_run_info info, again;
    cb_run_info_fill(&info);
    cb_run_info_fill(&again);
    const char *const texts[] = {info.version, info.compiler, info.blis_version,
                                 info.kernel,  info.cpu,      info.instruction_set,
                                 info.host,    info.system};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_string_not_equal(texts[i], "");
    assert_ptr_equal(info.cpu, again.cpu);
    assert_true(info.cores >= 1 && info.memory_bytes > 0);
    assert_int_equal(info.numerics, CB_NUMERICS);
}

/* ---- other faces of this program ---- */

/* A worker that trains, except for the seed VICTIM_SEED. */
static cb_status faulty_run(void *context, const cbi_job *job, const cb_train_events *events,
                            cb_attempt_result *out, char sha256[CBI_SHA256_HEX], cb_err *err) {
    const char *fault = getenv("TEST_SWEEP_FAULT");
    const cb_epoch_row row = {1, CB_TRAIN, "mse", 1, 0};
    char seed[32];
    snprintf(seed, sizeof seed, "\"seed\":%d,", VICTIM_SEED);
    if (strstr(job->spec, seed) == NULL)
        return cbi_worker_train(context, job, events, out, sha256, err);
    cb_status st = events->row(events->context, &row, err);
    if (strcmp(fault, "die") == 0)
        raise(SIGKILL);
    if (strcmp(fault, "babble") == 0 && write(CBI_WORKER_SOCKET, "babble, babble", 14) < 0)
        return cb_fail(err, CB_EIO, "write");
    if (strcmp(fault, "repeat") == 0)
        st = events->row(events->context, &row, err);
    if (strcmp(fault, "fail") != 0)
        pause(); /* until the coordinator has had enough */
    return st == CB_OK ? cb_fail(err, CB_EARG, "planted: bad specification") : st;
}

static int be_worker(void) {
    cb_err err = {0};
    cbi_task_cache cache = {0};
    cb_status st = getenv("TEST_SWEEP_FAULT") != NULL
                       ? cbi_worker_loop(CBI_WORKER_SOCKET, faulty_run, &cache, &err)
                       : cb_worker_run(CBI_WORKER_SOCKET, &err);
    cbi_task_cache_clear(&cache);
    if (st != CB_OK)
        fprintf(stderr, "worker: %s\n", err.text);
    return st != CB_OK;
}

static int be_coordinator(char **arguments) {
    watcher w = {.kill_self_after = strtol(arguments[2], NULL, 10)};
    cb_sweep_options options = options_for(&w, (size_t)strtol(arguments[1], NULL, 10));
    cb_err err = {0};
    int64_t failed;
    size_t top = (size_t)strtol(arguments[3], NULL, 10);
    cb_status st = run_confirmed(arguments[0], &options, 0, top, &failed, &err);
    if (st != CB_OK)
        fprintf(stderr, "coordinator: %s\n", err.text);
    return st != CB_OK || failed > 0;
}

/* ---- confirmation ---- */

static const char links_sql[] =
    "SELECT s.position, s.config, s.role, s.retired, c.name, t.seed, t.state, t.key, a.test FROM "
    "study_trial AS s JOIN trial AS t USING (trial_id) JOIN cell AS c ON c.cell_id = s.cell_id "
    "JOIN attempt AS a ON a.attempt_id = t.result_attempt_id ORDER BY s.position";

static void assert_confirms(const char *db, watcher *w, size_t jobs, size_t top) {
    cb_sweep_options options = options_for(w, jobs);
    int64_t failed;
    cb_err err = {0};
    if (run_confirmed(db, &options, 0, top, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(failed, 0);
    assert_no_children();
}

static void test_confirm(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    path_of(db, sizeof db, "confirm.db");
    assert_confirms(db, &w, 2, 2);
    assert_int_equal(w.last.here_done, TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(w.last.counts.total + w.last.awaited, TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(w.last.awaited, 0);
    /* The two settings of each cell with the best means, and they alone, with seeds of their own.
     */
    assert_int_equal(query_number(db, "SELECT count(*) FROM study_trial WHERE role = 'confirm'"),
                     CELLS * 2 * FRESH);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM study_trial AS s JOIN trial AS t USING (trial_id) "
                         "JOIN cell AS c ON c.cell_id = s.cell_id JOIN ranking AS r ON "
                         "r.cell = c.name AND r.config = s.config WHERE s.role = 'confirm' AND "
                         "r.place <= 2 AND t.seed BETWEEN 7 AND 9 AND t.state = 'done'"),
        CELLS * 2 * FRESH);
    assert_int_equal(query_number(db, "SELECT count(DISTINCT position) FROM study_trial"),
                     TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM leaderboard WHERE over = 'confirm' AND seeds = 3"),
        CELLS);
    /* Again: nothing to do, nothing changed. */
    char *links = query_text(db, links_sql);
    w = (watcher){0};
    assert_confirms(db, &w, 1, 2);
    assert_int_equal(w.last.here_done, 0);
    char *again = query_text(db, links_sql);
    assert_string_equal(again, links);
    cbi_free(again);
    cbi_free(links);
    /* One setting fewer: its confirmations are retired, their results stay. */
    assert_confirms(db, &w, 1, 1);
    assert_int_equal(query_number(db, "SELECT count(*) FROM study_trial WHERE role = 'confirm' AND "
                                      "retired = 0"),
                     CELLS * FRESH);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS + CELLS * 2 * FRESH);
}

/* Two coordinators, one of them killed, then others: the same trials with the same bits as one
 * alone, and none twice. */
static void test_confirm_disturbed(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    path_of(db, sizeof db, "alone.db");
    assert_confirms(db, &w, 1, 1);
    char *alone = query_text(db, links_sql);
    path_of(db, sizeof db, "disturbed.db");
    pid_t one = start_confirming(db, "1", TRIALS / 2, "1");
    pid_t two = start_confirming(db, "1", 0, "1");
    wait_status(one);
    assert_int_equal(wait_status(two), 0);
    assert_orphans_end();
    char *disturbed = query_text(db, links_sql);
    assert_string_equal(disturbed, alone);
    cbi_free(disturbed);
    /* Killed in the middle of confirming. */
    path_of(db, sizeof db, "killed.db");
    assert_true(WIFSIGNALED(wait_status(start_confirming(db, "1", TRIALS + 2, "1"))));
    assert_orphans_end();
    assert_confirms(db, &w, 2, 1);
    disturbed = query_text(db, links_sql);
    assert_string_equal(disturbed, alone);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'done'"),
                     TRIALS + CELLS * FRESH);
    cbi_free(disturbed);
    cbi_free(alone);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_jobs),
        cmocka_unit_test(test_worker_killed),
        cmocka_unit_test(test_coordinator_killed),
        cmocka_unit_test(test_two_coordinators),
        cmocka_unit_test(test_one_of_two_killed),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_at_once),
        cmocka_unit_test(test_edited_meanwhile),
        cmocka_unit_test(test_failing_trial),
        cmocka_unit_test(test_deadly_trial),
        cmocka_unit_test(test_babbling_worker),
        cmocka_unit_test(test_no_worker),
        cmocka_unit_test(test_jobs_out_of_range),
        cmocka_unit_test(test_keep_best),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_confirm),
        cmocka_unit_test(test_confirm_disturbed),
        cmocka_unit_test(test_run_info),
    };
    if (argc == 2 && strcmp(argv[1], "worker") == 0)
        return be_worker();
    if (argc == 6 && strcmp(argv[1], "coordinate") == 0)
        return be_coordinator(argv + 2);
    return cmocka_run_group_tests(tests, make_reference, remove_folder);
}
