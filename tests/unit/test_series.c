/* SPDX-License-Identifier: MIT */
/*
 * Series: the CSV reader and the choice of the column, splits, standardising, forecasts that need
 * no learning, and what is refused, with its line.
 */
#include <math.h>

#include "base/alloc.h"
#include "task_file.h"
#include "tasks/column.h"
#include "tasks/csv.h"

static const char *write_csv(const char *text) {
    return write_file("series.csv", text, strlen(text));
}

/* ---- the CSV reader ---- */

/* All records, as "a|b/c|d/". */
static void expect_records(const char *text, const char *expected) {
    char copy[256], all[256] = "";
    cb_err err = {0};
    cbi_csv csv;
    int more = 1;
    snprintf(copy, sizeof copy, "%s", text);
    cbi_csv_init(&csv, copy, strlen(copy), "input");
    while (more) {
        if (cbi_csv_next(&csv, &more, &err) != CB_OK)
            fail_msg("%s: %s", text, err.text);
        for (size_t i = 0; more && i < csv.count; i++) {
            strncat(all, csv.fields[i].data, csv.fields[i].length);
            strcat(all, i + 1 < csv.count ? "|" : "/");
        }
    }
    assert_string_equal(all, expected);
    cbi_csv_fini(&csv);
}

static void test_csv(void **state) {
    (void)state;
    expect_records("", "");
    expect_records("\n\r\n", "");
    expect_records("a", "a/");
    expect_records("a,b\nc,d\n", "a|b/c|d/");
    expect_records("a,b\r\nc,d", "a|b/c|d/");
    expect_records("a,b\nc,d\n\n\r\n", "a|b/c|d/");
    expect_records(",\n,", "|/|/");
    expect_records("\"a\",\"b,c\"\n", "a|b,c/");
    expect_records("\"\"\n\"a\nb\"", "/a\nb/");
    expect_records("\"say \"\"x\"\"\", y \n\"\"\"\",z", "say \"x\"| y /\"|z/");
    expect_records("\xEF\xBB\xBFn\n1", "n/1/");
}

/* ---- the choice of the column ---- */

static void expect_column(const char *text, const char *column, cbi_header header, size_t count,
                          double first) {
    char copy[256];
    cb_err err = {0};
    double *values = NULL;
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    if (cbi_column_read(&values, &n, copy, strlen(copy), column, header, "in", &err) != CB_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(n, count);
    assert_true(values[0] == first);
    cbi_free(values);
}

static void test_column(void **state) {
    static const char named[] = "day,\"the value\", note \n1,2.5,7\n2,-3e1,8\n";
    static const char bare[] = "1,2.5,7\n2,-3e1,8";
    (void)state;
    expect_column(named, NULL, CBI_HEADER_AUTO, 2, 7);
    expect_column(named, "the value", CBI_HEADER_AUTO, 2, 2.5);
    expect_column(named, "note", CBI_HEADER_YES, 2, 7);
    expect_column(named, "2", CBI_HEADER_AUTO, 2, 2.5);
    expect_column(bare, NULL, CBI_HEADER_AUTO, 2, 7);
    expect_column(bare, "1", CBI_HEADER_NO, 2, 1);
    expect_column(bare, "2", CBI_HEADER_YES, 1, -30); /* the 2 of the second line is no name */
    expect_column("3,1\n5,6\n", "3", CBI_HEADER_AUTO, 1, 5); /* here it is one */
    expect_column("3,1,0\n5,6,9\n", "3", CBI_HEADER_NO, 2, 0);
    expect_column(" 4\t\n+.5\n", NULL, CBI_HEADER_AUTO, 2, 4);
}

/* ---- splits, units, forecasts ---- */

/* Training 1 3 5 7 (mean 4, variance 5), validation 8 9 10, test 12 10 8. */
static const char small[] = "\"t\",\"v\"\n\"a\",1\n\"b\",3\n\"c\",5\n\"d\",7\n\"e\",8\n\"f\",9\n"
                            "\"g\",10\n\"h\",12\n\"i\",10\n\"j\",8\n";
#define THIRDS "\"valid_share\":0.3,\"test_share\":0.3"

static float unit(double value) {
    return (float)((value - 4.0) / sqrt(5.0));
}

static void check_values(const float *got, size_t n, const double *values) {
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(got[i] - unit(values[i])) < 1e-6F);
}

static void test_small(void **state) {
    static const double train[] = {1, 3, 5, 7}, test[] = {12, 10, 8};
    (void)state;
    cb_task *task = open_task("series", add_settings(write_csv(small), THIRDS ",\"length\":2"));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->input, CB_INPUT_DENSE);
    assert_int_equal(data->loss, CB_LOSS_SQUARED);
    assert_int_equal(data->when, CB_WHEN_EACH);
    assert_int_equal(data->input_dim, 1);
    assert_int_equal(data->target_dim, 1);
    assert_int_equal(data->split[CB_TRAIN].frames, 3);
    assert_int_equal(data->split[CB_TRAIN].sequences, 2);
    assert_int_equal(data->split[CB_TRAIN].start[1], 2);
    check_values(data->split[CB_TRAIN].x, 3, train);
    check_values(data->split[CB_TRAIN].target, 3, train + 1);
    check_values(data->split[CB_TEST].x, 2, test);
    check_values(data->split[CB_TEST].target, 2, test + 1);
    assert_int_equal(data->baseline_count, 2);
    assert_string_equal(data->baselines[0].name, "last value");
    assert_string_equal(data->baselines[0].metric, "mse");
    assert_true(fabs(data->baselines[0].valid - 1.0 / 5) < 1e-12);
    assert_true(fabs(data->baselines[0].test - 4.0 / 5) < 1e-12);
    assert_true(fabs(data->baselines[1].valid - (25.0 + 36) / 2 / 5) < 1e-12);
    assert_string_equal(cb_task_identity(task),
                        "{\"column\":null,\"header\":\"auto\",\"horizon\":1,\"length\":2,"
                        "\"test_share\":0.29999999999999999,\"valid_share\":0.29999999999999999}");
    cb_task_close(task);
}

static void test_horizon_and_season(void **state) {
    static const double train[] = {1, 3, 5, 7};
    (void)state;
    cb_task *task =
        open_task("series", add_settings(write_csv(small), THIRDS ",\"horizon\":2,\"season\":4"));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->split[CB_TRAIN].frames, 2);
    check_values(data->split[CB_TRAIN].target, 2, train + 2);
    assert_int_equal(data->baseline_count, 3);
    assert_true(fabs(data->baselines[0].valid - 4.0 / 5) < 1e-12);  /* 10 against 8 */
    assert_true(fabs(data->baselines[2].valid - 25.0 / 5) < 1e-12); /* 10 against 5 */
    assert_true(fabs(data->baselines[2].test - 1.0 / 5) < 1e-12);   /* 8 against 9 */
    cb_task_close(task);
    /* Of a season shorter than the horizon, the latest that is known: two seasons back. */
    task =
        open_task("series", add_settings(write_csv(small), THIRDS ",\"horizon\":2,\"season\":1"));
    data = cb_task_data(task);
    assert_true(data->baselines[2].valid == data->baselines[0].valid);
    cb_task_close(task);
    expect_failure("series", add_settings(write_csv(small), THIRDS ",\"season\":5"), CB_EARG,
                   "season", "at most the 4 training rows, got 5");
}

/* ---- what is refused ---- */

static void refuse(const char *text, const char *more, cb_status status, const char *first,
                   const char *second) {
    expect_failure("series", add_settings(write_csv(text), more), status, first, second);
    expect_failure("series", add_settings(write_csv(text), more), status, "series.csv",
                   "task 'series'");
}

static void test_refused_csv(void **state) {
    (void)state;
    refuse("", "", CB_EDATA, "records", "empty");
    refuse("v\n1\n\n2\n", "", CB_EDATA, "line 3", "empty line");
    refuse("a,b\n1,2\n3\n", "", CB_EDATA, "line 3",
           "expected 2 fields, as in the first line, got 1");
    refuse("v\n\"1\n2\n", "", CB_EDATA, "line 2", "never closed");
    refuse("v\n1\"2\n", "", CB_EDATA, "line 2", "quote within");
    refuse("v\n\"1\"2\n", "", CB_EDATA, "line 2", "behind a quoted field");
    refuse("v\n1\r2\n", "", CB_EDATA, "line 2", "carriage return");
    refuse("\"v\nw\"\n1\nx\n", "", CB_EDATA, "line 4", "'x'");
    expect_failure("series", write_file("series.csv", "v\n1\0\n", 5), CB_EDATA, "line 2", "zero");
}

static void test_refused_values(void **state) {
    static const char *const wrong[] = {"nan", "NaN", "inf", "-inf",  "0x10", "1,5", "1e999",
                                        "1 2", "-",   "e",   "1.5.2", "?",    "12;3"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "t,v\n1,2\n3,\"%s\"\n4,5\n", wrong[i]);
        refuse(text, "", CB_EDATA, "line 3: column 2: expected a finite", wrong[i]);
    }
    refuse("t,v\n1,2\n3,\n4,5\n", "", CB_EDATA, "line 3: column 2", "empty");
    refuse("t,v\n1,2\n3, \n4,5\n", "", CB_EDATA, "line 3: column 2", "empty");
    /* What stands in the first line and could be a value is not taken for a header. */
    refuse("nan\n1\n2\n", "", CB_EDATA, "line 1: column 1", "nan");
    refuse("1,\n1,2\n", "", CB_EDATA, "line 1: column 2", "empty");
    refuse("x\n1\n2\n", "\"header\":\"no\"", CB_EDATA, "line 1: column 1", "'x'");
}

static void test_refused_columns(void **state) {
    static const char text[] = "day,value\n1,2\n3,4\n";
    (void)state;
    refuse(text, "\"column\":\"valu\"", CB_EARG, "'valu'", "'day', 'value'");
    refuse(text, "\"column\":\"3\"", CB_EARG, "1..2", "'3'");
    refuse(text, "\"column\":\"0\"", CB_EARG, "1..2", "'0'");
    refuse(text, "\"column\":\"\"", CB_EARG, "1..2", "''");
    refuse(text, "\"column\":\"-1\"", CB_EARG, "1..2", "'-1'");
    refuse(text, "\"column\":\"99999999999999999999999\"", CB_EARG, "1..2", "999");
    refuse(text, "\"column\":\"value\",\"header\":\"no\"", CB_EARG, "1..2", "'value'");
    expect_failure("series", "{}", CB_EARG, "series", "file");
    expect_failure("series", add_settings(write_csv(text), "\"column\":2"), CB_EARG, "column",
                   "a text");
}

static void test_refused_lengths(void **state) {
    (void)state;
    refuse("v\n", "", CB_EDATA, "at least 2 rows", "of the 0");
    refuse("v\n1\n", "", CB_EDATA, "at least 2 rows", "of the 1 ");
    refuse(small, THIRDS ",\"horizon\":3", CB_EDATA, "'valid'", "at least 4 rows, got 3 of the 10");
    refuse("1\n1\n1\n1\n2\n3\n4\n5\n", "\"valid_share\":0.25,\"test_share\":0.25", CB_EDATA,
           "'train'", "got only 1");
    refuse("0.1\n0.1\n0.1\n0.1\n0.1\n2\n4\n5\n", "\"valid_share\":0.25,\"test_share\":0.25",
           CB_EDATA, "'train'", "only 0.1");
    refuse("1\n2\n1\n1\n2\n3\n4\n1e300\n", "\"valid_share\":0.25,\"test_share\":0.25", CB_EDATA,
           "value 8, 1e+300", "standardised");
    refuse("1e308\n-1e308\n1\n1\n2\n3\n4\n1\n", "\"valid_share\":0.25,\"test_share\":0.25",
           CB_EDATA, "value 1, 1e+308", "standardised");
}

static void test_allocations(void **state) {
    (void)state;
    check_every_allocation("series", add_settings(write_csv(small), THIRDS));
}

/* ---- real series: figures of a computation that shares nothing with this one ---- */

static void test_real(void **state) {
    static const struct {
        const char *settings;
        size_t train;
        double last, mean, season;
    } real[] = {
        {"{\"file\":\"daily-min-temperatures.csv\",\"season\":365}", 2920, 0.40496434348900295,
         0.921756372895157, 0.8107770503596409},
        {"{\"file\":\"monthly-sunspots.csv\",\"season\":132,\"column\":\"Sunspots\"}", 2256,
         0.23499358901029221, 2.0866493455266504, 1.3291637304336923},
        {"{\"file\":\"airline-passengers.csv\",\"season\":12,\"column\":\"2\"}", 116,
         0.31246611006367925, 6.552328861228656, 0.310106226155506},
    };
    (void)state;
    need_data();
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        cb_task *task = open_task("series", real[i].settings);
        const cb_data *data = cb_task_data(task);
        assert_int_equal(data->split[CB_TRAIN].frames, real[i].train - 1);
        assert_true(fabs(data->baselines[0].test - real[i].last) < 1e-9);
        assert_true(fabs(data->baselines[1].test - real[i].mean) < 1e-9);
        assert_true(fabs(data->baselines[2].test - real[i].season) < 1e-9);
        cb_task_close(task);
    }
    unsetenv("CELLBENCH_DATA");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_column),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_horizon_and_season),
        cmocka_unit_test(test_refused_csv),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_refused_columns),
        cmocka_unit_test(test_refused_lengths),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
