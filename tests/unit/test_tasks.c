/* SPDX-License-Identifier: MIT */
/*
 * The table of tasks and the generated ones: definition, repeatability, chance level, settings, and
 * that no failing allocation leaks. Music has a program of its own.
 */
#include <math.h>

#include "task_check.h"

/* ---- what holds for all generated tasks ---- */

static const char *const generated[] = {
    "adding {\"form\":\"modern\",\"length\":12,",
    "adding {\"form\":\"1997\",\"length\":30,",
    "copy {\"length\":7,\"digits\":3,",
    "temporal_order {\"length\":20,",
    "temporal_order {\"length\":20,\"markers\":3,",
    "parity {\"length\":12,\"ask\":\"each\",",
    "parity {\"length\":12,\"ask\":\"last\",",
    "reber {",
};
enum { GENERATED = sizeof generated / sizeof *generated };

static cb_task *open_generated(int i, const char *rest) {
    char name[32], settings[256];
    size_t n = strcspn(generated[i], " ");
    snprintf(name, sizeof name, "%.*s", (int)n, generated[i]);
    snprintf(settings, sizeof settings, "%s%s}", generated[i] + n + 1, rest);
    return open_task(name, settings);
}

static void assert_same(const void *a, const void *b, size_t bytes) {
    assert_true((a == NULL) == (b == NULL));
    if (a != NULL)
        assert_memory_equal(a, b, bytes);
}

/* The first n sequences of a split are the same, bit for bit. */
static void assert_same_beginning(const cb_data *a, const cb_data *b, cb_split_name k, size_t n) {
    const cb_split *p = &a->split[k], *q = &b->split[k];
    assert_true(p->sequences >= n && q->sequences >= n);
    assert_memory_equal(p->start, q->start, (n + 1) * sizeof *p->start);
    size_t frames = p->start[n], rows = a->when == CB_WHEN_LAST ? n : frames;
    assert_same(p->x, q->x, frames * a->input_dim * sizeof *p->x);
    assert_same(p->index, q->index, frames * sizeof *p->index);
    assert_same(p->target, q->target, rows * a->target_dim * sizeof *p->target);
    assert_same(p->label, q->label, rows * sizeof *p->label);
}

static void test_repeatable(void **state) {
    (void)state;
    for (int i = 0; i < GENERATED; i++) {
        cb_task *small = open_generated(i, "\"train\":5,\"valid\":4,\"test\":3");
        cb_task *large = open_generated(i, "\"train\":50,\"valid\":40,\"test\":30");
        assert_same_beginning(cb_task_data(small), cb_task_data(large), CB_TRAIN, 5);
        assert_same_beginning(cb_task_data(small), cb_task_data(large), CB_VALID, 4);
        assert_same_beginning(cb_task_data(small), cb_task_data(large), CB_TEST, 3);
        cb_task_close(large);
        large = open_task(cb_task_get_def(small)->name, cb_task_settings(small));
        assert_same_beginning(cb_task_data(small), cb_task_data(large), CB_TRAIN, 5);
        assert_string_equal(cb_task_identity(small), cb_task_identity(large));
        cb_task_close(large);
        cb_task_close(small);
    }
}

/* Splits of one task, and the same split under another seed, must not repeat each other. */
static void test_splits_and_seeds_differ(void **state) {
    (void)state;
    for (int i = 0; i < GENERATED; i++) {
        cb_task *a = open_generated(i, "\"train\":9,\"valid\":9,\"test\":9");
        cb_task *b = open_generated(i, "\"train\":9,\"valid\":9,\"test\":9,\"data_seed\":1");
        const cb_data *d = cb_task_data(a), *e = cb_task_data(b);
        size_t bytes = d->input_dim * 4 * 9;
        assert_true(d->split[0].frames > 40);
        const void *input[] = {d->split[0].x, d->split[1].x, d->split[2].x, e->split[0].x};
        if (d->input == CB_INPUT_INDEX) {
            bytes = 4 * 40; /* a single sequence may come twice: there are few short ones */
            input[0] = d->split[0].index;
            input[1] = d->split[1].index;
            input[2] = d->split[2].index;
            input[3] = e->split[0].index;
        }
        for (int p = 0; p < 4; p++)
            for (int q = p + 1; q < 4; q++)
                assert_memory_not_equal(input[p], input[q], bytes);
        assert_string_not_equal(cb_task_identity(a), cb_task_identity(b));
        cb_task_close(b);
        cb_task_close(a);
    }
}

static void test_layout(void **state) {
    (void)state;
    for (int i = 0; i < GENERATED; i++) {
        cb_task *task = open_generated(i, "\"train\":7,\"valid\":2,\"test\":3");
        const cb_data *data = cb_task_data(task);
        static const size_t counts[CB_SPLITS] = {7, 2, 3};
        assert_string_equal(data->sha256, "");
        assert_true(data->baseline_count >= 1);
        assert_string_equal(data->baselines[0].metric, data->metric);
        for (int k = 0; k < CB_SPLITS; k++) {
            const cb_split *split = &data->split[k];
            assert_int_equal(split->sequences, counts[k]);
            assert_int_equal(split->start[0], 0);
            assert_int_equal(split->start[counts[k]], split->frames);
            for (size_t s = 0; s < counts[k]; s++)
                assert_true(split->start[s + 1] > split->start[s]);
            assert_true((split->x != NULL) == (data->input == CB_INPUT_DENSE));
            assert_true((split->index != NULL) == (data->input == CB_INPUT_INDEX));
            assert_true((split->label != NULL) == (data->loss == CB_LOSS_SOFTMAX));
            assert_true((split->target != NULL) == (data->loss != CB_LOSS_SOFTMAX));
        }
        cb_task_close(task);
    }
}

/* FNV-1a over the bytes, going on from `hash`. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; p != NULL && i < n; i++)
        hash = (hash ^ p[i]) * 1099511628211U;
    return hash;
}

/* The identity of a trial names a generated set by its settings alone: were other data to come of
 * the same settings, results in old databases would no longer be what they say. A generator that
 * must change gets a new name or a new setting, never a new number here. */
static void test_pinned(void **state) {
    static const uint64_t pinned[GENERATED] = {
        0x354f77c5f58e05bc, 0xc8fd8150bd37857f, 0x6d2823f3adc023c5, 0x369069239abd5044,
        0x017d894688b417b3, 0x8c3240404803a594, 0x4acb16a44a9f2455, 0x84b69ea4e8af1f27};
    (void)state;
    for (int i = 0; i < GENERATED; i++) {
        cb_task *task = open_generated(i, "\"train\":20,\"valid\":3,\"test\":3");
        const cb_data *data = cb_task_data(task);
        uint64_t hash = 14695981039346656037U;
        for (int k = 0; k < CB_SPLITS; k++) {
            const cb_split *split = &data->split[k];
            size_t rows = data->when == CB_WHEN_LAST ? split->sequences : split->frames;
            hash = hash_bytes(hash, split->x, split->frames * data->input_dim * sizeof *split->x);
            hash = hash_bytes(hash, split->index, split->frames * sizeof *split->index);
            hash = hash_bytes(hash, split->target, rows * data->target_dim * sizeof(float));
            hash = hash_bytes(hash, split->label, rows * sizeof *split->label);
        }
        if (hash != pinned[i])
            fail_msg("%s...}: expected 0x%016llx, got 0x%016llx", generated[i],
                     (unsigned long long)pinned[i], (unsigned long long)hash);
        cb_task_close(task);
    }
}

/* ---- adding ---- */

static void test_adding_modern(void **state) {
    (void)state;
    cb_task *task = open_task("adding", "{\"length\":9,\"train\":400,\"valid\":1,\"test\":1}");
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    int seen[9] = {0};
    assert_int_equal(data->input_dim, 2);
    assert_int_equal(data->target_dim, 1);
    assert_int_equal(data->loss, CB_LOSS_SQUARED);
    assert_int_equal(data->when, CB_WHEN_LAST);
    for (size_t s = 0; s < split->sequences; s++) {
        const float *x = split->x + 2 * split->start[s];
        int marks[2] = {0};
        float sum = 0.0F;
        assert_int_equal(split->start[s + 1] - split->start[s], 9);
        for (int t = 0; t < 9; t++) {
            assert_true(x[2 * t] >= 0.0F && x[2 * t] < 1.0F);
            assert_true(x[2 * t + 1] == 0.0F || x[2 * t + 1] == 1.0F);
            if (x[2 * t + 1] == 0.0F)
                continue;
            marks[t >= 4]++;
            seen[t]++;
            sum += x[2 * t];
        }
        assert_int_equal(marks[0], 1);
        assert_int_equal(marks[1], 1);
        assert_true(split->target[s] == sum);
    }
    for (int t = 0; t < 9; t++)
        assert_true(seen[t] > 0); /* 400 draws of 4 or 5: never by chance */
    cb_task_close(task);
}

static void test_adding_1997(void **state) {
    (void)state;
    cb_task *task = open_task(
        "adding", "{\"form\":\"1997\",\"length\":40,\"train\":2000,\"valid\":1,\"test\":1}");
    const cb_split *split = &cb_task_data(task)->split[CB_TRAIN];
    int lengths[45] = {0}, single = 0, negative = 0;
    for (size_t s = 0; s < split->sequences; s++) {
        const float *x = split->x + 2 * split->start[s];
        size_t T = split->start[s + 1] - split->start[s];
        int marks = 0, early = 0;
        float sum = 0.0F;
        assert_true(T >= 40 && T <= 44);
        lengths[T]++;
        assert_true(x[1] == -1.0F && x[2 * T - 1] == -1.0F);
        for (size_t t = 1; t + 1 < T; t++) {
            assert_true(x[2 * t] >= -1.0F && x[2 * t] < 1.0F);
            negative += x[2 * t] < 0.0F;
            if (x[2 * t + 1] == 0.0F)
                continue;
            assert_true(x[2 * t + 1] == 1.0F && t < 20);
            early += t < 10;
            marks++;
            sum += x[2 * t];
        }
        if (marks == 1)
            single++; /* the other fell on the first step, whose value is then 0 */
        else
            assert_true(marks == 2 && early >= 1);
        if (marks == 1)
            assert_true(x[0] == 0.0F);
        assert_true(fabsf(split->target[s] - (0.5F + sum / 4.0F)) < 1e-6F);
    }
    for (int T = 40; T <= 44; T++)
        assert_true(lengths[T] > 300); /* expected 400 +- 18 */
    /* 1/10 of the first marks and 9/10 * 1/19 of the second: 0.147 of 2000 = 295 +- 16. */
    assert_true(single > 230 && single < 360);
    assert_true(negative > 0);
    cb_task_close(task);
}

/* Chance: E (u + v - 1)^2 = 1/6 with variance E d^4 - 1/36 = 1/15 - 1/36 = 7/180. */
static void test_adding_chance(void **state) {
    (void)state;
    enum { N = 4000 };
    cb_task *task =
        open_task("adding", "{\"length\":4,\"train\":4000,\"valid\":4000,\"test\":4000}");
    const cb_data *data = cb_task_data(task);
    const double error = sqrt(7.0 / 180.0 / N);
    assert_int_equal(data->baseline_count, 1);
    assert_true(fabs(data->baselines[0].valid - 1.0 / 6.0) < 4.0 * error);
    assert_true(fabs(data->baselines[0].test - 1.0 / 6.0) < 4.0 * error);
    for (int k = 0; k < CB_SPLITS; k++) {
        double sum = 0.0;
        for (size_t s = 0; s < N; s++) {
            double d = (double)data->split[k].target[s] - 1.0;
            sum += d * d;
        }
        assert_true(fabs(sum / N - 1.0 / 6.0) < 4.0 * error);
    }
    cb_task_close(task);
}

/* ---- tasks of symbols ---- */

static void test_temporal_order(void **state) {
    (void)state;
    cb_task *task = open_task("temporal_order", "{\"train\":1000,\"valid\":1000,\"test\":10}");
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    int classes[4] = {0}, shortest = 0, longest = 0;
    assert_int_equal(data->input_dim, 8);
    assert_int_equal(data->target_dim, 4);
    assert_int_equal(data->when, CB_WHEN_LAST);
    for (size_t s = 0; s < split->sequences; s++) {
        const int32_t *x = split->index + split->start[s];
        size_t T = split->start[s + 1] - split->start[s], at[2] = {0}, found = 0;
        assert_true(T >= 100 && T <= 110);
        shortest += T == 100;
        longest += T == 110;
        assert_true(x[0] == 6 && x[T - 1] == 7);
        for (size_t t = 1; t + 1 < T; t++) {
            assert_true(x[t] >= 0 && x[t] <= 5);
            if (x[t] < 4)
                continue;
            assert_true(found < 2);
            at[found++] = t;
        }
        assert_int_equal(found, 2);
        assert_true(at[0] >= 10 && at[0] <= 20 && at[1] >= 50 && at[1] <= 60);
        assert_int_equal(split->label[s], 2 * (x[at[0]] - 4) + (x[at[1]] - 4));
        classes[split->label[s]]++;
    }
    assert_true(shortest > 0 && longest > 0);
    for (int c = 0; c < 4; c++)
        assert_true(classes[c] > 190 && classes[c] < 310); /* +- 4.4 sd */
    assert_string_equal(data->baselines[0].metric, "nats");
    assert_true(fabs(data->baselines[0].valid - log(4.0)) < 0.02);
    assert_string_equal(data->baselines[1].metric, "error");
    assert_true(fabs(data->baselines[1].valid - 0.75) < 0.06);
    cb_task_close(task);
}

static void test_copy(void **state) {
    (void)state;
    cb_task *task =
        open_task("copy", "{\"length\":6,\"digits\":3,\"train\":3000,\"valid\":3000,\"test\":2}");
    const cb_data *data = cb_task_data(task);
    const cb_split *split = &data->split[CB_TRAIN];
    int digits[10] = {0};
    assert_int_equal(data->when, CB_WHEN_EACH);
    assert_int_equal(data->target_dim, 10);
    for (size_t s = 0; s < split->sequences; s++) {
        const int32_t *x = split->index + split->start[s], *y = split->label + split->start[s];
        assert_int_equal(split->start[s + 1] - split->start[s], 12);
        for (int t = 0; t < 3; t++) {
            assert_true(x[t] >= 1 && x[t] <= 8);
            digits[x[t]]++;
            assert_int_equal(y[9 + t], x[t]);
        }
        for (int t = 3; t < 8; t++)
            assert_int_equal(x[t], 0);
        for (int t = 8; t < 12; t++)
            assert_int_equal(x[t], 9);
        for (int t = 0; t < 9; t++)
            assert_int_equal(y[t], 0);
    }
    for (int c = 1; c <= 8; c++)
        assert_true(digits[c] > 900); /* expected 1125 +- 31 */
    assert_true(fabs(data->baselines[0].valid - 3.0 * log(8.0) / 12.0) < 0.002);
    assert_true(fabs(data->baselines[1].valid - 3.0 * 7.0 / 8.0 / 12.0) < 0.01);
    cb_task_close(task);
}

/* ---- the table and the settings ---- */

static void test_table(void **state) {
    (void)state;
    const cb_task_def *found = NULL;
    cb_err err = {0};
    size_t n = 0;
    for (const cb_task_def *const *def = cb_task_table(); *def != NULL; def++, n++) {
        assert_int_equal(cb_task_find(&found, (*def)->name, &err), CB_OK);
        assert_ptr_equal(found, *def);
        assert_non_null((*def)->summary);
        assert_non_null((*def)->source);
        assert_non_null((*def)->chance);
        for (const cb_setting_def *row = (*def)->settings; row->name != NULL; row++)
            assert_non_null(row->help);
    }
    assert_true(n >= 6);
    assert_int_equal(cb_task_find(&found, "addign", &err), CB_EARG);
    assert_null(found);
    assert_non_null(strstr(err.text, "'addign'"));
    assert_non_null(strstr(err.text, "'adding'"));
    assert_int_equal(cb_task_find(&found, "addign", NULL), CB_EARG);
    expect_failure("musik", "{}", CB_EARG, "'musik'", "'music'");
}

static void test_settings(void **state) {
    (void)state;
    cb_task *task = open_task("adding", "{\"train\":2,\"valid\":2,\"test\":2}");
    assert_string_equal(cb_task_settings(task),
                        "{\"data_seed\":0,\"form\":\"modern\",\"length\":100,\"test\":2,"
                        "\"train\":2,\"valid\":2}");
    assert_string_equal(cb_task_identity(task), cb_task_settings(task));
    assert_string_equal(cb_task_get_def(task)->name, "adding");
    cb_task_close(task);
    cb_task_close(NULL);

    expect_failure("adding", "{\"lenght\":5}", CB_EARG, "'lenght'", "'length'");
    expect_failure("adding", "{\"length\":\"5\"}", CB_EARG, "adding", "length");
    expect_failure("adding", "{\"length\":2.5}", CB_EARG, "adding", "length");
    expect_failure("adding", "{\"length\":1}", CB_EARG, "length", "1");
    expect_failure("adding", "{\"length\":-7}", CB_EARG, "length", "-7");
    expect_failure("adding", "{\"train\":0}", CB_EARG, "train", "0");
    expect_failure("adding", "{\"form\":\"1998\"}", CB_EARG, "form", "1997");
    expect_failure("adding", "{\"form\":\"1997\",\"length\":19}", CB_EARG, "length", "20");
    expect_failure("adding", "{\"data_seed\":-1}", CB_EARG, "data_seed", "-1");
    expect_failure("adding", "[]", CB_EARG, "adding", "object");
    expect_failure("adding", "{", CB_EPARSE, "adding", "line 1");
    expect_failure("music", "{}", CB_EARG, "music", "file");
    /* Refused by its size, before any memory is asked for. */
    expect_failure("adding", "{\"length\":100000,\"train\":9000}", CB_ESHAPE, "train", "268435456");
}

static void test_allocations(void **state) {
    (void)state;
    check_every_allocation("adding", "{\"length\":5,\"train\":3,\"valid\":2,\"test\":2}");
    check_every_allocation("copy", "{\"length\":5,\"train\":3,\"valid\":2,\"test\":2}");
    check_every_allocation("temporal_order", "{\"length\":10,\"train\":3,\"valid\":2,\"test\":2}");
    check_every_allocation("parity", "{\"length\":5,\"train\":3,\"valid\":2,\"test\":2}");
    check_every_allocation("reber", "{\"train\":3,\"valid\":2,\"test\":2}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeatable),    cmocka_unit_test(test_splits_and_seeds_differ),
        cmocka_unit_test(test_layout),        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_adding_modern), cmocka_unit_test(test_adding_1997),
        cmocka_unit_test(test_adding_chance), cmocka_unit_test(test_temporal_order),
        cmocka_unit_test(test_copy),          cmocka_unit_test(test_table),
        cmocka_unit_test(test_settings),      cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
