/* SPDX-License-Identifier: MIT */
/* Numbers as a person writes them, and the sentence about a pair. */
#include "report/compare_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* ---- numbers ---- */

/* Decimals that show two digits of `width`; -1: better in exponents. */
static int decimals_of(double width, double value) {
    if (!(width > 0.0) || !isfinite(width))
        return -1;
    const int decimals = 1 - (int)floor(log10(width));
    return decimals > 9 || fabs(value) >= 1e7 ? -1 : decimals < 0 ? 0 : decimals;
}

const char *cbi_compare_interval(char *buffer, double value, double low, double high) {
    const int decimals = decimals_of(0.5 * (high - low), value);
    const size_t size = CBI_COMPARE_NUMBER;
    if (isnan(value))
        snprintf(buffer, size, "unknown");
    else if (isnan(low) || isnan(high))
        snprintf(buffer, size, "%.4g", value);
    else if (decimals < 0)
        snprintf(buffer, size, "%.4g [%.4g, %.4g]", value, low, high);
    else
        snprintf(buffer, size, "%.*f [%.*f, %.*f]", decimals, value, decimals, low, decimals, high);
    return buffer;
}

const char *cbi_compare_p(char *buffer, double p) {
    if (isnan(p))
        snprintf(buffer, CBI_COMPARE_NUMBER, "p unknown");
    else if (p < 0.0001)
        snprintf(buffer, CBI_COMPARE_NUMBER, "p < 0.0001");
    else
        snprintf(buffer, CBI_COMPARE_NUMBER, "p = %.2g", p);
    return buffer;
}

const char *cbi_compare_unit(char *buffer, const char *metric) {
    snprintf(buffer, CBI_COMPARE_NUMBER, "%s%.60s", metric != NULL && *metric != '\0' ? " " : "",
             metric != NULL ? metric : "");
    return buffer;
}

/* ---- a pair ---- */

/* "paired t test, 5 seeds, p = 0.017 after Holm over 2" */
static void say_test(cbi_text *text, const cb_compare_task *task, const cb_compare_pair *pair) {
    char p[CBI_COMPARE_NUMBER];
    cbi_text_addf(text, "%s, ", cb_compare_test_title(pair->test));
    if (pair->paired || pair->n_a == pair->n_b)
        cbi_text_addf(text, "n = %zu, ", pair->n_a);
    else
        cbi_text_addf(text, "n = %zu and %zu, ", pair->n_a, pair->n_b);
    cbi_text_add(text, cbi_compare_p(p, pair->p_holm));
    if (task->tested > 1)
        cbi_text_addf(text, " corrected for %zu comparisons", task->tested);
}

void cbi_compare_by(cbi_text *text, const cb_compare_pair *pair, int turned, const char *unit) {
    char number[CBI_COMPARE_NUMBER];
    if (pair->is_log && isnan(pair->ratio_low))
        cbi_text_addf(text, "%.2g times", turned ? 1.0 / pair->ratio : pair->ratio);
    else if (pair->is_log)
        cbi_text_addf(text, "%.2g [%.2g, %.2g] times", turned ? 1.0 / pair->ratio : pair->ratio,
                      turned ? 1.0 / pair->ratio_high : pair->ratio_low,
                      turned ? 1.0 / pair->ratio_low : pair->ratio_high);
    else
        cbi_text_addf(text, "%s%s",
                      turned
                          ? cbi_compare_interval(number, -pair->difference, -pair->high, -pair->low)
                          : cbi_compare_interval(number, pair->difference, pair->low, pair->high),
                      unit);
}

static void say_relative(cbi_text *text, double relative) {
    if (isfinite(relative) && fabs(relative) < 10.0)
        cbi_text_addf(text, "%.2g %%; ", 100.0 * fabs(relative));
}

/* A difference has its sign turned when the second cell is the subject. */
static void say_better(cbi_text *text, const cb_compare_task *task, const cb_compare_pair *pair,
                       const char *unit) {
    const int first = pair->verdict == CB_COMPARE_VERDICT_A_BETTER;
    const cb_compare_cell *better = &task->cells[first ? pair->a : pair->b];
    const cb_compare_cell *other = &task->cells[first ? pair->b : pair->a];
    cbi_text_addf(text, "%s is better than %s%s", better->name, other->name,
                  pair->is_log ? ": " : " by ");
    cbi_compare_by(text, pair, first != pair->is_log, unit);
    cbi_text_addf(text, "%s (", pair->is_log ? " its error" : "");
    say_relative(text, first ? pair->relative : pair->difference / other->mean);
    say_test(text, task, pair);
    cbi_text_add(text, ")");
}

static void say_not_apart(cbi_text *text, const cb_compare_task *task, const cb_compare_pair *pair,
                          const char *unit, double alpha) {
    const cb_compare_cell *a = &task->cells[pair->a], *b = &task->cells[pair->b];
    cbi_text_addf(text, "%s and %s are not told apart: %s", a->name, b->name,
                  pair->is_log ? "the first has " : "difference ");
    cbi_compare_by(text, pair, 0, unit);
    cbi_text_addf(text, "%s (", pair->is_log ? " the error of the second" : "");
    say_test(text, task, pair);
    cbi_text_add(text, ")");
    if (pair->p <= alpha)
        cbi_text_add(text, "; by itself the difference would stand out, among so many comparisons "
                           "it does not");
    if (isfinite(pair->detectable))
        cbi_text_addf(text, "; a true %s below %.2g could well go unseen with these seeds",
                      pair->is_log ? "ratio" : "difference",
                      pair->is_log ? exp(pair->detectable) : pair->detectable);
}

static void say_equivalent(cbi_text *text, const cbi_compare_draft *d, const cb_compare_task *task,
                           const cb_compare_pair *pair, const char *unit, double alpha) {
    char number[CBI_COMPARE_NUMBER], p[CBI_COMPARE_NUMBER];
    cbi_text_addf(text,
                  "%s and %s are equivalent within %.4g%s: difference %s (two one-sided t "
                  "tests, n = %zu, %s",
                  task->cells[pair->a].name, task->cells[pair->b].name, d->options->equivalence,
                  unit, cbi_compare_interval(number, pair->difference, pair->low, pair->high),
                  pair->n_a, cbi_compare_p(p, pair->p_equivalence));
    if (task->tested > 1)
        cbi_text_addf(text, " corrected for %zu comparisons", task->tested);
    cbi_text_add(text, ")");
    if (pair->p_holm <= alpha)
        cbi_text_add(text, "; the difference is there, but no larger than what was said not to "
                           "matter");
}

static void say_untested(cbi_text *text, const cb_compare_task *task, const cb_compare_pair *pair) {
    const cb_compare_cell *a = &task->cells[pair->a], *b = &task->cells[pair->b];
    cbi_text_addf(text, "%s and %s: no test, ", a->name, b->name);
    const cb_compare_cell *none = a->n == 0 ? a : b->n == 0 ? b : NULL;
    const cb_compare_cell *single = a->n == 1 ? a : b->n == 1 ? b : NULL;
    if (none != NULL)
        cbi_text_addf(text, "%s has no value", none->name);
    else if (pair->paired && pair->n_a < 2)
        cbi_text_addf(text, "they have %zu seed%s in common", pair->n_a, pair->n_a == 1 ? "" : "s");
    else if (single != NULL)
        cbi_text_addf(text, "%s has a single value", single->name);
    else if (pair->difference == 0.0)
        cbi_text_add(text, "their values are the same");
    else
        cbi_text_addf(text,
                      "the difference is %.4g with every seed: nothing tells how far chance "
                      "goes",
                      pair->difference);
}

cb_status cbi_compare_say(const cbi_compare_draft *d, const cb_compare_task *task,
                          cb_compare_pair *pair, cb_err *err) {
    const double alpha = 1.0 - d->options->level;
    cbi_text text = {0};
    char unit[CBI_COMPARE_NUMBER];
    cbi_compare_unit(unit, task->metric);
    switch (pair->verdict) {
    case CB_COMPARE_VERDICT_A_BETTER:
    case CB_COMPARE_VERDICT_B_BETTER:
        say_better(&text, task, pair, unit);
        break;
    case CB_COMPARE_VERDICT_NOT_APART:
        say_not_apart(&text, task, pair, unit, alpha);
        break;
    case CB_COMPARE_VERDICT_EQUIVALENT:
        say_equivalent(&text, d, task, pair, unit, alpha);
        break;
    case CB_COMPARE_VERDICT_NONE:
        say_untested(&text, task, pair);
    }
    char p[CBI_COMPARE_NUMBER];
    const int is_apart = pair->verdict == CB_COMPARE_VERDICT_A_BETTER ||
                         pair->verdict == CB_COMPARE_VERDICT_B_BETTER;
    if (is_apart && pair->check_p > alpha && pair->check_least <= alpha)
        cbi_text_addf(&text,
                      "; but the %s gives %s: this rests on differences that are about "
                      "normal",
                      cb_compare_test_title(pair->check), cbi_compare_p(p, pair->check_p));
    cb_status st = cbi_text_take(&text, &pair->words, err);
    cbi_text_fini(&text);
    return st;
}
