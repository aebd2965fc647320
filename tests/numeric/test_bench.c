/* SPDX-License-Identifier: MIT */
/* The timing of cells: what is counted and told, that parts add up, what values are written, and
 * what is refused. No time is asserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cellbench/bench.h"
#include "train/safetensors.h"

static const char lstm[] = "state h, c\n"
                           "z = tanh(W x + R h + b)\n"
                           "i = sigmoid(W x + R h + b)\n"
                           "f = sigmoid(W x + R h + b)\n"
                           "c' = f*c + i*z\n"
                           "o = sigmoid(W x + R h + b)\n"
                           "h' = o*tanh(c')\n";
static const char peeping[] = "state h, c\n"
                              "z = tanh(W x + R h + b)\n"
                              "f = sigmoid(W x + lower.c + b)\n"
                              "c' = f*c + z\n"
                              "h' = tanh(c')\n";

static cb_bench_case case_of(cb_bench_phase phase, size_t input) {
    return (cb_bench_case){
        .cell = "lstm", .text = lstm, .shape = {5, 3, input, 6, 2}, .phase = phase};
}

typedef struct told {
    size_t progress, rounds;
    size_t samples[4][CB_BENCH_PARTS];
} told;

static void count_progress(void *context, size_t done, size_t all) {
    told *t = context;
    assert_int_equal(done, ++t->progress);
    assert_int_equal(all, 4 * 4);
}

static cb_status count_sample(void *context, const cb_bench *bench, size_t i, size_t round,
                              cb_bench_part part, const cb_bench_sample *sample, cb_err *err) {
    told *t = context;
    (void)err;
    assert_int_equal(round, t->rounds);
    assert_non_null(strstr(cb_bench_get(bench, i)->text, "sigmoid"));
    assert_true(sample->repeats >= 1);
    t->samples[i][part]++;
    return CB_OK;
}

static cb_status count_round(void *context, const cb_bench *bench, size_t round, cb_err *err) {
    told *t = context;
    (void)bench, (void)err;
    assert_int_equal(round, t->rounds++);
    return CB_OK;
}

static void test_counts(void **state) {
    (void)state;
    const cb_bench_case cases[] = {case_of(CB_BENCH_FORWARD, 4), case_of(CB_BENCH_TRAIN, 4),
                                   case_of(CB_BENCH_TRAIN, 0), case_of(CB_BENCH_FIRST, 4)};
    told t = {0};
    const cb_bench_options options = {.rounds = 4,
                                      .sample_seconds = 1e-4,
                                      .seed = 1,
                                      .core = -1,
                                      .context = &t,
                                      .sample = count_sample,
                                      .round = count_round,
                                      .progress = count_progress};
    cb_bench *bench;
    cb_err err;
    assert_int_equal(cb_bench_run(&bench, cases, 4, &options, &err), CB_OK);
    assert_int_equal(t.progress, 16);
    assert_int_equal(t.rounds, 4);
    for (size_t i = 0; i < 4; i++)
        for (int part = 0; part < CB_BENCH_PARTS; part++)
            assert_int_equal(t.samples[i][part], part == CB_BENCH_ALL ? 4
                                                 : i == 3             ? 0
                                                                      : CB_BENCH_PART_ROUNDS);
    /* four gates of 6 rows; 4 + 6 columns in the lower layer, 6 + 6 in the upper one */
    const double forward = 2.0 * 5 * 3 * 4 * 6 * (10 + 12);
    assert_true(cb_bench_get(bench, 0)->flop == forward);
    assert_true(cb_bench_get(bench, 1)->flop == 3 * forward);
    assert_true(cb_bench_get(bench, 2)->flop == 3 * 2.0 * 5 * 3 * 4 * 6 * (6 + 12));
    assert_true(cb_bench_get(bench, 3)->flop == 3 * forward);
    for (size_t i = 0; i < 4; i++) {
        const cb_bench_result *r = cb_bench_get(bench, i);
        double whole = 0;
        assert_int_equal(r->samples, 4);
        assert_int_equal(r->frames, 15);
        for (size_t k = 0; k < r->samples; k++)
            assert_true(r->sample[k].repeats >= 1 && r->sample[k].duration_ns > 0 &&
                        r->sample[k].peak > 0);
        assert_true(r->seconds.low <= r->seconds.median && r->seconds.median <= r->seconds.high);
        assert_true(r->speed.median == r->flop / r->seconds.median);
        for (int part = CB_BENCH_PRODUCTS; part < CB_BENCH_PARTS; part++)
            whole += r->part[part];
        assert_true(i == 3 ? whole == 0 : whole > 0.999999 && whole < 1.000001);
        assert_true((r->part[CB_BENCH_GRADIENTS] > 0) == (i == 1 || i == 2));
        assert_true((r->part[CB_BENCH_PACKING] > 0) == (i == 1 || i == 2));
    }
    assert_int_equal(cb_bench_get(bench, 1)->param_count, 4 * 6 * (10 + 1) + 4 * 6 * (12 + 1));
    assert_int_equal(cb_bench_get(bench, 1)->step_flop, 2 * 4 * 6 * (10 + 12));
    cb_bench_destroy(bench);
}

/* Lengths 5, 4, 2 of 3 sequences; more sequences than steps; inputs; two at once; a lowest cell. */
static void test_kinds(void **state) {
    (void)state;
    cb_bench_case cases[5];
    for (size_t i = 0; i < 5; i++)
        cases[i] = case_of(CB_BENCH_TRAIN, 4);
    cases[0].spread = 1;
    cases[1].spread = 1;
    cases[1].shape.T = 2;
    cases[2].denormal = 1;
    cases[3].jobs = 2;
    cases[4] = (cb_bench_case){.cell = "peeping",
                               .text = peeping,
                               .lowest = "lstm",
                               .lowest_text = lstm,
                               .shape = {5, 3, 4, 6, 2},
                               .phase = CB_BENCH_TRAIN};
    const cb_bench_options options = {
        .rounds = 1, .sample_seconds = 1e-4, .seed = 1, .core = -1, .wall = 1};
    cb_bench *bench;
    cb_err err = {0};
    if (cb_bench_run(&bench, cases, 5, &options, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cb_bench_get(bench, 0)->frames, 5 + 4 + 2);
    assert_int_equal(cb_bench_get(bench, 1)->frames, 2 + 2 + 1);
    assert_int_equal(cb_bench_get(bench, 2)->frames, 15);
    assert_true(cb_bench_get(bench, 0)->flop * 15 == cb_bench_get(bench, 2)->flop * 11);
    assert_int_equal(cb_bench_get(bench, 3)->sample->repeats % 2, 0);
    assert_non_null(strstr(cb_bench_get(bench, 4)->text, "lower.c"));
    cb_bench_destroy(bench);
}

static int stop_now(void *context) {
    (void)context;
    return 1;
}

static cb_status refuse_sample(void *context, const cb_bench *bench, size_t i, size_t round,
                               cb_bench_part part, const cb_bench_sample *sample, cb_err *err) {
    (void)context, (void)bench, (void)i, (void)round, (void)part, (void)sample;
    return cb_fail(err, CB_EIO, "disk full");
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
    options.sample = refuse_sample;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &options, &err), CB_EIO);
    options = good;
    options.core = 1 << 20;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &options, &err), CB_EARG);
    one.jobs = 2; /* by the wall alone */
    assert_int_equal(cb_bench_run(&bench, &one, 1, &good, &err), CB_EARG);
    one.jobs = 1;
    one.shape.B = 0;
    assert_int_equal(cb_bench_run(&bench, &one, 1, &good, &err), CB_EARG);
    one = case_of(CB_BENCH_TRAIN, 4);
    one.text = "state h\nh' = tanh(q)\n";
    assert_int_equal(cb_bench_run(&bench, &one, 1, &good, &err), CB_EPARSE);
    assert_non_null(strstr(err.text, "lstm"));
}

/* ---- values ---- */

static const cbi_tensor *find(const cbi_tensor_file *file, const char *name) {
    size_t n;
    const cbi_tensor *list = cbi_tensors_list(file, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void expect_shape(const cbi_tensor_file *file, const char *name, size_t rows, size_t cols) {
    const cbi_tensor *tensor = find(file, name);
    assert_int_equal(tensor->rank, cols > 0 ? 2 : 1);
    assert_int_equal(tensor->shape[0], rows);
    if (cols > 0)
        assert_int_equal(tensor->shape[1], cols);
}

/* h' = W x: y, dx and the gradient of W follow by hand from the file's own x, dy and W. */
static void test_values(void **state) {
    (void)state;
    enum { T = 2, B = 3, I = 2, H = 1, N = T * B };
    static const char linear[] = "state h\nh' = W x\n";
    const cb_bench_case what = {
        .cell = "linear", .text = linear, .shape = {T, B, I, H, 1}, .phase = CB_BENCH_TRAIN};
    char path[] = "/tmp/cellbench-values-XXXXXX";
    float x[N][I], dx[N][I], dy[N], y[N], w[I], g[I];
    cbi_tensor_file *file;
    cb_err err = {0};
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cb_bench_values(&what, 1, path, &err), CB_OK);
    assert_int_equal(cbi_tensors_open(&file, path, &err), CB_OK);
    assert_string_equal(cbi_tensors_text(file, "cell"), "linear");
    assert_non_null(strstr(cbi_tensors_text(file, "text"), "h' = W x"));
    const cbi_tensor_place places[] = {{*find(file, "x"), x},
                                       {*find(file, "dx"), dx},
                                       {*find(file, "dy"), dy},
                                       {*find(file, "y"), y},
                                       {*find(file, "weight/1.W_h"), w},
                                       {*find(file, "gradient/1.W_h"), g}};
    expect_shape(file, "x", N, I);
    expect_shape(file, "y", N, H);
    expect_shape(file, "weight/1.W_h", H, I);
    assert_int_equal(cbi_tensors_read(file, places, 6, &err), CB_OK);
    float gradient[I] = {0};
    for (size_t r = 0; r < N; r++) {
        assert_float_equal(y[r], w[0] * x[r][0] + w[1] * x[r][1], 1e-6);
        for (size_t i = 0; i < I; i++) {
            assert_float_equal(dx[r][i], w[i] * dy[r], 1e-6);
            gradient[i] += dy[r] * x[r][i];
        }
    }
    for (size_t i = 0; i < I; i++)
        assert_float_equal(g[i], gradient[i], 1e-5);
    cbi_tensors_close(file);
    unlink(path);
    assert_int_equal(cb_bench_values(&what, 1, "/nowhere/at/all", &err), CB_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
