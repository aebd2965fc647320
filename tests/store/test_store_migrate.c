/* SPDX-License-Identifier: MIT */
/*
 * Migrations, from within: the steps themselves; and databases of each earlier version, which must
 * come out as a new one is made, with what they held.
 */
#include "store/store_fixture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "faults.h"
#include "store/store_internal.h"

static cb_store *open_as(const char *path, int is_network, int wait_ms) {
    cb_store *store = NULL;
    must(cbi_store_open_as(&store, path, CB_STORE_WRITE, is_network, wait_ms, err));
    return store;
}

static int64_t version_of(cb_store *store) {
    int64_t version = -1;
    must(cbi_store_integer(store, store->db, "PRAGMA user_version", &version, err));
    return version;
}

static void test_migrate(void **state) {
    static const char *const good[] = {NULL,
                                       NULL,
                                       NULL,
                                       NULL,
                                       NULL,
                                       "ALTER TABLE study ADD COLUMN note TEXT",
                                       "UPDATE study SET note = 'migrated'"};
    static const char *const bad[] = {NULL,
                                      NULL,
                                      NULL,
                                      NULL,
                                      NULL,
                                      "ALTER TABLE study ADD COLUMN lost TEXT",
                                      "UPDATE no_such_table SET a = 1"};
    const fixture *f = *state;
    cb_err error = {0};
    cb_store *store = open_as(f->path, 0, 20), *other = open_as(f->path, 0, 20);
    fixture_study(store, "s", "a", 0, 1);
    must(cbi_store_begin(store, err));
    cb_status st = cbi_store_migrate(store, good, CBI_STORE_VERSION, CBI_STORE_VERSION + 2, &error);
    assert_int_equal(cbi_store_end(store, st, NULL), CB_EBUSY);
    assert_non_null(strstr(error.text, "another process has it open"));
    cb_store_close(other);

    /* A step that fails undoes those before it. */
    must(cbi_store_begin(store, err));
    st = cbi_store_migrate(store, bad, CBI_STORE_VERSION, CBI_STORE_VERSION + 2, NULL);
    assert_int_equal(cbi_store_end(store, st, NULL), CB_ESTORE);
    assert_int_equal(version_of(store), CBI_STORE_VERSION);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pragma_table_info('study') WHERE name = 'lost'"), 0);

    must(cbi_store_begin(store, err));
    st = cbi_store_migrate(store, good, CBI_STORE_VERSION, CBI_STORE_VERSION + 2, NULL);
    must(cbi_store_end(store, st, err));
    assert_int_equal(version_of(store), CBI_STORE_VERSION + 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM study WHERE note = 'migrated'"), 1);
    cb_store_close(store);

    /* It is now newer than this program knows. */
    assert_int_equal(cb_store_open(&store, f->path, CB_STORE_WRITE, &error), CB_ESTORE);
    assert_non_null(strstr(error.text, "newer"));
}

#define KEY_1 "0000000000000000000000000000000000000000000000000000000000000001"

/* An earlier version: its schema, and what came with it that the database below is to hold too. */
typedef struct earlier {
    const char *schema, *more;
} earlier;

/* clang-format off */
#define RUN(id)                                                                                    \
    "INSERT INTO run (run_id, machine_id, command, version, git_commit, compiler, flags,"          \
    " blis_version, kernel, numerics, jobs, denormals_flushed, state, started_utc, ended_utc)"     \
    " VALUES (" #id ", 1, 'run', '0', '', '', '', '', '', 1, 1, 1, 'ended', 'then', 'then');"
#define TIMING(sample)                                                                             \
    "INSERT INTO timing (run_id, cell_id, steps, batch, input, hidden, layers, phase, kernel,"     \
    " jobs, sample, repeats, duration_ns, flop) VALUES (1, 1, 10, 2, 3, 4, 1, 'train', 'k', 1,"    \
    " " #sample ", 5, 1000, 1e6);"

#define TIMING_4(sample)                                                                           \
    "INSERT INTO timing (run_id, cell_id, engine, version, kernel, steps, batch, input, hidden,"   \
    " layers, frames, inputs, phase, part, jobs, clock, sample, repeats, duration_ns, flop)"       \
    " VALUES (1, 1, 'cellbench', '0', 'k', 10, 2, 3, 4, 1, 20, 'normal', 'train', 'all', 1,"       \
    " 'cpu', " #sample ", 5, 1000, 1e6);"

static const earlier versions[] = {
    {SCHEMA_1, RUN(2) "PRAGMA user_version = 1"},
    {SCHEMA_2, RUN(2) TIMING(0) TIMING(1) "PRAGMA user_version = 2"},
    {SCHEMA_3, "UPDATE run SET identity = '0123456789abcdef0123456789abcdef';" RUN(2)
               "UPDATE run SET identity = 'fedcba9876543210fedcba9876543210' WHERE run_id = 2;"
               "UPDATE study SET trial_count = 1, registered = 1;"
               TIMING(0) TIMING(1) "PRAGMA user_version = 3"},
    {SCHEMA_4, "UPDATE run SET identity = '0123456789abcdef0123456789abcdef';" RUN(2)
               "UPDATE run SET identity = 'fedcba9876543210fedcba9876543210' WHERE run_id = 2;"
               "UPDATE study SET trial_count = 1, registered = 1;"
               TIMING_4(0) TIMING_4(1) "PRAGMA user_version = 4"},
};
/* clang-format on */
enum { VERSIONS = sizeof versions / sizeof *versions };

/* A database as an earlier version made it, with a study and a result. */
static void make_version(const char *path, const earlier *version) {
    char *schema = NULL, *message = NULL;
    size_t length = 0;
    sqlite3 *db = NULL;
    must(cbi_file_read(&schema, &length, version->schema, 1 << 20, err));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const char *const steps[] = {
        schema,
        "PRAGMA application_id = 1128418883;"
        "INSERT INTO study (study_id, name, script_path, script, git_commit, edition, created_utc,"
        " updated_utc) VALUES (1, 's', 's.lua', '-- script', '', 1, 'then', 'then');"
        "INSERT INTO cell VALUES (1, 'gru', 'aa', 'state h', '');"
        "INSERT INTO task VALUES (1, 'adding', 'bb', '{}', '');"
        "INSERT INTO machine VALUES (1, 'host', 'cpu', 'avx2', 2, 1, 'linux')",
        RUN(1),
        "PRAGMA foreign_keys = 0;"
        "INSERT INTO trial (trial_id, key, cell_id, task_id, metric, seed, hidden, param_count,"
        " state, result_attempt_id, attempt_count, created_utc)"
        " VALUES (1, '" KEY_1 "', 1, 1, 'mse', 1, 16, 1000, 'done', 1, 1, 'then');"
        "INSERT INTO specification VALUES (1, '{}', '{}');"
        "INSERT INTO attempt (attempt_id, trial_id, run_id, number, state, numerics,"
        " instruction_set, started_utc, ended_utc, epochs, valid, test, wall_seconds)"
        " VALUES (1, 1, 1, 1, 'done', 1, 'avx2', 'then', 'then', 10, 0.5, 0.25, 2);"
        "INSERT INTO study_trial (study_id, trial_id, position, config, cell_id, edition,"
        " retired) VALUES (1, 1, 0, 1, 1, 1, 0);"
        "INSERT INTO setting VALUES (1, 1, 'rate', 'real', NULL, 0.5, NULL);"
        "CREATE VIEW study_1 AS SELECT st.config AS \"config\" FROM study_trial AS st",
        version->more};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (sqlite3_exec(db, steps[i], NULL, NULL, &message) != SQLITE_OK)
            fail_msg("step %zu: %s", i, message);
    sqlite3_close(db);
    cbi_free(schema);
}

/* All columns of all tables, and the text of the views: what a program can tell of a schema. */
static char *schema_of(const char *path) {
    static const char sql[] =
        "SELECT group_concat(piece, char(10)) FROM (SELECT m.name || ' ' || p.name || ' ' || p.type"
        " || p.\"notnull\" || p.pk || coalesce(p.dflt_value, '') AS piece FROM sqlite_master AS m"
        " JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' UNION ALL SELECT sql FROM"
        " sqlite_master WHERE type IN ('view', 'index') AND name NOT LIKE 'study\\__%' ESCAPE '\\'"
        " AND sql IS NOT NULL ORDER BY 1)";
    cb_store *store = NULL;
    cb_query *query = NULL;
    int has_row = 0;
    must(cb_store_open(&store, path, CB_STORE_READ, err));
    must(cb_query_open(&query, store, sql, NULL, 0, err));
    must(cb_query_next(query, &has_row, err));
    cb_value value = cb_query_column(query, 0);
    char *text = cbi_strndup(value.text, value.length);
    cb_query_close(query);
    cb_store_close(store);
    assert_non_null(text);
    return text;
}

/* What was in the database is there, in the present version, and work goes on. */
static void expect_migrated(cb_store *store, int timings) {
    const struct {
        const char *sql;
        int64_t value;
    } facts[] = {
        {"SELECT count(*) FROM timing WHERE engine = 'cellbench' AND version = '0' AND frames = 20"
         " AND inputs = 'normal' AND part = 'all' AND clock = 'cpu' AND repeats = 5 AND"
         " peak_flop_per_s IS NULL",
         timings},
        {"SELECT count(*) FROM speed WHERE n = 2 AND ms = 0.0002", timings / 2},
        {"SELECT count(*) FROM study_trial WHERE role = 'first'", 1},
        {"SELECT count(*) FROM leaderboard WHERE cell = 'gru' AND test = 0.25 AND over = 'study'"
         " AND seeds = 1",
         1},
        {"SELECT count(*) FROM setting WHERE real = 0.5", 1},
        {"SELECT count(*) FROM study WHERE trial_count = 1 AND registered = 1", 1},
        {"SELECT count(*) FROM study WHERE reproduces = ''", 1},
        {"SELECT count(*) FROM progress WHERE study = 's' AND trials = 1 AND done = 1", 1},
        {"SELECT count(DISTINCT identity) FROM run WHERE length(identity) = 32 AND identity"
         " NOT GLOB '*[^0-9a-f]*'",
         2},
        {"SELECT count(*) FROM attempt WHERE cause = '' AND resumed_epochs = 0", 1},
        {"SELECT count(*) FROM pragma_foreign_key_check", 0},
    };
    assert_int_equal(version_of(store), CBI_STORE_VERSION);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        if (ask(store, facts[i].sql) != facts[i].value)
            fail_msg("expected %ld: %s", (long)facts[i].value, facts[i].sql);
    int64_t id = fixture_study(store, "new", "a", 0, 6);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 6, CB_ATTEMPT_DONE), 6);
}

static char *identities_of(const char *path) {
    cb_store *store = open_as(path, 0, 20);
    cb_query *query = NULL;
    int has_row = 0;
    must(cb_query_open(&query, store, "SELECT group_concat(identity) FROM run", NULL, 0, err));
    must(cb_query_next(query, &has_row, err));
    cb_value value = cb_query_column(query, 0);
    char *text = cbi_strndup(value.text, value.length);
    cb_query_close(query);
    cb_store_close(store);
    assert_non_null(text);
    return text;
}

static void check_version(const fixture *f, const earlier *version) {
    char fresh[128], copy[128];
    cb_store *store = NULL;
    make_version(f->path, version);
    snprintf(copy, sizeof copy, "%s/copy.db", f->folder);
    make_version(copy, version);
    /* It is read as if it were of the present version, and not changed by that. */
    char *before = NULL, *after = NULL;
    size_t before_length = 0, after_length = 0;
    must(cbi_file_read(&before, &before_length, f->path, 1 << 24, err));
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM leaderboard"), 1);
    assert_int_equal(version_of(store), CBI_STORE_VERSION);
    assert_int_equal(ask(store, "SELECT count(*) FROM progress WHERE done = 1"), 1);
    cb_store_close(store);
    must(cbi_file_read(&after, &after_length, f->path, 1 << 24, err));
    assert_int_equal(after_length, before_length);
    assert_memory_equal(after, before, before_length);
    cbi_free(before);
    cbi_free(after);
    expect_no_litter(f->path);
    /* Two copies of one file are migrated alike. */
    char *here = identities_of(f->path), *there = identities_of(copy);
    assert_string_equal(here, there);
    cbi_free(here);
    cbi_free(there);
    store = open_as(f->path, 0, 20);
    expect_migrated(store, strstr(version->more, "timing") != NULL ? 2 : 0);
    cb_store_close(store);
    expect_no_litter(f->path);

    snprintf(fresh, sizeof fresh, "%s/fresh.db", f->folder);
    cb_store_close(open_as(fresh, 0, 20));
    char *migrated = schema_of(f->path), *made = schema_of(fresh);
    assert_string_equal(migrated, made);
    cbi_free(migrated);
    cbi_free(made);
}

static void test_migrate_1(void **state) {
    check_version(*state, &versions[0]);
}

static void test_migrate_2(void **state) {
    check_version(*state, &versions[1]);
}

static void test_migrate_3(void **state) {
    check_version(*state, &versions[2]);
}

/* An earlier version, opened and read. */
static cb_status read_once(void *context) {
    const char *path = context;
    cb_store *store = NULL;
    cb_query *query = NULL;
    cb_study_counts counts;
    cb_err error = {0};
    int has_row = 0;
    cb_status st = cb_store_open(&store, path, CB_STORE_READ, &error);
    if (st == CB_OK)
        st = cb_query_open(&query, store, "SELECT * FROM leaderboard", NULL, 0, &error);
    if (st == CB_OK)
        st = cb_query_next(query, &has_row, &error);
    assert_int_equal(has_row, st == CB_OK);
    if (st == CB_OK)
        st = cb_store_study_count(store, 1, &counts, &error);
    cb_query_close(query);
    cb_store_close(store);
    assert_true(st == CB_OK || error.text[0] != '\0');
    expect_no_litter(path);
    return st;
}

static void test_memory(void **state) {
    const fixture *f = *state;
    for (int v = 0; v < VERSIONS; v++) {
        char path[128];
        char *before = NULL, *after = NULL;
        size_t before_length = 0, after_length = 0;
        snprintf(path, sizeof path, "%s/%d.db", f->folder, v);
        make_version(path, &versions[v]);
        must(cbi_file_read(&before, &before_length, path, 1 << 24, err));
        assert_true(faults_run(read_once, path) > 5);
        must(cbi_file_read(&after, &after_length, path, 1 << 24, err));
        assert_int_equal(after_length, before_length);
        assert_memory_equal(after, before, before_length);
        cbi_free(before);
        cbi_free(after);
    }
}

/* Views that another build made are made anew when the database is opened for writing. */
static void test_views_remade(void **state) {
    const fixture *f = *state;
    sqlite3 *db = NULL;
    int same = -1;
    cb_store_close(open_as(f->path, 0, 20));
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP VIEW progress; DROP VIEW paired; CREATE VIEW paired AS"
                                  " SELECT 1 AS study",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    cb_store *store = open_as(f->path, 0, 20);
    must(cbi_store_views_same(store, &same, err));
    assert_true(same);
    assert_int_equal(ask(store, "SELECT count(*) FROM progress"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_table_info('paired')") > 5, 1);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_migrate),   CASE(test_migrate_1), CASE(test_migrate_2),
        CASE(test_migrate_3), CASE(test_memory),    CASE(test_views_remade),
    };
    return cmocka_run_group_tests_name("store_migrate", tests, NULL, NULL);
}
