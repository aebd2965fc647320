/* SPDX-License-Identifier: MIT */
/*
 * Pairs of cells: which test and why, its figures, the correction over all pairs of a task, and the
 * verdict.
 */
#include "report/compare_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/stats.h"

enum { DRAWS = 20000, SEED = 1 };

static const double power = 0.8;

/* The values of two cells: all of each, or of the seeds that they have in common. */
typedef struct samples {
    double *a, *b;
    size_t n_a, n_b;
    cb_stats_difference difference;
} samples;

static void samples_fini(samples *s) {
    cbi_free(s->a);
    cbi_free(s->b);
}

/* ---- paired or not ---- */

/* The next seed that both have, from *i and *k on; 0 if there is none. */
static int next_common(const cb_compare_cell *a, const cb_compare_cell *b, size_t *i, size_t *k) {
    while (*i < a->n && *k < b->n && a->values[*i].seed != b->values[*k].seed)
        if (a->values[*i].seed < b->values[*k].seed)
            ++*i;
        else
            ++*k;
    return *i < a->n && *k < b->n;
}

int cbi_compare_is_paired(const cb_compare_cell *a, const cb_compare_cell *b, size_t *common) {
    *common = 0;
    for (size_t i = 0, k = 0; next_common(a, b, &i, &k); i++, k++)
        ++*common;
    if (*common < 2)
        return 0;
    if (*common == a->n && *common == b->n)
        return 1;
    /* A seed lost here or there leaves the design what it was. */
    return *common >= 3 && 3 * *common >= 2 * a->n && 3 * *common >= 2 * b->n;
}

static int is_paired_test(cb_compare_test test) {
    return test == CB_COMPARE_TEST_PAIRED_T || test == CB_COMPARE_TEST_WILCOXON ||
           test == CB_COMPARE_TEST_SIGNS;
}

static cb_status choose(const cbi_compare_draft *d, const cb_compare_cell *a,
                        const cb_compare_cell *b, cb_compare_pair *pair, cb_err *err) {
    cbi_text why = {0};
    size_t common = 0;
    const int natural = cbi_compare_is_paired(a, b, &common);
    pair->test = d->options->test;
    pair->paired = pair->test == CB_COMPARE_TEST_AUTO ? natural : is_paired_test(pair->test);
    if (pair->test == CB_COMPARE_TEST_AUTO)
        pair->test = natural ? CB_COMPARE_TEST_PAIRED_T : CB_COMPARE_TEST_WELCH;
    pair->n_a = pair->paired ? common : a->n;
    pair->n_b = pair->paired ? common : b->n;
    if (pair->paired && common == a->n && common == b->n)
        cbi_text_addf(&why, "both have the same %zu seeds: paired", common);
    else if (pair->paired)
        cbi_text_addf(&why, "%zu seeds in common of %zu and %zu: paired over these", common, a->n,
                      b->n);
    else if (natural)
        cbi_text_add(&why, "not paired, as asked, though the seeds are the same");
    else
        cbi_text_addf(&why, "%zu seeds in common of %zu and %zu: not paired", common, a->n, b->n);
    cb_status st = cbi_text_take(&why, &pair->why, err);
    cbi_text_fini(&why);
    return st;
}

/* Whether the pair is compared by ratios: see the header. */
static int is_log(const cbi_compare_draft *d, const cb_compare_task *task,
                  const cb_compare_pair *pair) {
    const cb_compare_options *o = d->options;
    const size_t cells[2] = {pair->a, pair->b};
    int log_scale = o->scale == CB_COMPARE_SCALE_LOG;
    if (o->scale == CB_COMPARE_SCALE_AUTO)
        log_scale = o->equivalence == 0.0 && task->metric != NULL &&
                    strcmp(task->metric, "mse") == 0 && strstr(o->measure, "error") == NULL;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < task->cells[cells[k]].n; i++)
            log_scale &= task->cells[cells[k]].values[i].value > 0.0;
    return log_scale;
}

static void take_logarithms(samples *s) {
    for (size_t i = 0; i < s->n_a; i++)
        s->a[i] = log(s->a[i]);
    for (size_t i = 0; i < s->n_b; i++)
        s->b[i] = log(s->b[i]);
}

static cb_status take_samples(const cb_compare_cell *a, const cb_compare_cell *b,
                              const cb_compare_pair *pair, samples *s, cb_err *err) {
    s->a = cbi_calloc(a->n + 1, sizeof *s->a);
    s->b = cbi_calloc(b->n + 1, sizeof *s->b);
    if (s->a == NULL || s->b == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu values", a->n + b->n);
    if (pair->paired) {
        for (size_t i = 0, k = 0; next_common(a, b, &i, &k); i++, k++) {
            s->a[s->n_a++] = a->values[i].value;
            s->b[s->n_b++] = b->values[k].value;
        }
    } else {
        for (; s->n_a < a->n; s->n_a++)
            s->a[s->n_a] = a->values[s->n_a].value;
        for (; s->n_b < b->n; s->n_b++)
            s->b[s->n_b] = b->values[s->n_b].value;
    }
    if (pair->is_log)
        take_logarithms(s);
    return CB_OK;
}

/* ---- the tests ---- */

static cb_status by_arrangements(cb_compare_test test, const samples *s, cb_stats_test *out,
                                 cb_err *err) {
    switch (test) {
    case CB_COMPARE_TEST_WILCOXON:
        return cb_stats_wilcoxon(s->a, s->b, s->n_a, CB_STATS_ZEROS_DROP, out, err);
    case CB_COMPARE_TEST_MANN_WHITNEY:
        return cb_stats_mann_whitney(s->a, s->n_a, s->b, s->n_b, out, err);
    case CB_COMPARE_TEST_SIGNS:
        return cb_stats_sign_flip(s->a, s->b, s->n_a, DRAWS, SEED, out, err);
    default:
        return cb_stats_permutation(s->a, s->n_a, s->b, s->n_b, DRAWS, SEED, out, err);
    }
}

/* A t test, and the permutation test that asks for less. */
static cb_status test_means(cb_compare_pair *pair, const samples *s, cb_err *err) {
    cb_stats_test check;
    pair->statistic = s->difference.t;
    pair->dof = s->difference.dof;
    pair->p = s->difference.p;
    if (isnan(pair->p))
        return CB_OK;
    pair->check = pair->paired ? CB_COMPARE_TEST_SIGNS : CB_COMPARE_TEST_LABELS;
    cb_status st = by_arrangements(pair->check, s, &check, err);
    pair->check_p = check.p;
    pair->check_least = check.p_least;
    return st;
}

static cb_status test_pair(cb_compare_pair *pair, const samples *s, cb_err *err) {
    cb_stats_test out;
    if (pair->test == CB_COMPARE_TEST_PAIRED_T || pair->test == CB_COMPARE_TEST_WELCH)
        return test_means(pair, s, err);
    if (s->n_a < 2 || s->n_b < 2)
        return CB_OK;
    cb_status st = by_arrangements(pair->test, s, &out, err);
    pair->statistic = out.statistic;
    pair->p = out.p;
    pair->p_least = out.p_least;
    return st;
}

/* Over all values, for it knows no pairs. */
static cb_status measure_effect(const cb_compare_cell *a, const cb_compare_cell *b, double level,
                                cb_compare_pair *pair, cb_err *err) {
    double *values[2] = {cbi_calloc(a->n + 1, sizeof **values),
                         cbi_calloc(b->n + 1, sizeof **values)};
    cb_stats_effect cliff;
    cb_status st = values[0] != NULL && values[1] != NULL
                       ? CB_OK
                       : cb_fail(err, CB_ENOMEM, "%zu values", a->n + b->n);
    for (size_t i = 0; i < a->n && st == CB_OK; i++)
        values[0][i] = a->values[i].value;
    for (size_t i = 0; i < b->n && st == CB_OK; i++)
        values[1][i] = b->values[i].value;
    if (st == CB_OK && a->n > 0 && b->n > 0 &&
        (st = cb_stats_cliff(values[0], a->n, values[1], b->n, level, &cliff, err)) == CB_OK) {
        pair->cliff = cliff.value;
        pair->cliff_low = cliff.low;
        pair->cliff_high = cliff.high;
    }
    cbi_free(values[0]);
    cbi_free(values[1]);
    return st;
}

static cb_status measure(const cbi_compare_draft *d, const cb_compare_task *task,
                         cb_compare_pair *pair, samples *s, cb_err *err) {
    const cb_compare_cell *a = &task->cells[pair->a], *b = &task->cells[pair->b];
    cb_status st = choose(d, a, b, pair, err);
    pair->is_log = is_log(d, task, pair);
    if (st == CB_OK)
        st = take_samples(a, b, pair, s, err);
    if (st != CB_OK)
        return st;
    s->difference = pair->paired ? cb_stats_paired(s->a, s->b, s->n_a, d->options->level)
                                 : cb_stats_welch(s->a, s->n_a, s->b, s->n_b, d->options->level);
    pair->difference = s->difference.difference;
    pair->low = s->difference.low;
    pair->high = s->difference.high;
    if (pair->is_log) {
        pair->ratio = exp(pair->difference);
        pair->ratio_low = exp(pair->low);
        pair->ratio_high = exp(pair->high);
    } else if (s->difference.mean_b != 0.0)
        pair->relative = pair->difference / fabs(s->difference.mean_b);
    st = measure_effect(a, b, d->options->level, pair, err);
    if (st == CB_OK && d->options->equivalence > 0.0)
        pair->p_equivalence =
            cb_stats_equivalent(&s->difference, d->options->equivalence, 1.0 - d->options->level).p;
    return st == CB_OK ? test_pair(pair, s, err) : st;
}

/* ---- over all pairs of the task ---- */

static double power_of(const cb_compare_pair *pair, const double sd[3], double difference,
                       double alpha) {
    const size_t n = pair->n_a < pair->n_b ? pair->n_a : pair->n_b;
    return pair->paired ? cb_stats_power_paired(difference, sd[2], n, alpha)
                        : cb_stats_power_welch(difference, sd[0], sd[1], n, alpha);
}

/* What these seeds can show, and how many would show what was seen. sd: of a, b, and the
 * differences. */
static void plan(cb_compare_pair *pair, const double sd[3], double alpha) {
    const double scale = pair->paired ? sd[2] : sqrt(sd[0] * sd[0] + sd[1] * sd[1]);
    if (!(scale > 0.0))
        return;
    double low = 0.0, high = scale;
    for (int i = 0; i < 20 && power_of(pair, sd, high, alpha) < power; i++)
        high *= 2.0;
    for (int i = 0; i < 30; i++) {
        const double middle = 0.5 * (low + high);
        if (power_of(pair, sd, middle, alpha) < power)
            low = middle;
        else
            high = middle;
    }
    pair->detectable = high;
    const size_t seeds = pair->paired
                             ? cb_stats_seeds_paired(pair->difference, sd[2], alpha, power)
                             : cb_stats_seeds_welch(pair->difference, sd[0], sd[1], alpha, power);
    pair->seeds_needed = seeds > 0 ? (double)seeds : (double)NAN;
}

static cb_compare_verdict verdict_of(const cb_compare_pair *pair, double alpha) {
    if (isnan(pair->p))
        return CB_COMPARE_VERDICT_NONE;
    if (pair->p_equivalence <= alpha)
        return CB_COMPARE_VERDICT_EQUIVALENT;
    if (!(pair->p_holm <= alpha))
        return CB_COMPARE_VERDICT_NOT_APART;
    return pair->difference < 0.0 ? CB_COMPARE_VERDICT_A_BETTER : CB_COMPARE_VERDICT_B_BETTER;
}

/* Holm's correction of the p values at one place of each pair, in place. */
static cb_status correct(cb_compare_task *task, double *(*place)(cb_compare_pair *), cb_err *err) {
    double *p = cbi_calloc(task->pair_count + 1, sizeof *p);
    if (p == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu pairs", task->pair_count);
    for (size_t i = 0; i < task->pair_count; i++)
        p[i] = *place(&task->pairs[i]);
    cb_status st = cb_stats_holm(p, task->pair_count, p, err);
    for (size_t i = 0; i < task->pair_count && st == CB_OK; i++)
        *place(&task->pairs[i]) = p[i];
    cbi_free(p);
    return st;
}

static double *p_holm_of(cb_compare_pair *pair) {
    return &pair->p_holm;
}

static double *p_equivalence_of(cb_compare_pair *pair) {
    return &pair->p_equivalence;
}

static cb_status judge(const cbi_compare_draft *d, cb_compare_task *task, const samples *s,
                       cb_err *err) {
    const double alpha = 1.0 - d->options->level;
    for (size_t i = 0; i < task->pair_count; i++) {
        task->pairs[i].p_holm = task->pairs[i].p;
        task->tested += !isnan(task->pairs[i].p) ? 1 : 0;
    }
    cb_status st = correct(task, p_holm_of, err);
    if (st == CB_OK)
        st = correct(task, p_equivalence_of, err);
    for (size_t i = 0; i < task->pair_count && st == CB_OK; i++) {
        cb_compare_pair *pair = &task->pairs[i];
        const double sd[3] = {cb_stats_mean_of(s[i].a, s[i].n_a, d->options->level).sd,
                              cb_stats_mean_of(s[i].b, s[i].n_b, d->options->level).sd,
                              s[i].difference.sd};
        if (!isnan(s[i].difference.p))
            plan(pair, sd, alpha / (double)(task->tested > 0 ? task->tested : 1));
        pair->verdict = verdict_of(pair, alpha);
        st = cbi_compare_say(d, task, pair, err);
    }
    return st;
}

/* ---- which pairs ---- */

static void add_pair(cb_compare_task *task, size_t a, size_t b) {
    const double none = (double)NAN;
    task->pairs[task->pair_count++] = (cb_compare_pair){.a = a < b ? a : b,
                                                        .b = a < b ? b : a,
                                                        .difference = none,
                                                        .low = none,
                                                        .high = none,
                                                        .ratio = none,
                                                        .ratio_low = none,
                                                        .ratio_high = none,
                                                        .relative = none,
                                                        .statistic = none,
                                                        .dof = none,
                                                        .p = none,
                                                        .p_holm = none,
                                                        .check_p = none,
                                                        .cliff = none,
                                                        .cliff_low = none,
                                                        .cliff_high = none,
                                                        .p_equivalence = none,
                                                        .detectable = none,
                                                        .seeds_needed = none};
}

/* The cell asked for, or the first; cell_count if this task has not got it. */
static size_t baseline_of(const cbi_compare_draft *d, const cb_compare_task *task) {
    size_t i = 0;
    while (d->options->baseline != NULL && i < task->cell_count &&
           strcmp(task->cells[i].name, d->options->baseline) != 0)
        i++;
    return i;
}

static cb_status list_pairs(const cbi_compare_draft *d, cb_compare_task *task, cb_err *err) {
    const size_t n = task->cell_count, baseline = baseline_of(d, task);
    const size_t most = d->options->all_pairs ? n * (n - 1) / 2 : n;
    task->baseline = baseline;
    task->pairs = cbi_calloc(most + 1, sizeof *task->pairs);
    if (task->pairs == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu pairs", most);
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++)
            if (d->options->all_pairs || a == baseline || b == baseline)
                add_pair(task, a, b);
    return CB_OK;
}

cb_status cbi_compare_pairs(const cbi_compare_draft *d, cb_compare_task *task, cb_err *err) {
    cb_status st = list_pairs(d, task, err);
    if (st != CB_OK)
        return st;
    samples *s = cbi_calloc(task->pair_count + 1, sizeof *s);
    if (s == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu pairs", task->pair_count);
    for (size_t i = 0; i < task->pair_count && st == CB_OK; i++)
        st = measure(d, task, &task->pairs[i], &s[i], err);
    if (st == CB_OK)
        st = judge(d, task, s, err);
    for (size_t i = 0; i < task->pair_count; i++)
        samples_fini(&s[i]);
    cbi_free(s);
    return st;
}
