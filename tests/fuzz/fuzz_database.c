/* SPDX-License-Identifier: MIT */
/*
 * A database file that anybody may have made, opened and read as `status`, `table` and `compare`
 * do, and merged into another. The first byte of the input chooses what the rest is:
 *
 *   's'  SQL that is run on a small database of ours first: hostile schemas and rows
 *   'p'  changes to the bytes of that database: place (3 bytes), then the byte, again and again
 *   else the file itself, without that byte
 *
 * Nothing may crash; what ends with an error says so; and reading changes nothing.
 *
 * An input's time is that of SQLite's parser, which reads the schema for each connection and then
 * the views. So the database of ours has no comments in its schema and short texts in place of the
 * views that reading hides anyway; an input is opened once for all that is done with it; and the
 * database that is merged into stays open, and is emptied. The fuzzer does one part of what is to
 * be done with an input, which follows from its bytes; the replay does all.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "sqlite_slabs.h"
#include "store/store_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#ifdef SLABS_POISON
/* Most of what the sanitizer's own strstr does is to measure the text of all views. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "intercept_strstr=0:malloc_context_size=8";
}
#endif

enum {
    BASE_MOST = 1 << 20,
    ROWS_MOST = 1000,
    TRIALS = 4,
    STEPS_A_TICK = 1 << 12,
    TICKS = 64,       /* of all that reads an input */
    INPUTS_A_TO = 128 /* until the database that is merged into is made anew */
};

static void check(int promise) {
    if (!promise)
        abort();
}

/* ---- the small database ---- */

static struct {
    char folder[64], path[96], out[96];
    uint8_t *bytes;
    size_t size;
    cb_store *to; /* what is merged into: open, and empty */
    int inputs;   /* since it was made */
} base;

static void close_to(void) {
    cb_store_close(base.to);
    base.to = NULL;
    unlink(base.out);
    check(sqlite3_memory_used() == 0); /* nothing of the inputs before is left */
}

static void clean_up(void) {
    close_to();
    unlink(base.path);
    rmdir(base.folder);
    free(base.bytes);
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(BASE_MOST);
    check(file != NULL && bytes != NULL);
    *size = fread(bytes, 1, BASE_MOST, file);
    fclose(file);
    check(*size > 0 && *size < BASE_MOST);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    check(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void add_trials(cb_store *store, int64_t study_id) {
    static const char *const specs[TRIALS] = {"{\"a\":0}", "{\"a\":1}", "{\"a\":2}", "{\"a\":3}"};
    const cb_trial_setting setting = {"rate", {.type = CB_VALUE_REAL, .real = 0.5}};
    char key[TRIALS][CBI_SHA256_HEX];
    cb_trial_info infos[TRIALS];
    for (int i = 0; i < TRIALS; i++) {
        cbi_sha256_hex(specs[i], strlen(specs[i]), key[i]);
        infos[i] = (cb_trial_info){.key = key[i],
                                   .spec = specs[i],
                                   .task_open = "{}",
                                   .cell = i % 2 ? "gru" : "rnn",
                                   .cell_text = "state h",
                                   .task = "adding",
                                   .task_identity = "{}",
                                   .metric = "mse",
                                   .seed = i / 2,
                                   .hidden = 3,
                                   .settings = &setting,
                                   .setting_count = 1};
    }
    check(cb_store_study_add(store, study_id, 0, infos, TRIALS, CB_AGAIN_NONE, NULL, NULL) ==
          CB_OK);
}

static void work(cb_store *store, int64_t study_id) {
    const cb_run_info run = {.host = "h", .instruction_set = "avx2", .numerics = 1};
    const cb_epoch_record epoch = {.epoch = 1, .split = "valid", .metric = "mse", .value = 0.5};
    const cb_attempt_result result = {.end = CB_ATTEMPT_DONE, .epochs = 1, .valid = 1, .test = 2};
    check(cb_store_run_begin(store, &run, NULL) == CB_OK);
    for (int i = 0; i < TRIALS - 1; i++) {
        cb_claim claim;
        int got;
        check(cb_store_claim(store, study_id, &claim, &got, NULL) == CB_OK && got);
        check(cb_store_finish(store, &claim, &result, &epoch, 1, NULL) == CB_OK);
        cb_claim_fini(&claim);
    }
}

/* A statement of the schema without its comments, which SQLite keeps. No text in it has "--". */
static void without_comments(sqlite3_context *context, int count, sqlite3_value **values) {
    const char *sql = (const char *)sqlite3_value_text(values[0]);
    char *text = malloc(strlen(sql) + 1);
    size_t n = 0;
    (void)count;
    check(text != NULL);
    while (*sql != '\0') {
        if (strncmp(sql, "--", 2) == 0)
            sql += strcspn(sql, "\n");
        else
            text[n++] = *sql++;
    }
    sqlite3_result_text(context, text, (int)n, free);
}

/* With small pages, so that a changed byte is likely to matter. */
static void make_small(const char *path) {
    static const char sql[] =
        "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; PRAGMA writable_schema = ON;"
        "UPDATE sqlite_master SET sql = without_comments(sql) WHERE type = 'table';"
        "UPDATE sqlite_master SET sql = 'CREATE VIEW ' || name || ' AS SELECT 1' WHERE"
        " type = 'view' AND name NOT GLOB 'study_*';"
        "VACUUM";
    sqlite3 *db = NULL;
    check(sqlite3_open(path, &db) == SQLITE_OK);
    check(sqlite3_create_function(db, "without_comments", 1, SQLITE_UTF8, NULL, without_comments,
                                  NULL, NULL) == SQLITE_OK);
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

static void make_base(void) {
    cb_store *store = NULL;
    int64_t id;
    const cb_study_info info = {.name = "s", .script = "x", .trial_count = TRIALS};
    check(slabs_for_sqlite() == SQLITE_OK);
    /* Where nothing waits for a disk, if there is such a place. */
    strcpy(base.folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/cellbench-fuzz-XXXXXX"
                                                      : "/tmp/cellbench-fuzz-XXXXXX");
    check(mkdtemp(base.folder) != NULL);
    snprintf(base.path, sizeof base.path, "%s/in.db", base.folder);
    snprintf(base.out, sizeof base.out, "%s/out.db", base.folder);
    check(atexit(clean_up) == 0);
    check(cb_store_open(&store, base.path, CB_STORE_WRITE, NULL) == CB_OK);
    check(cb_store_study_begin(store, &info, &id, NULL) == CB_OK);
    add_trials(store, id);
    work(store, id);
    cb_store_close(store);
    make_small(base.path);
    base.bytes = read_file(base.path, &base.size);
}

/* ---- the file ---- */

/* Whoever makes a hostile file has time, and a whole computer; here it is bounded. */
static int tick(void *left) {
    return --*(int *)left < 0;
}

static int no_files(void *context, int action, const char *a, const char *b, const char *c,
                    const char *d) {
    (void)context, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

static void run_sql(const uint8_t *bytes, size_t size) {
    sqlite3 *db = NULL;
    int left = 100;
    char *sql = calloc(1, size + 1);
    check(sql != NULL);
    if (size > 0)
        memcpy(sql, bytes, size);
    check(sqlite3_open(base.path, &db) == SQLITE_OK);
    check(sqlite3_exec(db, "PRAGMA max_page_count = 4000", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_set_authorizer(db, no_files, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_progress_handler(db, 10000, tick, &left);
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    free(sql);
}

static void make_file(const uint8_t *bytes, size_t size) {
    char log[128];
    const uint8_t way = size > 0 ? bytes[0] : 0;
    snprintf(log, sizeof log, "%s-wal", base.path);
    unlink(log);
    unlink(base.path);
    if (way != 's' && way != 'p') {
        write_file(base.path, size > 0 ? bytes + 1 : bytes, size > 0 ? size - 1 : 0);
        return;
    }
    if (way == 'p')
        for (size_t i = 1; i + 4 <= size; i += 4) {
            size_t at = ((size_t)bytes[i] << 16 | (size_t)bytes[i + 1] << 8 | bytes[i + 2]);
            base.bytes[at % base.size] ^= bytes[i + 3];
        }
    write_file(base.path, base.bytes, base.size);
    if (way == 's')
        run_sql(bytes + 1, size - 1);
    else /* and back */
        for (size_t i = 1; i + 4 <= size; i += 4) {
            size_t at = ((size_t)bytes[i] << 16 | (size_t)bytes[i + 1] << 8 | bytes[i + 2]);
            base.bytes[at % base.size] ^= bytes[i + 3];
        }
}

/* ---- what the commands do with it ---- */

static void check_error(cb_status st, const cb_err *err) {
    check(st == CB_OK || (err->code == st && err->text[0] != '\0'));
    check(st != CB_EARG || strncmp(err->text, "query: ", 7) == 0);
}

static void read_all(cb_store *store, const char *sql) {
    cb_query *query = NULL;
    cb_err err = {0};
    int has_row = 1;
    volatile size_t sum = 0;
    cb_status st = cb_query_open(&query, store, sql, NULL, 0, &err);
    for (int n = 0; st == CB_OK && has_row && n < ROWS_MOST; n++) {
        st = cb_query_next(query, &has_row, &err);
        for (size_t i = 0; has_row && i < cb_query_column_count(query); i++) {
            cb_value value = cb_query_column(query, i);
            for (size_t k = 0; value.type == CB_VALUE_TEXT && k < value.length; k++)
                sum += (unsigned char)value.text[k];
        }
    }
    (void)sum;
    check_error(st, &err);
    cb_query_close(query);
}

/* The library's own limit is for files of any size, and takes seconds. */
static void limit_steps(cb_store *store, int *left) {
    *left = TICKS;
    sqlite3_progress_handler(store->db, STEPS_A_TICK, tick, left);
}

enum { PARTS = 4 };

#ifdef REPLAY_CUTS
static int does(int part, uint32_t hash) {
    (void)part, (void)hash;
    return 1;
}
#else
static int does(int part, uint32_t hash) {
    return hash % PARTS == (uint32_t)part;
}
#endif

static uint32_t hash_of(const uint8_t *bytes, size_t size) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    return hash >> 8;
}

/* Part 0 is to merge. */
static void read_store(cb_store *store, uint32_t hash) {
    static const char *const queries[] = {
        "SELECT * FROM progress",
        "SELECT * FROM leaderboard",
        "SELECT * FROM ranking",
        "SELECT * FROM paired",
        "SELECT * FROM study_1",
        "SELECT * FROM pragma_table_info('study_1')",
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name",
        "SELECT s.name, t.trial_id, c.name, a.error_text FROM study AS s JOIN study_trial AS st ON"
        " st.study_id = s.study_id JOIN trial AS t ON t.trial_id = st.trial_id JOIN cell AS c ON"
        " c.cell_id = st.cell_id LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id",
        "SELECT r.run_id, m.host, r.command FROM run AS r JOIN machine AS m ON m.machine_id ="
        " r.machine_id WHERE r.state = 'running'",
        "SELECT e.epoch, e.value FROM trial AS t JOIN epoch AS e ON e.attempt_id ="
        " t.result_attempt_id"};
    cb_err err = {0};
    cb_study_counts counts;
    int alive;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        if (does(1 + (int)(i % (PARTS - 1)), hash))
            read_all(store, queries[i]);
    if (!does(PARTS - 1, hash))
        return;
    check_error(cb_store_study_count(store, 1, &counts, &err), &err);
    check_error(cb_store_run_alive(store, 1, &alive, &err), &err);
}

/* As it was made: without rows, and without views of studies. */
static void empty(cb_store *store) {
    static const char sql[] =
        "BEGIN; PRAGMA defer_foreign_keys = ON; DELETE FROM timing; DELETE FROM epoch;"
        "DELETE FROM attempt; DELETE FROM setting; DELETE FROM study_trial;"
        "DELETE FROM specification; DELETE FROM trial; DELETE FROM run; DELETE FROM machine;"
        "DELETE FROM task; DELETE FROM cell; DELETE FROM study; COMMIT";
    static const char views[] = "SELECT 'DROP VIEW ' || name FROM sqlite_master WHERE type = 'view'"
                                " AND name GLOB 'study_*'";
    sqlite3_stmt *s = NULL;
    char *drop = NULL;
    check(sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK);
    do {
        sqlite3_free(drop);
        drop = NULL;
        check(sqlite3_prepare_v2(store->db, views, -1, &s, NULL) == SQLITE_OK);
        if (sqlite3_step(s) == SQLITE_ROW)
            drop = sqlite3_mprintf("%s", sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
    } while (drop != NULL && sqlite3_exec(store->db, drop, NULL, NULL, NULL) == SQLITE_OK);
    check(drop == NULL);
}

static void merge_store(cb_store *from) {
    cb_merge_counts counts;
    cb_err err = {0};
    int64_t broken = 0;
    if (base.to == NULL) {
        check(cb_store_open(&base.to, base.out, CB_STORE_WRITE, NULL) == CB_OK);
        base.inputs = 0;
    }
    cb_status st = cb_store_merge(base.to, from, NULL, &counts, &err);
    check_error(st, &err);
    check(cbi_store_integer(base.to, base.to->db, "SELECT count(*) FROM pragma_foreign_key_check",
                            &broken, NULL) == CB_OK);
    check(broken == 0);
    if (st == CB_OK)
        empty(base.to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_store *store = NULL;
    cb_err err = {0};
    int ticks;
    const uint32_t hash = hash_of(bytes, size);
    if (base.bytes == NULL)
        make_base();
    make_file(bytes, size);
    cb_status st = cb_store_open(&store, base.path, CB_STORE_READ, &err);
    check_error(st, &err);
    if (st == CB_OK) {
        limit_steps(store, &ticks);
        read_store(store, hash);
        limit_steps(store, &ticks);
        if (does(0, hash))
            merge_store(store);
    }
    cb_store_close(store);
    if (++base.inputs >= INPUTS_A_TO)
        close_to();
    return 0;
}
