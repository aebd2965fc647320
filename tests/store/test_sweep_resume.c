/* SPDX-License-Identifier: MIT */
/* Trials that take a while: checkpoints, and runs that stand still. */
#include "store/sweep_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cellbench/store.h"

static char *undisturbed;

/* ---- a study of two trials of about a second ---- */

static const char long_dump[] =
    "SELECT t.key, t.state, a.epochs, a.best_epoch, a.updates, a.train, a.valid, a.test, e.epoch, "
    "e.split, e.metric, e.value FROM trial AS t JOIN attempt AS a ON a.attempt_id = "
    "t.result_attempt_id JOIN epoch AS e ON e.attempt_id = a.attempt_id ORDER BY t.key, e.epoch, "
    "e.split, e.metric";

static void assert_undisturbed(const char *db) {
    char *dump = query_text(db, long_dump);
    assert_string_equal(dump, undisturbed);
    cbi_free(dump);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'done'"), 2);
}

/* How many files of `length` letters the folder of checkpoints holds; 0: of any; -1: there is no
 * folder. */
static int files_of(const char *db, size_t length) {
    const struct dirent *entry;
    char path[160];
    int count = 0;
    snprintf(path, sizeof path, "%.*s.checkpoints", (int)strlen(db) - 3, db);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.' && (length == 0 || strlen(entry->d_name) == length);
    closedir(folder);
    return count;
}

static int checkpoints_of(const char *db) {
    return files_of(db, 64);
}

static void assert_no_checkpoints(const char *db) {
    assert_int_equal(files_of(db, 0), -1);
}

static cb_sweep_options long_options(watcher *w, size_t jobs) {
    cb_sweep_options options = options_for(w, jobs);
    options.checkpoint_seconds = LONG_CHECKPOINT;
    return options;
}

static cb_status run_long(const char *db, const cb_sweep_options *options) {
    int64_t failed;
    cb_err err = {0};
    cb_status st = run_study(db, options, 0, &failed, &err);
    if (st != CB_OK && st != CB_ECANCEL)
        fail_msg("%s", err.text);
    assert_int_equal(failed, 0);
    assert_no_children();
    return st;
}

static void assert_goes_on(const char *db) {
    watcher w = {0};
    const cb_sweep_options options = long_options(&w, 2);
    assert_int_equal(run_long(db, &options), CB_OK);
    assert_undisturbed(db);
    assert_true(query_number(db, "SELECT sum(resumed_epochs) FROM attempt") > 0);
    assert_no_checkpoints(db);
}

/* Whether both trials have written a checkpoint; the first comes after some epochs, also where the
 * machine is busy. */
static int both_saved(const char *db) {
    return checkpoints_of(db) >= 2;
}

/* ---- kills and stops ---- */

static void test_coordinator_killed(void **state) {
    char db[128];
    (void)state;
    path_of(db, sizeof db, "coordinator.db");
    pid_t pid = start_coordinator(db, "2", 0);
    for (int i = 0; i < 2000 && !both_saved(db); i++)
        usleep(5000);
    assert_true(both_saved(db));
    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(wait_status(pid)));
    assert_orphans_end();
    assert_goes_on(db);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'lost'"), 2);
}

/* Kills the worker when its trial has written a checkpoint and has not ended: it is held, and what
 * it has said till then is given time to be written down, which takes the checkpoint away. */
static void *kill_when_saved(void *db) {
    enum { POLLS = 40000, POLL_US = 1000, WRITTEN_DOWN_US = 500000 };
    for (int i = 0; i < POLLS; i++) {
        const pid_t worker = checkpoints_of(db) > 0 ? some_child() : 0;
        usleep(POLL_US);
        if (worker <= 0)
            continue;
        kill(worker, SIGSTOP);
        usleep(WRITTEN_DOWN_US);
        const int is_at_work = checkpoints_of(db) > 0;
        kill(worker, is_at_work ? SIGKILL : SIGCONT);
        if (is_at_work)
            break;
    }
    return NULL;
}

/* The same run goes on from the checkpoint, with another worker. */
static void test_worker_killed(void **state) {
    char db[128];
    (void)state;
    watcher w = {0};
    pthread_t killer;
    const cb_sweep_options options = long_options(&w, 1);
    path_of(db, sizeof db, "worker.db");
    assert_int_equal(pthread_create(&killer, NULL, kill_when_saved, db), 0);
    assert_int_equal(run_long(db, &options), CB_OK);
    assert_int_equal(pthread_join(killer, NULL), 0);
    assert_non_null(strstr(w.all_notes, "killed by signal 9"));
    assert_undisturbed(db);
    assert_true(query_number(db, "SELECT sum(resumed_epochs) FROM attempt") > 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'returned' AND "
                                      "cause = 'machine'"),
                     1);
    assert_no_checkpoints(db);
}

static int stop_when_running(void *context) {
    const watcher *w = context;
    return w->estimates > 0; /* which need an epoch that has ended */
}

/* Stopped before a checkpoint was due: the workers write one all the same. */
static void test_stopped(void **state) {
    char db[128];
    (void)state;
    watcher w = {0};
    cb_sweep_options options = long_options(&w, 2);
    path_of(db, sizeof db, "stopped.db");
    options.checkpoint_seconds = 3600;
    options.stop = stop_when_running;
    assert_int_equal(run_long(db, &options), CB_ECANCEL);
    assert_int_equal(checkpoints_of(db), 2);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'returned'"), 2);
    assert_goes_on(db);
}

/* What others left behind goes, and what is not ours stays. */
static void test_leftovers(void **state) {
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char db[128], path[320];
    (void)state;
    watcher w = {0};
    const cb_sweep_options options = long_options(&w, 2);
    path_of(db, sizeof db, "left.db");
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%.*s.checkpoints", (int)strlen(db) - 3, db);
        char command[800];
        snprintf(command, sizeof command, "mkdir -p '%s' && touch '%s/%s%s'", path, path,
                 i == 2 ? "mine" : key, i == 1 ? ".half" : "");
        assert_int_equal(system(command), 0);
    }
    assert_int_equal(run_long(db, &options), CB_OK);
    assert_undisturbed(db);
    assert_int_equal(files_of(db, 0), 1);
}

static void test_half_weights(void **state) {
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char db[128], command[1200], half[320], mine[320];
    int64_t failed;
    (void)state;
    watcher w = {0};
    const cb_sweep_options options = options_for(&w, 1);
    path_of(db, sizeof db, "half.db");
    snprintf(half, sizeof half, "%.*s.weights/%s.safetensors.tmp-0", (int)strlen(db) - 3, db, key);
    snprintf(mine, sizeof mine, "%.*s.weights/mine.tmp-0", (int)strlen(db) - 3, db);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\" && touch '%s' '%s'", half, half,
             mine);
    assert_int_equal(system(command), 0);
    assert_int_equal(run_study(db, &options, 1, &failed, NULL), CB_OK);
    assert_int_not_equal(access(half, F_OK), 0);
    assert_int_equal(access(mine, F_OK), 0);
}

/* ---- standing still ---- */

enum { PAUSE_MS = 1500 };

typedef struct pausing {
    watcher w; /* first: watch gets it */
    const char *db;
    int asked, suspended, seen_paused;
} pausing;

static void watch_paused(void *context, const cb_progress *progress) {
    pausing *p = context;
    p->seen_paused |= progress->paused;
    watch(context, progress);
}

static int pause_when_running(void *context) {
    pausing *p = context;
    if (p->asked || p->w.last.elapsed_seconds < 0.3)
        return 0;
    p->asked = 1;
    return 1;
}

static char state_of(pid_t pid) {
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return '?';
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    fclose(file);
    return state;
}

/* Workers stand, others can write, and everybody can see that the run is paused. */
static void stand(void *context) {
    pausing *p = context;
    cb_store *other;
    int64_t count;
    int paused = 0;
    p->suspended = 1;
    assert_int_equal(p->seen_paused, 1);
    usleep(1000 * PAUSE_MS / 2);
    assert_int_equal(state_of(some_child()), 'T');
    assert_int_equal(cb_store_open(&other, p->db, CB_STORE_WRITE, NULL), CB_OK);
    assert_int_equal(cb_store_study_requeue(other, 1, CB_AGAIN_FAILED, &count, NULL), CB_OK);
    assert_int_equal(cb_store_run_paused(other, 1, &paused, NULL), CB_OK);
    assert_int_equal(paused, 1);
    cb_store_close(other);
    usleep(1000 * PAUSE_MS / 2);
}

/* The time in which it stood does not count for anybody. */
static void test_pause(void **state) {
    char db[128];
    (void)state;
    pausing p = {.db = path_of(db, sizeof db, "paused.db")};
    cb_sweep_options options = long_options(&p.w, 2);
    options.context = &p;
    options.progress = watch_paused;
    options.pause = pause_when_running;
    options.suspend = stand;
    options.hang_seconds = 1.2;
    const double begun = (double)time(NULL);
    assert_int_equal(run_long(db, &options), CB_OK);
    assert_int_equal(p.suspended, 1);
    assert_int_equal(p.w.notes, 0);
    const double took = (double)time(NULL) - begun + 1, own = took - PAUSE_MS / 1e3;
    assert_true(p.w.last.elapsed_seconds <= own + 0.1);
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM attempt WHERE wall_seconds < %f", own);
    assert_int_equal(query_number(db, sql), 2);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM epoch WHERE seconds > %f",
             PAUSE_MS / 1e3 - 0.1);
    assert_int_equal(query_number(db, sql), 0);
    assert_undisturbed(db);
}

static int setup(void **state) {
    char db[128];
    watcher w = {0};
    if (fixture_setup(state) != 0)
        return -1;
    assert_int_equal(setenv("TEST_SWEEP_LONG", "1", 1), 0);
    const cb_sweep_options options = long_options(&w, 1);
    path_of(db, sizeof db, "undisturbed.db");
    assert_int_equal(run_long(db, &options), CB_OK);
    assert_no_checkpoints(db);
    assert_int_equal(query_number(db, "SELECT sum(resumed_epochs) FROM attempt"), 0);
    undisturbed = query_text(db, long_dump);
    return 0;
}

static int teardown(void **state) {
    cbi_free(undisturbed);
    return fixture_teardown(state);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_killed),
        cmocka_unit_test(test_worker_killed),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_half_weights),
        cmocka_unit_test(test_pause),
    };
    int status;
    if (fixture_face(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, setup, teardown);
}
