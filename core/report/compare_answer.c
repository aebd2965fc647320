/* SPDX-License-Identifier: MIT */
/*
 * The answer for a study and task: what the baseline is better than, worse than, and not told apart
 * from, each with its interval; in the words that a person would quote.
 */
#include "report/compare_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"

enum { DETAILED_MOST = 4 }; /* pairs that get their figures; of more, the names and the range */

/* The pair of the baseline with another cell, seen from the baseline. */
typedef struct view {
    const cb_compare_pair *pair;
    const cb_compare_cell *other;
    int is_first;               /* the baseline is the pair's first */
    int is_ahead;               /* the baseline has the lower mean */
    cb_compare_verdict verdict; /* A: the baseline */
} view;

static view view_of(const cb_compare_task *task, const cb_compare_pair *pair) {
    const int first = pair->a == task->baseline;
    view v = {.pair = pair,
              .other = &task->cells[first ? pair->b : pair->a],
              .is_first = first,
              .is_ahead = first ? pair->difference <= 0.0 : pair->difference >= 0.0,
              .verdict = pair->verdict};
    if (!first && pair->verdict == CB_COMPARE_VERDICT_A_BETTER)
        v.verdict = CB_COMPARE_VERDICT_B_BETTER;
    else if (!first && pair->verdict == CB_COMPARE_VERDICT_B_BETTER)
        v.verdict = CB_COMPARE_VERDICT_A_BETTER;
    return v;
}

static int is_of_baseline(const cb_compare_task *task, const cb_compare_pair *pair) {
    return pair->a == task->baseline || pair->b == task->baseline;
}

static size_t count_of(const cb_compare_task *task, cb_compare_verdict verdict) {
    size_t n = 0;
    for (size_t i = 0; i < task->pair_count; i++)
        n += is_of_baseline(task, &task->pairs[i]) &&
             view_of(task, &task->pairs[i]).verdict == verdict;
    return n;
}

/* What stands before the next item of a list of n, of which i are written. */
static const char *between(size_t i, size_t n) {
    return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

/* "by 0.12 [0.09, 0.15]", "(worse by 0.01 [-0.02, 0.04])" where no order is shown; of ratios "(0.2
 * [0.1, 0.4] times its error)". */
static void say_item(cbi_text *text, const view *v, int shown) {
    cbi_text_add(text, shown && !v->pair->is_log ? " by " : " (");
    if (!shown && !v->pair->is_log)
        cbi_text_addf(text, "%s by ", v->is_ahead ? "better" : "worse");
    if (v->pair->is_log)
        cbi_compare_by(text, v->pair, !v->is_first, "");
    else
        cbi_compare_by(text, v->pair, v->is_first == v->is_ahead, "");
    cbi_text_add(text, v->pair->is_log ? " its error)" : shown ? "" : ")");
}

static void list(cbi_text *text, const cb_compare_task *task, cb_compare_verdict verdict) {
    const size_t n = count_of(task, verdict);
    const int shown =
        verdict == CB_COMPARE_VERDICT_A_BETTER || verdict == CB_COMPARE_VERDICT_B_BETTER;
    size_t written = 0;
    for (size_t i = 0; i < task->pair_count; i++) {
        if (!is_of_baseline(task, &task->pairs[i]))
            continue;
        const view v = view_of(task, &task->pairs[i]);
        if (v.verdict != verdict)
            continue;
        cbi_text_addf(text, "%s%s", between(written++, n), v.other->name);
        if (n <= DETAILED_MOST && verdict != CB_COMPARE_VERDICT_NONE)
            say_item(text, &v, shown);
    }
}

static double largest_p(const cb_compare_task *task, cb_compare_verdict verdict) {
    double p = 0.0;
    for (size_t i = 0; i < task->pair_count; i++)
        if (is_of_baseline(task, &task->pairs[i]) &&
            view_of(task, &task->pairs[i]).verdict == verdict)
            p = fmax(p, task->pairs[i].p_holm);
    return p;
}

/* Which tests, over what, and how surely. */
static void say_tests(cbi_text *text, const cb_compare_task *task) {
    char p[CBI_COMPARE_NUMBER];
    const cb_compare_pair *first = NULL;
    double least = 1.0;
    int several = 0;
    for (size_t i = 0; i < task->pair_count; i++) {
        const cb_compare_pair *pair = &task->pairs[i];
        if (isnan(pair->p))
            continue;
        several |= first != NULL && first->test != pair->test;
        first = first != NULL ? first : pair;
        least = fmin(least, pair->p_holm);
    }
    if (first == NULL)
        return;
    const double apart = fmax(largest_p(task, CB_COMPARE_VERDICT_A_BETTER),
                              largest_p(task, CB_COMPARE_VERDICT_B_BETTER));
    char title[CBI_COMPARE_NUMBER];
    snprintf(title, sizeof title, "%s",
             several ? "several tests" : cb_compare_test_title(first->test));
    title[0] = (char)toupper((unsigned char)title[0]);
    cbi_text_addf(text, " %s%s", title, first->is_log ? " of logarithms" : "");
    if (task->tested > 1)
        cbi_text_addf(text, ", corrected for %zu comparisons", task->tested);
    const double limit = apart > 0.0 ? apart : least;
    if (task->tested == 1 || limit < 0.0001)
        cbi_text_addf(text, ": %s", cbi_compare_p(p, limit));
    else
        cbi_text_addf(text, ": p %s %.2g", apart > 0.0 ? "<=" : ">=", limit);
    cbi_text_add(text, task->tested > 1 && apart > 0.0 ? " where told apart." : ".");
}

/* Of the pairs that were not told apart, the one that stands next to the baseline. */
static void say_seeds(cbi_text *text, const cb_compare_task *task) {
    for (size_t i = 0; i < task->pair_count; i++) {
        if (!is_of_baseline(task, &task->pairs[i]))
            continue;
        const view v = view_of(task, &task->pairs[i]);
        if (v.verdict != CB_COMPARE_VERDICT_NOT_APART)
            continue;
        if (v.pair->seeds_needed > (double)v.pair->n_a)
            cbi_text_addf(text,
                          " If the difference to %s is what was measured, it takes about %.0f "
                          "seeds of each to show it (in 4 of 5 studies).",
                          v.other->name, v.pair->seeds_needed);
        return;
    }
}

static void say_baseline(cbi_text *text, const cbi_compare_draft *d, const cb_compare_task *task,
                         const cb_compare_cell *cell) {
    char number[CBI_COMPARE_NUMBER], unit[CBI_COMPARE_NUMBER];
    if (cell->n == 0) {
        cbi_text_addf(text, "%s has no value.", cell->name);
        return;
    }
    cbi_text_addf(text, "%s%s: %s %s%s over %zu %sseed%s%s.", cell->name,
                  cell->place == 1 && task->cell_count > 1 ? " is first by validation" : "",
                  d->compare->measure,
                  cbi_compare_interval(number, cell->mean, cell->low, cell->high),
                  cbi_compare_unit(unit, task->metric), cell->n,
                  cell->over == CB_COMPARE_OVER_CONFIRM ? "fresh " : "", cell->n == 1 ? "" : "s",
                  cell->over == CB_COMPARE_OVER_CONFIRM ? "" : " of the study");
}

static void say_verdicts(cbi_text *text, const cbi_compare_draft *d, const cb_compare_task *task) {
    static const struct {
        cb_compare_verdict verdict;
        const char *begin;
    } parts[] = {{CB_COMPARE_VERDICT_A_BETTER, "It is better than "},
                 {CB_COMPARE_VERDICT_B_BETTER, "It is worse than "},
                 {CB_COMPARE_VERDICT_EQUIVALENT, "It is equivalent, "},
                 {CB_COMPARE_VERDICT_NOT_APART, "It is not told apart from "},
                 {CB_COMPARE_VERDICT_NONE, "No test says anything of "}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (count_of(task, parts[i].verdict) == 0)
            continue;
        cbi_text_addf(text, " %s", parts[i].begin);
        if (parts[i].verdict == CB_COMPARE_VERDICT_EQUIVALENT)
            cbi_text_addf(text, "within %.4g, to ", d->options->equivalence);
        list(text, task, parts[i].verdict);
        cbi_text_add(text, ".");
    }
}

/* Nothing to compare: why. */
static void say_nothing(cbi_text *text, const cbi_compare_draft *d, const cb_compare_task *task) {
    const struct {
        size_t n;
        const char *what;
    } parts[] = {{task->done, "done"},
                 {task->diverged, "diverged"},
                 {task->failed, "failed"},
                 {task->open, "still to be finished"}};
    if (task->done > 0)
        cbi_text_addf(text, "No cell has a finite %s value at its best setting (trials: ",
                      d->compare->measure);
    else
        cbi_text_add(text, "No trial has a result (trials: ");
    for (size_t i = 0, written = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].n > 0)
            cbi_text_addf(text, "%s%zu %s", written++ > 0 ? ", " : "", parts[i].n, parts[i].what);
    cbi_text_add(text, "): there is nothing to compare.");
}

cb_status cbi_compare_answer(const cbi_compare_draft *d, cb_compare_task *task, cb_err *err) {
    cbi_text text = {0};
    size_t with_values = 0;
    for (size_t i = 0; i < task->cell_count; i++)
        with_values += task->cells[i].n > 0;
    if (task->open > 0 && with_values > 0)
        cbi_text_addf(&text, "So far, with %zu of %zu trials still to be finished: ", task->open,
                      task->trials);
    if (with_values == 0) {
        say_nothing(&text, d, task);
    } else if (task->baseline >= task->cell_count) {
        cbi_text_addf(&text, "There is no cell '%s' here to compare with.", d->options->baseline);
    } else {
        const cb_compare_cell *cell = &task->cells[task->baseline];
        say_baseline(&text, d, task, cell);
        if (task->cell_count == 1) {
            cbi_text_add(&text, " There is no other cell to compare it with.");
        } else {
            say_verdicts(&text, d, task);
            say_tests(&text, task);
            say_seeds(&text, task);
        }
    }
    cb_status st = cbi_text_take(&text, &task->answer, err);
    cbi_text_fini(&text);
    return st;
}
