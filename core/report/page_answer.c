/* SPDX-License-Identifier: MIT */
/* The first screen: what was asked, the answer with its certainty, the table, and what these
 * numbers do not show. */
#include "report/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* ---- what was asked ---- */

static void begin_fact(cbi_text *out, const char *label) {
    cbi_text_addf(out, "<div><dt>%s</dt><dd>", label);
}

static void end_fact(cbi_text *out) {
    cbi_text_add(out, "</dd></div>\n");
}

static void add_small(cbi_text *out, const char *text) {
    if (*text == '\0')
        return;
    cbi_text_add(out, "<small>");
    cbi_html_cut(out, text, 160);
    cbi_text_add(out, "</small>");
}

static const char *option_of(const cbi_report_part *part, const char *name) {
    for (size_t i = 0; i < part->option_count; i++)
        if (strcmp(part->options[i].name, name) == 0)
            return part->options[i].value;
    return "";
}

static void add_searched(cbi_text *out, const cbi_report_part *part) {
    const cb_compare_task *task = part->compare;
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < task->cell_count; i++) {
        const size_t settings = task->cells[i].budget.settings;
        least = settings < least ? settings : least;
        most = settings > most ? settings : most;
    }
    begin_fact(out, "Settings, per cell");
    if (task->cell_count > 0)
        cbi_html_count(out, (int64_t)least);
    if (most > least && task->cell_count > 0) {
        cbi_text_add(out, " to ");
        cbi_html_count(out, (int64_t)most);
    }
    for (size_t i = 0; i < part->varied_count; i++)
        if (part->varied[i].distinct > 1) {
            cbi_text_add(out, "<small>");
            cbi_html_text(out, part->varied[i].name);
            cbi_text_add(out, " ");
            cbi_html_name(out, part->varied[i].value);
            cbi_text_add(out, "</small>");
        }
    end_fact(out);
}

static void add_trials(cbi_text *out, const cbi_report_part *part) {
    const cb_compare_task *task = part->compare;
    begin_fact(out, "Trials");
    cbi_html_count(out, (int64_t)task->done);
    cbi_text_add(out, " of ");
    cbi_html_count(out, (int64_t)task->trials);
    cbi_text_add(out, " done");
    if (task->diverged + task->failed + task->open > 0)
        cbi_text_addf(out, "<small>%zu diverged, %zu failed, %zu open</small>", task->diverged,
                      task->failed, task->open);
    end_fact(out);
}

static void add_budget(cbi_text *out, const cbi_report_part *part) {
    double seconds = 0;
    for (size_t i = 0; i < part->compare->cell_count; i++)
        if (isfinite(part->compare->cells[i].budget.cpu_seconds))
            seconds += part->compare->cells[i].budget.cpu_seconds;
    begin_fact(out, "Processor time");
    cbi_html_duration(out, seconds);
    const char *epochs = option_of(part, "epochs");
    if (*epochs != '\0') {
        cbi_text_add(out, "<small>of the search; at most ");
        cbi_html_name(out, epochs);
        cbi_text_add(out, " epochs a trial</small>");
    }
    end_fact(out);
}

static void add_asked(cbi_text *out, const cbi_report_part *part) {
    const cb_compare_task *task = part->compare;
    cbi_text_add(out, "<dl class=\"asked\">\n");
    begin_fact(out, "Task");
    cbi_html_name(out, task->task);
    add_small(out, part->task_settings);
    end_fact(out);
    begin_fact(out, "Measure");
    cbi_html_name(out, task->metric);
    cbi_text_add(out, "<small>lower is better</small>");
    end_fact(out);
    begin_fact(out, "Cells");
    cbi_html_count(out, (int64_t)task->cell_count);
    end_fact(out);
    add_searched(out, part);
    begin_fact(out, "Seeds");
    cbi_html_count(out, part->first_seeds);
    if (part->confirm_trials > 0)
        cbi_text_add(out, "<small>and fresh ones for the best settings</small>");
    end_fact(out);
    add_trials(out, part);
    add_budget(out, part);
    cbi_text_add(out, "</dl>\n");
}

/* ---- the answer ---- */

static void add_state(cbi_text *out, const cb_compare_task *task) {
    if (task->trials == 0 || (task->open == 0 && !task->running))
        return;
    const size_t ended = task->trials - task->open;
    cbi_text_addf(
        out,
        "<p class=\"state\" role=\"status\"><strong>%s</strong> %zu of %zu trials (%.0f %%) have "
        "ended; all of this may change.</p>\n",
        task->running ? "The study is running:" : "The study is not finished:", ended, task->trials,
        floor(100.0 * (double)ended / (double)task->trials));
}

/* The first sentence stands out. */
static void add_answer(cbi_text *out, const cbi_page_part *p) {
    const char *rest;
    char *first = cbi_page_sentence(p->part->compare->answer, &rest);
    cbi_text_addf(out, "<div class=\"answer\" id=\"p%zu-answer\"><h2>Answer</h2><p>", p->number);
    cbi_page_words(out, p->part, first != NULL ? first : "");
    cbi_text_add(out, "</p>");
    if (rest != NULL) {
        cbi_text_add(out, "<p>");
        cbi_page_words(out, p->part, rest);
        cbi_text_add(out, "</p>");
    }
    cbi_text_add(out, "</div>\n");
    out->failed |= first == NULL;
    cbi_free(first);
}

/* ---- the table ---- */

typedef struct span {
    double low, high;
    int is_log; /* of values that are compared by their ratios */
} span;

static int wants_log(const cb_compare_task *task) {
    int is_log = 0;
    for (size_t i = 0; i < task->pair_count; i++)
        is_log |= task->pairs[i].is_log;
    for (size_t i = 0; i < task->cell_count; i++)
        is_log &= !(task->cells[i].mean <= 0);
    return is_log;
}

/* The place of a value on the scale; of what is not above 0 on a logarithmic one, its lower end. */
static double place_of(double value, const span *s) {
    if (!s->is_log)
        return value;
    return value > exp(s->low) ? log(value) : s->low;
}

/* What all intervals of the table lie within. A logarithmic scale goes a little below the least
 * mean: beyond, an interval is cut. */
static span span_of(const cb_compare_task *task) {
    span s = {INFINITY, -INFINITY, wants_log(task)};
    for (size_t i = 0; s.is_log && i < task->cell_count; i++)
        if (isfinite(task->cells[i].mean)) {
            const double high =
                isfinite(task->cells[i].high) ? task->cells[i].high : task->cells[i].mean;
            s.low = fmin(s.low, log(task->cells[i].mean / 4));
            s.high = fmax(s.high, log(high));
        }
    if (s.is_log)
        return s;
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *cell = &task->cells[i];
        const double low = isfinite(cell->low) ? cell->low : cell->mean;
        const double high = isfinite(cell->high) ? cell->high : cell->mean;
        if (isfinite(cell->mean)) {
            s.low = fmin(s.low, low);
            s.high = fmax(s.high, high);
        }
    }
    return s;
}

/* Mean and interval on the scale of the whole column: lines in percent, so any width will do. */
static void add_range(cbi_text *out, const cb_compare_cell *cell, size_t index, span s) {
    cbi_text_add(out, "<td class=\"range\">");
    if (isfinite(cell->mean) && s.high > s.low) {
        const double scale = 92 / (s.high - s.low);
        const double mean = 4 + (place_of(cell->mean, &s) - s.low) * scale;
        cbi_text_addf(out, "<svg class=\"range c%zu\" aria-hidden=\"true\">", index % 8);
        if (isfinite(cell->low) && isfinite(cell->high))
            cbi_text_addf(out, "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"50%%\" y2=\"50%%\"/>",
                          4 + (place_of(cell->low, &s) - s.low) * scale,
                          4 + (place_of(cell->high, &s) - s.low) * scale);
        cbi_text_addf(
            out, "<circle cx=\"%.2f%%\" cy=\"50%%\" r=\"4\" fill=\"currentColor\"/></svg>", mean);
    }
    cbi_text_add(out, "</td>");
}

/* The pair of the first cell with this one, if it is among the pairs. */
static const cb_compare_pair *pair_with_first(const cb_compare_task *task, size_t cell) {
    for (size_t i = 0; i < task->pair_count; i++)
        if (task->pairs[i].a == 0 && task->pairs[i].b == cell)
            return &task->pairs[i];
    return NULL;
}

static int is_constant(const cbi_report_part *part, const char *name, size_t n) {
    for (size_t i = 0; i < part->varied_count; i++)
        if (strlen(part->varied[i].name) == n && strncmp(part->varied[i].name, name, n) == 0)
            return part->varied[i].distinct < 2;
    return 0;
}

/* "rate=0.01": what all trials have in common is left out. */
static void add_setting(cbi_text *out, const cbi_report_part *part, const char *setting) {
    cbi_text kept = {0};
    while (*setting != '\0') {
        const size_t n = strcspn(setting, " ");
        const char *equals = memchr(setting, '=', n);
        if (equals == NULL || !is_constant(part, setting, (size_t)(equals - setting))) {
            cbi_text_add(&kept, kept.length > 0 ? " " : "");
            cbi_text_add_n(&kept, setting, n);
        }
        setting += n + strspn(setting + n, " ");
    }
    out->failed |= kept.failed;
    cbi_html_cut(out, kept.data != NULL ? kept.data : "", 100);
    cbi_text_fini(&kept);
}

static void add_row(cbi_text *out, const cbi_report_part *part, size_t i, span s) {
    const cb_compare_task *task = part->compare;
    const cb_compare_cell *cell = &task->cells[i];
    const cb_compare_pair *pair = pair_with_first(task, i);
    cbi_text_addf(out, "<tr data-cell=\"%zu\"><th scope=\"row\">", i);
    cbi_page_cell(out, part, i);
    cbi_text_add(out, "</th>");
    cbi_html_number_cell(out, cell->mean, 4);
    cbi_html_interval_cell(out, cell->low, cell->high, 3);
    add_range(out, cell, i, s);
    cbi_text_addf(out, "<td class=\"n\" data-value=\"%zu\">%zu%s</td>", cell->n, cell->n,
                  cell->over == CB_COMPARE_OVER_CONFIRM ? " <small>fresh</small>" : "");
    if (pair != NULL && pair->is_log)
        cbi_html_ratio_cell(out, 1 / pair->ratio, 3);
    else
        cbi_html_number_cell(out, pair != NULL ? -pair->difference : (double)NAN, 3);
    cbi_html_p_cell(out, pair != NULL ? pair->p_holm : (double)NAN);
    cbi_html_number_cell(out, cell->valid, 4);
    cbi_html_number_cell(out, (double)cell->params, 0);
    cbi_html_number_cell(out, cell->epoch_seconds, 3);
    cbi_text_add(out, "<td class=\"setting\">");
    add_setting(out, part, cell->setting);
    cbi_text_add(out, "</td></tr>\n");
}

static void add_table(cbi_text *out, const cbi_page_part *p) {
    static const struct {
        const char *name, *detail;
        int number;
    } columns[] = {
        {"cell", "", 0},
        {"test mean", "lower is better", 1},
        {"95 % interval", "of the mean", 1},
        {"", "", 0},
        {"n", "seeds", 1},
        {"behind", "the first", 1},
        {"p", "Holm", 1},
        {"validation", "mean", 1},
        {"parameters", "", 1},
        {"s / epoch", "by the clock", 1},
        {"best setting", "", 0},
    };
    const span s = span_of(p->part->compare);
    cbi_text_add(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table of the cells\">"
        "<table class=\"sortable main\"><thead><tr>");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        if (*columns[i].name == '\0') {
            cbi_text_add(
                out,
                "<th scope=\"col\" class=\"quiet\"><span class=\"sr\">interval, drawn</span></th>");
            continue;
        }
        cbi_text_addf(out, "<th scope=\"col\"%s>%s", columns[i].number ? " class=\"n\"" : "",
                      columns[i].name);
        if (*columns[i].detail != '\0')
            cbi_text_addf(out, "<small>%s</small>", columns[i].detail);
        cbi_text_add(out, "</th>");
    }
    cbi_text_add(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < p->part->compare->cell_count; i++)
        add_row(out, p->part, i, s);
    cbi_text_add(
        out,
        "</tbody></table></div>\n"
        "<p class=\"note caption\">Each cell at its best setting, chosen by the mean validation "
        "value "
        "over the study\xe2\x80\x99s seeds; in this order. The test value is taken once, from the "
        "weights with the best validation value. Interval: t, over n seeds. Behind: mean "
        "difference to the first cell, or (\xc3\x97) ratio of geometric means; p: of that "
        "difference, two-sided, corrected for the "
        "number of pairs (Holm). A click on a heading sorts.</p>\n");
}

static void add_warnings(cbi_text *out, const cbi_page_part *p) {
    const cb_compare_task *task = p->part->compare;
    if (task->warning_count == 0)
        return;
    cbi_text_add(out, "<h3>What these numbers do not support</h3><ul class=\"warnings\">\n");
    for (size_t i = 0; i < task->warning_count; i++) {
        cbi_text_add(out, "<li>");
        cbi_page_words(out, p->part, task->warnings[i].words);
        cbi_text_add(out, "</li>\n");
    }
    cbi_text_add(out, "</ul>\n");
}

void cbi_page_answer(cbi_text *out, const cbi_page_part *p) {
    add_asked(out, p->part);
    add_state(out, p->part->compare);
    add_answer(out, p);
    if (p->part->compare->cell_count > 0)
        add_table(out, p);
    add_warnings(out, p);
}
