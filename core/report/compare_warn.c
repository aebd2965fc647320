/* SPDX-License-Identifier: MIT */
/*
 * Warnings: what the numbers of a task do not support, each as a sentence with the cells it is
 * about.
 */
#include "report/compare_internal.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"

enum {
    FEW = 5,     /* seeds below which an interval is hardly one */
    ENOUGH = 30, /* from here on the mean is about normal whatever the values are */
    RATIO = 2    /* from which on numbers of parameters differ much */
};

typedef struct writer {
    const cbi_compare_draft *draft;
    cb_compare_task *task;
    const cbi_compare_facts *facts;
    size_t capacity;
    cb_status status;
    cb_err *err;
} writer;

/* Takes the text, which is empty again afterwards; an empty one is no warning. */
static void warn(writer *w, cb_compare_warning_kind kind, cbi_text *text) {
    void *block = w->task->warnings;
    const size_t n = w->task->warning_count;
    char *words = NULL;
    if (w->status == CB_OK && (text->length > 0 || text->failed)) {
        w->status = cbi_text_take(text, &words, w->err);
        if (w->status == CB_OK &&
            cbi_grow(&block, &w->capacity, n + 1, sizeof *w->task->warnings) != CB_OK) {
            cbi_free(words);
            w->status = cb_fail(w->err, CB_ENOMEM, "%zu warnings", n + 1);
        }
        if (w->status == CB_OK) {
            w->task->warnings = block;
            w->task->warnings[n] = (cb_compare_warning){kind, words};
            w->task->warning_count++;
        }
    }
    cbi_text_fini(text);
    *text = (cbi_text){0};
}

/* ---- about the cells for which something holds ---- */

static int is_nothing(const cb_compare_cell *c) {
    return c->n == 0;
}

static int is_single(const cb_compare_cell *c) {
    return c->n == 1;
}

static int is_few(const cb_compare_cell *c) {
    return c->n >= 2 && c->n < FEW;
}

static int is_not_many(const cb_compare_cell *c) {
    return c->n >= FEW && c->n < ENOUGH;
}

static int is_chosen(const cb_compare_cell *c) {
    return c->over == CB_COMPARE_OVER_STUDY;
}

static int is_confirmed(const cb_compare_cell *c) {
    return c->over == CB_COMPARE_OVER_CONFIRM;
}

static int is_not_finite(const cb_compare_cell *c) {
    return c->not_finite > 0;
}

static int is_repeated(const cb_compare_cell *c) {
    return c->repeated > 0;
}

static int is_constant(const cb_compare_cell *c) {
    return c->n >= 2 && c->sd == 0.0;
}

/* "gru, lstm", or "all cells". Returns how many. */
static size_t names(cbi_text *text, const cb_compare_task *task,
                    int (*holds)(const cb_compare_cell *)) {
    size_t n = 0;
    for (size_t i = 0; i < task->cell_count; i++)
        n += holds(&task->cells[i]) != 0;
    if (n == task->cell_count && n > 2) {
        cbi_text_add(text, "all cells");
        return n;
    }
    for (size_t i = 0, written = 0; i < task->cell_count; i++)
        if (holds(&task->cells[i]))
            cbi_text_addf(text, "%s%s", written++ > 0 ? ", " : "", task->cells[i].name);
    return n;
}

static void about(writer *w, cb_compare_warning_kind kind, int (*holds)(const cb_compare_cell *),
                  const char *words) {
    cbi_text text = {0};
    if (names(&text, w->task, holds) > 0)
        cbi_text_addf(&text, ": %s", words);
    warn(w, kind, &text);
}

static void of_values(writer *w) {
    about(w, CB_COMPARE_WARN_NOTHING, is_nothing,
          "the best setting has no value; 'cellbench table DB --trials' shows the states of the "
          "trials.");
    about(w, CB_COMPARE_WARN_SINGLE, is_single,
          "a single seed: no interval and no test, and nothing tells chance from merit.");
    about(w, CB_COMPARE_WARN_FEW, is_few,
          "fewer than 5 seeds: intervals are wide, and right only if the values are normally "
          "distributed, which so few cannot show.");
    about(w, CB_COMPARE_WARN_FEW, is_not_many,
          "fewer than 30 seeds: t intervals and tests take the values as about normal; if they are "
          "skewed, an interval covers less often than it says.");
    about(w, CB_COMPARE_WARN_CHOSEN, is_chosen,
          "the values are over the study's own seeds, which chose the setting too, so they may "
          "look better than they are; `confirm` in the study runs the best ones with fresh seeds.");
    about(w, CB_COMPARE_WARN_NOT_FINITE, is_not_finite,
          "a trial has finished with a value that is no finite number; it is left out, which "
          "flatters the cell.");
    about(w, CB_COMPARE_WARN_REPEATED, is_repeated,
          "several trials have the same seed at the best setting; they are averaged and counted "
          "once, for they are not independent.");
    about(w, CB_COMPARE_WARN_CONSTANT, is_constant,
          "the values are the same with every seed: nothing tells how far chance goes.");
}

/* ---- about the whole ---- */

static void of_progress(writer *w) {
    cbi_text text = {0};
    if (w->task->open > 0)
        cbi_text_addf(&text,
                      "%zu of %zu trials are still to be finished%s: all of this may change.",
                      w->task->open, w->task->trials,
                      w->task->running ? ", and a run is at work on this file" : "");
    warn(w, CB_COMPARE_WARN_OPEN, &text);
}

static void of_choice(writer *w) {
    cbi_text text = {0};
    cbi_text fresh = {0}, own = {0};
    const size_t n = names(&fresh, w->task, is_confirmed), m = names(&own, w->task, is_chosen);
    if (n > 0 && m > 0)
        cbi_text_addf(&text,
                      "%s with fresh seeds, %s with the seeds that chose the setting: the "
                      "second are flattered by that.",
                      fresh.data != NULL ? fresh.data : "", own.data != NULL ? own.data : "");
    text.failed |= fresh.failed || own.failed;
    cbi_text_fini(&fresh);
    cbi_text_fini(&own);
    warn(w, CB_COMPARE_WARN_OVER, &text);
}

static void of_losses(writer *w) {
    cbi_text text = {0};
    for (size_t i = 0; i < w->task->cell_count; i++) {
        const cb_compare_cell *c = &w->task->cells[i];
        if (c->n > 0 && c->diverged + c->failed > 0)
            cbi_text_addf(&text, "%s%s (%zu of %zu: %zu diverged, %zu failed)",
                          text.length > 0 ? ", " : "", c->name, c->diverged + c->failed, c->asked,
                          c->diverged, c->failed);
    }
    if (text.length > 0)
        cbi_text_add(&text, ": seeds of the best setting gave no value and are left out; a cell "
                            "that diverges now and then looks better so than it is.");
    warn(w, CB_COMPARE_WARN_DIVERGED, &text);
}

static void of_pairs(writer *w) {
    cbi_text seeds = {0}, unreachable = {0}, checks = {0};
    const double alpha = 1.0 - w->draft->options->level;
    double least = 0.0, check_least = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < w->task->pair_count; i++) {
        const cb_compare_pair *p = &w->task->pairs[i];
        const cb_compare_cell *a = &w->task->cells[p->a], *b = &w->task->cells[p->b];
        if (p->paired && (p->n_a < a->n || p->n_b < b->n))
            cbi_text_addf(&seeds, "%s%s and %s", seeds.length > 0 ? ", " : "", a->name, b->name);
        if (isnan(p->p))
            continue;
        least = fmax(least, p->p_least);
        if (p->check != CB_COMPARE_TEST_AUTO && p->check_least > check_least) {
            check_least = p->check_least;
            n = p->n_a;
        }
    }
    if (seeds.length > 0)
        cbi_text_add(&seeds, ": only some seeds are common; the difference is over these, and not "
                             "that of the means in the table.");
    warn(w, CB_COMPARE_WARN_SEEDS, &seeds);
    if (least * (double)w->task->tested > alpha)
        cbi_text_addf(&unreachable,
                      "with so few seeds the test cannot give less than p = %.2g, %.2g when "
                      "corrected for %zu comparisons: whatever the cells are, it would not tell "
                      "them apart.",
                      least, fmin(1.0, least * (double)w->task->tested), w->task->tested);
    warn(w, CB_COMPARE_WARN_UNREACHABLE, &unreachable);
    if (check_least > alpha)
        cbi_text_addf(&checks,
                      "with %zu seeds no permutation or rank test of pairs can get below p = %.2g: "
                      "the t tests cannot be checked by one, and rest on differences that are "
                      "about normal.",
                      n, check_least);
    warn(w, CB_COMPARE_WARN_UNREACHABLE, &checks);
}

static void of_budgets(writer *w) {
    const cb_compare_task *task = w->task;
    cbi_text text = {0};
    size_t most = 0;
    for (size_t i = 0; i < task->cell_count; i++)
        if (task->cells[i].budget.settings > most)
            most = task->cells[i].budget.settings;
    if (most > task->common_settings) {
        cbi_text_add(&text, "the search gave the cells different numbers of settings (");
        for (size_t i = 0; i < task->cell_count; i++)
            cbi_text_addf(&text, "%s%s %zu", i > 0 ? ", " : "", task->cells[i].name,
                          task->cells[i].budget.settings);
        cbi_text_addf(&text,
                      "), and the best of more is better; best validation value to expect "
                      "of %zu each: ",
                      task->common_settings);
        for (size_t i = 0; i < task->cell_count; i++)
            cbi_text_addf(&text, "%s%s %.5g", i > 0 ? ", " : "", task->cells[i].name,
                          task->cells[i].expected_best);
        cbi_text_add(&text, ".");
    }
    warn(w, CB_COMPARE_WARN_BUDGET, &text);
}

static void of_sizes(writer *w) {
    const cb_compare_cell *least = NULL, *most = NULL;
    cbi_text text = {0};
    for (size_t i = 0; i < w->task->cell_count; i++) {
        const cb_compare_cell *c = &w->task->cells[i];
        if (c->n == 0 || c->params <= 0)
            continue;
        if (least == NULL || c->params < least->params)
            least = c;
        if (most == NULL || c->params > most->params)
            most = c;
    }
    if (most != NULL && most->params >= RATIO * least->params)
        cbi_text_addf(&text, "the best settings differ in size: %s has %lld parameters, %s %lld.",
                      most->name, (long long)most->params, least->name, (long long)least->params);
    warn(w, CB_COMPARE_WARN_PARAMS, &text);
}

static void of_machines(writer *w) {
    cbi_text mixed = {0}, machines = {0};
    if (w->facts->arithmetics > 1)
        cbi_text_addf(&mixed,
                      "the results are of %zu kinds of arithmetic (%s), whose bits differ; "
                      "'cellbench run --redo' makes them one.",
                      w->facts->arithmetics,
                      w->facts->arithmetic_list != NULL ? w->facts->arithmetic_list : "");
    warn(w, CB_COMPARE_WARN_MIXED, &mixed);
    if (w->facts->machines > 1)
        cbi_text_addf(&machines, "the trials ran on %zu machines: their times do not compare.",
                      w->facts->machines);
    warn(w, CB_COMPARE_WARN_MACHINES, &machines);
}

static void of_edges(writer *w) {
    cbi_text text = {0};
    if (w->facts->edges.length > 0)
        cbi_text_addf(&text,
                      "%s: the best setting has the lowest or highest value that was tried; the "
                      "search may have ended too early.",
                      w->facts->edges.data);
    warn(w, CB_COMPARE_WARN_EDGE, &text);
}

cb_status cbi_compare_warn(const cbi_compare_draft *d, cb_compare_task *task,
                           const cbi_compare_facts *facts, cb_err *err) {
    writer w = {.draft = d, .task = task, .facts = facts, .err = err};
    of_progress(&w);
    of_values(&w);
    of_choice(&w);
    of_losses(&w);
    of_pairs(&w);
    of_budgets(&w);
    of_sizes(&w);
    of_machines(&w);
    of_edges(&w);
    return w.status;
}
