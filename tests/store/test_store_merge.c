/* SPDX-License-Identifier: MIT */
/*
 * Merging databases, by the public header: what is new, known, equal, in conflict or at work; names
 * of studies; copies of a database at work; and inputs that cannot be.
 */
#include "store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "faults.h"
#include "store/store_internal.h"

typedef struct told {
    int count;
    cb_merge_conflict last;
    char cell[32];
} told;

static void tell(void *context, const cb_merge_conflict *conflict) {
    told *t = context;
    t->count++;
    t->last = *conflict;
    snprintf(t->cell, sizeof t->cell, "%s", conflict->cell);
}

static const char *path_of(const fixture *f, const char *name) {
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", f->folder, name);
    return path[next];
}

static cb_store *open_in(const fixture *f, const char *name, cb_store_mode mode) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path_of(f, name), mode, err));
    return store;
}

/* A database with a study of n trials from `first` on, of which `done` are done. */
static void make(const fixture *f, const char *name, const char *study, int first, int n,
                 int done) {
    cb_store *store = open_in(f, name, CB_STORE_WRITE);
    int64_t id = fixture_study(store, study, "a", first, n);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, done, CB_ATTEMPT_DONE), done);
    cb_store_close(store);
}

static void run_sql(const fixture *f, const char *name, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path_of(f, name), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void run_shell(const fixture *f, const char *what) {
    char command[256];
    snprintf(command, sizeof command, "cd '%s' && %s", f->folder, what);
    assert_int_equal(system(command), 0);
}

static cb_status merge(const fixture *f, const char *out, const char *in, told *t,
                       cb_merge_counts *counts, cb_err *err) {
    cb_store *to = open_in(f, out, CB_STORE_WRITE), *from = open_in(f, in, CB_STORE_READ);
    const cb_merge_options options = {.context = t, .conflict = t != NULL ? tell : NULL};
    cb_status st = cb_store_merge(to, from, &options, counts, err);
    cb_store_close(from);
    cb_store_close(to);
    expect_no_litter(path_of(f, out));
    expect_no_litter(path_of(f, in));
    return st;
}

/* All content of a database, in one text. */
static char *dump(const fixture *f, const char *name) {
    static const char *const tables[] = {"study",         "cell",        "task",  "trial",
                                         "specification", "study_trial", "run",   "setting",
                                         "machine",       "attempt",     "epoch", "timing"};
    cb_store *store = open_in(f, name, CB_STORE_READ);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[64];
        cb_query *query = NULL;
        int has_row = 0;
        snprintf(sql, sizeof sql, "SELECT * FROM %s", tables[i]);
        must(cb_query_open(&query, store, sql, NULL, 0, err));
        for (;;) {
            must(cb_query_next(query, &has_row, err));
            if (!has_row)
                break;
            for (size_t c = 0; c < cb_query_column_count(query); c++) {
                cb_value v = cb_query_column(query, c);
                if (v.type == CB_VALUE_TEXT)
                    fprintf(file, "|%.*s", (int)v.length, v.text);
                else
                    fprintf(file, "|%ld %a", (long)v.integer, v.real);
            }
            fputc('\n', file);
        }
        cb_query_close(query);
    }
    fclose(file);
    cb_store_close(store);
    return text;
}

static int64_t count(const fixture *f, const char *name, const char *sql) {
    cb_store *store = open_in(f, name, CB_STORE_READ);
    int64_t n = ask(store, sql);
    cb_store_close(store);
    return n;
}

/* ---- what comes over ---- */

static void test_two_machines(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    make(f, "a.db", "s", 0, 12, 6);
    make(f, "b.db", "s", 0, 12, 12);
    make(f, "c.db", "other", 6, 12, 3);
    must(merge(f, "out.db", "a.db", NULL, &n, err));
    assert_int_equal(n.studies, 1);
    assert_int_equal(n.trials, 12);
    assert_int_equal(n.runs, 1);
    assert_int_equal(n.attempts, 6);
    /* The same as the original, but for the numbers of rows, which are the same too here. */
    char *original = dump(f, "a.db"), *copy = dump(f, "out.db");
    assert_string_equal(original, copy);
    free(original);
    free(copy);

    must(merge(f, "out.db", "b.db", NULL, &n, err));
    assert_int_equal(n.studies, 0);
    assert_int_equal(n.attempts, 6);
    assert_int_equal(n.equal, 6);
    assert_int_equal(n.conflicts, 0);
    must(merge(f, "out.db", "c.db", NULL, &n, err));
    assert_int_equal(n.studies, 1);
    assert_int_equal(n.trials, 6);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM study_1 WHERE state = 'done'"), 12);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM study_2 WHERE state = 'done'"), 6);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM epoch"), 12 * FIXTURE_EPOCHS);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM pragma_foreign_key_check"), 0);

    /* Again: nothing changes. */
    char *before = dump(f, "out.db");
    for (int i = 0; i < 3; i++) {
        must(merge(f, "out.db", i == 0 ? "a.db" : i == 1 ? "b.db" : "c.db", NULL, &n, err));
        assert_int_equal(n.studies + n.trials + n.runs + n.attempts + n.timings, 0);
    }
    char *after = dump(f, "out.db");
    assert_string_equal(before, after);
    free(before);
    free(after);

    /* And work goes on there. */
    cb_store *store = open_in(f, "out.db", CB_STORE_WRITE);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, 2, 100, CB_ATTEMPT_DONE), 6);
    cb_store_close(store);
}

static void test_timings(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    make(f, "a.db", "s", 0, 2, 1);
    run_sql(f, "a.db",
            "INSERT INTO timing (run_id, cell_id, engine, version, kernel, steps, batch, input,"
            " hidden, layers, frames, inputs, phase, part, jobs, clock, sample, repeats,"
            " duration_ns, flop, peak_flop_per_s) VALUES"
            " (1, 1, 'cellbench', '1', 'k', 10, 2, 3, 4, 1, 20, 'normal', 'train', 'all', 1,"
            " 'cpu', 0, 5, 1000, 1e6, 2e11),"
            " (1, 1, 'cellbench', '1', 'k', 10, 2, 3, 4, 1, 20, 'normal', 'train', 'all', 1,"
            " 'cpu', 1, 5, 1000, 1e6, 2e11),"
            " (1, 1, 'cellbench', '1', 'k', 10, 2, 3, 4, 1, 11, 'normal', 'train', 'all', 1,"
            " 'cpu', 1, 5, 1000, 1e6, NULL),"
            " (1, 1, 'torch', '2', 'k', 10, 2, 3, 4, 1, 20, 'normal', 'train', 'all', 1,"
            " 'cpu', 1, 5, 1000, 1e6, NULL)");
    for (int i = 0; i < 2; i++) {
        must(merge(f, "out.db", "a.db", NULL, &n, err));
        assert_int_equal(n.timings, i == 0 ? 4 : 0);
    }
    char *original = dump(f, "a.db"), *copy = dump(f, "out.db");
    assert_string_equal(original, copy);
    free(original);
    free(copy);
}

static void test_conflict(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    told t = {0};
    make(f, "a.db", "s", 0, 12, 6);
    make(f, "b.db", "s", 0, 12, 12);
    run_sql(f, "b.db", "UPDATE attempt SET test = 9, valid = NULL WHERE trial_id = 4");
    must(merge(f, "out.db", "a.db", &t, &n, err));
    for (int i = 0; i < 2; i++) {
        must(merge(f, "out.db", "b.db", &t, &n, err));
        assert_int_equal(n.conflicts, 1);
        assert_int_equal(n.equal, 5);
        assert_int_equal(t.count, i + 1);
        assert_int_equal(t.last.trial_id, 4);
        assert_string_equal(t.cell, "lstm");
        assert_int_equal(t.last.seed, 2);
        assert_true(t.last.test == 1.54 && t.last.other_test == 9 && isnan(t.last.other_valid));
    }
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM attempt WHERE test = 9"), 0);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM trial WHERE state = 'done'"), 12);
}

/* Of other numerics or another instruction set: both are kept, no conflict. */
static void test_other_arithmetic(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    make(f, "a.db", "s", 0, 3, 3);
    make(f, "b.db", "s", 0, 3, 3);
    run_sql(f, "b.db",
            "UPDATE attempt SET instruction_set = 'avx512', test = 9;"
            "UPDATE machine SET instruction_set = 'avx512'");
    must(merge(f, "out.db", "a.db", NULL, &n, err));
    must(merge(f, "out.db", "b.db", NULL, &n, err));
    assert_int_equal(n.attempts, 3);
    assert_int_equal(n.conflicts, 0);
    assert_int_equal(count(f, "out.db",
                           "SELECT count(*) FROM attempt AS a JOIN trial AS t ON"
                           " t.result_attempt_id = a.attempt_id WHERE test < 9"),
                     3);
}

/* A result beats a failure. */
static void test_failed_and_done(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    cb_store *store = open_in(f, "a.db", CB_STORE_WRITE);
    int64_t id = fixture_study(store, "s", "a", 0, 3);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 3, CB_ATTEMPT_FAILED), 3);
    cb_store_close(store);
    make(f, "b.db", "s", 0, 3, 2);
    must(merge(f, "one.db", "a.db", NULL, &n, err));
    must(merge(f, "one.db", "b.db", NULL, &n, err));
    must(merge(f, "two.db", "b.db", NULL, &n, err));
    must(merge(f, "two.db", "a.db", NULL, &n, err));
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "one.db" : "two.db";
        assert_int_equal(count(f, name, "SELECT count(*) FROM trial WHERE state = 'done'"), 2);
        assert_int_equal(count(f, name, "SELECT count(*) FROM trial WHERE state = 'failed'"), 1);
        assert_int_equal(count(f, name, "SELECT count(*) FROM attempt"), 5);
    }
}

/* ---- names of studies ---- */

static void test_other_script(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    make(f, "a.db", "s", 0, 6, 6);
    make(f, "b.db", "s", 6, 6, 6);
    make(f, "c.db", "s", 12, 6, 6);
    run_sql(f, "b.db", "UPDATE study SET script = '-- other'");
    run_sql(f, "a.db", "UPDATE study SET first_key = 'aaaaaaaaaa'");
    run_sql(f, "c.db", "UPDATE study SET first_key = 'cccccccccc'");
    must(merge(f, "out.db", "a.db", NULL, &n, err));
    assert_int_equal(n.renamed, 0);
    for (int i = 0; i < 2; i++) {
        must(merge(f, "out.db", "b.db", NULL, &n, err));
        assert_int_equal(n.renamed, i == 0 ? 1 : 0);
        must(merge(f, "out.db", "c.db", NULL, &n, err));
        assert_int_equal(n.renamed, i == 0 ? 1 : 0);
    }
    char hash[CBI_SHA256_HEX], sql[128];
    cbi_sha256_hex("-- other", 8, hash);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM study WHERE name = 's [%.8s]'", hash);
    assert_int_equal(count(f, "out.db", sql), 1);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM study WHERE name = 's [cccccccc]'"),
                     1);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM study"), 3);
    assert_int_equal(count(f, "out.db", "SELECT count(*) FROM study_2"), 6);
}

/* ---- databases at work ---- */

/* A copy is taken while a run is at work, and again when it has ended. */
static void test_running_then_ended(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    cb_claim claim;
    cb_store *store = open_in(f, "a.db", CB_STORE_WRITE);
    int64_t id = fixture_study(store, "s", "a", 0, 3);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 1, CB_ATTEMPT_DONE), 1);
    assert_true(fixture_claim(store, id, &claim));
    cb_store *to = open_in(f, "out.db", CB_STORE_WRITE), *from = open_in(f, "a.db", CB_STORE_READ);
    must(cb_store_merge(to, from, NULL, &n, err));
    cb_store_close(from);
    assert_int_equal(n.attempts, 2);
    assert_int_equal(ask(to, "SELECT count(*) FROM attempt WHERE state = 'lost'"), 1);
    assert_int_equal(ask(to, "SELECT count(*) FROM run WHERE state = 'lost'"), 1);
    assert_int_equal(ask(to, "SELECT count(*) FROM trial WHERE state = 'pending'"), 2);
    cb_store_close(to);
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    cb_claim_fini(&claim);
    must(cb_store_commit(store, 1, err));
    cb_store_close(store);

    must(merge(f, "out.db", "a.db", NULL, &n, err));
    assert_int_equal(n.attempts, 1);
    assert_int_equal(n.known, 1);
    char *original = dump(f, "a.db"), *copy = dump(f, "out.db");
    assert_string_equal(original, copy);
    free(original);
    free(copy);
}

/* Into a database whose own run is at the same trial: that one will have its own result. */
static void test_at_work_here(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    cb_claim claim;
    make(f, "a.db", "s", 0, 3, 3);
    cb_store *to = open_in(f, "out.db", CB_STORE_WRITE), *from = open_in(f, "a.db", CB_STORE_READ);
    int64_t id = fixture_study(to, "s", "a", 0, 3);
    fixture_run_begin(to);
    assert_true(fixture_claim(to, id, &claim));
    must(cb_store_merge(to, from, NULL, &n, err));
    assert_int_equal(n.at_work, 1);
    assert_int_equal(n.attempts, 2);
    fixture_finish(to, &claim, CB_ATTEMPT_DONE);
    cb_claim_fini(&claim);
    must(cb_store_commit(to, 1, err));
    must(cb_store_merge(to, from, NULL, &n, err));
    assert_int_equal(n.equal, 1);
    assert_int_equal(cb_store_merge(to, to, NULL, &n, NULL), CB_EARG);
    cb_store_close(from);
    cb_store_close(to);
}

/* ---- inputs that cannot be ---- */

static void test_bad_inputs(void **state) {
    static const struct {
        const char *sql, *words;
    } bad[] = {
        {"UPDATE cell SET text = text || ' '", "the text of a cell"},
        {"UPDATE task SET identity = '{}'", "the identity of a task"},
        {"UPDATE specification SET spec = '{}' WHERE trial_id = 3", "specification of a trial"},
        {"UPDATE run SET identity = 'x'", "the identity of a run"},
        {"PRAGMA ignore_check_constraints = 1; UPDATE attempt SET state = 'odd' WHERE trial_id = 3",
         "CHECK constraint failed"},
        {"PRAGMA ignore_check_constraints = 1; UPDATE setting SET name = 'a\"b' WHERE name = "
         "'rate'",
         "CHECK constraint failed"},
        {"DELETE FROM cell", "FOREIGN KEY"},
    };
    const fixture *f = *state;
    make(f, "out.db", "s", 3, 3, 2);
    char *before = dump(f, "out.db");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[32];
        cb_merge_counts n;
        cb_err error = {0};
        snprintf(name, sizeof name, "%zu.db", i);
        make(f, name, "t", 0, 6, 4);
        run_sql(f, name, bad[i].sql);
        cb_status st = merge(f, "out.db", name, NULL, &n, &error);
        if (st != CB_ESTORE)
            fail_msg("%s: %s %s", bad[i].sql, cb_status_name(st), error.text);
        if (strstr(error.text, bad[i].words) == NULL || strstr(error.text, name) == NULL)
            fail_msg("expected '%s' in: %s", bad[i].words, error.text);
    }
    char *after = dump(f, "out.db");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* ---- weights ---- */

static void keep_weights(const fixture *f, const char *name, const char *file, const char *text) {
    char sql[512], hash[CBI_SHA256_HEX];
    cbi_sha256_hex(text, strlen(text), hash);
    snprintf(sql, sizeof sql,
             "UPDATE attempt SET weights_file = '%s', weights_sha256 = '%s' WHERE trial_id = 1",
             file, hash);
    run_sql(f, name, sql);
}

static void test_weights(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    char sql[256];
    fixture_trial t;
    fixture_trial_make(&t, "a", 0);
    make(f, "a.db", "s", 0, 2, 2);
    assert_int_equal(mkdir(path_of(f, "a.weights"), 0777), 0);
    must(cbi_file_write(path_of(f, "a.weights/x.safetensors"), "weights", 7, err));
    keep_weights(f, "a.db", "a.weights/x.safetensors", "weights");
    must(merge(f, "out.db", "a.db", NULL, &n, err));
    assert_int_equal(n.weights, 1);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM attempt WHERE weights_file = 'out.weights/%s.safetensors'",
             t.key);
    assert_int_equal(count(f, "out.db", sql), 1);

    /* Missing, damaged, outside, or no file: the result comes without them. */
    static const char *const files[] = {"a.weights/none", "a.weights/x.safetensors",
                                        "../a.weights/x.safetensors", "/etc/passwd", "a.weights"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[32];
        keep_weights(f, "a.db", files[i], i == 1 ? "other" : "weights");
        snprintf(name, sizeof name, "out%zu.db", i);
        must(merge(f, name, "a.db", NULL, &n, err));
        assert_int_equal(n.weights, 0);
        assert_int_equal(n.weights_missing, 1);
        assert_int_equal(count(f, name,
                               "SELECT count(*) FROM attempt WHERE weights_file = ''"
                               " AND weights_sha256 = ''"),
                         2);
    }
}

/* ---- kills ---- */

/* Killed at any moment: the output is as before or as after. */
static void test_killed(void **state) {
    const fixture *f = *state;
    cb_merge_counts n;
    make(f, "a.db", "s", 0, 4, 4);
    make(f, "b.db", "s", 0, 400, 400);
    int64_t before = 4 * FIXTURE_EPOCHS, after = 400 * FIXTURE_EPOCHS;
    int whole = 0;
    for (int i = 0; i < 14; i++) {
        char name[32];
        snprintf(name, sizeof name, "out%d.db", i);
        must(merge(f, name, "a.db", NULL, &n, err));
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            cb_store *to = NULL, *from = NULL;
            if (cb_store_open(&to, path_of(f, name), CB_STORE_WRITE, NULL) == CB_OK &&
                cb_store_open(&from, path_of(f, "b.db"), CB_STORE_READ, NULL) == CB_OK &&
                cb_store_merge(to, from, NULL, &n, NULL) == CB_OK)
                _exit(0);
            _exit(1);
        }
        usleep((useconds_t)(i * 3000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        int64_t rows = count(f, name, "SELECT count(*) FROM epoch");
        if (rows != before && rows != after)
            fail_msg("round %d: %ld rows", i, (long)rows);
        whole += rows == after;
        must(merge(f, name, "b.db", NULL, &n, err));
        assert_int_equal(count(f, name, "SELECT count(*) FROM epoch"), after);
        assert_int_equal(count(f, name,
                               "SELECT count(*) FROM pragma_integrity_check WHERE"
                               " integrity_check <> 'ok'"),
                         0);
    }
    assert_true(whole < 14);
}

/* ---- memory ---- */

/* Not by our allocator, which is under test. */
static size_t read_whole(const char *path, unsigned char *bytes, size_t most) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, most, file);
    fclose(file);
    assert_true(n < most);
    return n;
}

enum { OUT_MOST = 1 << 20 };

typedef struct merge_work {
    const fixture *f;
    unsigned char *out, *after; /* OUT before, and behind a merge */
    size_t size;
} merge_work;

static cb_status merge_once(void *context) {
    merge_work *w = context;
    cb_store *to = NULL, *from = NULL;
    cb_merge_counts n = {0};
    cb_err error = {0};
    const char *out = path_of(w->f, "out.db");
    FILE *file = fopen(out, "wb");
    assert_true(file != NULL && fwrite(w->out, 1, w->size, file) == w->size && fclose(file) == 0);
    run_shell(w->f, "rm -rf out.weights");
    cb_status st = cb_store_open(&to, out, CB_STORE_WRITE, &error);
    if (st == CB_OK)
        st = cb_store_open(&from, path_of(w->f, "a.db"), CB_STORE_READ, &error);
    if (st == CB_OK)
        st = cb_store_merge(to, from, NULL, &n, &error);
    cb_store_close(from);
    cb_store_close(to);
    assert_int_equal(n.weights, st == CB_OK);
    assert_int_equal(n.trials, st == CB_OK ? 4 : 0);
    expect_no_litter(out);
    if (st != CB_OK) {
        assert_true(error.text[0] != '\0');
        assert_int_equal(read_whole(out, w->after, OUT_MOST), w->size);
        assert_memory_equal(w->after, w->out, w->size);
        run_shell(w->f, "! find out.weights -type f ! -name '*.safetensors' 2> /dev/null | grep .");
    }
    return st;
}

static void test_memory(void **state) {
    merge_work work = {.f = *state, .out = malloc(OUT_MOST), .after = malloc(OUT_MOST)};
    assert_true(work.out != NULL && work.after != NULL);
    make(work.f, "a.db", "s", 0, 6, 4);
    assert_int_equal(mkdir(path_of(work.f, "a.weights"), 0777), 0);
    must(cbi_file_write(path_of(work.f, "a.weights/x.safetensors"), "weights", 7, err));
    keep_weights(work.f, "a.db", "a.weights/x.safetensors", "weights");
    run_sql(work.f, "a.db",
            "UPDATE study SET script = 'another'"); /* which gives it another name */
    make(work.f, "out.db", "s", 4, 4, 2);
    work.size = read_whole(path_of(work.f, "out.db"), work.out, OUT_MOST);
    assert_true(faults_run(merge_once, &work) > 10);
    free(work.out);
    free(work.after);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_two_machines),
        CASE(test_timings),
        CASE(test_conflict),
        CASE(test_other_arithmetic),
        CASE(test_failed_and_done),
        CASE(test_other_script),
        CASE(test_running_then_ended),
        CASE(test_at_work_here),
        CASE(test_bad_inputs),
        CASE(test_weights),
        CASE(test_killed),
        CASE(test_memory),
    };
    return cmocka_run_group_tests_name("store_merge", tests, NULL, NULL);
}
