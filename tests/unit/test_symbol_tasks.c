/* SPDX-License-Identifier: MIT */
/*
 * Generated tasks of symbols, each against its definition written down a second time: temporal
 * order with three markers, parity, the embedded Reber grammar.
 */
#include <math.h>

#include "task_check.h"

/* ---- temporal order with three markers ---- */

static void test_three_markers(void **state) {
    (void)state;
    cb_task *task =
        open_task("temporal_order", "{\"markers\":3,\"train\":2000,\"valid\":2000,\"test\":10}");
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    static const size_t low[] = {10, 33, 66}, high[] = {20, 43, 76};
    int classes[8] = {0}, ends[3][2] = {{0}};
    assert_int_equal(data->input_dim, 8);
    assert_int_equal(data->target_dim, 8);
    for (size_t s = 0; s < split->sequences; s++) {
        const int32_t *x = split->index + split->start[s];
        size_t T = split->start[s + 1] - split->start[s], found = 0;
        int32_t class = 0;
        assert_true(T >= 100 && T <= 110);
        assert_true(x[0] == 6 && x[T - 1] == 7);
        for (size_t t = 1; t + 1 < T; t++) {
            assert_true(x[t] >= 0 && x[t] <= 5);
            if (x[t] < 4)
                continue;
            assert_true(found < 3 && t >= low[found] && t <= high[found]);
            ends[found][0] += t == low[found];
            ends[found][1] += t == high[found];
            class = 2 * class + x[t] - 4;
            found++;
        }
        assert_int_equal(found, 3);
        assert_int_equal(split->label[s], class);
        classes[class]++;
    }
    for (int c = 0; c < 8; c++)
        assert_true(classes[c] > 185 && classes[c] < 315); /* +- 4.4 sd */
    for (int m = 0; m < 3; m++)
        assert_true(ends[m][0] > 0 && ends[m][1] > 0);
    assert_true(fabs(data->baselines[0].valid - log(8.0)) < 0.02);
    assert_true(fabs(data->baselines[1].valid - 7.0 / 8.0) < 0.04);
    cb_task_close(task);
}

/* Trials of before there were three markers must stay what they were. */
static void test_markers_in_identity(void **state) {
    (void)state;
    cb_task *two =
        open_task("temporal_order", "{\"markers\":2,\"train\":1,\"valid\":1,\"test\":1}");
    cb_task *three =
        open_task("temporal_order", "{\"markers\":3,\"train\":1,\"valid\":1,\"test\":1}");
    assert_string_equal(cb_task_identity(two),
                        "{\"data_seed\":0,\"length\":100,\"test\":1,\"train\":1,\"valid\":1}");
    assert_string_equal(cb_task_identity(three), "{\"data_seed\":0,\"length\":100,\"markers\":3,"
                                                 "\"test\":1,\"train\":1,\"valid\":1}");
    cb_task_close(two);
    two = open_task("temporal_order", cb_task_identity(three)); /* nothing of it is lost */
    assert_string_equal(cb_task_settings(two), cb_task_settings(three));
    cb_task_close(two);
    cb_task_close(three);
    expect_failure("temporal_order", "{\"markers\":4}", CB_EARG, "markers", "4");
}

/* The shortest sequences have room for the markers: each place is a different step. */
static void test_short_orders(void **state) {
    (void)state;
    for (int length = 10; length < 40; length++) {
        char settings[128];
        snprintf(settings, sizeof settings,
                 "{\"markers\":3,\"length\":%d,\"train\":60,\"valid\":1,\"test\":1}", length);
        cb_task *task = open_task("temporal_order", settings);
        const cb_split *split = &cb_task_data(task)->split[CB_TRAIN];
        for (size_t s = 0; s < split->sequences; s++) {
            int found = 0;
            for (size_t t = split->start[s] + 1; t + 1 < split->start[s + 1]; t++)
                found += split->index[t] >= 4;
            assert_int_equal(found, 3);
        }
        cb_task_close(task);
    }
}

/* ---- parity ---- */

static void check_parity(const char *settings, cb_when when) {
    cb_task *task = open_task("parity", settings);
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    int ones = 0, odd = 0, rows = 0;
    assert_int_equal(data->when, when);
    assert_int_equal(data->input_dim, 2);
    assert_int_equal(data->target_dim, 2);
    for (size_t s = 0; s < split->sequences; s++) {
        int sum = 0;
        assert_int_equal(split->start[s + 1] - split->start[s], 9);
        for (size_t t = split->start[s]; t < split->start[s + 1]; t++) {
            assert_true(split->index[t] == 0 || split->index[t] == 1);
            ones += split->index[t];
            sum += split->index[t];
            if (when == CB_WHEN_LAST && t + 1 < split->start[s + 1])
                continue;
            int label = split->label[when == CB_WHEN_LAST ? s : t];
            assert_int_equal(label, sum % 2);
            odd += label;
            rows++;
        }
    }
    assert_true(fabs(ones / (9.0 * 1000) - 0.5) < 0.02);
    assert_true(fabs((double)odd / rows - 0.5) < 0.06);
    assert_true(fabs(data->baselines[0].valid - log(2.0)) < 0.005);
    assert_true(fabs(data->baselines[1].test - 0.5) < 0.06);
    cb_task_close(task);
}

static void test_parity(void **state) {
    (void)state;
    check_parity("{\"length\":9,\"train\":1000,\"valid\":1000,\"test\":1000}", CB_WHEN_EACH);
    check_parity("{\"length\":9,\"ask\":\"last\",\"train\":1000,\"valid\":1000,\"test\":1000}",
                 CB_WHEN_LAST);
    expect_failure("parity", "{\"ask\":\"first\"}", CB_EARG, "ask", "each last");
    expect_failure("parity", "{\"length\":0}", CB_EARG, "length", "0");
}

/* ---- the embedded Reber grammar ---- */

static const char letters[] = "BTPSXVE";

/* The ways on from each node of the inner grammar (its B and E included), as letter and node. */
static const char *const ways[] = {"B1", "T2P3", "S2X4", "T3V5", "X3S6", "P4V6", "E7"};

/* The letters of a string, "BT" + inner + "T", as the inputs say; what each may be followed by is
 * found by parsing, and must be the target. Returns how often there were two ways. */
static int check_string(const int32_t *x, const float *target, size_t length) {
    char text[64] = "", outer;
    int node = 0, forks = 0;
    assert_true(length >= 8 && length < sizeof text);
    for (size_t t = 0; t < length; t++)
        text[t] = letters[x[t]];
    outer = text[1];
    assert_true(text[0] == 'B' && (outer == 'T' || outer == 'P'));
    assert_int_equal(text[length - 1], outer);
    for (size_t t = 0; t < length; t++) {
        char set[8] = "";
        if (t >= 2 && t + 1 < length) {
            const char *way = ways[node];
            while (*way != '\0' && *way != text[t])
                way += 2;
            assert_true(*way != '\0'); /* no legal string else */
            node = way[1] - '0';
        }
        if (t == 0)
            snprintf(set, sizeof set, "TP");
        else if (t + 1 == length)
            snprintf(set, sizeof set, "E");
        else if (node == 7)
            snprintf(set, sizeof set, "%c", outer);
        else
            for (const char *way = ways[node]; *way != '\0'; way += 2)
                set[strlen(set)] = *way;
        forks += set[1] != '\0';
        for (int k = 0; k < 7; k++)
            assert_true(target[7 * t + (size_t)k] == (strchr(set, letters[k]) ? 1.0F : 0.0F));
    }
    assert_int_equal(node, 7);
    return forks;
}

static void test_reber(void **state) {
    (void)state;
    cb_task *task = open_task("reber", "{\"train\":3000,\"valid\":500,\"test\":500}");
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    int outer_t = 0, first_t = 0, shortest = 0, forks = 0;
    assert_int_equal(data->input_dim, 7);
    assert_int_equal(data->target_dim, 7);
    assert_int_equal(data->loss, CB_LOSS_BERNOULLI);
    for (size_t s = 0; s < split->sequences; s++) {
        size_t first = split->start[s], length = split->start[s + 1] - first;
        forks += check_string(split->index + first, split->target + 7 * first, length);
        outer_t += split->index[first + 1] == 1;
        first_t += split->index[first + 3] == 1;
        shortest += length == 8;
    }
    assert_true(outer_t > 1380 && outer_t < 1620); /* +- 4.4 sd */
    assert_true(first_t > 1380 && first_t < 1620);
    /* BTXS and BPVV, the two shortest inner strings, have three forks each: 2/8 of all. */
    assert_true(shortest > 646 && shortest < 854);
    assert_true(forks > 4 * 3000);
    cb_task_close(task);
}

/* Forgetting the second symbol costs 2 ln 2 a string; independent of any drawing. */
static void test_reber_baselines(void **state) {
    (void)state;
    cb_task *task = open_task("reber", "{\"train\":2000,\"valid\":400,\"test\":300}");
    const cb_data *data = cb_task_data(task);
    const cb_split *test = &data->split[CB_TEST];
    double independent = 0.0;
    assert_int_equal(data->baseline_count, 4);
    for (int k = 0; k < 7; k++) { /* test is like train: the entropy of its own frequencies */
        double p = 0.0;
        for (size_t t = 0; t < test->frames; t++)
            p += (double)test->target[7 * t + (size_t)k] / (double)test->frames;
        independent -= p * log(p) + (1.0 - p) * log(1.0 - p);
    }
    assert_true(fabs(data->baselines[0].test - independent) < 0.02);
    assert_true(data->baselines[1].test < data->baselines[0].test - 1.0);
    assert_true(fabs(data->baselines[2].test * (double)test->frames - 600.0 * log(2.0)) < 1e-9);
    assert_true(data->baselines[3].test == 0.0 && data->baselines[3].valid == 0.0);
    cb_task_close(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_markers), cmocka_unit_test(test_markers_in_identity),
        cmocka_unit_test(test_short_orders),  cmocka_unit_test(test_parity),
        cmocka_unit_test(test_reber),         cmocka_unit_test(test_reber_baselines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
