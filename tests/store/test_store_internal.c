/* SPDX-License-Identifier: MIT */
/*
 * The store from within: memory that runs out at the n-th allocation, a commit that fails, a run
 * taken over while it lives, checkpoints, and the ways of a network file system.
 */
#include "store/store_fixture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "cellbench/memory.h"
#include "store/store_internal.h"

static cb_store *open_as(const char *path, int is_network, int wait_ms) {
    cb_store *store = NULL;
    must(cbi_store_open_as(&store, path, CB_STORE_WRITE, is_network, wait_ms, err));
    return store;
}

/* ---- memory ---- */

typedef struct failing {
    long countdown; /* allocations until one fails; negative: never */
    long alive;
} failing;

static void *failing_resize(void *context, void *block, size_t size) {
    failing *f = context;
    if (f->countdown >= 0 && f->countdown-- == 0)
        return NULL;
    void *out = realloc(block, size);
    f->alive += out != NULL && block == NULL;
    return out;
}

static void failing_release(void *context, void *block) {
    failing *f = context;
    f->alive -= block != NULL;
    free(block);
}

/* Everything the store does, ending at the first error. */
static cb_status whole_life(const char *path, cb_err *err) {
    cb_store *store = NULL;
    cb_query *query = NULL;
    cb_claim claim = {0};
    cb_epoch_record epochs[FIXTURE_EPOCHS];
    fixture_trial t[2];
    int64_t id = 0, position = 0, requeued = 0;
    int got = 0, has_row = 0;
    cb_study_info info = {.name = "s", .trial_count = 2};
    cb_run_info run = fixture_run(1, "avx2");
    fixture_epochs(epochs);
    fixture_trial_make(&t[0], "m", 0);
    fixture_trial_make(&t[1], "m", 1);
    cb_trial_info infos[] = {t[0].info, t[1].info};
    cb_status st = cb_store_open(&store, path, CB_STORE_WRITE, err);
    if (st == CB_OK)
        st = cb_store_study_begin(store, &info, &id, err);
    if (st == CB_OK)
        st = cb_store_study_add(store, id, 0, infos, 1, CB_AGAIN_MACHINE, NULL, err);
    if (st == CB_OK)
        st = cb_store_study_next(store, id, &position, err);
    if (st == CB_OK)
        st = cb_store_study_add(store, id, position, infos + 1, 1, CB_AGAIN_MACHINE, NULL, err);
    if (st == CB_OK)
        st = cb_store_run_begin(store, &run, err);
    if (st == CB_OK)
        st = cb_store_claim(store, id, &claim, &got, err);
    if (st == CB_OK && got) {
        cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
        st = cb_store_finish(store, &claim, &result, epochs, FIXTURE_EPOCHS, err);
    }
    if (st == CB_OK)
        st = cb_store_commit(store, 1, err);
    fixture_trial_make(&t[0], "fresh", 0);
    infos[0] = t[0].info;
    cb_added added = {0};
    if (st == CB_OK)
        st = cb_store_study_confirm(store, id, 2, infos, 1, CB_AGAIN_FAILED, &added, err);
    if (st == CB_OK)
        assert_int_equal(added.linked, 1);
    cb_study_counts counts;
    if (st == CB_OK)
        st = cb_store_study_count(store, id, &counts, err);
    if (st == CB_OK)
        st = cb_store_study_requeue(store, id, CB_AGAIN_MACHINE, &requeued, err);
    if (st == CB_OK)
        st = cb_query_open(&query, store, "SELECT * FROM leaderboard", NULL, 0, err);
    if (st == CB_OK)
        st = cb_query_next(query, &has_row, err);
    cb_query_close(query);
    cb_claim_fini(&claim);
    cb_store_close(store);
    if (st == CB_OK)
        st = cb_store_open(&store, path, CB_STORE_READ, err);
    if (st == CB_OK)
        cb_store_close(store);
    return st;
}

/* Whatever was there when memory ran out is whole: opened and finished, every trial is done once.
 */
static void expect_whole(const char *path) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_WRITE, err));
    fixture_run_begin(store);
    fixture_work(store, 1, 100, CB_ATTEMPT_DONE);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                " integrity_check <> 'ok'"),
                     0);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state <> 'done'"), 0);
    assert_int_equal(ask(store, "SELECT (SELECT count(*) FROM attempt WHERE state = 'done') -"
                                " (SELECT count(*) FROM trial)"),
                     0);
    assert_int_equal(ask(store, "SELECT (SELECT count(*) FROM epoch) - 10 * count(*) FROM trial"),
                     0);
    cb_store_close(store);
    expect_no_litter(path);
}

static void test_memory_runs_out(void **state) {
    enum { MOST = 1000 };
    const fixture *f = *state;
    failing memory = {.countdown = -1};
    const cb_allocator allocator = {failing_resize, failing_release, &memory};
    int n = 0;
    cb_status st = CB_ENOMEM;
    for (; st != CB_OK && n < MOST; n++) {
        cb_err error = {0};
        char path[128];
        snprintf(path, sizeof path, "%s/%d.db", f->folder, n);
        memory.countdown = n;
        cb_memory_set(&allocator);
        st = whole_life(path, &error);
        cb_memory_set(NULL);
        if (memory.alive != 0 || (st != CB_OK && (st != CB_ENOMEM || error.text[0] == '\0')))
            fail_msg("allocation %d: %s (%s), %ld blocks left", n, cb_status_name(st), error.text,
                     memory.alive);
        expect_whole(path);
    }
    assert_true(n > 20 && n < MOST);
}

/* ---- commits ---- */

/* While another holds the database, commits and claims fail with CB_EBUSY; the queue stays and is
 * written later. */
static void test_commit_fails_and_keeps(void **state) {
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20), *other = open_as(f->path, 0, 20);
    int64_t id = fixture_study(store, "s", "a", 0, 3);
    cb_claim claim, none;
    cb_err error = {0};
    int got = 1;
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim));
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    must(cbi_store_begin(other, err));
    assert_int_equal(cb_store_commit(store, 1, &error), CB_EBUSY);
    assert_non_null(strstr(error.text, f->path));
    assert_true(cb_store_commit_due_ms(store) >= 0);
    assert_int_equal(cb_store_claim(store, id, &none, &got, NULL), CB_EBUSY);
    assert_int_equal(got, 0);
    assert_null(none.spec);
    must(cbi_store_end(other, CB_OK, err));
    must(cb_store_commit(store, 1, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), 1);
    cb_claim_fini(&claim);
    cb_store_close(other);
    cb_store_close(store);
}

/* A transaction that ends with an error leaves nothing. */
static void test_rollback(void **state) {
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20);
    must(cbi_store_begin(store, err));
    must(cbi_store_exec(store,
                        "INSERT INTO task (name, identity_sha256, identity, data_sha256)"
                        " VALUES ('a', 'b', 'c', 'd')",
                        err));
    assert_int_equal(cbi_store_end(store, CB_EDATA, NULL), CB_EDATA);
    assert_int_equal(ask(store, "SELECT count(*) FROM task"), 0);
    cb_store_close(store);
}

/* A run whose claims were taken over must not write them; what is still its own it does write. */
static void test_taken_over_alive(void **state) {
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 1000), *thief = open_as(f->path, 0, 1000);
    int64_t id = fixture_study(store, "s", "a", 0, 2);
    cb_claim claim, stolen;
    cb_err error = {0};
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim));
    cbi_lock_drop(&store->lock, CBI_LOCK_RUN + store->run_id);
    fixture_run_begin(thief);
    assert_true(fixture_claim(thief, id, &stolen));
    assert_int_equal(stolen.trial_id, claim.trial_id);
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    assert_int_equal(cb_store_commit(store, 1, &error), CB_EBUSY);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
    fixture_finish(thief, &stolen, CB_ATTEMPT_DONE);
    must(cb_store_commit(thief, 1, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'lost'"), 1);
    cb_claim_fini(&claim);
    cb_claim_fini(&stolen);
    cb_store_close(thief);
    cb_store_close(store);
}

/* ---- what a file may do to its readers ---- */

/* The file's own views hide nothing and hold nobody up. */
static void test_hostile_views(void **state) {
    static const char sql[] =
        "DROP VIEW leaderboard; DROP VIEW study_1;"
        "CREATE VIEW leaderboard AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c)"
        " SELECT i AS cell FROM c;"
        "CREATE VIEW study_1 AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c)"
        " SELECT max(i) AS trial FROM c";
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20);
    cb_query *query = NULL;
    sqlite3 *db = NULL;
    cb_err error = {0};
    int has_row = 1;
    fixture_study(store, "s", "a", 0, 4);
    cb_store_close(store);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);

    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    cbi_store_limit_steps(store, 10000000, INT64_MAX);
    assert_int_equal(ask(store, "SELECT count(*) FROM leaderboard"), 2);
    must(cb_query_open(&query, store, "SELECT * FROM study_1", NULL, 0, err));
    assert_int_equal(cb_query_next(query, &has_row, &error), CB_ESTORE);
    assert_int_equal(has_row, 0);
    assert_non_null(strstr(error.text, "takes too long"));
    cb_query_close(query);
    /* What a person asks may take as long as it likes. */
    assert_int_equal(ask(store, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
                                " WHERE i < 1000000) SELECT max(i) FROM c"),
                     1000000);
    cb_store_close(store);
}

/* A table that is a view, or not there. */
static void test_hostile_tables(void **state) {
    static const char *const sql[] = {
        "ALTER TABLE trial RENAME TO t2; CREATE VIEW trial AS SELECT *"
        " FROM t2",
        "DROP TABLE timing"};
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        char path[128];
        cb_store *store = NULL;
        sqlite3 *db = NULL;
        cb_err error = {0};
        snprintf(path, sizeof path, "%s/%zu.db", f->folder, i);
        cb_store_close(open_as(path, 0, 20));
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA legacy_alter_table = ON", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        for (int mode = 0; mode < 2; mode++) {
            assert_int_equal(cb_store_open(&store, path, (cb_store_mode)mode, &error), CB_ESTORE);
            assert_non_null(strstr(error.text, "11 of its 12 tables"));
        }
    }
}

/* ---- cost ---- */

/* What a claim costs does not grow with what is done. */
static void test_claims_stay_cheap(void **state) {
    enum { TRIALS = 2000, STEPS_MOST = 1500 };
    static const cbi_statement_id claims[] = {
        CBI_SQL_CLAIM_NEXT,     CBI_SQL_CLAIM_BACK,  CBI_SQL_CLAIM_LOAD, CBI_SQL_CLAIM_FINISHED,
        CBI_SQL_CLAIM_ATTEMPT,  CBI_SQL_CLAIM_TRIAL, CBI_SQL_RUN_OTHERS, CBI_SQL_RUN_STUDY,
        CBI_SQL_FINISH_ATTEMPT, CBI_SQL_FINISH_TRIAL};
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20);
    cb_claim claim;
    int64_t id = fixture_study(store, "s", "a", 0, TRIALS);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, TRIALS - 2, CB_ATTEMPT_DONE), TRIALS - 2);
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        sqlite3_stmt *s;
        must(cbi_store_statement(store, claims[i], &s, err));
        sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 1);
    }
    assert_int_equal(fixture_work(store, id, 1, CB_ATTEMPT_DONE), 1);
    assert_true(fixture_claim(store, id, &claim));
    fixture_finish(store, &claim, CB_ATTEMPT_RETURNED);
    must(cb_store_commit(store, 1, err));
    cb_claim_fini(&claim);
    store->claim_position = TRIALS; /* so that it is looked for from the other side */
    assert_true(fixture_claim(store, id, &claim));
    cb_claim_fini(&claim);
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        int steps = sqlite3_stmt_status(store->statement[claims[i]], SQLITE_STMTSTATUS_VM_STEP, 0);
        if (steps > STEPS_MOST)
            fail_msg("statement %d: %d steps", (int)claims[i], steps);
    }
    cb_store_close(store);
}

/* ---- locks and checkpoints ---- */

static void test_locks(void **state) {
    const fixture *f = *state;
    cbi_lock a, b;
    must(cbi_lock_open(&a, f->path, 0, err));
    must(cbi_lock_open(&b, f->path, 0, err));
    must(cbi_lock_take(&a, CBI_LOCK_CHECKPOINT, CBI_LOCK_SHARED, 0, err));
    must(cbi_lock_take(&b, CBI_LOCK_CHECKPOINT, CBI_LOCK_SHARED, 0, err));
    assert_int_equal(cbi_lock_take(&b, CBI_LOCK_CHECKPOINT, CBI_LOCK_EXCLUSIVE, 5, NULL), CB_EBUSY);
    cbi_lock_drop(&a, CBI_LOCK_CHECKPOINT);
    must(cbi_lock_take(&b, CBI_LOCK_CHECKPOINT, CBI_LOCK_EXCLUSIVE, 0, err));
    assert_int_equal(cbi_lock_take(&a, CBI_LOCK_CHECKPOINT, CBI_LOCK_SHARED, 0, NULL), CB_EBUSY);
    must(cbi_lock_take(&a, CBI_LOCK_RUN + 7, CBI_LOCK_EXCLUSIVE, 0, err));
    assert_true(cbi_lock_is_held(&b, CBI_LOCK_RUN + 7));
    assert_false(cbi_lock_is_held(&b, CBI_LOCK_RUN + 8));
    cbi_lock_close(&a);
    assert_false(cbi_lock_is_held(&b, CBI_LOCK_RUN + 7));
    assert_true(file_exists(f->path, ".lock"));
    cbi_lock_close(&b);
    assert_false(file_exists(f->path, ".lock"));
    cbi_lock_close(&b);
}

static void test_checkpoint_waits_for_writers(void **state) {
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20), *other = open_as(f->path, 0, 20);
    fixture_study(store, "s", "a", 0, 50);
    assert_true(store->wal_pages > 0);
    assert_true(store->is_wal);
    int pages = store->wal_pages;
    must(cbi_lock_take(&other->lock, CBI_LOCK_CHECKPOINT, CBI_LOCK_SHARED, 0, err));
    cbi_store_checkpoint(store, 0);
    assert_int_equal(store->wal_pages, pages);
    cbi_lock_drop(&other->lock, CBI_LOCK_CHECKPOINT);
    cbi_store_checkpoint(store, pages);
    assert_int_equal(store->wal_pages, pages); /* not long enough yet */
    cbi_store_checkpoint(store, 0);
    assert_int_equal(store->wal_pages, 0);
    struct stat info;
    char log[128];
    snprintf(log, sizeof log, "%s-wal", f->path);
    assert_int_equal(stat(log, &info), 0);
    assert_int_equal(info.st_size, 0);
    cb_store_close(other);
    cb_store_close(store);
}

static void test_settings_of_connection(void **state) {
    const fixture *f = *state;
    cb_store *store = open_as(f->path, 0, 20);
    static const struct {
        const char *sql;
        int64_t value;
    } settings[] = {{"PRAGMA foreign_keys", 1},
                    {"PRAGMA synchronous", 2},
                    {"PRAGMA trusted_schema", 0},
                    {"PRAGMA wal_autocheckpoint", 0},
                    {"PRAGMA application_id", CBI_STORE_APPLICATION_ID},
                    {"PRAGMA user_version", CBI_STORE_VERSION}};
    int64_t id = fixture_study(store, "s", "a", 0, 2);
    cb_claim claim;
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim)); /* which relaxes one of them for a moment */
    cb_claim_fini(&claim);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int64_t value = -1;
        must(cbi_store_integer(store, store->db, settings[i].sql, &value, err));
        if (value != settings[i].value)
            fail_msg("%s: expected %ld, got %ld", settings[i].sql, (long)settings[i].value,
                     (long)value);
    }
    /* A row that refers to nothing is refused, and so is a wrong type. */
    assert_int_equal(cbi_store_exec(store,
                                    "INSERT INTO attempt (trial_id, run_id, number, state,"
                                    " numerics, instruction_set, started_utc) VALUES (99, 1,"
                                    " 1, 'running', 1, '', '')",
                                    NULL),
                     CB_ESTORE);
    assert_int_equal(cbi_store_exec(store, "UPDATE trial SET seed = 'one'", NULL), CB_ESTORE);
    assert_int_equal(cbi_store_exec(store, "UPDATE trial SET state = 'odd'", NULL), CB_ESTORE);
    cb_store_close(store);
}

/* ---- a network file system ---- */

static void test_network(void **state) {
    const fixture *f = *state;
    cb_err error = {0};
    cb_store *store = open_as(f->path, 1, 20), *other = (cb_store *)1;
    assert_false(store->is_wal);
    int64_t id = fixture_study(store, "s", "a", 0, 4);
    fixture_run_begin(store);
    assert_int_equal(cbi_store_open_as(&other, f->path, CB_STORE_WRITE, 1, 20, &error), CB_EBUSY);
    assert_null(other);
    assert_non_null(strstr(error.text, "network"));
    assert_int_equal(fixture_work(store, id, 4, CB_ATTEMPT_DONE), 4);
    assert_false(file_exists(f->path, "-wal"));
    cb_store_close(store);
    assert_false(file_exists(f->path, "-journal"));
    assert_false(file_exists(f->path, ".lock"));
    /* Moved to a local disk it gets its log, and back again it loses it. */
    store = open_as(f->path, 0, 20);
    assert_true(store->is_wal);
    cb_store_close(store);
    store = open_as(f->path, 1, 20);
    assert_false(store->is_wal);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), 4);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_memory_runs_out),
        CASE(test_commit_fails_and_keeps),
        CASE(test_rollback),
        CASE(test_taken_over_alive),
        CASE(test_hostile_views),
        CASE(test_hostile_tables),
        CASE(test_claims_stay_cheap),
        CASE(test_locks),
        CASE(test_checkpoint_waits_for_writers),
        CASE(test_settings_of_connection),
        CASE(test_network),
    };
    return cmocka_run_group_tests_name("store_internal", tests, NULL, NULL);
}
