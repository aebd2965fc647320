/* SPDX-License-Identifier: MIT */
/*
 * The functions of SQL: what they give, what they refuse, and every failed allocation of SQLite's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "stats/sqlite_functions.h"

/* ---- SQLite's memory, which can be made to fail ---- */

static sqlite3_mem_methods real;
static long calls, refuse_at;

static void *refusing_malloc(int n) {
    return ++calls == refuse_at ? NULL : real.xMalloc(n);
}

static void *refusing_realloc(void *block, int n) {
    return ++calls == refuse_at ? NULL : real.xRealloc(block, n);
}

static int memory_begin(void **state) {
    (void)state;
    sqlite3_mem_methods methods;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        return -1;
    methods = real;
    methods.xMalloc = refusing_malloc;
    methods.xRealloc = refusing_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
                   sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK
               ? 0
               : -1;
}

/* ---- questions ---- */

static const char table[] =
    "CREATE TABLE t (g, x, y);"
    "INSERT INTO t VALUES ('b', 4, 7), ('a', 1, 2), ('a', 2, 4), ('b', 5.5, 6), ('a', 3, 3),"
    " ('b', '6', 9), (NULL, 100, NULL), ('b', NULL, 3)";

static sqlite3 *open_table(void) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(cbi_sqlite_functions(db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, table, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* The first column of the first row as text, six digits; "NULL"; or the error. */
static void ask(sqlite3 *db, const char *sql, char *answer, size_t size) {
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_NULL)
        snprintf(answer, size, "NULL");
    else if (rc == SQLITE_ROW)
        snprintf(answer, size, "%.6g", sqlite3_column_double(statement, 0));
    else
        snprintf(answer, size, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
}

static void expect(sqlite3 *db, const char *sql, const char *expected) {
    char answer[256];
    ask(db, sql, answer, sizeof answer);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s: expected %s, got %s", sql, expected, answer);
}

/* R: x <- c(4, 1, 2, 5.5, 3, 6, 100); a <- 1:3; b <- c(4, 5.5, 6); y <- c(2, 4, 3, 7, 6, 9) */
static void test_values(void **state) {
    (void)state;
    sqlite3 *db = open_table();
    expect(db, "SELECT median(x) FROM t", "4");
    expect(db, "SELECT quantile(x, 0.9) FROM t", "43.6");
    expect(db, "SELECT mad(x) FROM t", "2");
    expect(db, "SELECT stddev(x) FROM t", "36.486");
    expect(db, "SELECT geometric_mean(x) FROM t WHERE g = 'b'", "5.09164");
    expect(db, "SELECT mean_low(x) FROM t", "-16.3868");
    expect(db, "SELECT mean_high(x, 0.99) FROM t", "68.4841");
    expect(db, "SELECT welch_t(x, g) FROM t", "-3.8");
    expect(db, "SELECT welch_p(x, g) FROM t", "0.0191597");
    expect(db, "SELECT mann_whitney_p(x, g) FROM t", "0.1");
    expect(db, "SELECT cliffs_delta(x, g) FROM t", "-1");
    expect(db, "SELECT paired_p(x, y) FROM t", "0.0291831");
    expect(db, "SELECT wilcoxon_p(x, y) FROM t", "0.0625"); /* ties: as scipy counts them */
    expect(db, "SELECT sum(m) FROM (SELECT median(x) AS m FROM t GROUP BY g)", "107.5");
    /* The order of rows changes nothing. */
    expect(db,
           "SELECT (SELECT bootstrap_low(x) FROM (SELECT x FROM t ORDER BY x))"
           " = (SELECT bootstrap_low(x) FROM (SELECT x FROM t ORDER BY -x))",
           "1");
    expect(db, "SELECT bootstrap_low(x) < avg(x) AND bootstrap_high(x) > avg(x) FROM t", "1");
    expect(db, "SELECT bootstrap_low(x, 0.5) > bootstrap_low(x) FROM t", "1");
    sqlite3_close(db);
}

static void test_nothing(void **state) {
    (void)state;
    static const char *const calls_of[] = {
        "median(x)",          "quantile(x, 0.5)", "mad(x)",          "stddev(x)",
        "geometric_mean(x)",  "mean_low(x)",      "mean_high(x)",    "bootstrap_low(x)",
        "bootstrap_high(x)",  "welch_t(x, g)",    "welch_p(x, g)",   "mann_whitney_p(x, g)",
        "cliffs_delta(x, g)", "paired_p(x, y)",   "wilcoxon_p(x, y)"};
    sqlite3 *db = open_table();
    char sql[128];
    for (size_t i = 0; i < sizeof calls_of / sizeof calls_of[0]; i++) {
        snprintf(sql, sizeof sql, "SELECT %s FROM t WHERE 0", calls_of[i]);
        expect(db, sql, "NULL");
        snprintf(sql, sizeof sql, "SELECT %s FROM t WHERE x IS NULL", calls_of[i]);
        expect(db, sql, "NULL");
        snprintf(sql, sizeof sql, "SELECT typeof(%s) <> '' FROM t", calls_of[i]);
        expect(db, sql, "1");
    }
    expect(db, "SELECT welch_p(x, g) FROM t WHERE g = 'a'", "NULL"); /* one group */
    expect(db, "SELECT stddev(x) FROM t WHERE x = 1", "NULL");
    expect(db, "SELECT quantile(x, NULL) FROM t", "NULL");
    expect(db, "SELECT mean_low(x, NULL) FROM t", "NULL");
    sqlite3_close(db);
}

static void test_refused(void **state) {
    (void)state;
    sqlite3 *db = open_table();
    expect(db, "SELECT median(g) FROM t", "median: expected a number, got a text");
    expect(db, "SELECT mad(x'00') FROM t", "mad: expected a number, got a blob");
    expect(db, "SELECT wilcoxon_p(x, 'z') FROM t", "wilcoxon_p: expected a number, got a text");
    expect(db, "SELECT welch_p(x, y) FROM t", "welch_p: expected two groups, got a third");
    expect(db, "SELECT quantile(x, 1.5) FROM t", "quantile: expected p between 0 and 1");
    expect(db, "SELECT quantile(x, 'p') FROM t", "quantile: expected a number, got a text");
    expect(db, "SELECT mean_low(x, 1) FROM t", "mean_low: expected a level between 0 and 1");
    expect(db, "SELECT median() FROM t", "wrong number of arguments to function median()");
    expect(db,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
           " SELECT bootstrap_low(i) FROM n",
           "bootstrap_low: expected at most 2000 values, got 3000: mean_low and mean_high are as"
           " good there");
    sqlite3_close(db);
}

/* Huge, tiny, infinite, groups of every type. */
static void test_odd(void **state) {
    (void)state;
    sqlite3 *db = open_table();
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE odd (g, x); INSERT INTO odd VALUES (1, 9e999),"
                                  " (1.0, 1.7e308), (x'01', -1.7e308), (x'01', -9e999),"
                                  " (1, 9223372036854775807), (x'01', 5e-324)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    expect(db, "SELECT cliffs_delta(x, g) FROM odd", "1");
    expect(db, "SELECT mann_whitney_p(x, g) FROM odd", "0.1");
    expect(db, "SELECT quantile(x, 1) FROM odd", "inf");
    expect(db, "SELECT median(x) FROM odd", "4.61169e+18");
    expect(db, "SELECT welch_p(x, g) FROM odd", "NULL"); /* the variance overflows */
    expect(db, "SELECT typeof(bootstrap_low(x)) <> '' FROM odd", "1");
    expect(db, "SELECT typeof(stddev(x)) <> '' FROM odd", "1");
    expect(db, "SELECT welch_p(x, zeroblob(2)) FROM odd", "NULL");
    sqlite3_close(db);
}

/* In a view of a database that is not trusted, and in an index's place where only deterministic
 * functions may stand (aggregates may not: it is the view that matters). */
static void test_trusted_by_none(void **state) {
    (void)state;
    sqlite3 *db = open_table();
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA trusted_schema = 0;"
                                  "CREATE VIEW v AS SELECT g, median(x) AS m FROM t GROUP BY g",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    expect(db, "SELECT m FROM v WHERE g = 'a'", "2");
    sqlite3_close(db);
}

static void test_no_memory(void **state) {
    (void)state;
    static const char sql[] =
        "SELECT median(x) + welch_p(x, g) + wilcoxon_p(x, y) + mean_low(x, 0.9)"
        " FROM t WHERE g IS NOT NULL AND x IS NOT NULL";
    sqlite3 *db = open_table();
    int failures = 0;
    for (long nth = 1;; nth++) {
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        calls = 0;
        refuse_at = nth;
        const int rc = sqlite3_step(statement);
        refuse_at = 0;
        const int is_done = calls < nth;
        sqlite3_finalize(statement);
        if (is_done) {
            assert_int_equal(rc, SQLITE_ROW);
            break;
        }
        assert_int_equal(rc, SQLITE_NOMEM);
        failures++;
    }
    assert_true(failures > 5);
    sqlite3_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_odd),
        cmocka_unit_test(test_trusted_by_none), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("sqlite_functions", tests, memory_begin, NULL);
}
