/* SPDX-License-Identifier: MIT */
/* The writers that stand between a database and a page: whatever comes in, text goes out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/figure.h"
#include "report/html.h"
#include "report/utf8.h"

static void expect_text(void (*write)(cbi_text *, const char *), const char *given,
                        const char *wanted) {
    cbi_text out = {0};
    write(&out, given);
    assert_int_equal(out.failed, 0);
    assert_string_equal(out.data != NULL ? out.data : "", wanted);
    cbi_text_fini(&out);
}

static void test_text(void **state) {
    (void)state;
    expect_text(cbi_html_text, "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;");
    expect_text(cbi_html_text, "two\nlines\tand \x1b[2J", "two\nlines\tand \xef\xbf\xbd[2J");
    expect_text(cbi_html_text, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xb5",
                "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xb5");
    /* A lone continuation, a cut sequence, an overlong "/", a surrogate, beyond the last. */
    expect_text(cbi_html_text, "\x80", "\xef\xbf\xbd");
    expect_text(cbi_html_text, "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
    expect_text(cbi_html_text, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
    expect_text(cbi_html_text, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    expect_text(cbi_html_text, "\xf4\x90\x80\x80x",
                "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx");
}

static void test_names(void **state) {
    (void)state;
    expect_text(cbi_html_name, "gru", "<bdi>gru</bdi>");
    char name[10001], *cut;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cbi_text out = {0};
    cbi_html_name(&out, name);
    assert_non_null(strstr(out.data, "<bdi title=\"xxx"));
    assert_non_null(cut = strstr(out.data, "\">"));
    assert_int_equal(strlen(cut), strlen("\">") + CBI_HTML_NAME + strlen("\xe2\x80\xa6</bdi>"));
    cbi_text_fini(&out);
    cbi_name_plain(&out,
                   "a\nb\xe2\x80\xae"
                   "c",
                   3);
    assert_string_equal(out.data, "a\xef\xbf\xbd"
                                  "b\xe2\x80\xa6");
    cbi_text_fini(&out);
}

static void test_json(void **state) {
    (void)state;
    expect_text(cbi_json_text, "a\"b\\", "\"a\\\"b\\\\\"");
    expect_text(cbi_json_text, "</script><!--&'",
                "\"\\u003c/script\\u003e\\u003c!--\\u0026\\u0027\"");
    expect_text(cbi_json_text, "\xe2\x80\xa8\n\x01\xe2\x80\xae",
                "\"\\u2028\\u000a\\u0001\\u202e\"");
    cbi_text out = {0};
    cbi_json_number(&out, 1.0 / 3);
    cbi_json_number(&out, (double)NAN);
    cbi_json_number(&out, -(double)INFINITY);
    assert_string_equal(out.data, "0.333333nullnull");
    cbi_text_fini(&out);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        int digits;
        const char *wanted;
    } cases[] = {{0.0120, 4, "0.01200"},
                 {-8.45, 4,
                  "\xe2\x88\x92"
                  "8.450"},
                 {4.085e-5, 3, "0.0000408"},
                 {4.085e-9, 3,
                  "4.08\xc2\xb7"
                  "10<sup>\xe2\x88\x92"
                  "9</sup>"},
                 {1.5e12, 2,
                  "1.5\xc2\xb7"
                  "10<sup>12</sup>"},
                 {100, 3, "100"},
                 {0, 3, "0.00"},
                 {(double)NAN, 3, "\xe2\x80\x93"},
                 {(double)INFINITY, 3, "\xe2\x80\x93"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cbi_text out = {0};
        cbi_html_number(&out, cases[i].value, cases[i].digits);
        assert_string_equal(out.data, cases[i].wanted);
        cbi_text_fini(&out);
    }
    cbi_text out = {0};
    cbi_html_count(&out, 1234567);
    cbi_html_count(&out, -12);
    cbi_html_count(&out, 3393);
    assert_string_equal(out.data, "1\xe2\x80\xaf"
                                  "234\xe2\x80\xaf"
                                  "567\xe2\x88\x92"
                                  "123393");
    cbi_text_fini(&out);
    cbi_html_p_cell(&out, 0.00012);
    assert_string_equal(out.data, "<td class=\"n\" data-value=\"0.00012\">&lt; 0.001</td>");
    cbi_text_fini(&out);
}

static void test_durations(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *wanted;
    } cases[] = {{0.0456, "45.6 ms"}, {6.61, "6.61 s"},     {59.99, "1 min 00 s"},
                 {200, "3 min 20 s"}, {3600, "1 h 00 min"}, {(double)NAN, "\xe2\x80\x93"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cbi_text out = {0};
        cbi_html_duration(&out, cases[i].seconds);
        assert_string_equal(out.data, cases[i].wanted);
        cbi_text_fini(&out);
    }
}

static void test_base64(void **state) {
    (void)state;
    /* RFC 4648, section 10. */
    static const char *const cases[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cbi_text out = {0};
        cbi_html_base64(&out, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(out.data != NULL ? out.data : "", cases[i][1]);
        cbi_text_fini(&out);
    }
}

/* Thinning keeps the ends and the shape; a swarm keeps every point within its row. */
static void test_series(void **state) {
    (void)state;
    cbi_pool pool = {0};
    cbi_series series = {.name = "x", .what = "y"};
    for (int64_t i = 0; i < 1000; i++)
        cbi_series_add(&series, &pool,
                       (cbi_point){.x = (double)(i * 7919 % 1000), .y = 2, .tag = i});
    cbi_series_add(&series, &pool, (cbi_point){.x = (double)NAN});
    assert_int_equal(series.count, 1000);
    assert_int_equal(cbi_series_thin(&series, 101), 1000);
    assert_int_equal(series.count, 101);
    for (size_t i = 0; i < 101; i++)
        assert_true(fabs(series.points[i].x - 9.99 * (double)i) <= 1);
    assert_true(series.points[0].x == 0 && series.points[100].x == 999);
    cbi_series_swarm(&series, 0, 999, 0);
    for (size_t i = 0; i < 101; i++)
        assert_true(fabs(series.points[i].y - 2) < 0.5);
    for (int i = 0; i < 5000; i++)
        cbi_series_add(&series, &pool, (cbi_point){.x = 500, .y = 2});
    cbi_series_swarm(&series, 0, 999, 0);
    for (size_t i = 101; i < series.count; i++)
        assert_true(fabs(series.points[i].y - 2) < 0.5);
    cbi_pool_fini(&pool);
}

static void test_gnuplot_script(void **state) {
    (void)state;
    cbi_pool pool = {0};
    static const char *const rows[] = {"it's\n`id` %d"};
    cbi_figure figure = {.id = "x",
                         .title = "x",
                         .note = "",
                         .rows = rows,
                         .row_count = 1,
                         .x = {.label = "a\nset output 'x'"}};
    cbi_series *series =
        cbi_figure_add(&figure, &pool, &(cbi_series){.name = "END\nsystem 'id'", .what = ""});
    cbi_series_add(series, &pool, (cbi_point){.x = 1});
    cbi_text out = {0};
    cbi_figure_gnuplot(&out, &figure);
    assert_non_null(strstr(out.data, "set ytics ('it''s\xef\xbf\xbd`id` %%d' 0)"));
    assert_non_null(strstr(out.data, "set xlabel 'a\xef\xbf\xbdset output ''x'''\n"));
    assert_null(strstr(out.data, "\nsystem"));
    assert_null(strstr(out.data, "\nset output"));
    cbi_text_fini(&out);
    cbi_pool_fini(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_json),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_series),    cmocka_unit_test(test_gnuplot_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
