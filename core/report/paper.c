/* SPDX-License-Identifier: MIT */
/*
 * One table a study: mean, interval and n of each cell, its difference to the first one with marks
 * of significance; and below it what the marks, the interval and n mean, and the warnings. A table
 * of a paper is read without the page it came from.
 */
#include "report/paper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"

/* What the two formats write differently. */
typedef struct format {
    void (*text)(cbi_text *out, const char *text);
    const char *row_begin, *between, *row_end, *to, *minus, *none, *times;
} format;

enum { MOST_TEXT = 4000 }; /* characters: longer than any sentence of ours, shorter than a flood */

/* ---- escaping ---- */

void cbi_markdown_text(cbi_text *out, const char *text) {
    cbi_text plain = {0};
    cbi_name_plain(&plain, text, MOST_TEXT);
    out->failed |= plain.failed;
    for (size_t i = 0; i < plain.length; i++) {
        const char c = plain.data[i];
        if (c == '<' || c == '>' || c == '&')
            cbi_text_add(out, c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;");
        else if (strchr("\\`*_[]#|~$", c) != NULL)
            cbi_text_addf(out, "\\%c", c);
        else
            cbi_text_add_n(out, &c, 1);
    }
    cbi_text_fini(&plain);
}

static void latex_text(cbi_text *out, const char *text) {
    static const struct {
        char c;
        const char *as;
    } special[] = {{'\\', "\\textbackslash{}"},
                   {'{', "\\{"},
                   {'}', "\\}"},
                   {'$', "\\$"},
                   {'&', "\\&"},
                   {'#', "\\#"},
                   {'%', "\\%"},
                   {'_', "\\_"},
                   {'~', "\\textasciitilde{}"},
                   {'^', "\\textasciicircum{}"},
                   {'<', "\\textless{}"},
                   {'>', "\\textgreater{}"},
                   {'|', "\\textbar{}"},
                   {'"', "\\textquotedbl{}"}};
    cbi_text plain = {0};
    cbi_name_plain(&plain, text, MOST_TEXT);
    out->failed |= plain.failed;
    for (size_t i = 0; i < plain.length; i++) {
        size_t k = 0;
        while (k < sizeof special / sizeof *special && special[k].c != plain.data[i])
            k++;
        if (k < sizeof special / sizeof *special)
            cbi_text_add(out, special[k].as);
        else
            cbi_text_add_n(out, plain.data + i, 1);
    }
    cbi_text_fini(&plain);
}

static const format markdown = {.text = cbi_markdown_text,
                                .row_begin = "| ",
                                .between = " | ",
                                .row_end = " |\n",
                                .to = " to ",
                                .minus = "\xe2\x88\x92",
                                .none = "\xe2\x80\x93",
                                .times = "\xc3\x97"};
static const format latex = {.text = latex_text,
                             .row_begin = "",
                             .between = " & ",
                             .row_end = " \\\\\n",
                             .to = " to ",
                             .minus = "$-$",
                             .none = "--",
                             .times = "$\\times$"};

/* ---- cells ---- */

static void add_number(cbi_text *out, const format *f, double value, int digits) {
    char text[64];
    if (!isfinite(value)) {
        cbi_text_add(out, f->none);
        return;
    }
    (void)snprintf(text, sizeof text, "%#.*g", digits, fabs(value));
    const size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.')
        text[length - 1] = '\0';
    cbi_text_add(out, value < 0 ? f->minus : "");
    cbi_text_add(out, text);
}

static void add_interval(cbi_text *out, const format *f, double low, double high, int digits) {
    if (!isfinite(low) || !isfinite(high)) {
        cbi_text_add(out, f->none);
        return;
    }
    add_number(out, f, low, digits);
    cbi_text_add(out, f->to);
    add_number(out, f, high, digits);
}

static const char *marks_of(const cb_compare_pair *pair) {
    return !isfinite(pair->p_holm) ? ""
           : pair->p_holm < 0.001  ? "***"
           : pair->p_holm < 0.01   ? "**"
           : pair->p_holm < 0.05   ? "*"
                                   : "";
}

static void add_difference(cbi_text *out, const format *f, const cb_compare_task *task,
                           size_t cell) {
    const cb_compare_pair *pair = NULL;
    for (size_t i = 0; i < task->pair_count; i++)
        if (task->pairs[i].a == 0 && task->pairs[i].b == cell)
            pair = &task->pairs[i];
    if (pair == NULL || !isfinite(pair->difference)) {
        cbi_text_add(out, f->none);
        return;
    }
    /* Pairs say first less, or by, second; the table says the same of the second. */
    const double mean = pair->is_log ? 1 / pair->ratio : -pair->difference;
    const double low = pair->is_log ? 1 / pair->ratio_high : -pair->high;
    const double high = pair->is_log ? 1 / pair->ratio_low : -pair->low;
    cbi_text_add(out, pair->is_log ? f->times : "");
    add_number(out, f, mean, 3);
    if (isfinite(low) && isfinite(high)) {
        cbi_text_add(out, " [");
        add_number(out, f, low, 3);
        cbi_text_add(out, ", ");
        add_number(out, f, high, 3);
        cbi_text_add(out, "]");
    }
    if (*marks_of(pair) != '\0') {
        cbi_text_add(out, " ");
        if (f == &latex)
            cbi_text_addf(out, "$^{%s}$", marks_of(pair));
        else
            f->text(out, marks_of(pair));
    }
}

static void add_row(cbi_text *out, const format *f, const cb_compare_task *task, size_t i) {
    const cb_compare_cell *cell = &task->cells[i];
    cbi_text_add(out, f->row_begin);
    f->text(out, cell->name);
    cbi_text_add(out, f->between);
    add_number(out, f, cell->mean, 4);
    cbi_text_add(out, f->between);
    add_interval(out, f, cell->low, cell->high, 4);
    cbi_text_addf(out, "%s%zu%s", f->between, cell->n, f->between);
    add_difference(out, f, task, i);
    cbi_text_add(out, f->between);
    cbi_text_addf(out, "%lld", (long long)cell->params);
    cbi_text_add(out, f->row_end);
}

/* ---- what it means ---- */

static void add_legend(cbi_text *out, const format *f, const cb_compare_task *task) {
    int fresh = 0, own = 0, paired = 0, welch = 0, ratio = 0;
    for (size_t i = 0; i < task->cell_count; i++) {
        fresh |= task->cells[i].over == CB_COMPARE_OVER_CONFIRM;
        own |= task->cells[i].over == CB_COMPARE_OVER_STUDY;
    }
    for (size_t i = 0; i < task->pair_count; i++) {
        paired |= task->pairs[i].verdict != CB_COMPARE_VERDICT_NONE && task->pairs[i].paired;
        ratio |= task->pairs[i].is_log;
        welch |= task->pairs[i].verdict != CB_COMPARE_VERDICT_NONE && !task->pairs[i].paired;
    }
    cbi_text text = {0};
    cbi_text_addf(
        &text,
        "Test %s, lower is better, of each cell at its best setting, which the mean validation "
        "value chose. Interval: 95 %% t interval of the mean over n %s. Behind: %s "
        "to the first cell with its 95 %% interval, over %s.",
        task->metric,
        fresh && own ? "seeds (fresh ones where a cell has them)"
        : fresh      ? "fresh seeds, which chose nothing"
                     : "seeds, which chose the setting too",
        ratio ? "ratio of the geometric means" : "mean difference",
        paired && welch ? "the same seeds where cells share them"
        : paired        ? "the same seeds"
                        : "independent seeds");
    cbi_text_addf(
        &text,
        " Marks: two-sided %s test%s, corrected for %zu comparisons (Holm): * p < 0.05, ** p < "
        "0.01, *** p < 0.001; no mark: not shown to differ, which is not: equal.",
        welch && !paired ? "Welch t" : "paired t", ratio ? " of the logarithms" : "", task->tested);
    out->failed |= text.failed;
    f->text(out, text.data != NULL ? text.data : "");
    cbi_text_fini(&text);
}

static const char *const heads[] = {"cell",      "test", "95 % interval", "n", "behind the first",
                                    "parameters"};

/* ---- the two formats ---- */

void cbi_paper_markdown(cbi_text *out, const cbi_report_data *data) {
    for (size_t t = 0; t < data->compare->task_count; t++) {
        const cb_compare_task *task = &data->compare->tasks[t];
        cbi_text_add(out, t > 0 ? "\n## " : "## ");
        cbi_markdown_text(out, task->study);
        cbi_text_add(out, ", ");
        cbi_markdown_text(out, task->task);
        cbi_text_add(out, "\n\n");
        cbi_markdown_text(out, task->answer);
        cbi_text_add(out, "\n\n| ");
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
            cbi_text_addf(out, "%s |%s", heads[i],
                          i + 1 < sizeof heads / sizeof *heads ? " " : "\n");
        cbi_text_add(out, "| --- | ---: | ---: | ---: | ---: | ---: |\n");
        for (size_t i = 0; i < task->cell_count; i++)
            add_row(out, &markdown, task, i);
        cbi_text_add(out, "\n");
        add_legend(out, &markdown, task);
        cbi_text_add(out, "\n");
        for (size_t i = 0; i < task->warning_count; i++) {
            cbi_text_add(out, i == 0 ? "\n- " : "- ");
            cbi_markdown_text(out, task->warnings[i].words);
            cbi_text_add(out, "\n");
        }
    }
    if (data->compare->task_count == 0)
        cbi_text_add(out, "There are no trials yet.\n");
}

void cbi_paper_latex(cbi_text *out, const cbi_report_data *data) {
    cbi_text_add(out, "% needs \\usepackage{booktabs}, \\usepackage[T1]{fontenc}, UTF-8\n");
    for (size_t t = 0; t < data->compare->task_count; t++) {
        const cb_compare_task *task = &data->compare->tasks[t];
        cbi_text_add(out, "\\begin{table}\n\\centering\n\\caption{");
        latex_text(out, task->study);
        cbi_text_add(out, ", ");
        latex_text(out, task->task);
        cbi_text_add(out, ". ");
        add_legend(out, &latex, task);
        cbi_text_add(out, "}\n\\begin{tabular}{lrrrrr}\n\\toprule\n");
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
            cbi_text_add(out, i > 0 ? " & " : "");
            latex_text(out, heads[i]);
        }
        cbi_text_add(out, " \\\\\n\\midrule\n");
        for (size_t i = 0; i < task->cell_count; i++)
            add_row(out, &latex, task, i);
        cbi_text_add(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        for (size_t i = 0; i < task->warning_count; i++) {
            cbi_text_add(out, "% ");
            latex_text(out, task->warnings[i].words);
            cbi_text_add(out, "\n");
        }
    }
    if (data->compare->task_count == 0)
        cbi_text_add(out, "% there are no trials yet\n");
}
