/* SPDX-License-Identifier: MIT */
/*
 * cellbench compare: each cell at its best setting, what is better than what, and what that rests
 * on. All that is said is drawn up by cellbench/compare.h; here it is set for a terminal, as CSV or
 * as JSON.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/compare.h"
#include "cli/compare_json.h"

/* ---- for programs ---- */

static void add_reals(cbi_cli_table *table, const double *reals, size_t n) {
    for (size_t i = 0; i < n; i++)
        cbi_cli_table_real(table, reals[i]);
}

static void add_cell(cbi_cli_table *table, const cb_compare_task *task, const cb_compare_cell *c) {
    const int any = c->over != CB_COMPARE_OVER_NONE;
    cbi_cli_table_text(table, task->study);
    cbi_cli_table_text(table, task->task);
    cbi_cli_table_text(table, c->name);
    cbi_cli_table_text(table, task->metric);
    cbi_cli_table_int(table, c->config);
    cbi_cli_table_text(table, c->setting);
    cbi_cli_table_real(table, c->valid);
    cbi_cli_table_text(table, any ? cb_compare_over_name(c->over) : NULL);
    cbi_cli_table_int(table, (int64_t)c->n);
    cbi_cli_table_int(table, (int64_t)c->asked);
    add_reals(table, (const double[]){c->mean, c->sd, c->low, c->high}, 4);
    cbi_cli_table_int(table, c->params);
    cbi_cli_table_real(table, c->epoch_seconds);
    const cb_compare_budget *b = &c->budget;
    const int64_t counts[] = {(int64_t)b->settings, b->trials, b->done,
                              b->diverged,          b->failed, b->open};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        cbi_cli_table_int(table, counts[k]);
    add_reals(table, (const double[]){b->cpu_seconds, b->flop, c->expected_best}, 3);
}

static cb_status print_cells_csv(const cb_compare *compare, cb_err *err) {
    static const char *const names[] = {
        "study",  "task",        "cell",     "metric",       "config", "setting",  "valid",
        "over",   "n",           "asked",    "mean",         "sd",     "low",      "high",
        "params", "s_epoch",     "settings", "trials",       "done",   "diverged", "failed",
        "open",   "cpu_seconds", "flop",     "expected_best"};
    cbi_cli_table table = {
        .format = CBI_CLI_CSV, .columns = sizeof names / sizeof *names, .names = names};
    for (size_t t = 0; t < compare->task_count; t++)
        for (size_t i = 0; i < compare->tasks[t].cell_count; i++)
            add_cell(&table, &compare->tasks[t], &compare->tasks[t].cells[i]);
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void add_pair(cbi_cli_table *table, const cb_compare_task *task, const cb_compare_pair *p) {
    cbi_cli_table_text(table, task->study);
    cbi_cli_table_text(table, task->task);
    cbi_cli_table_text(table, task->cells[p->a].name);
    cbi_cli_table_text(table, task->cells[p->b].name);
    cbi_cli_table_text(table, cb_compare_verdict_name(p->verdict));
    cbi_cli_table_int(table, p->paired);
    cbi_cli_table_int(table, (int64_t)p->n_a);
    cbi_cli_table_int(table, (int64_t)p->n_b);
    add_reals(table, (const double[]){p->difference, p->low, p->high, p->relative}, 4);
    cbi_cli_table_int(table, p->is_log);
    add_reals(table, (const double[]){p->ratio, p->ratio_low, p->ratio_high}, 3);
    cbi_cli_table_text(table, cb_compare_test_name(p->test));
    const double reals[] = {p->statistic,     p->dof,        p->p,           p->p_holm,
                            p->check_p,       p->cliff,      p->cliff_low,   p->cliff_high,
                            p->p_equivalence, p->detectable, p->seeds_needed};
    add_reals(table, reals, sizeof reals / sizeof *reals);
    cbi_cli_table_text(table, p->words);
}

static cb_status print_pairs_csv(const cb_compare *compare, cb_err *err) {
    static const char *const names[] = {"study",      "task",          "a",          "b",
                                        "verdict",    "paired",        "n_a",        "n_b",
                                        "difference", "low",           "high",       "relative",
                                        "is_log",     "ratio",         "ratio_low",  "ratio_high",
                                        "test",       "statistic",     "dof",        "p",
                                        "p_holm",     "check_p",       "cliff",      "cliff_low",
                                        "cliff_high", "p_equivalence", "detectable", "seeds_needed",
                                        "words"};
    cbi_cli_table table = {
        .format = CBI_CLI_CSV, .columns = sizeof names / sizeof *names, .names = names};
    for (size_t t = 0; t < compare->task_count; t++)
        for (size_t i = 0; i < compare->tasks[t].pair_count; i++)
            add_pair(&table, &compare->tasks[t], &compare->tasks[t].pairs[i]);
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- for people ---- */

static void range(char *buffer, size_t size, double low, double high) {
    if (isnan(low) || isnan(high))
        snprintf(buffer, size, "-");
    else
        snprintf(buffer, size, "%.4g .. %.4g", low, high);
}

static cb_status print_cells(const cb_compare *compare, const cb_compare_task *task, cb_err *err) {
    char mean[32], interval[32];
    const char *const names[] = {"cell",   "n",  "over",   "valid",   mean,
                                 interval, "sd", "params", "s_epoch", "setting"};
    cbi_cli_table table = {.columns = sizeof names / sizeof *names, .names = names};
    snprintf(mean, sizeof mean, "%s mean", compare->measure);
    snprintf(interval, sizeof interval, "%.4g %% interval", 100.0 * compare->level);
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *c = &task->cells[i];
        char between[64];
        range(between, sizeof between, c->low, c->high);
        cbi_cli_table_text(&table, c->name);
        cbi_cli_table_int(&table, (int64_t)c->n);
        cbi_cli_table_text(&table,
                           c->over == CB_COMPARE_OVER_NONE ? "-" : cb_compare_over_name(c->over));
        cbi_cli_table_real(&table, c->valid);
        cbi_cli_table_real(&table, c->mean);
        cbi_cli_table_text(&table, between);
        cbi_cli_table_real(&table, c->sd);
        cbi_cli_table_int(&table, c->params);
        cbi_cli_table_real(&table, c->epoch_seconds);
        cbi_cli_table_text(&table, c->setting);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static const char *verdict_words(const cb_compare_task *task, const cb_compare_pair *pair,
                                 char *buffer, size_t size) {
    switch (pair->verdict) {
    case CB_COMPARE_VERDICT_A_BETTER:
    case CB_COMPARE_VERDICT_B_BETTER:
        snprintf(
            buffer, size, "%.60s is better",
            task->cells[pair->verdict == CB_COMPARE_VERDICT_A_BETTER ? pair->a : pair->b].name);
        return buffer;
    case CB_COMPARE_VERDICT_NOT_APART:
        return "not told apart";
    case CB_COMPARE_VERDICT_EQUIVALENT:
        return "equivalent";
    case CB_COMPARE_VERDICT_NONE:
    default:
        return "not tested";
    }
}

static void add_pair_line(cbi_cli_table *table, const cb_compare_task *task,
                          const cb_compare_pair *p) {
    char pair[160], between[64], n[48], cliff[64], buffer[96];
    snprintf(pair, sizeof pair, "%.64s %c %.64s", task->cells[p->a].name, p->is_log ? '/' : '-',
             task->cells[p->b].name);
    snprintf(n, sizeof n, p->paired ? "%zu pairs" : "%zu, %zu", p->n_a, p->n_b);
    range(between, sizeof between, p->is_log ? p->ratio_low : p->low,
          p->is_log ? p->ratio_high : p->high);
    snprintf(cliff, sizeof cliff, isnan(p->cliff_low) ? "%.2f" : "%.2f [%.2f, %.2f]", p->cliff,
             p->cliff_low, p->cliff_high);
    cbi_cli_table_text(table, pair);
    cbi_cli_table_text(table, n);
    cbi_cli_table_real(table, p->is_log ? p->ratio : p->difference);
    cbi_cli_table_text(table, between);
    cbi_cli_table_real(table, p->p);
    cbi_cli_table_real(table, p->p_holm);
    cbi_cli_table_text(table, cliff);
    cbi_cli_table_text(table, isnan(p->p) ? "-" : cb_compare_test_name(p->test));
    cbi_cli_table_text(table, verdict_words(task, p, buffer, sizeof buffer));
}

static cb_status print_pairs(const cb_compare *compare, const cb_compare_task *task, cb_err *err) {
    char interval[32];
    size_t ratios = 0;
    for (size_t i = 0; i < task->pair_count; i++)
        ratios += task->pairs[i].is_log != 0;
    const char *const effect = ratios == 0                  ? "difference"
                               : ratios == task->pair_count ? "ratio"
                                                            : "difference, ratio";
    const char *const names[] = {"pair",   "n",           effect, interval, "p",
                                 "p Holm", "Cliff delta", "test", "verdict"};
    cbi_cli_table table = {.columns = sizeof names / sizeof *names,
                           .names = names,
                           .fold_except = task->pair_count > 1 ? "pair" : NULL};
    snprintf(interval, sizeof interval, "%.4g %% interval", 100.0 * compare->level);
    for (size_t i = 0; i < task->pair_count; i++)
        add_pair_line(&table, task, &task->pairs[i]);
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void print_text(const char *before, const char *text, size_t indent) {
    char *safe = cbi_cli_printable(text, strlen(text), 0);
    fputs(before, stdout);
    cbi_cli_wrapped(safe != NULL ? safe : "(out of memory)", indent, 80);
    cbi_free(safe);
}

/* Pairs of which more is to be said than stands in the table and in the answer. */
static void print_doubts(const cb_compare *compare, const cb_compare_task *task) {
    const double alpha = 1.0 - compare->level;
    for (size_t i = 0; i < task->pair_count; i++) {
        const cb_compare_pair *p = &task->pairs[i];
        const int apart =
            p->verdict == CB_COMPARE_VERDICT_A_BETTER || p->verdict == CB_COMPARE_VERDICT_B_BETTER;
        const int doubtful = apart && p->check_p > alpha && p->check_least <= alpha;
        if (doubtful || p->verdict == CB_COMPARE_VERDICT_EQUIVALENT ||
            (p->verdict == CB_COMPARE_VERDICT_NONE && task->cells[p->a].n > 0 &&
             task->cells[p->b].n > 0))
            print_text("- ", p->words, 2);
    }
}

static cb_status print_task(const cb_compare *compare, const cb_compare_task *task, cb_err *err) {
    char head[512];
    snprintf(head, sizeof head, "study %.120s, task %.120s, metric %.60s: lower is better",
             task->study, task->task, task->metric != NULL ? task->metric : "?");
    print_text("", head, 0);
    printf("\n");
    cb_status st = print_cells(compare, task, err);
    if (st != CB_OK)
        return st;
    printf("\n");
    print_text("", task->answer, 0);
    if (task->tested > 0) {
        printf("\n");
        if ((st = print_pairs(compare, task, err)) != CB_OK)
            return st;
    }
    printf("%s", task->warning_count > 0 ? "\n" : "");
    print_doubts(compare, task);
    for (size_t i = 0; i < task->warning_count; i++)
        print_text("- ", task->warnings[i].words, 2);
    return CB_OK;
}

static cb_status print_people(const cb_compare *compare, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < compare->task_count && st == CB_OK; i++) {
        printf("%s", i > 0 ? "\n" : "");
        st = print_task(compare, &compare->tasks[i], err);
    }
    if (compare->ranks.cell_count > 0) {
        printf("\n");
        print_text("", compare->ranks.words, 0);
    }
    for (size_t i = 0; i < compare->note_count; i++)
        print_text("- ", compare->notes[i], 2);
    return st;
}

/* ---- the command ---- */

static int read_real(const char *text, double *out) {
    char *end = NULL;
    *out = strtod(text, &end);
    return *text != '\0' && *end == '\0' && isfinite(*out);
}

static int read_test(const char *name, cb_compare_test *out, cbi_near *near) {
    cbi_near_init(near, name);
    for (int i = 0; cb_compare_test_name((cb_compare_test)i) != NULL; i++) {
        *out = (cb_compare_test)i;
        if (strcmp(cb_compare_test_name(*out), name) == 0)
            return 1;
        cbi_near_offer(near, cb_compare_test_name(*out));
    }
    return 0;
}

static int read_scale(const char *name, cb_compare_scale *out) {
    *out = strcmp(name, "log") == 0 ? CB_COMPARE_SCALE_LOG : CB_COMPARE_SCALE_PLAIN;
    return *out == CB_COMPARE_SCALE_LOG || strcmp(name, "plain") == 0;
}

/* 0, or the exit status after an error was told. */
static int read_options(const cbi_cli_args *args, cb_compare_options *o) {
    const char *level = cbi_cli_value(args, "level"), *test = cbi_cli_value(args, "test");
    const char *equivalence = cbi_cli_value(args, "equivalence");
    const char *scale = cbi_cli_value(args, "scale");
    cbi_near near;
    *o = (cb_compare_options){.study = cbi_cli_value(args, "study"),
                              .baseline = cbi_cli_value(args, "baseline"),
                              .measure = cbi_cli_value(args, "metric"),
                              .all_pairs = cbi_cli_flag(args, "all-pairs")};
    if (level != NULL && (!read_real(level, &o->level) || o->level < 0.5 || o->level > 0.9999))
        return cbi_cli_usage(args->command,
                             "compare: --level: expected a number from 0.5 to 0.9999, got '%s'",
                             level);
    if (equivalence != NULL &&
        (!read_real(equivalence, &o->equivalence) || !(o->equivalence > 0.0)))
        return cbi_cli_usage(args->command,
                             "compare: --equivalence: expected a number above 0, in the units of "
                             "the metric, got '%s'",
                             equivalence);
    if (scale != NULL && !read_scale(scale, &o->scale))
        return cbi_cli_usage(args->command, "compare: --scale: expected plain or log, got '%s'",
                             scale);
    if (scale != NULL && equivalence != NULL && o->scale == CB_COMPARE_SCALE_LOG)
        return cbi_cli_usage(args->command, "compare: --equivalence is in the units of the metric "
                                            "and does not go with --scale log");
    if (test != NULL && !read_test(test, &o->test, &near))
        return cbi_cli_usage(args->command,
                             "compare: --test: expected auto, paired-t, welch, wilcoxon, "
                             "mann-whitney, signs or labels, got '%s'%s",
                             test, cbi_near_text(&near));
    return 0;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    cb_compare *compare = NULL;
    cb_compare_options options;
    const int status = read_options(args, &options);
    if (status != 0)
        return status;
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && (st = cb_compare_read(&compare, store, &options, &err)) == CB_OK)
        st = cbi_cli_flag(args, "json")    ? cbi_cli_compare_json(compare, &err)
             : !cbi_cli_flag(args, "csv")  ? print_people(compare, &err)
             : cbi_cli_flag(args, "pairs") ? print_pairs_csv(compare, &err)
                                           : print_cells_csv(compare, &err);
    cb_compare_destroy(compare);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    {"baseline", 0, CBI_CLI_TEXT, "CELL", 0, 0, "compare each cell with this one"},
    {"all-pairs", 0, CBI_CLI_FLAG, NULL, 0, 0, "compare each cell with each"},
    {"test", 0, CBI_CLI_TEXT, "NAME", 0, 0,
     "paired-t, welch, wilcoxon, mann-whitney, signs, labels"},
    {"level", 0, CBI_CLI_TEXT, "L", 0, 0, "of intervals, and 1 - error of tests; default 0.95"},
    {"equivalence", 0, CBI_CLI_TEXT, "D", 0, 0, "also test whether differences are below D"},
    {"scale", 0, CBI_CLI_TEXT, "WORD", 0, 0,
     "plain: differences; log: ratios; default by the metric"},
    {"metric", 0, CBI_CLI_TEXT, "NAME", 0, 0, "test, valid, train, test_error or valid_error"},
    {"csv", 0, CBI_CLI_FLAG, NULL, 0, 0, "print the cells as CSV (RFC 4180), numbers in full"},
    {"pairs", 0, CBI_CLI_FLAG, NULL, 0, 0, "with --csv: the pairs instead of the cells"},
    {"json", 0, CBI_CLI_FLAG, NULL, 0, 0, "print everything as a JSON object"},
    {0},
};

const cbi_cli_command cbi_cmd_compare = {
    .name = "compare",
    .summary = "which cell is better, by how much, how surely",
    .arguments = "DB [options]",
    .text = "For each cell: the setting with the best mean validation value over the study's\n"
            "seeds (valid), and the test values of that setting: mean, standard deviation and\n"
            "t-interval of the mean over n seeds. over: confirm, with the fresh seeds of a\n"
            "study's `confirm`; study, with the seeds that chose the setting, which flatters\n"
            "it. Then the first by validation, or --baseline, against each other cell, or all\n"
            "pairs. Lower is better.\n"
            "\n"
            "Cells with the same seeds are paired by seed, for a seed fixes the order of the\n"
            "data and the streams of the initialisation: the difference has the interval and\n"
            "p of the paired t test. Without common seeds it is Welch's. Beside it stands\n"
            "the exact permutation test, which takes no distribution for granted but cannot\n"
            "get below p = 2/2^n: 0.0625 with five seeds. p Holm is corrected for the number\n"
            "of pairs, and decides; intervals are not corrected. Cliff delta: how often a\n"
            "value of the first is above one of the second, less how often below: -1, always\n"
            "below, so better. What the numbers do not support is said in notes below them.\n"
            "\n"
            "Squared errors (mse) are compared by ratios (on the scale of logarithms), for\n"
            "they range over orders of magnitude; everything else by differences.\n"
            "\n"
            "With several tasks: average ranks, Friedman's test, Nemenyi's difference.\n",
    .example = "  cellbench compare results/quickstart.db\n"
               "  cellbench compare results/quickstart.db --baseline lstm --equivalence 0.001\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
