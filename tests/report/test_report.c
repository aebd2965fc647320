/* SPDX-License-Identifier: MIT */
/* What a report reads, and that it neither disturbs a run nor forgets memory. */
#include "store/store_fixture.h"

#include <math.h>

#include "base/file.h"
#include "cellbench/report.h"
#include "faults.h"
#include "report/report_data.h"

/* So many trials of 2 cells, with FIXTURE_SEEDS seeds of each setting, all run. */
static void make_study(const fixture *f, int trials) {
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    const int64_t id = fixture_study(store, "s", "r", 0, trials);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, trials, CB_ATTEMPT_DONE), trials);
    cb_store_close(store);
}

static void test_read(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    cbi_report_data data;
    make_study(f, 2 * FIXTURE_CELLS * FIXTURE_SEEDS);
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    must(cbi_report_read(&data, store, NULL, err));
    assert_int_equal(data.compare->task_count, 1);
    const cbi_report_part *part = &data.parts[0];
    assert_int_equal(part->trial_count, 2 * FIXTURE_CELLS * FIXTURE_SEEDS);
    assert_int_equal(part->setting_count, 2 * FIXTURE_CELLS);
    assert_int_equal(part->first_seeds, FIXTURE_SEEDS);
    assert_int_equal(part->run_count, 1);
    assert_int_equal(part->runs[0].trials, 2 * FIXTURE_CELLS * FIXTURE_SEEDS);
    assert_string_equal(part->runs[0].kernel, "portable");
    assert_int_equal(part->failure_count, 0);
    assert_string_equal(part->script, "-- script");
    assert_string_equal(part->task_settings, "steps 50");
    assert_int_equal(part->varied_count, 3);
    assert_string_equal(part->varied[0].name, "hidden");
    assert_string_equal(part->varied[0].value, "16 to 17");
    assert_string_equal(part->varied[1].value, "adam");
    assert_string_equal(part->varied[2].value, "0.001 to 0.002");
    for (size_t i = 0; i < FIXTURE_CELLS; i++) {
        const cbi_report_curve *curve = &part->cells[i].curve[CBI_CURVE_VALID];
        assert_int_equal(curve->count, FIXTURE_EPOCHS);
        assert_int_equal(curve->seeds, FIXTURE_SEEDS);
        assert_true(curve->epochs[3].epoch == 4 && curve->epochs[3].n == FIXTURE_SEEDS);
        assert_true(curve->epochs[3].middle == 0.25 && curve->epochs[3].low == 0.25);
        assert_int_equal(part->cells[i].curve[CBI_CURVE_TRAIN].count, 0);
    }
    cbi_report_data_fini(&data);
    cb_store_close(store);
}

static char *page_of(const fixture *f) {
    char path[128], *text = NULL;
    size_t length = 0;
    cb_store *store = NULL;
    cb_report_made made;
    snprintf(path, sizeof path, "%s/page.html", f->folder);
    const cb_report_options options = {.page = path, .charts = "", .version = "0", .command = "x"};
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    must(cb_report_write(store, &options, &made, err));
    cb_store_close(store);
    must(cbi_file_read(&text, &length, path, 1 << 24, err));
    assert_int_equal(length, made.page_bytes);
    return text;
}

/* A report is made while a run works: it says how far that is, and the run goes on. */
static void test_running(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    const int64_t id = fixture_study(store, "s", "r", 0, 4 * FIXTURE_CELLS * FIXTURE_SEEDS);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 10, CB_ATTEMPT_DONE), 10);
    char *page = page_of(f);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "10 of %d trials", 4 * FIXTURE_CELLS * FIXTURE_SEEDS);
    assert_non_null(strstr(page, "The study is running"));
    assert_non_null(strstr(page, wanted));
    cb_free(page);
    assert_int_equal(fixture_work(store, id, 2, CB_ATTEMPT_FAILED), 2);
    cb_store_close(store);
    page = page_of(f);
    assert_non_null(strstr(page, "The study is not finished"));
    assert_non_null(strstr(page, "it broke"));
    cb_free(page);
}

static void test_nothing(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    cb_store_close(store);
    char *page = page_of(f);
    assert_non_null(strstr(page, "Nothing to report yet"));
    cb_free(page);
}

static cb_status write_all(void *context) {
    const fixture *f = context;
    char page[128], markdown[128], latex[128];
    cb_err err;
    cb_store *store = NULL;
    cb_report_made made;
    snprintf(page, sizeof page, "%s/page.html", f->folder);
    snprintf(markdown, sizeof markdown, "%s/page.md", f->folder);
    snprintf(latex, sizeof latex, "%s/page.tex", f->folder);
    const cb_report_options options = {.page = page,
                                       .markdown = markdown,
                                       .latex = latex,
                                       .charts = "",
                                       .version = "0",
                                       .command = "x"};
    cb_status st = cb_store_open(&store, f->path, CB_STORE_READ, &err);
    if (st == CB_OK)
        st = cb_report_write(store, &options, &made, &err);
    cb_store_close(store);
    return st;
}

static void test_memory(void **state) {
    fixture *f = *state;
    char path[] = "PATH=/nowhere"; /* no pictures: gnuplot is not what is tested */
    make_study(f, FIXTURE_CELLS * FIXTURE_SEEDS);
    putenv(path);
    assert_true(faults_run(write_all, f) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_running, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_memory, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
