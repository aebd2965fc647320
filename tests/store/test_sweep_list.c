/* SPDX-License-Identifier: MIT */
/* The list of a study: registered lazily, edited, longer than what is run of it. */
#include "store/sweep_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "sweep/list.h"

enum { MANY = 1000000 };

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

/* ---- a list that is longer than what is run of it ---- */

static void count_registered(watcher *w, const cb_progress *progress) {
    (void)w;
    assert_true(progress->counts.trial_count == 0 || progress->counts.trial_count == MANY);
}

/* The tiny study with many settings; its workers do nothing. */
static cb_status run_many(const char *db, size_t count, const cb_sweep_options *options,
                          int64_t *failed, cb_err *err) {
    cb_store *store = NULL;
    cb_task *task = NULL;
    int64_t id;
    fixture_fault("noop");
    cb_status st = cb_task_open(&task, "adding", fixture_task, err);
    if (st == CB_OK && (st = cb_store_open(&store, db, CB_STORE_WRITE, err)) == CB_OK) {
        cb_study study = tiny_study(task);
        study.count = count;
        st = cb_sweep_run(store, &study, options, &id, failed, err);
    }
    cb_store_close(store);
    cb_task_close(task);
    fixture_fault(NULL);
    return st;
}

/* A million trials: the first ones begin at once, it can be stopped and gone on with, and what is
 * not run is not registered. */
static void test_a_million(void **state) {
    (void)state;
    char db[128];
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "million.db");
    for (int64_t run = 1; run <= 2; run++) {
        watcher w = {.stop_after = 20, .more = count_registered};
        const cb_sweep_options options = options_for(&w, 2);
        assert_int_equal(run_many(db, MANY, &options, &failed, &err), CB_ECANCEL);
        assert_no_children();
        assert_true(w.last.here_done >= 20 && w.last.elapsed_seconds < 10);
        assert_int_equal(w.last.counts.total, MANY);
        assert_true(w.last.counts.done >= 20 * run && w.last.counts.running == 0);
        assert_int_equal(w.last.counts.pending, MANY - w.last.counts.done);
    }
    assert_true(query_number(db, "SELECT count(*) FROM trial") < 5000);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'running'"), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM (SELECT trial_id FROM attempt WHERE "
                                      "state = 'done' GROUP BY trial_id HAVING count(*) > 1)"),
                     0);
}

static int64_t resident_kib(void) {
    char line[128];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmRSS: %lld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static int64_t most_kib;

static void look_at_memory(watcher *w, const cb_progress *progress) {
    (void)w;
    if (progress->here_done % 100 == 0 && resident_kib() > most_kib)
        most_kib = resident_kib();
}

/* Memory does not grow with the list: the database's own cache is full long before. */
static void test_memory_is_level(void **state) {
    (void)state;
    static const size_t counts[] = {600, 3600};
    int64_t most[2];
    for (size_t i = 0; i < 2; i++) {
        char db[128];
        watcher w = {.more = look_at_memory};
        const cb_sweep_options options = options_for(&w, 2);
        int64_t failed;
        cb_err err = {0};
        most_kib = 0;
        path_of(db, sizeof db, i == 0 ? "short.db" : "long.db");
        if (run_many(db, counts[i], &options, &failed, &err) != CB_OK)
            fail_msg("%s", err.text);
        assert_int_equal(w.last.counts.done, counts[i]);
        most[i] = most_kib;
    }
    if (most[1] > most[0] + most[0] / 4 + 2048)
        fail_msg("%lld KiB with %zu trials, %lld KiB with %zu", (long long)most[0], counts[0],
                 (long long)most[1], counts[1]);
}

/* More workers than cores, by far. */
static void test_many_workers(void **state) {
    (void)state;
    enum { COUNT = 640 };
    char db[128];
    watcher w = {0};
    const cb_sweep_options options = options_for(&w, 64);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "crowd.db");
    if (run_many(db, COUNT, &options, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_no_children();
    assert_int_equal(w.notes, 0);
    assert_int_equal(w.last.counts.done, COUNT);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), COUNT);
    assert_true(w.most_running <= 64);
}

/* ---- a list with a mistake in it ---- */

enum { MISTAKE = 20 };

static cb_status get_with_mistake(void *context, size_t i, cb_study_trial *out, cb_err *err) {
    if (i < MISTAKE)
        return tiny_study(context).get(context, i, out, err);
    *out = (cb_study_trial){0};
    return cb_fail(err, CB_EARG, "planted: no such size");
}

/* What stands before it is run all the same. */
static void test_mistake_in_the_list(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    const cb_sweep_options options = options_for(&w, 2);
    cb_store *store = NULL;
    cb_task *task = NULL;
    int64_t id, failed;
    cb_err err = {0};
    assert_int_equal(cb_task_open(&task, "adding", fixture_task, NULL), CB_OK);
    assert_int_equal(
        cb_store_open(&store, path_of(db, sizeof db, "mistake.db"), CB_STORE_WRITE, NULL), CB_OK);
    cb_study study = tiny_study(task);
    study.get = get_with_mistake;
    assert_int_equal(cb_sweep_run(store, &study, &options, &id, &failed, &err), CB_EARG);
    cb_store_close(store);
    cb_task_close(task);
    assert_non_null(strstr(err.text, "trial 21 of 36: planted: no such size"));
    assert_non_null(strstr(w.all_notes, "planted: no such size"));
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'done'"), MISTAKE);
    /* Mended, the same study goes on. */
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_int_equal(w.last.here_done, TRIALS - MISTAKE);
    assert_same_as_reference(db);
}

/* ---- results of other numerics ---- */

/* Gives every trial a result of other numerics. */
static void make_other_numerics(const char *db) {
    cb_store *store;
    cb_task *task;
    cbi_list list;
    cb_added added;
    cb_run_info info;
    cb_claim claim;
    int got;
    const cb_attempt_result result = {
        .valid = 1, .test = 1, .weights_file = "", .weights_sha256 = "", .error_text = ""};
    assert_int_equal(cb_task_open(&task, "adding", fixture_task, NULL), CB_OK);
    assert_int_equal(cb_store_open(&store, db, CB_STORE_WRITE, NULL), CB_OK);
    cb_study study = tiny_study(task);
    cb_run_info_fill(&info);
    info.numerics += 1000;
    assert_int_equal(cb_store_run_begin(store, &info, NULL), CB_OK);
    assert_int_equal(cbi_list_init(&list, store, &study, CB_AGAIN_NONE, NULL), CB_OK);
    while (cbi_list_open(&list))
        assert_int_equal(cbi_list_extend(&list, 100, 1000, &added, NULL), CB_OK);
    while (assert_int_equal(cb_store_claim(store, list.study_id, &claim, &got, NULL), CB_OK), got) {
        assert_true(claim.memory_bytes > 0 && claim.cost_flop > 0);
        assert_int_equal(claim.epochs_most, 2);
        assert_int_equal(cb_store_finish(store, &claim, &result, NULL, 0, NULL), CB_OK);
        cb_claim_fini(&claim);
    }
    cbi_list_fini(&list);
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
    assert_same_results(db);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edited_meanwhile),    cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_memory_is_level),     cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_mistake_in_the_list), cmocka_unit_test(test_mix),
    };
    return fixture_main(argc, argv, tests);
}
