/* SPDX-License-Identifier: MIT */
/* The tiny study, its runs, and the other faces of the programs that test them. */
#include "store/sweep_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "sweep/job.h"
#include "sweep/list.h"

/* ---- the study ---- */

const char fixture_task[] = "{\"length\":8,\"train\":40,\"valid\":20,\"test\":20}";
static const char long_task[] = "{\"length\":40,\"train\":400,\"valid\":100,\"test\":100}";
const char fixture_other_task[] = "{\"length\":9,\"train\":40,\"valid\":20,\"test\":20}";
static const char *const cell_names[CELLS] = {"plain", "gated"};
static const char *const cell_texts[CELLS] = {
    "state h\nh' = tanh(W x + R h + b)\n",
    "state h\nz = sigmoid(W x + R h + b)\nh' = z*h + (1 - z)*tanh(W x + R h + b)\n"};

enum { LONG_EPOCHS = 500 };

static int is_long(void) {
    return getenv("TEST_SWEEP_LONG") != NULL;
}

/* Trial i, in the order config, cell, seed. */
static cb_status study_make(void *context, size_t i, size_t seed, cb_study_trial *out,
                            cb_err *err) {
    static cb_trial_setting setting;
    cb_task *task = context;
    size_t cell = i / SEEDS % CELLS, config = i / SEEDS / CELLS;
    double rate = 0.01 * (double)(config + 1);
    json_t *raw = json_pack("{s:{s:s},s:[{s:s,s:s}],s:i,s:{s:f,s:i,s:i},s:i}", "task", "name",
                            "adding", "layers", "name", cell_names[cell], "text", cell_texts[cell],
                            "hidden", is_long() ? 8 : 2, "train", "rate", rate, "epochs",
                            is_long() ? LONG_EPOCHS : 2, "batch", 8, "seed", (int)seed);
    char *text = NULL;
    cb_status st =
        raw != NULL ? cbi_json_canonical(&text, raw, err) : cb_fail(err, CB_ENOMEM, "no memory");
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

cb_study tiny_study(cb_task *task) {
    return (cb_study){.context = task,
                      .info = {"tiny", "tiny.lua", "return nil", ""},
                      .task = task,
                      .count = is_long() ? 2 : TRIALS,
                      .get = study_get};
}

/* Runs the study on a database; returns what cb_sweep_run does. */
cb_status run_confirmed(const char *db, const cb_sweep_options *options, int keep_best,
                        size_t confirm_top, int64_t *failed, cb_err *err) {
    cb_store *store = NULL;
    cb_task *task = NULL;
    int64_t id;
    cb_status st;
    *failed = 0;
    if ((st = cb_task_open(&task, "adding", is_long() ? long_task : fixture_task, err)) == CB_OK &&
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

cb_status run_study(const char *db, const cb_sweep_options *options, int keep_best, int64_t *failed,
                    cb_err *err) {
    return run_confirmed(db, options, keep_best, 0, failed, err);
}

/* ---- what the tests do while it runs ---- */

static int list_children(pid_t *first) {
    char path[64];
    int pid = 0, count = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    *first = 0;
    if (file == NULL)
        return 0;
    for (; fscanf(file, "%d", &pid) == 1; count++)
        if (count == 0)
            *first = pid;
    fclose(file);
    return count;
}

pid_t some_child(void) {
    pid_t first;
    list_children(&first);
    return first;
}

int count_children(void) {
    pid_t first;
    return list_children(&first);
}

/* As another process would, whose script of the same name has another task. */
static void edit_study(const char *db) {
    cb_store *store;
    cb_task *task;
    cbi_list list;
    cb_added added;
    cb_err err = {0};
    assert_int_equal(cb_task_open(&task, "adding", fixture_other_task, NULL), CB_OK);
    assert_int_equal(cb_store_open(&store, db, CB_STORE_WRITE, NULL), CB_OK);
    const cb_study study = tiny_study(task);
    if (cbi_list_init(&list, store, &study, CB_AGAIN_NONE, &err) != CB_OK)
        fail_msg("%s", err.text);
    while (cbi_list_open(&list))
        if (cbi_list_extend(&list, 10, 1000, &added, &err) != CB_OK)
            fail_msg("%s", err.text);
    assert_false(list.superseded || list.broken);
    cbi_list_fini(&list);
    cb_store_close(store);
    cb_task_close(task);
}

void watch(void *context, const cb_progress *progress) {
    watcher *w = context;
    w->calls++;
    w->last = *progress;
    w->estimates += progress->left_seconds > 0;
    for (size_t i = 0; i < progress->cell_count && i < CELLS; i++)
        w->best[i] = progress->cells[i].best_valid;
    if (progress->note != NULL) {
        const size_t used = strlen(w->all_notes);
        w->notes++;
        snprintf(w->note, sizeof w->note, "%s", progress->note);
        snprintf(w->all_notes + used, sizeof w->all_notes - used, "%s\n", progress->note);
    }
    if (count_children() > w->most_children)
        w->most_children = count_children();
    if (progress->counts.running > w->most_running)
        w->most_running = progress->counts.running;
    if (w->more != NULL)
        w->more(w, progress);
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
        kill(some_child(), SIGTERM);
        kill(some_child(), SIGHUP);
        kill(some_child(), SIGTSTP);
    }
}

static int stop_asked(void *context) {
    const watcher *w = context;
    return w->stop_at_once || (w->stop_after_note && w->notes > 0) ||
           (w->stop_after > 0 && w->last.here_done >= w->stop_after);
}

cb_sweep_options options_for(watcher *w, size_t jobs) {
    return (cb_sweep_options){
        .command = "test_sweep", .jobs = jobs, .context = w, .progress = watch, .stop = stop_asked};
}

/* ---- databases ---- */

static char folder[64];

const char *path_of(char *buffer, size_t size, const char *name) {
    snprintf(buffer, size, "%s/%s", folder, name);
    return buffer;
}

/* Rows of a query as text, reals with every bit. */
char *query_text(const char *db, const char *sql) {
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

int64_t query_number(const char *db, const char *sql) {
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

void assert_same_results(const char *db) {
    char *dump = query_text(db, dump_sql);
    assert_string_equal(dump, reference);
    cbi_free(dump);
}

void assert_same_as_reference(const char *db) {
    assert_same_results(db);
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'done'"), TRIALS);
    /* Nothing twice, and nothing left over. */
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'done'"), TRIALS);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'running'"), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM epoch AS e JOIN attempt AS a "
                                      "USING (attempt_id) WHERE a.state IN ('returned', 'lost')"),
                     0);
}

void assert_no_children(void) {
    pid_t got = waitpid(-1, NULL, WNOHANG);
#if defined(__SANITIZE_ADDRESS__)
    /* At its end a worker looks for leaks with the help of a child, which stops it for that; if it
     * is killed then, because it takes too long to end, that child dies with it and becomes ours.
     */
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int tries = 0; got >= 0 && tries < 500; tries++) {
        nanosleep(&pause, NULL);
        got = waitpid(-1, NULL, WNOHANG);
    }
#endif
    assert_int_equal(got, -1);
}

void assert_runs(const char *db, watcher *w, size_t jobs) {
    cb_sweep_options options = options_for(w, jobs);
    int64_t failed;
    cb_err err = {0};
    if (run_study(db, &options, 0, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(failed, 0);
    assert_no_children();
}

/* ---- processes ---- */

pid_t start_confirming(const char *db, const char *jobs, int kill_after, const char *top) {
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

pid_t start_coordinator(const char *db, const char *jobs, int kill_after) {
    return start_confirming(db, jobs, kill_after, "0");
}

int wait_status(pid_t pid) {
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Orphans of a killed coordinator become children of this process; they must end by themselves. */
void assert_orphans_end(void) {
    for (int i = 0; i < 500; i++) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0)
            return;
        if (pid == 0)
            usleep(10000);
    }
    fail_msg("workers live on 5 s after their coordinator was killed");
}

void fixture_fault(const char *fault) {
    if (fault == NULL)
        unsetenv("TEST_SWEEP_FAULT");
    else
        assert_int_equal(setenv("TEST_SWEEP_FAULT", fault, 1), 0);
}

int fixture_setup(void **state) {
    char db[128];
    watcher w = {0};
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_sweep.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    path_of(db, sizeof db, "reference.db");
    assert_runs(db, &w, 1);
    reference = query_text(db, dump_sql);
    assert_same_as_reference(db);
    return 0;
}

int fixture_teardown(void **state) {
    char command[128];
    (void)state;
    cbi_free(reference);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

/* ---- other faces of the program ---- */

/* What a worker does at a trial of VICTIM_SEED instead of training it. */
static cb_status be_at_fault(const char *fault, const cb_train_events *events, cb_err *err) {
    const cb_epoch_row row = {1, CB_TRAIN, "mse", 1, 0};
    cb_status st = events->row(events->context, &row, err);
    if (strcmp(fault, "fail") == 0)
        return cb_fail(err, CB_EARG, "planted: bad specification");
    if (strcmp(fault, "memory") == 0)
        return cb_fail(err, CB_ENOMEM, "planted: no memory");
    if (strcmp(fault, "disk") == 0 || strcmp(fault, "full") == 0)
        return cb_fail(err, CB_EIO, "planted: no space left");
    if (strcmp(fault, "die") == 0)
        raise(SIGKILL);
    if (strcmp(fault, "crash") == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer has a handler */
        raise(SIGSEGV);
    }
    if (strcmp(fault, "babble") == 0 && write(CBI_WORKER_SOCKET, "babble, babble", 14) < 0)
        return cb_fail(err, CB_EIO, "write");
    if (strcmp(fault, "repeat") == 0)
        st = events->row(events->context, &row, err);
    if (st == CB_OK)
        for (;;)
            pause(); /* until the coordinator has had enough */
    return st;
}

static cb_status faulty_run(void *context, const cbi_job *job, const cb_train_events *events,
                            cbi_outcome *out, cb_err *err) {
    const char *fault = getenv("TEST_SWEEP_FAULT");
    char seed[32];
    if (strcmp(fault, "noop") == 0) {
        out->end.result.valid = out->end.result.test = 1;
        return CB_OK;
    }
    snprintf(seed, sizeof seed, "\"seed\":%d,", VICTIM_SEED);
    if (strcmp(fault, "silent") == 0 && strstr(job->spec, "\"rate\":0.01,") == NULL)
        return cbi_job_train(context, job, events, out, err);
    const int spared = strcmp(fault, "full") != 0 && strstr(job->spec, seed) == NULL;
    return spared ? cbi_job_train(context, job, events, out, err) : be_at_fault(fault, events, err);
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
    options.checkpoint_seconds = is_long() ? LONG_CHECKPOINT : 0;
    cb_status st = run_confirmed(arguments[0], &options, 0, top, &failed, &err);
    if (st != CB_OK)
        fprintf(stderr, "coordinator: %s\n", err.text);
    return st != CB_OK || failed > 0;
}

int fixture_status;

int fixture_face(int argc, char **argv, int *status) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0)
        *status = be_worker();
    else if (argc == 6 && strcmp(argv[1], "coordinate") == 0)
        *status = be_coordinator(argv + 2);
    else
        return 0;
    return 1;
}
