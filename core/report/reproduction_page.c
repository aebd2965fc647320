/* SPDX-License-Identifier: MIT */
/* The page of a reproduction, in Markdown. What comes from the database is text in it. */
#include <math.h>
#include <string.h>

#include "report/paper.h"
#include "report/reproduction_internal.h"

static const char none[] = "\xe2\x80\x93";

/* ---- pieces ---- */

static void add_number(cbi_text *out, double value, int digits) {
    if (isnan(value))
        cbi_text_add(out, none);
    else if (isinf(value))
        cbi_text_add(out, "diverged");
    else
        cbi_text_addf(out, "%.*g", digits, value);
}

static void add_column(cbi_text *out, double value, int digits) {
    add_number(out, value, digits);
    cbi_text_add(out, " | ");
}

static void add_interval(cbi_text *out, double low, double high, int digits) {
    cbi_text_add(out, "[");
    add_number(out, low, digits);
    cbi_text_add(out, ", ");
    add_number(out, high, digits);
    cbi_text_add(out, "]");
}

/* "| a | b |" and the line below it: the first column is text, the others numbers. */
static void add_head(cbi_text *out, const char *const *names, size_t n, size_t texts) {
    cbi_text_add(out, "|");
    for (size_t i = 0; i < n; i++)
        cbi_text_addf(out, " %s |", names[i]);
    cbi_text_add(out, "\n|");
    for (size_t i = 0; i < n; i++)
        cbi_text_add(out, i < texts ? " --- |" : " ---: |");
    cbi_text_add(out, "\n");
}
#define ADD_HEAD(out, names, texts) add_head(out, names, sizeof names / sizeof *names, texts)

static void add_item(cbi_text *out, const char *label, const char *text) {
    cbi_text_addf(out, "- %s: ", label);
    cbi_markdown_text(out, *text != '\0' ? text : "not known");
    cbi_text_add(out, "\n");
}

/* ---- verdicts ---- */

static void add_published(cbi_text *out, const cbi_claim *claim) {
    static const char *const words[] = {"worse", "better", "not worse", "not better",
                                        "no difference"};
    if (claim->cell != NULL) {
        cbi_text_add(out, words[claim->expected]);
    } else if (claim->more_than == NULL) {
        const int is_above = !isnan(claim->above);
        cbi_text_addf(out, "%s %.3g %% of the variance", is_above ? "more than" : "less than",
                      100 * (is_above ? claim->above : claim->below));
    } else {
        cbi_text_add(out, "more than ");
        for (size_t i = 0; i < claim->more_than_count; i++) {
            cbi_text_add(out, i > 0 ? ", " : "");
            cbi_markdown_text(out, claim->more_than[i]);
        }
    }
}

static void add_found(cbi_text *out, const cbi_reproduction *r, const cbi_claim *claim) {
    if (claim->cell != NULL) {
        const cbi_found_cell *cell = cbi_reproduction_cell(r, claim->cell);
        if (cell == NULL || isnan(cell->difference.p)) {
            cbi_text_add(out, none);
            return;
        }
        cbi_text_addf(out, "%+.3f ", cell->difference.difference);
        add_interval(out, cell->difference.low, cell->difference.high, 3);
        cbi_text_addf(out, ", p Holm %.2g", cell->p_holm);
        return;
    }
    const cb_importance_setting *setting =
        cbi_reproduction_setting(r, r->published.baseline, claim->setting);
    if (setting == NULL) {
        cbi_text_add(out, none);
        return;
    }
    cbi_text_addf(out, "%.1f %% [%.1f, %.1f]", 100 * setting->share.share, 100 * setting->share.low,
                  100 * setting->share.high);
}

static void add_claims(cbi_text *out, const cbi_reproduction *r) {
    static const char *const heads[] = {"claim on", "published", "certainty", "here", "verdict"};
    int from_memory = 0;
    cbi_text_add(out, "## Verdicts\n\n");
    ADD_HEAD(out, heads, 5);
    for (size_t i = 0; i < r->published.claim_count; i++) {
        const cbi_claim *claim = &r->published.claims[i];
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, claim->cell != NULL ? claim->cell : claim->setting);
        cbi_text_add(out, " | ");
        add_published(out, claim);
        cbi_text_add(out, " | ");
        cbi_markdown_text(out, claim->certainty);
        cbi_text_add(out, " | ");
        add_found(out, r, claim);
        cbi_text_addf(out, " | **%s** |\n", cb_verdict_name(claim->verdict));
        from_memory |= strcmp(claim->certainty, "published") != 0;
    }
    cbi_text_addf(out, "\nA cell's claim is about its difference to %s",
                  r->cell_count > 0 ? "" : "the baseline ");
    cbi_markdown_text(out, r->published.baseline);
    cbi_text_addf(out,
                  ": that of the mean test values (%s, lower is better) of the best %.3g %% of the "
                  "trials by validation, with the 95 %% interval of Welch's test and its p after "
                  "Holm's correction over all cells. A setting's claim is about its share of the "
                  "variance of the validation value among the baseline's trials (fANOVA), "
                  "with its 95 %% interval.%s\n",
                  r->metric, 100 * r->published.best,
                  from_memory ? " *Second hand* and *memory*: the publication itself could not be "
                                "read again; what it is said to have found may be wrong."
                              : "");
}

static void add_rules(cbi_text *out, const cbi_reproduction *r) {
    cbi_text_addf(out, "\nVerdicts, with a margin of %g %s (", r->published.margin, r->metric);
    cbi_markdown_text(out, r->published.margin_why);
    cbi_text_add(
        out,
        "):\n\n"
        "| published | agrees if | disagrees if |\n| --- | --- | --- |\n"
        "| worse | p Holm < 0.05, and worse | the interval ends below +margin |\n"
        "| better | p Holm < 0.05, and better | the interval begins above \xe2\x88\x92margin |\n"
        "| not worse | the interval ends below +margin | p Holm < 0.05, and worse |\n"
        "| not better | the interval begins above \xe2\x88\x92margin | p Holm < 0.05, and better "
        "|\n"
        "| no difference | the interval lies between \xe2\x88\x92margin and +margin | p Holm < "
        "0.05 |\n"
        "| a share | the interval lies where it should | the interval lies where it should not "
        "|\n\n"
        "The column *agrees if* is asked first. Where neither holds, it cannot be told at this "
        "size: that a difference was not shown says nothing by itself.\n");
}

static void add_sources(cbi_text *out, const cbi_reproduction *r) {
    for (size_t i = 0; i < r->published.claim_count; i++) {
        const cbi_claim *claim = &r->published.claims[i];
        int said = *claim->source == '\0';
        for (size_t k = 0; k < i; k++)
            said |= strcmp(r->published.claims[k].source, claim->source) == 0;
        if (said)
            continue;
        cbi_text_add(out, "\nSource of what is published: ");
        cbi_markdown_text(out, claim->source);
        cbi_text_add(out, "\n");
    }
}

/* ---- cells ---- */

static void add_tenth(cbi_text *out, const cbi_reproduction *r) {
    static const char *const heads[] = {"cell",          "trials", "mean",  "sd", "to the baseline",
                                        "95 % interval", "p",      "p Holm"};
    cbi_text_addf(out, "\n## The best %.3g %%: test values\n\n", 100 * r->published.best);
    ADD_HEAD(out, heads, 1);
    for (size_t i = 0; i < r->cell_count; i++) {
        const cbi_found_cell *cell = &r->cells[i];
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, cell->name);
        cbi_text_addf(out, " | %zu | ", cell->decile.n);
        add_column(out, cell->decile.mean, 5);
        add_column(out, cell->decile.sd, 3);
        if (i == 0 || isnan(cell->difference.p)) {
            cbi_text_addf(out, "%s | %s | %s | %s |\n", none, none, none, none);
            continue;
        }
        cbi_text_addf(out, "%+.3f | ", cell->difference.difference);
        add_interval(out, cell->difference.low, cell->difference.high, 3);
        cbi_text_addf(out, " | %.2g | %.2g |\n", cell->difference.p, cell->p_holm);
    }
    cbi_text_add(out, "\nThe best trials of a search are no independent draws: the test asks about "
                      "this search only, as the paper's does.\n");
}

static void add_all(cbi_text *out, const cbi_reproduction *r) {
    static const char *const heads[] = {"cell", "trials",     "diverged", "25 %",   "median",
                                        "75 %", "best valid", "its test", "hidden", "its epochs"};
    cbi_text_add(out, "\n## All trials: quartiles of the test values, and the best by "
                      "validation\n\n");
    ADD_HEAD(out, heads, 1);
    for (size_t i = 0; i < r->cell_count; i++) {
        const cbi_found_cell *cell = &r->cells[i];
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, cell->name);
        cbi_text_addf(out, " | %zu | %zu | ", r->all_count / r->cell_count, cell->diverged);
        for (int q = 0; q < 3; q++)
            add_column(out, cell->quartile[q], 5);
        if (cell->best == NULL) {
            cbi_text_addf(out, "%s | %s | %s | %s |\n", none, none, none, none);
            continue;
        }
        add_column(out, cell->best->valid, 5);
        add_column(out, cell->best->test, 5);
        cbi_text_addf(out, "%lld | %lld |\n", (long long)cell->best->hidden,
                      (long long)cell->best->epochs);
    }
    if (r->left_out > 0)
        cbi_text_addf(out,
                      "\n%zu further trials have ended and are left out, so that all cells have "
                      "as many.\n",
                      r->left_out);
}

static void add_cost(cbi_text *out, const cbi_reproduction *r) {
    static const char *const heads[] = {"cell",        "parameters", "hidden",    "epochs",
                                        "ms an epoch", "GFLOP/s",    "core hours"};
    cbi_text_add(out, "\n## Cost: means over the trials\n\n");
    ADD_HEAD(out, heads, 1);
    for (size_t i = 0; i < r->cell_count; i++) {
        const cbi_found_cell *cell = &r->cells[i];
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, cell->name);
        cbi_text_addf(out, " | %.0f | %.0f | %.1f | %.0f | %.1f | %.2f |\n", cell->params,
                      cell->hidden, cell->epochs, 1000 * cell->epoch_seconds,
                      cell->flop / cell->cpu_seconds / 1e9, cell->cpu_seconds / 3600);
    }
    cbi_text_add(out, "\nProcessor's time of one core, taken while other trials ran: what the "
                      "study took, not which cell is fast. Cells have drawn different sizes.\n");
}

/* ---- settings ---- */

static void add_share(cbi_text *out, const cb_importance_setting *setting) {
    if (setting == NULL || isnan(setting->share.share)) {
        cbi_text_addf(out, "%s | ", none);
        return;
    }
    cbi_text_addf(out, "%.1f [%.1f, %.1f] | ", 100 * setting->share.share, 100 * setting->share.low,
                  100 * setting->share.high);
}

static void add_settings(cbi_text *out, const cbi_reproduction *r) {
    if (r->setting_count == 0)
        return;
    cbi_text_add(out, "\n## What the settings explain: % of the variance among a cell's trials\n\n"
                      "| cell |");
    for (size_t k = 0; k < r->setting_count; k++) {
        cbi_text_add(out, " ");
        cbi_markdown_text(out, r->settings[k]);
        cbi_text_add(out, " |");
    }
    cbi_text_add(out, "\n| --- |");
    for (size_t k = 0; k < r->setting_count; k++)
        cbi_text_add(out, " ---: |");
    cbi_text_add(out, "\n");
    for (size_t i = 0; i < r->cell_count; i++) {
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, r->cells[i].name);
        cbi_text_add(out, " | ");
        for (size_t k = 0; k < r->setting_count; k++)
            add_share(out, cbi_reproduction_setting(r, r->cells[i].name, r->settings[k]));
        cbi_text_add(out, "\n");
    }
    cbi_text_add(out,
                 "\nfANOVA of the validation value, with 95 % intervals over the trees; a trial "
                 "that diverged counts as the worst finite one. The claims are judged by the "
                 "baseline's line: over all cells together the shares would be those of the "
                 "cells.\n");
}

/* ---- what was published beside it, and what was not done alike ---- */

static void add_figures(cbi_text *out, const cbi_reproduction *r) {
    static const char *const heads[] = {"cell",   "figure",    "certainty",
                                        "source", "published", "here: test of the best"};
    if (r->published.figure_count == 0)
        return;
    cbi_text_add(out, "\n## Published figures beside those found\n\n");
    ADD_HEAD(out, heads, 4);
    for (size_t i = 0; i < r->published.figure_count; i++) {
        const cbi_published_figure *figure = &r->published.figures[i];
        const cbi_found_cell *cell = cbi_reproduction_cell(r, figure->cell);
        const char *const texts[] = {figure->cell, figure->what, figure->certainty, figure->source};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            cbi_text_add(out, "| ");
            cbi_markdown_text(out, texts[k]);
            cbi_text_add(out, " ");
        }
        cbi_text_addf(out, "| %g | ", figure->value);
        add_number(out, cell != NULL && cell->best != NULL ? cell->best->test : (double)NAN, 5);
        cbi_text_add(out, " |\n");
    }
}

static void add_departures(cbi_text *out, const cbi_reproduction *r) {
    cbi_text_add(out, "\n## Where this departs from the paper\n\n");
    if (r->n < r->published.trials)
        cbi_text_addf(out, "- %lld trials of each cell; the paper has %lld.\n", (long long)r->n,
                      (long long)r->published.trials);
    for (size_t i = 0; i < r->published.departure_count; i++) {
        cbi_text_add(out, "- ");
        cbi_markdown_text(out, r->published.departures[i]);
        cbi_text_add(out, "\n");
    }
}

/* ---- repeating ---- */

static void add_list(cbi_text *out, const char *label, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        add_item(out, label, texts[i]);
}

static void add_time(cbi_text *out, const cbi_reproduction *r) {
    double epochs = 0, flop = 0, seconds = 0;
    for (size_t i = 0; i < r->all_count; i++)
        epochs += (double)r->all[i].epochs;
    for (size_t i = 0; i < r->cell_count; i++) {
        flop += r->cells[i].flop;
        seconds += r->cells[i].cpu_seconds;
    }
    cbi_text_addf(out,
                  "- Time: %.2f hours of a core, %.2f hours by the clock; %.1f epochs a trial on "
                  "average, %.1f GFLOP/s a core.\n",
                  r->hours, r->wall_hours, epochs / (double)r->all_count, flop / seconds / 1e9);
    const double share = (double)r->published.trials / (double)r->n;
    cbi_text_addf(out,
                  "- The whole, %zu cells of %lld trials, would take %.1f hours of a core, at this "
                  "rate %.1f hours by the clock.\n",
                  r->cell_count, (long long)r->published.trials, r->hours * share,
                  r->wall_hours * share);
}

static void add_repeat(cbi_text *out, const cbi_reproduction *r,
                       const cb_reproduction_options *options) {
    static const char *const heads[] = {"cell", "SHA-256 of its equations"};
    cbi_text_add(out, "\n## How to repeat it\n\n");
    add_list(out, "Trials", r->commands, r->command_count);
    add_item(out, "This page", options->command != NULL ? options->command : "");
    add_item(out, "Script", r->script_path);
    add_item(out, "SHA-256 of the script", r->script_hash);
    add_item(out, "Commit of the script", r->commit);
    add_item(out, "SHA-256 of the data", r->data_hash);
    add_list(out, "Build", r->builds, r->build_count);
    add_list(out, "Machine", r->machines, r->machine_count);
    if (r->all_count > 0)
        add_time(out, r);
    cbi_text_add(out, "\n");
    ADD_HEAD(out, heads, 2);
    for (size_t i = 0; i < r->cell_count; i++) {
        cbi_text_add(out, "| ");
        cbi_markdown_text(out, r->cells[i].name);
        cbi_text_addf(out, " | `%s` |\n", r->cells[i].hash);
    }
}

void cbi_reproduction_page(cbi_text *out, const cbi_reproduction *r,
                           const cb_reproduction_options *options) {
    cbi_text_add(out, "# ");
    cbi_markdown_text(out, r->study);
    cbi_text_add(out, "\n\n");
    cbi_markdown_text(out, r->published.paper);
    cbi_text_addf(out,
                  "\n\nDone again on the task %s: %zu cells, %lld trials of each. Written "
                  "from the database by cellbench %s, not by hand.\n\n",
                  r->task, r->cell_count, (long long)r->n,
                  options->version != NULL ? options->version : "");
    add_claims(out, r);
    add_rules(out, r);
    add_sources(out, r);
    add_tenth(out, r);
    add_all(out, r);
    add_cost(out, r);
    add_settings(out, r);
    add_figures(out, r);
    add_departures(out, r);
    add_repeat(out, r, options);
}
