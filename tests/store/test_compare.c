/* SPDX-License-Identifier: MIT */
/*
 * Comparisons of made-up results: which test, which figures, which words and warnings. The figures
 * are those of scipy 1.17: ttest_rel, ttest_ind(equal_var=False), friedmanchisquare, f.sf,
 * studentized_range.ppf.
 */
#include "cellbench/compare.h"

#include "faults.h"
#include "store/results_fixture.h"

static const double values_a[] = {1.0, 1.2, 1.1, 1.3, 1.25, 1.15};
static const double values_b[] = {1.5, 1.4, 1.6, 1.55, 1.7, 1.45};
static const double values_c[] = {1.1, 1.15, 1.2, 1.25, 1.3, 1.2};
enum { SEEDS = 6 };

static void assert_near(double got, double expected, const char *what) {
    if (!(fabs(got - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%s: expected %.17g, got %.17g", what, expected, got);
}

static void assert_says(const char *text, const char *piece) {
    if (strstr(text, piece) == NULL)
        fail_msg("'%s' does not say '%s'", text, piece);
}

/* A database of one study, task 'adding', and the cells a, b, c. */
static results begin(const fixture *f) {
    static const char *const cells[] = {"a", "b", "c"};
    results r = results_begin(f);
    results_study(&r, 1, "one");
    results_task(&r, 1, "adding");
    for (int i = 0; i < 3; i++)
        results_cell(&r, i + 1, cells[i]);
    return r;
}

/* One setting of a cell with a value for each seed from `seed` on; its validation values are those
 * plus 1. */
static void add(results *r, const result *like, const double *values, int n) {
    for (int i = 0; i < n; i++) {
        result one = *like;
        one.config = or_else(one.config, 1);
        one.seed += i + 1;
        one.test = values[i];
        one.valid = values[i] + 1.0;
        results_add(r, &one);
    }
}

static cb_compare *compare(results *r, const fixture *f, const cb_compare_options *options) {
    cb_store *store = results_end(r, f);
    cb_compare *c = NULL;
    must(cb_compare_read(&c, store, options, err));
    cb_store_close(store);
    return c;
}

static const char *warning(const cb_compare_task *task, cb_compare_warning_kind kind) {
    for (size_t i = 0; i < task->warning_count; i++)
        if (task->warnings[i].kind == kind)
            return task->warnings[i].words;
    return NULL;
}

static void assert_warns(const cb_compare_task *task, cb_compare_warning_kind kind,
                         const char *piece) {
    const char *words = warning(task, kind);
    if (words == NULL)
        fail_msg("no warning '%s'", cb_compare_warning_name(kind));
    assert_says(words, piece);
}

static void test_paired(void **state) {
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, SEEDS);
    add(&r, &(result){.cell = 2}, values_b, SEEDS);
    add(&r, &(result){.cell = 3}, values_c, SEEDS);
    cb_compare *c = compare(&r, *state, NULL);
    assert_int_equal(c->task_count, 1);
    const cb_compare_task *task = &c->tasks[0];
    assert_int_equal(task->cell_count, 3);
    assert_string_equal(task->cells[0].name, "a");
    assert_string_equal(task->cells[1].name, "c");
    assert_int_equal(task->cells[0].n, SEEDS);
    assert_int_equal(task->cells[0].over, CB_COMPARE_OVER_STUDY);
    assert_near(task->cells[0].mean, 7.0 / 6.0, "mean");
    assert_near(task->cells[0].epoch_seconds, 1.5, "seconds of an epoch");
    assert_int_equal(task->pair_count, 2);
    const cb_compare_pair *with_c = &task->pairs[0], *with_b = &task->pairs[1];
    assert_true(with_b->paired && with_b->test == CB_COMPARE_TEST_PAIRED_T && !with_b->is_log);
    assert_near(with_b->difference, -0.3666666666666667, "difference");
    assert_near(with_b->low, -0.5061534684330541, "low");
    assert_near(with_b->high, -0.22717986490027928, "high");
    assert_near(with_b->p, 0.0010779279269383449, "p");
    assert_near(with_b->p_holm, 2.0 * 0.0010779279269383449, "p corrected");
    assert_near(with_b->statistic, -6.757246285173464, "t");
    assert_int_equal(with_b->check, CB_COMPARE_TEST_SIGNS);
    assert_near(with_b->check_p, 2.0 / 64.0, "permutation test");
    assert_near(with_b->cliff, -1.0, "Cliff's delta");
    assert_int_equal(with_b->verdict, CB_COMPARE_VERDICT_A_BETTER);
    assert_says(with_b->words, "a is better than b by 0.37 [0.23, 0.51] nats");
    assert_near(with_c->p, 0.28559094064520135, "p");
    assert_near(with_c->p_holm, 0.28559094064520135, "p corrected");
    assert_int_equal(with_c->verdict, CB_COMPARE_VERDICT_NOT_APART);
    assert_true(with_c->seeds_needed > SEEDS && with_c->detectable > 0.03);
    assert_says(task->answer, "a is first by validation: test 1.17 [1.05, 1.28] nats over 6 seeds "
                              "of the study. It is better than b by 0.37 [0.23, 0.51].");
    assert_says(task->answer, "It is not told apart from c (better by 0.033 [-0.038, 0.105]).");
    assert_warns(task, CB_COMPARE_WARN_CHOSEN, "all cells");
    assert_warns(task, CB_COMPARE_WARN_FEW, "30 seeds");
    assert_null(warning(task, CB_COMPARE_WARN_OPEN));
    assert_null(warning(task, CB_COMPARE_WARN_BUDGET));
    assert_int_equal(c->ranks.cell_count, 0);
    cb_compare_destroy(c);
}

static void test_options(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    add(&r, &(result){.cell = 1}, values_a, SEEDS);
    add(&r, &(result){.cell = 2}, values_b, SEEDS);
    add(&r, &(result){.cell = 3}, values_c, SEEDS);
    cb_store *store = results_end(&r, f);
    cb_compare *c = NULL;
    must(cb_compare_read(&c, store, &(cb_compare_options){.all_pairs = 1}, err));
    assert_int_equal(c->tasks[0].pair_count, 3);
    assert_int_equal(c->tasks[0].tested, 3);
    /* b and c have the smallest p, so that of a and b is the second of three. */
    assert_near(c->tasks[0].pairs[1].p_holm, 2.0 * 0.0010779279269383449, "over three pairs");
    cb_compare_destroy(c);
    must(cb_compare_read(&c, store, &(cb_compare_options){.baseline = "b"}, err));
    assert_says(c->tasks[0].answer, "It is worse than a by 0.37");
    assert_int_equal(c->tasks[0].pairs[0].verdict, CB_COMPARE_VERDICT_A_BETTER);
    cb_compare_destroy(c);
    must(cb_compare_read(&c, store, &(cb_compare_options){.test = CB_COMPARE_TEST_WELCH}, err));
    assert_near(c->tasks[0].pairs[1].p, 0.0001552390672904296, "Welch");
    assert_near(c->tasks[0].pairs[1].low, -0.5056155365715407, "Welch's interval");
    cb_compare_destroy(c);
    must(cb_compare_read(&c, store, &(cb_compare_options){.equivalence = 0.2}, err));
    assert_int_equal(c->tasks[0].pairs[0].verdict, CB_COMPARE_VERDICT_EQUIVALENT);
    assert_near(c->tasks[0].pairs[0].p_equivalence, 2.0 * 0.0009396676323068015, "equivalence");
    assert_int_equal(c->tasks[0].pairs[1].verdict, CB_COMPARE_VERDICT_A_BETTER);
    cb_compare_destroy(c);
    must(cb_compare_read(&c, store, &(cb_compare_options){.scale = CB_COMPARE_SCALE_LOG}, err));
    assert_near(c->tasks[0].pairs[1].p, 0.0013219709368959003, "logarithms");
    assert_near(c->tasks[0].pairs[1].ratio_low, 0.6809366754878071, "ratio");
    assert_near(c->tasks[0].pairs[1].ratio, 0.7596371684687984, "ratio");
    assert_says(c->tasks[0].pairs[1].words,
                "a is better than b: 0.76 [0.68, 0.85] times its error");
    cb_compare_destroy(c);
    static const struct {
        cb_compare_options options;
        const char *says;
    } bad[] = {{{.study = "oen"}, "did you mean 'one'"},
               {{.baseline = "bb"}, "did you mean 'b'"},
               {{.measure = "tset"}, "did you mean 'test'"},
               {{.level = 0.3}, "level"},
               {{.level = 95.0}, "level"},
               {{.equivalence = -1.0}, "equivalence"},
               {{.equivalence = 1.0, .scale = CB_COMPARE_SCALE_LOG}, "scale"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cb_err err;
        assert_int_equal(cb_compare_read(&c, store, &bad[i].options, &err), CB_EARG);
        assert_null(c);
        assert_says(err.text, bad[i].says);
    }
    cb_store_close(store);
}

/* Squared errors are compared by ratios, unless one of them is 0. */
static void test_squared_errors(void **state) {
    static const double zeros[] = {0.0, 1.0, 2.0};
    results r = begin(*state);
    add(&r, &(result){.cell = 1, .metric = "mse"}, values_a, 3);
    add(&r, &(result){.cell = 2, .metric = "mse"}, values_b, 3);
    add(&r, &(result){.cell = 3, .metric = "mse"}, zeros, 3);
    cb_compare *c = compare(&r, *state, &(cb_compare_options){.all_pairs = 1});
    for (size_t i = 0; i < c->tasks[0].pair_count; i++) {
        const cb_compare_pair *p = &c->tasks[0].pairs[i];
        const int has_c =
            c->tasks[0].cells[p->a].name[0] == 'c' || c->tasks[0].cells[p->b].name[0] == 'c';
        assert_int_equal(p->is_log, !has_c);
        assert_int_equal(isnan(p->ratio), has_c);
    }
    cb_compare_destroy(c);
}

static void test_seeds(void **state) {
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, SEEDS);
    add(&r, &(result){.cell = 2, .seed = 100}, values_b, SEEDS); /* other seeds */
    add(&r, &(result){.cell = 3, .seed = 1}, values_c + 1, SEEDS - 1);
    cb_compare *c = compare(&r, *state, NULL);
    const cb_compare_task *task = &c->tasks[0];
    const cb_compare_pair *with_c = &task->pairs[0], *with_b = &task->pairs[1];
    assert_true(!with_b->paired && with_b->test == CB_COMPARE_TEST_WELCH);
    assert_int_equal(with_b->check, CB_COMPARE_TEST_LABELS);
    assert_near(with_b->p, 0.0001552390672904296, "Welch");
    assert_says(with_b->why, "not paired");
    assert_true(with_c->paired && with_c->n_a == SEEDS - 1);
    assert_says(with_c->why, "5 seeds in common of 6 and 5");
    assert_warns(task, CB_COMPARE_WARN_SEEDS, "a and c");
    cb_compare_destroy(c);
}

/* Fresh seeds are taken where there are any, and a cell without them is told. */
static void test_confirmation(void **state) {
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, 3);
    add(&r, &(result){.cell = 1, .seed = 10, .is_confirm = 1}, values_b, SEEDS);
    add(&r, &(result){.cell = 2}, values_b, 3);
    cb_compare *c = compare(&r, *state, NULL);
    const cb_compare_task *task = &c->tasks[0];
    assert_int_equal(task->cells[0].over, CB_COMPARE_OVER_CONFIRM);
    assert_int_equal(task->cells[0].n, SEEDS);
    assert_near(task->cells[0].valid, 2.1, "the study's own seeds choose");
    assert_int_equal(task->cells[0].budget.trials, 3);
    assert_warns(task, CB_COMPARE_WARN_OVER, "a with fresh seeds, b with");
    assert_says(task->answer, "6 fresh seeds");
    cb_compare_destroy(c);
}

/* What has no value is left out and counted; what comes twice is counted once. */
static void test_losses(void **state) {
    static const double one[] = {1.0};
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, 4);
    results_add(&r, &(result){.cell = 1,
                              .config = 1,
                              .seed = 5,
                              .state = "diverged",
                              .valid = (double)NAN,
                              .test = (double)NAN});
    results_add(&r,
                &(result){.cell = 1, .config = 1, .seed = 6, .valid = 2.0, .test = (double)NAN});
    add(&r, &(result){.cell = 2}, values_b, 4);
    add(&r, &(result){.cell = 2, .seed = 3}, one, 1); /* the fourth seed again */
    results_add(&r, &(result){.cell = 2, .config = 2, .seed = 1, .state = "pending"});
    add(&r, &(result){.cell = 3, .params = 900}, one, 1);
    cb_compare *c = compare(&r, *state, NULL);
    const cb_compare_task *task = &c->tasks[0];
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *cell = &task->cells[i];
        if (cell->name[0] == 'a') {
            assert_int_equal(cell->n, 4);
            assert_int_equal(cell->asked, 6);
            assert_int_equal(cell->diverged, 1);
            assert_int_equal(cell->not_finite, 1);
        } else if (cell->name[0] == 'b') {
            assert_int_equal(cell->n, 4);
            assert_int_equal(cell->repeated, 1);
            assert_near(cell->values[3].value, (1.55 + 1.0) / 2.0, "the mean of a seed");
            assert_int_equal(cell->budget.settings, 2);
            assert_int_equal(cell->tried_count, 1);
        }
    }
    assert_warns(task, CB_COMPARE_WARN_DIVERGED, "a (1 of 6: 1 diverged, 0 failed)");
    assert_warns(task, CB_COMPARE_WARN_NOT_FINITE, "a:");
    assert_warns(task, CB_COMPARE_WARN_REPEATED, "b:");
    assert_warns(task, CB_COMPARE_WARN_SINGLE, "c:");
    assert_warns(task, CB_COMPARE_WARN_OPEN, "1 of");
    assert_warns(task, CB_COMPARE_WARN_BUDGET, "b 2");
    assert_warns(task, CB_COMPARE_WARN_PARAMS, "c has 900 parameters");
    assert_says(task->answer, "So far, with 1 of");
    cb_compare_destroy(c);
}

/* Values without spread: no test, whatever the difference. */
static void test_constant(void **state) {
    static const double same[] = {1.0, 1.0, 1.0}, other[] = {2.0, 2.0, 2.0};
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, same, 3);
    add(&r, &(result){.cell = 2}, other, 3);
    add(&r, &(result){.cell = 3}, same, 3);
    cb_compare *c = compare(&r, *state, NULL);
    const cb_compare_task *task = &c->tasks[0];
    for (size_t i = 0; i < task->pair_count; i++)
        assert_int_equal(task->pairs[i].verdict, CB_COMPARE_VERDICT_NONE);
    assert_says(task->pairs[0].words, "their values are the same");
    assert_says(task->pairs[1].words, "with every seed");
    assert_warns(task, CB_COMPARE_WARN_CONSTANT, "all cells");
    assert_int_equal(task->tested, 0);
    cb_compare_destroy(c);
}

/* With few seeds a test by arrangements cannot reach the level, and says so. */
static void test_unreachable(void **state) {
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, 5);
    add(&r, &(result){.cell = 2}, values_b, 5);
    cb_compare *c = compare(&r, *state, &(cb_compare_options){.test = CB_COMPARE_TEST_WILCOXON});
    const cb_compare_task *task = &c->tasks[0];
    assert_near(task->pairs[0].p, 0.0625, "p");
    assert_near(task->pairs[0].p_least, 0.0625, "the least p");
    assert_int_equal(task->pairs[0].verdict, CB_COMPARE_VERDICT_NOT_APART);
    assert_warns(task, CB_COMPARE_WARN_UNREACHABLE, "0.062");
    cb_compare_destroy(c);
}

static void test_nothing(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    results_study(&r, 2, "empty");
    for (int seed = 1; seed <= 3; seed++)
        results_add(&r, &(result){.cell = 1,
                                  .config = 1,
                                  .seed = seed,
                                  .state = "diverged",
                                  .valid = (double)NAN,
                                  .test = (double)NAN});
    cb_store *store = results_end(&r, f);
    cb_compare *c = NULL;
    must(cb_compare_read(&c, store, NULL, err));
    assert_int_equal(c->task_count, 1);
    assert_string_equal(c->tasks[0].answer,
                        "No trial has a result (trials: 3 diverged): there is nothing to compare.");
    assert_int_equal(c->note_count, 1);
    assert_string_equal(c->notes[0], "study 'empty' has no trials yet");
    cb_compare_destroy(c);
    cb_store_close(store);
}

static void test_no_study(void **state) {
    results r = results_begin(*state);
    cb_compare *c = compare(&r, *state, NULL);
    assert_int_equal(c->task_count, 0);
    assert_string_equal(c->notes[0], "there is no study yet");
    cb_compare_destroy(c);
    cb_compare_destroy(NULL);
}

static void test_mixed(void **state) {
    results r = begin(*state);
    add(&r, &(result){.cell = 1}, values_a, 3);
    add(&r, &(result){.cell = 2, .numerics = 2}, values_b, 3);
    cb_compare *c = compare(&r, *state, NULL);
    assert_warns(&c->tasks[0], CB_COMPARE_WARN_MIXED, "avx2, numerics 1");
    assert_null(warning(&c->tasks[0], CB_COMPARE_WARN_MACHINES));
    cb_compare_destroy(c);
}

/* Equal budgets: what is to be expected of n settings, by hand. */
static void test_budget(void **state) {
    static const double three[] = {1.0}, two[] = {2.0}, one[] = {3.0};
    results r = begin(*state);
    add(&r, &(result){.cell = 1, .config = 1, .setting = "rate", .value = 1.0}, one, 1);
    add(&r, &(result){.cell = 1, .config = 2, .setting = "rate", .value = 2.0}, two, 1);
    add(&r, &(result){.cell = 1, .config = 3, .setting = "rate", .value = 3.0}, three, 1);
    add(&r, &(result){.cell = 2, .config = 1, .setting = "rate", .value = 1.0}, two, 1);
    cb_compare *c = compare(&r, *state, NULL);
    const cb_compare_cell *a = &c->tasks[0].cells[0];
    assert_int_equal(c->tasks[0].common_settings, 1);
    assert_near(a->expected_best, 3.0, "of one"); /* validation values 2, 3, 4 */
    assert_near(a->expected[1], (2.0 + 2.0 + 3.0) / 3.0, "of two");
    assert_near(a->expected[2], 2.0, "of all");
    assert_string_equal(a->setting, "rate=3");
    assert_warns(&c->tasks[0], CB_COMPARE_WARN_EDGE, "a (highest rate)");
    assert_warns(&c->tasks[0], CB_COMPARE_WARN_BUDGET, "a 3, b 1");
    cb_compare_destroy(c);
}

/* Ranks 1 2 3, 1 2 3, 1 3 2, 2 1 3 over four tasks. */
static void test_ranks(void **state) {
    static const double means[4][3] = {{1, 2, 3}, {1, 2, 3}, {1, 3, 2}, {2, 1, 3}};
    results r = results_begin(*state);
    results_study(&r, 1, "one");
    for (int i = 0; i < 3; i++)
        results_cell(&r, i + 1, i == 0 ? "a" : i == 1 ? "b" : "c");
    for (int t = 0; t < 4; t++) {
        char name[16];
        snprintf(name, sizeof name, "task%d", t + 1);
        results_task(&r, t + 1, name);
        for (int i = 0; i < 3; i++)
            add(&r, &(result){.task = t + 1, .cell = i + 1}, &means[t][i], 1);
    }
    cb_compare *c = compare(&r, *state, NULL);
    assert_int_equal(c->task_count, 4);
    const cb_compare_ranks *ranks = &c->ranks;
    assert_int_equal(ranks->cell_count, 3);
    assert_int_equal(ranks->block_count, 4);
    assert_string_equal(ranks->names[0], "a");
    assert_near(ranks->rank[0], 1.25, "rank of a");
    assert_near(ranks->rank[1], 2.0, "rank of b");
    assert_near(ranks->chi2, 4.5, "chi-square");
    assert_near(ranks->p, exp(-2.25), "p");
    assert_true(fabs(ranks->critical - 1.657246577699061) < 1e-6);
    assert_near(ranks->block_rank[0 * 4 + 3], 2.0, "of a in the last task");
    assert_says(ranks->words, "over 4 tasks: a 1.25, b 2, c 2.75");
    assert_says(ranks->words, "more than 10 are recommended");
    cb_compare_destroy(c);
}

static cb_status faulty(void *context) {
    cb_compare *c = NULL;
    cb_err err;
    cb_status st = cb_compare_read(&c, context, &(cb_compare_options){.all_pairs = 1}, &err);
    cb_compare_destroy(c);
    return st;
}

static void test_no_memory(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    results_study(&r, 2, "empty");
    results_task(&r, 2, "copy");
    for (int task = 1; task <= 2; task++) {
        add(&r, &(result){.task = task, .cell = 1, .setting = "rate", .value = 1.0}, values_a, 3);
        add(&r, &(result){.task = task, .cell = 2, .setting = "rate", .value = 1.0}, values_b, 3);
    }
    cb_store *store = results_end(&r, f);
    assert_true(faults_run(faulty, store) > 100);
    cb_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_paired),   TEST(test_options),      TEST(test_squared_errors),
        TEST(test_seeds),    TEST(test_confirmation), TEST(test_losses),
        TEST(test_constant), TEST(test_unreachable),  TEST(test_nothing),
        TEST(test_no_study), TEST(test_mixed),        TEST(test_budget),
        TEST(test_ranks),    TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
