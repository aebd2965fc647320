/* SPDX-License-Identifier: MIT */
/* A comparison as a whole: what is asked, in which order it is made, and its release. */
#include "cellbench/compare.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "report/compare_internal.h"

/* ---- words ---- */

static const struct {
    const char *name, *title;
} tests[] = {
    {"auto", "test by the design"},
    {"paired-t", "paired t test"},
    {"welch", "Welch's t test"},
    {"wilcoxon", "Wilcoxon signed rank test"},
    {"mann-whitney", "Mann-Whitney test"},
    {"signs", "permutation test of signs"},
    {"labels", "permutation test of labels"},
};

static const char *const overs[] = {"none", "study", "confirm"};
static const char *const verdicts[] = {"none", "a_better", "b_better", "not_apart", "equivalent"};
static const char *const warnings[] = {"nothing",  "open",   "single",   "few",      "unreachable",
                                       "chosen",   "over",   "diverged", "infinite", "repeated",
                                       "seeds",    "budget", "params",   "mixed",    "machines",
                                       "constant", "edge"};
static const char *const measures[] = {"test", "valid", "train", "test_error", "valid_error"};

enum {
    TESTS = sizeof tests / sizeof *tests,
    OVERS = sizeof overs / sizeof *overs,
    VERDICTS = sizeof verdicts / sizeof *verdicts,
    WARNINGS = sizeof warnings / sizeof *warnings,
    MEASURES = sizeof measures / sizeof *measures
};

const char *cb_compare_test_name(cb_compare_test test) {
    return (unsigned)test < TESTS ? tests[test].name : NULL;
}

const char *cb_compare_test_title(cb_compare_test test) {
    return (unsigned)test < TESTS ? tests[test].title : NULL;
}

const char *cb_compare_over_name(cb_compare_over over) {
    return (unsigned)over < OVERS ? overs[over] : NULL;
}

const char *cb_compare_verdict_name(cb_compare_verdict verdict) {
    return (unsigned)verdict < VERDICTS ? verdicts[verdict] : NULL;
}

const char *cb_compare_warning_name(cb_compare_warning_kind kind) {
    return (unsigned)kind < WARNINGS ? warnings[kind] : NULL;
}

/* ---- what is asked ---- */

static cb_status check_measure(const char *measure, cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, measure);
    for (size_t i = 0; i < MEASURES; i++) {
        if (strcmp(measures[i], measure) == 0)
            return CB_OK;
        cbi_near_offer(&near, measures[i]);
    }
    return cb_fail(err, CB_EARG,
                   "metric: expected test, valid, train, test_error or valid_error, got '%s'%s",
                   measure, cbi_near_text(&near));
}

static cb_status check_options(const cb_compare_options *o, cb_err *err) {
    if (!(o->level >= 0.5) || !(o->level <= 0.9999))
        return cb_fail(err, CB_EARG, "level: expected 0.5 to 0.9999, got %g", o->level);
    if (!(o->equivalence >= 0.0) || !isfinite(o->equivalence))
        return cb_fail(err, CB_EARG, "equivalence: expected a difference above 0, got %g",
                       o->equivalence);
    if (o->equivalence > 0.0 && o->scale == CB_COMPARE_SCALE_LOG)
        return cb_fail(err, CB_EARG,
                       "scale: an equivalence is a difference in the units of the "
                       "metric, and says nothing of ratios");
    if ((unsigned)o->scale > CB_COMPARE_SCALE_LOG)
        return cb_fail(err, CB_EARG, "scale: expected 0 to %d, got %d", CB_COMPARE_SCALE_LOG,
                       (int)o->scale);
    if ((unsigned)o->test >= TESTS)
        return cb_fail(err, CB_EARG, "test: expected 0 to %d, got %d", TESTS - 1, (int)o->test);
    return check_measure(o->measure, err);
}

/* Some task has the cell; else the nearest name. */
static cb_status check_baseline(const cb_compare *c, const cb_store *store, const char *baseline,
                                cb_err *err) {
    cbi_near near;
    if (baseline == NULL || c->task_count == 0)
        return CB_OK;
    cbi_near_init(&near, baseline);
    for (size_t t = 0; t < c->task_count; t++)
        for (size_t i = 0; i < c->tasks[t].cell_count; i++) {
            if (strcmp(c->tasks[t].cells[i].name, baseline) == 0)
                return CB_OK;
            cbi_near_offer(&near, c->tasks[t].cells[i].name);
        }
    return cb_fail(err, CB_EARG, "%s: no cell '%s'%s", cb_store_path(store), baseline,
                   cbi_near_text(&near));
}

/* ---- the whole ---- */

static void cell_fini(cb_compare_cell *cell) {
    cbi_free(cell->name);
    cbi_free(cell->text_sha256);
    cbi_free(cell->setting);
    cbi_free(cell->values);
    cbi_free(cell->tried);
    cbi_free(cell->expected);
}

static void task_fini(cb_compare_task *task) {
    for (size_t i = 0; i < task->cell_count; i++)
        cell_fini(&task->cells[i]);
    for (size_t i = 0; i < task->pair_count; i++) {
        cbi_free(task->pairs[i].why);
        cbi_free(task->pairs[i].words);
    }
    for (size_t i = 0; i < task->warning_count; i++)
        cbi_free(task->warnings[i].words);
    void *const blocks[] = {task->study, task->task,   task->metric,  task->cells,
                            task->pairs, task->answer, task->warnings};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

static void ranks_fini(cb_compare_ranks *ranks) {
    for (size_t i = 0; i < ranks->cell_count; i++)
        cbi_free(ranks->names[i]);
    void *const blocks[] = {ranks->names, ranks->rank, ranks->block_rank, ranks->block,
                            ranks->words};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

void cb_compare_destroy(cb_compare *c) {
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->task_count; i++)
        task_fini(&c->tasks[i]);
    for (size_t i = 0; i < c->note_count; i++)
        cbi_free(c->notes[i]);
    ranks_fini(&c->ranks);
    cbi_free(c->tasks);
    cbi_free(c->notes);
    cbi_free(c->measure);
    cbi_free(c);
}

static cb_status make(cbi_compare_draft *d, cb_err *err) {
    cb_compare *c = d->compare;
    cb_status st = cbi_compare_read(d, err);
    if (st == CB_OK)
        st = check_baseline(c, d->store, d->options->baseline, err);
    for (size_t i = 0; i < c->task_count && st == CB_OK; i++)
        if ((st = cbi_compare_pairs(d, &c->tasks[i], err)) == CB_OK &&
            (st = cbi_compare_answer(d, &c->tasks[i], err)) == CB_OK)
            st = cbi_compare_warn(d, &c->tasks[i], &d->facts[i], err);
    return st == CB_OK ? cbi_compare_ranks(d, err) : st;
}

cb_status cb_compare_read(cb_compare **out, cb_store *store, const cb_compare_options *options,
                          cb_err *err) {
    cb_compare_options o = options != NULL ? *options : (cb_compare_options){.study = NULL};
    o.measure = o.measure != NULL ? o.measure : "test";
    o.level = o.level != 0.0 ? o.level : 0.95;
    *out = NULL;
    cb_status st = check_options(&o, err);
    if (st != CB_OK)
        return st;
    cb_compare *c = cbi_calloc(1, sizeof *c);
    cbi_compare_draft d = {.compare = c, .options = &o, .store = store};
    if (c == NULL || (c->measure = cbi_strdup(o.measure)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "a comparison: %zu bytes", sizeof *c);
        goto out;
    }
    c->level = o.level;
    c->equivalence = o.equivalence;
    if ((st = make(&d, err)) != CB_OK)
        goto out;
    *out = c;
    c = NULL;
out:
    for (size_t i = 0; d.facts != NULL && d.compare != NULL && i < d.compare->task_count; i++) {
        cbi_free(d.facts[i].arithmetic_list);
        cbi_text_fini(&d.facts[i].edges);
    }
    cbi_free(d.facts);
    cb_compare_destroy(c);
    return st;
}
