/* SPDX-License-Identifier: MIT */
/* Verdicts on published claims: their logic, and what is made of databases written for the test. */
#include "store/results_fixture.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cellbench/reproduction.h"
#include "faults.h"

/* ---- verdicts ---- */

enum { WORSE, BETTER, NOT_WORSE, NOT_BETTER, SAME };

/* A difference with its interval and p, and the verdict on each kind of claim with a margin of 0.1:
 * A agrees, D disagrees, - cannot be told. */
typedef struct case_of {
    double difference, low, high, p;
    const char *verdicts; /* worse, better, not worse, not better, no difference */
} case_of;

static void test_difference(void **state) {
    static const case_of cases[] = {
        /* Clearly worse, by more than matters; and better. */
        {0.5, 0.4, 0.6, 0.001, "ADDAD"},
        {-0.5, -0.6, -0.4, 0.001, "DAADD"},
        /* Worse for sure, but by less than matters: both "worse" and "no difference" are right. */
        {0.05, 0.02, 0.08, 0.001, "ADAAA"},
        /* No difference that matters, shown. */
        {0.01, -0.05, 0.07, 0.6, "DDAAA"},
        /* Nothing can be told: p is large, which shows nothing. */
        {0.05, -0.3, 0.4, 0.7, "-----"},
        /* Not shown after the correction, and not within the margin upwards. */
        {0.2, 0.01, 0.39, 0.08, "-D-A-"},
        /* Shown, though it could be almost nothing, and could matter. */
        {0.2, 0.01, 0.39, 0.04, "ADDAD"},
        /* At the edge of the margin: not within it. */
        {0.0, -0.1, 0.1, 1, "-----"},
        {NAN, NAN, NAN, NAN, "-----"},
    };
    static const char letters[] = "-AD";
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int e = WORSE; e <= SAME; e++) {
            const cb_stats_difference d = {
                .difference = cases[i].difference, .low = cases[i].low, .high = cases[i].high};
            const cb_verdict got =
                cb_verdict_of_difference((cb_expected)e, &d, cases[i].p, 0.1, 0.05);
            if (letters[got] != cases[i].verdicts[e])
                fail_msg("case %zu, claim %d: %c", i, e, letters[got]);
        }
}

static void test_share(void **state) {
    static const cb_fanova_share share = {0.5, 0.4, 0.6}, none = {NAN, NAN, NAN};
    static const cb_fanova_share others[] = {{0.1, 0.05, 0.2}, {0.3, 0.2, 0.45}, {0.8, 0.7, 0.9}};
    (void)state;
    assert_int_equal(cb_verdict_of_share(&share, 0.3, NAN), CB_VERDICT_AGREES);
    assert_int_equal(cb_verdict_of_share(&share, 0.5, NAN), CB_VERDICT_OPEN);
    assert_int_equal(cb_verdict_of_share(&share, 0.7, NAN), CB_VERDICT_DISAGREES);
    assert_int_equal(cb_verdict_of_share(&share, NAN, 0.7), CB_VERDICT_AGREES);
    assert_int_equal(cb_verdict_of_share(&share, NAN, 0.5), CB_VERDICT_OPEN);
    assert_int_equal(cb_verdict_of_share(&share, NAN, 0.3), CB_VERDICT_DISAGREES);
    assert_int_equal(cb_verdict_of_share(&none, 0.5, NAN), CB_VERDICT_OPEN);
    assert_int_equal(cb_verdict_of_share(&none, NAN, 0.5), CB_VERDICT_OPEN);
    assert_int_equal(cb_verdict_of_order(&share, others, 1), CB_VERDICT_AGREES);
    assert_int_equal(cb_verdict_of_order(&share, others, 2), CB_VERDICT_OPEN);
    assert_int_equal(cb_verdict_of_order(&share, others, 3), CB_VERDICT_DISAGREES);
    assert_int_equal(cb_verdict_of_order(&none, others, 3), CB_VERDICT_OPEN);
}

/* ---- a database ---- */

#define HEAD                                                                                       \
    "{\"paper\":\"A paper | of 2015\",\"baseline\":\"base\",\"best\":0.25,\"trials\":200,"         \
    "\"margin\":0.1,\"margin_why\":\"because\",\"departures\":[\"None <b>to</b> speak of\"],"
#define SURE ",\"certainty\":\"memory\"}"
#define CLAIMS                                                                                     \
    "\"claims\":[{\"cell\":\"bad\",\"expected\":\"worse\"" SURE                                    \
    ",{\"cell\":\"bad\",\"expected\":\"not worse\"" SURE                                           \
    ",{\"cell\":\"alike\",\"expected\":\"no difference\"" SURE                                     \
    ",{\"cell\":\"alike\",\"expected\":\"worse\"" SURE                                             \
    ",{\"cell\":\"wild\",\"expected\":\"worse\"" SURE                                              \
    ",{\"cell\":\"gone\",\"expected\":\"worse\"" SURE ",{\"setting\":\"rate\",\"above\":0.5" SURE  \
    ",{\"setting\":\"rate\",\"below\":0.5" SURE ",{\"setting\":\"momentum\",\"below\":0.5" SURE    \
    "]"
#define FIGURES ",\"figures\":[{\"cell\":\"bad\",\"what\":\"its best\",\"value\":8.38" SURE "]}"

enum { CONFIGS = 40, CELLS = 4 };
static const char *const names[CELLS] = {"bad", "base", "alike", "wild"};

static void put_study(results *r, int id, const char *name, const char *reproduces) {
    results_study(r, id, name);
    results_exec(r,
                 "update study set reproduces = %Q, script = '-- s', script_path = 's.lua' where "
                 "study_id = %d",
                 reproduces, id);
}

/* The value of a setting rises with its number, so that the rate explains all of it. `bad` is worse
 * by 0.5, `alike` by 0.005; `wild` is as good at the mean of its best ten and spreads widely. */
static double value_of(int cell, int config) {
    static const double shift[CELLS] = {0.5, 0, 0.005, 0};
    const double spread = cell != 3 ? 0 : config <= 10 ? 1.5 * (config - 5.5) : 20;
    return 8 + shift[cell] + 0.004 * config + spread;
}

/* `wild` has not ended its last setting, and `bad` diverged with one that would have been good. */
static void put_trials(results *r) {
    for (int c = 0; c < CELLS; c++)
        results_cell(r, c + 1, names[c]);
    results_task(r, 1, "music");
    for (int config = 1; config <= CONFIGS; config++)
        for (int c = 0; c < CELLS; c++) {
            const int open = c == 3 && config == CONFIGS, lost = c == 0 && config == 3;
            const double value = value_of(c, config);
            results_add(r, &(result){.cell = c + 1,
                                     .config = config,
                                     .seed = config * CELLS + c,
                                     .state = open   ? "pending"
                                              : lost ? "diverged"
                                                     : "done",
                                     .valid = lost ? (double)NAN : value,
                                     .test = lost ? (double)NAN : value,
                                     .setting = "rate",
                                     .value = 0.001 * config});
        }
}

static char *write_page(const fixture *f, const char *study, cb_reproduction_made *made,
                        cb_status wanted, const char *words) {
    char path[128], *text = NULL;
    size_t length = 0;
    cb_err error = {0};
    cb_store *store = NULL;
    snprintf(path, sizeof path, "%s/page.md", f->folder);
    const cb_reproduction_options options = {
        .study = study, .path = path, .command = "cellbench report", .version = "0"};
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    const cb_status st = cb_reproduction_write(store, &options, made, &error);
    cb_store_close(store);
    if (st != wanted || (st != CB_OK && strstr(error.text, words) == NULL))
        fail_msg("status %s: %s", cb_status_name(st), st != CB_OK ? error.text : "");
    if (st == CB_OK)
        must(cbi_file_read(&text, &length, path, 1 << 20, err));
    return text;
}

static void expect(const char *page, const char *piece) {
    if (strstr(page, piece) == NULL)
        fail_msg("no '%s' in:\n%s", piece, page);
}

static void test_page(void **state) {
    const fixture *f = *state;
    cb_reproduction_made made, again;
    results r = results_begin(f);
    put_study(&r, 1, "greff", HEAD CLAIMS FIGURES);
    put_trials(&r);
    cb_store_close(results_end(&r, f));
    char *page = write_page(f, NULL, &made, CB_OK, "");
    assert_int_equal(made.trials, CONFIGS - 1);
    assert_int_equal(made.verdicts[CB_VERDICT_AGREES], 3);
    assert_int_equal(made.verdicts[CB_VERDICT_DISAGREES], 3);
    assert_int_equal(made.verdicts[CB_VERDICT_OPEN], 3);
    /* The means of the ten best: 8.022 of base; 8.5252 of bad, without its third. */
    expect(page, "| bad | worse | memory | +0.503 [");
    expect(page, "**agrees** |\n| bad | not worse |");
    expect(page, "| alike | no difference | memory | +0.005 [");
    expect(page, "| gone | worse | memory | \xe2\x80\x93 | **cannot be told** |");
    expect(page, "| rate | more than 50 % of the variance | memory | ");
    expect(page, "| base | 10 | 8.022 |");
    expect(page, "| bad | 39 | 1 |");
    expect(page, "3 further trials have ended and are left out");
    expect(page, "| bad | its best | memory |  | 8.38 | 8.504 |");
    expect(page, "39 trials of each cell; the paper has 200.");
    expect(page, "None &lt;b&gt;to&lt;/b&gt; speak of");
    expect(page, "A paper \\| of 2015");
    /* 39 trials of 4 s each for 4 cells; 200 of them. */
    expect(page, "0.17 hours of a core");
    expect(page, "would take 0.9 hours of a core");
    char *same = write_page(f, "greff", &again, CB_OK, "");
    assert_string_equal(page, same);
    cbi_free(page);
    cbi_free(same);
}

static void test_nothing_yet(void **state) {
    const fixture *f = *state;
    cb_reproduction_made made;
    results r = results_begin(f);
    put_study(&r, 1, "greff", HEAD CLAIMS FIGURES);
    results_cell(&r, 1, "base");
    results_task(&r, 1, "music");
    results_add(&r, &(result){.config = 1, .state = "pending", .valid = NAN, .test = NAN});
    cb_store_close(results_end(&r, f));
    char *page = write_page(f, NULL, &made, CB_OK, "");
    assert_int_equal(made.trials, 0);
    assert_int_equal(made.verdicts[CB_VERDICT_OPEN], 9);
    expect(page, "| base | 0 | \xe2\x80\x93 |");
    cbi_free(page);
}

static void test_refused(void **state) {
    static const char *const broken[] = {
        "[1",
        "3",
        "{}",
        HEAD "\"claims\":{}" FIGURES,
        HEAD "\"claims\":[{}]" FIGURES,
        HEAD "\"claims\":[{\"cell\":\"bad\",\"expected\":\"odd\"" SURE "]" FIGURES,
        HEAD "\"claims\":[{\"cell\":\"bad\",\"expected\":\"worse\"}]" FIGURES,
        HEAD "\"claims\":[{\"setting\":\"rate\"" SURE "]" FIGURES,
        HEAD "\"claims\":[{\"setting\":\"rate\",\"more_than\":[3]" SURE "]" FIGURES,
        HEAD CLAIMS "}",
        HEAD CLAIMS ",\"figures\":[3]}",
        "{\"paper\":\"p\",\"baseline\":\"base\",\"margin_why\":\"w\",\"best\":2,\"margin\":1,"
        "\"trials\":1,\"departures\":[],\"claims\":[],\"figures\":[]}",
        "{\"paper\":\"p\",\"baseline\":\"base\",\"margin_why\":\"w\",\"best\":0.1,\"margin\":1,"
        "\"trials\":1,\"departures\":[7],\"claims\":[],\"figures\":[]}"};
    const fixture *f = *state;
    cb_reproduction_made made;
    results r = results_begin(f);
    results_study(&r, 1, "plain");
    put_trials(&r);
    (void)write_page(f, NULL, &made, CB_EARG, "no study reproduces");
    (void)write_page(f, "plain", &made, CB_EARG, "reproduces nothing");
    (void)write_page(f, "plein", &made, CB_EARG, "did you mean 'plain'");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        results_exec(&r, "update study set reproduces = %Q where study_id = 1", broken[i]);
        (void)write_page(f, NULL, &made, CB_ESTORE, "study.reproduces");
    }
    results_exec(&r, "update study set reproduces = replace(%Q, '\"base\"', '\"lost\"')",
                 HEAD CLAIMS FIGURES);
    (void)write_page(f, NULL, &made, CB_ESTORE, "its baseline 'lost' has no trials");
    put_study(&r, 2, "other", HEAD CLAIMS FIGURES);
    (void)write_page(f, NULL, &made, CB_EARG, "several studies");
    cb_store_close(results_end(&r, f));
}

/* ---- memory ---- */

typedef struct work {
    cb_store *store;
    cb_reproduction_options options;
} work;

static cb_status write_again(void *context) {
    const work *w = context;
    cb_reproduction_made made;
    cb_err error;
    return cb_reproduction_write(w->store, &w->options, &made, &error);
}

/* Without claims on settings: that forests are grown with too little memory is importance's. */
static void test_memory(void **state) {
    const fixture *f = *state;
    char path[128];
    results r = results_begin(f);
    put_study(&r, 1, "greff",
              HEAD "\"claims\":[{\"cell\":\"bad\",\"expected\":\"worse\"" SURE "]" FIGURES);
    put_trials(&r);
    snprintf(path, sizeof path, "%s/page.md", f->folder);
    work w = {.store = results_end(&r, f), .options = {.path = path, .version = "0"}};
    assert_true(faults_run(write_again, &w) > 20);
    cb_store_close(w.store);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_share),
        CASE(test_page),
        CASE(test_nothing_yet),
        CASE(test_refused),
        CASE(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
