/* SPDX-License-Identifier: MIT */
/* Importance of made-up results: what is a row, what counts for it, what is said. */
#include "cellbench/importance.h"

#include "faults.h"
#include "store/results_fixture.h"

enum { CONFIGS = 60 };

static void assert_says(const char *text, const char *piece) {
    if (strstr(text, piece) == NULL)
        fail_msg("'%s' does not say '%s'", text, piece);
}

static results begin(const fixture *f) {
    results r = results_begin(f);
    results_study(&r, 1, "one");
    results_task(&r, 1, "adding");
    results_cell(&r, 1, "a");
    results_cell(&r, 2, "b");
    return r;
}

/* A trial whose validation value is 10 * rate + `more`, with the setting `rate`; the odd configs
 * have the optimiser x, the others y with a momentum of their own. */
static void add(results *r, int cell, int config, int seed, double more, const char *state) {
    const double rate = (double)config / CONFIGS;
    const int has_momentum = config % 2 == 0;
    const double momentum = (double)(config * 7 % CONFIGS) / CONFIGS;
    results_add(r, &(result){.cell = cell,
                             .config = config,
                             .seed = seed,
                             .state = state,
                             .valid = 10.0 * rate + more + (has_momentum ? 3.0 * momentum : 0.0),
                             .test = 1.0,
                             .setting = "rate",
                             .value = rate});
    results_exec(r,
                 "insert into setting (study_id, trial_id, name, type, text) values (1, %lld, "
                 "'optimiser', 'text', %Q)",
                 (long long)r->trials, has_momentum ? "y" : "x");
    results_exec(r,
                 "insert into setting (study_id, trial_id, name, type, real) values (1, %lld, "
                 "'momentum', %Q, %s)",
                 (long long)r->trials, has_momentum ? "real" : "null",
                 has_momentum ? (momentum > 0.5 ? "0.9" : "0.1") : "NULL");
    results_exec(r,
                 "insert into setting (study_id, trial_id, name, type, integer) values (1, "
                 "%lld, 'constant', 'integer', 5)",
                 (long long)r->trials);
}

static cb_importance *importance(results *r, const fixture *f,
                                 const cb_importance_options *options) {
    cb_store *store = results_end(r, f);
    cb_importance *out = NULL;
    must(cb_importance_read(&out, store, options, err));
    cb_store_close(store);
    return out;
}

static const cb_importance_setting *find(const cb_importance_group *group, const char *name) {
    for (size_t i = 0; i < group->setting_count; i++)
        if (strcmp(group->settings[i].name, name) == 0)
            return &group->settings[i];
    return NULL;
}

static int warns(const cb_importance_group *group, const char *piece) {
    for (size_t i = 0; i < group->warning_count; i++)
        if (strstr(group->warnings[i], piece) != NULL)
            return 1;
    return 0;
}

static void test_groups(void **state) {
    results r = begin(*state);
    for (int config = 1; config <= CONFIGS; config++)
        for (int cell = 1; cell <= 2; cell++)
            for (int seed = 1; seed <= 2; seed++)
                add(&r, cell, config, seed, 20.0 * cell + 0.2 * seed, NULL);
    cb_importance *out = importance(&r, *state, &(cb_importance_options){.pairs = 2});
    assert_int_equal(out->group_count, 3);
    const cb_importance_group *all = &out->groups[0], *a = &out->groups[1];
    assert_null(all->cell);
    assert_int_equal(all->rows, 2 * CONFIGS);
    assert_string_equal(all->settings[0].name, "cell"); /* 20 against 10 */
    assert_string_equal(all->settings[0].best, "a");
    assert_string_equal(a->cell, "a");
    assert_int_equal(a->rows, CONFIGS);
    assert_string_equal(a->settings[0].name, "rate");
    assert_true(a->settings[0].share.share > 0.6 && a->r2 > 0.8);
    assert_true(a->settings[0].points[0].best && !a->settings[0].points[40].best);
    assert_null(find(a, "constant"));
    assert_null(find(a, "cell"));
    assert_int_equal(a->pair_count, 1);
    const cb_importance_setting *momentum = find(a, "momentum"), *optimiser = find(a, "optimiser");
    assert_non_null(momentum);
    assert_int_equal(momentum->active, CONFIGS / 2);
    assert_true(momentum->active_share.share > 0.0 && !momentum->is_category);
    assert_true(isnan(a->settings[0].active_share.share));
    assert_true(optimiser != NULL && optimiser->is_category && optimiser->point_count == 2);
    assert_true(warns(a, "momentum is set in 30 of 60 results"));
    assert_says(a->words, "rate explains");
    cb_importance_destroy(out);
}

static void test_diverged(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    for (int config = 1; config <= CONFIGS; config++)
        add(&r, 1, config, 1, 0.0,
            config > 50   ? "diverged"
            : config == 9 ? "pending"
            : config == 8 ? "failed"
                          : NULL);
    cb_store *store = results_end(&r, f);
    cb_importance *out = NULL;
    must(cb_importance_read(&out, store, NULL, err));
    assert_int_equal(out->group_count, 1); /* one cell: no group of all */
    const cb_importance_group *a = &out->groups[0];
    assert_int_equal(a->rows, CONFIGS - 2);
    assert_int_equal(a->diverged, 10);
    assert_int_equal(a->missing, 2);
    assert_true(warns(a, "10 settings diverged: counted as the worst"));
    const double with = a->mean;
    cb_importance_destroy(out);
    const cb_importance_options left_out = {.diverged = CB_IMPORTANCE_LEFT_OUT};
    must(cb_importance_read(&out, store, &left_out, err));
    assert_int_equal(out->groups[0].rows, CONFIGS - 12);
    assert_true(out->groups[0].mean < with);
    assert_true(warns(&out->groups[0], "left out"));
    cb_importance_destroy(out);
    const cb_importance_options capped = {.cap = 0.25};
    must(cb_importance_read(&out, store, &capped, err));
    assert_true(out->groups[0].mean < with && out->groups[0].rows == CONFIGS - 2);
    cb_importance_destroy(out);
    cb_store_close(store);
}

static void test_nothing(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    results_study(&r, 2, "empty");
    for (int config = 1; config <= 3; config++) {
        add(&r, 1, config, 1, 0.0, NULL);
        add(&r, 2, config, 1, 0.0, "pending");
    }
    cb_store *store = results_end(&r, f);
    cb_importance *out = NULL;
    must(cb_importance_read(&out, store, NULL, err));
    assert_says(out->groups[1].words, "3 settings have results: too few");
    assert_true(isnan(out->groups[1].r2));
    assert_says(out->groups[2].words, "No setting has a result yet: 3 are open");
    assert_string_equal(out->notes[0], "study 'empty' has no trials yet");
    cb_importance_destroy(out);
    static const struct {
        cb_importance_options options;
        const char *says;
    } bad[] = {{{.study = "oen"}, "did you mean 'one'"},
               {{.cell = "aa"}, "did you mean 'a'"},
               {{.cap = 1.0}, "cap"},
               {{.level = 95.0}, "level"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cb_err err;
        assert_int_equal(cb_importance_read(&out, store, &bad[i].options, &err), CB_EARG);
        assert_null(out);
        assert_says(err.text, bad[i].says);
    }
    cb_store_close(store);
    cb_importance_destroy(NULL);
}

/* Results that are all the same, and results that are chance. */
static void test_unexplained(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    for (int config = 1; config <= CONFIGS; config++) {
        const double noise = (double)(config * 37 % 101) / 101.0;
        results_add(&r, &(result){.cell = 1,
                                  .config = config,
                                  .seed = 1,
                                  .valid = 1.0,
                                  .test = 1.0,
                                  .setting = "rate",
                                  .value = (double)config});
        results_add(&r, &(result){.cell = 2,
                                  .config = config,
                                  .seed = 1,
                                  .valid = noise,
                                  .test = 1.0,
                                  .setting = "rate",
                                  .value = (double)(config * 29 % 61)});
    }
    cb_importance *out = importance(&r, f, NULL);
    assert_says(out->groups[1].words, "All results are the same");
    assert_says(out->groups[2].words, "explains next to nothing");
    cb_importance_destroy(out);
}

static cb_status faulty(void *context) {
    cb_importance *out = NULL;
    cb_err err;
    const cb_importance_options options = {.pairs = 3, .trees = 2};
    cb_status st = cb_importance_read(&out, context, &options, &err);
    cb_importance_destroy(out);
    return st;
}

static void test_no_memory(void **state) {
    const fixture *f = *state;
    results r = begin(f);
    results_study(&r, 2, "empty");
    for (int config = 1; config <= 24; config++)
        add(&r, 1 + config % 2, config, 1, 0.0, config == 24 ? "diverged" : NULL);
    cb_store *store = results_end(&r, f);
    assert_true(faults_run(faulty, store) > 100);
    cb_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_groups),      TEST(test_diverged),  TEST(test_nothing),
        TEST(test_unexplained), TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
