/* SPDX-License-Identifier: MIT */
/* The timing of cells: what is counted, that parts add up, and what is refused. No time is
 * asserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/bench.h"

static const char lstm[] = "state h, c\n"
                           "z = tanh(W x + R h + b)\n"
                           "i = sigmoid(W x + R h + b)\n"
                           "f = sigmoid(W x + R h + b)\n"
                           "c' = f*c + i*z\n"
                           "o = sigmoid(W x + R h + b)\n"
                           "h' = o*tanh(c')\n";

static cb_bench_case case_of(cb_bench_phase phase, size_t input) {
    return (cb_bench_case){
        .cell = "lstm", .text = lstm, .shape = {5, 3, input, 6, 2}, .phase = phase};
}

static void count_progress(void *context, size_t done, size_t all) {
    size_t *calls = context;
    assert_int_equal(done, ++*calls);
    assert_int_equal(all, 3 * 4);
}

static void test_counts(void **state) {
    (void)state;
    const cb_bench_case cases[] = {case_of(CB_BENCH_FORWARD, 4), case_of(CB_BENCH_TRAIN, 4),
                                   case_of(CB_BENCH_TRAIN, 0)};
    size_t calls = 0;
    const cb_bench_options options = {.rounds = 4,
                                      .sample_seconds = 1e-4,
                                      .seed = 1,
                                      .core = -1,
                                      .context = &calls,
                                      .progress = count_progress};
    cb_bench *bench;
    cb_err err;
    assert_int_equal(cb_bench_run(&bench, cases, 3, &options, &err), CB_OK);
    assert_int_equal(calls, 12);
    /* four gates of 6 rows; 4 + 6 columns in the lower layer, 6 + 6 in the upper one */
    const double forward = 2.0 * 5 * 3 * 4 * 6 * (10 + 12);
    assert_true(cb_bench_get(bench, 0)->flop == forward);
    assert_true(cb_bench_get(bench, 1)->flop == 3 * forward);
    assert_true(cb_bench_get(bench, 2)->flop == 3 * 2.0 * 5 * 3 * 4 * 6 * (6 + 12));
    for (size_t i = 0; i < 3; i++) {
        const cb_bench_result *r = cb_bench_get(bench, i);
        assert_int_equal(r->samples, 4);
        for (size_t k = 0; k < r->samples; k++)
            assert_true(r->sample[k].repeats >= 1 && r->sample[k].duration_ns > 0 &&
                        r->sample[k].peak > 0);
        assert_true(r->seconds.low <= r->seconds.median && r->seconds.median <= r->seconds.high);
        assert_true(r->speed.median == r->flop / r->seconds.median);
        assert_true(r->parts.products > 0 && r->parts.pointwise > 0);
        assert_true((r->parts.gradients > 0) == (i > 0) && (r->parts.packing > 0) == (i > 0));
    }
    assert_int_equal(cb_bench_get(bench, 1)->param_count, 4 * 6 * (10 + 1) + 4 * 6 * (12 + 1));
    cb_bench_destroy(bench);
}

static int stop_now(void *context) {
    (void)context;
    return 1;
}

static void test_refused(void **state) {
    (void)state;
    const cb_bench_options good = {.rounds = 1, .sample_seconds = 1e-4, .core = -1};
    cb_bench_options options = good;
    cb_bench_case one = case_of(CB_BENCH_TRAIN, 4);
    cb_bench *bench;
    cb_err err;
    options.rounds = 0;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &options, &err), CB_EARG);
    assert_null(bench);
    options = good;
    options.stop = stop_now;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &options, &err), CB_ECANCEL);
    options = good;
    options.core = 1 << 20;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &options, &err), CB_EARG);
    one.shape.B = 0;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &good, &err), CB_EARG);
    one = case_of(CB_BENCH_TRAIN, 4);
    one.text = "state h\nh' = tanh(q)\n";
    assert_int_equal(cb_bench_run(&bench, &one, 1, &good, &err), CB_EPARSE);
    assert_non_null(strstr(err.text, "lstm"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
