/* SPDX-License-Identifier: MIT */
/* What follows the answer: figures, pairs, settings, equations, failures. */
#include "report/page.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void begin_section(cbi_text *out, const cbi_page_part *p, const char *id,
                          const char *title) {
    cbi_text_addf(out, "<section aria-labelledby=\"p%zu-%s\"><h2 id=\"p%zu-%s\">%s</h2>\n",
                  p->number, id, p->number, id, title);
}

static void end_section(cbi_text *out) {
    cbi_text_add(out, "</section>\n");
}

/* ---- figures ---- */

static void add_picture(cbi_text *out, const cbi_page *page, const cbi_figure *figure,
                        const char *image) {
    cbi_text_addf(out, "<div class=\"canvas%s\">", figure->rows != NULL ? " rows" : "");
    if (page->charts != NULL)
        cbi_text_add(out, "<canvas role=\"img\" aria-label=\"");
    else if (image != NULL)
        cbi_text_add(out, "<img alt=\"");
    if (page->charts != NULL || image != NULL) {
        cbi_html_text(out, figure->title);
        cbi_text_add(out, ". ");
        cbi_html_text(out, figure->x.label);
        if (figure->rows == NULL) {
            cbi_text_add(out, " against ");
            cbi_html_text(out, figure->y.label);
        }
        cbi_text_add(out, ". The numbers are in the table below.\"");
    }
    if (page->charts != NULL) {
        cbi_text_add(out, "></canvas>");
    } else if (image != NULL) {
        cbi_text_add(out, " src=\"data:image/svg+xml;base64,");
        cbi_html_base64(out, image, strlen(image));
        cbi_text_add(out, "\">");
    }
    cbi_text_add(out, "</div>");
}

static void add_figure(cbi_text *out, const cbi_page *page, const cbi_page_part *p,
                       cbi_plot which) {
    const cbi_figure *figure = &p->figures[which];
    const int drawn = page->charts != NULL || p->images[which] != NULL;
    if (figure->title == NULL)
        return;
    cbi_text_addf(out, "<figure data-figure=\"%s\"><figcaption><h3>", figure->id);
    cbi_html_text(out, figure->title);
    cbi_text_add(out, "</h3></figcaption>\n");
    if (figure->empty != NULL) {
        cbi_text_addf(out, "<p class=\"empty\">Nothing to draw: %s.</p></figure>\n", figure->empty);
        return;
    }
    if (drawn && page->charts != NULL && figure->rows == NULL) {
        cbi_text_add(out, "<p class=\"axis\">\xe2\x86\x91 ");
        cbi_html_text(out, figure->y.label);
        cbi_text_add(out, "</p>");
    }
    if (drawn)
        add_picture(out, page, figure, p->images[which]);
    cbi_text_add(out, "<p class=\"note\">");
    cbi_html_text(out, figure->note);
    cbi_text_add(out, "</p>\n");
    cbi_figure_table(out, figure);
    cbi_text_add(out, "</figure>\n");
}

/* ---- pairs ---- */

static void add_pair(cbi_text *out, const cbi_report_part *part, const cb_compare_pair *pair) {
    const cb_compare_task *task = part->compare;
    cbi_text_addf(out, "<tr data-cell=\"%zu\"><th scope=\"row\">", pair->b);
    cbi_html_name(out, task->cells[pair->a].name);
    cbi_text_add(out, pair->is_log ? " / " : " \xe2\x88\x92 ");
    cbi_html_name(out, task->cells[pair->b].name);
    cbi_text_add(out, "</th>");
    if (pair->is_log) {
        cbi_html_ratio_cell(out, pair->ratio, 3);
        cbi_html_ratios_cell(out, pair->ratio_low, pair->ratio_high, 3);
    } else {
        cbi_html_number_cell(out, pair->difference, 3);
        cbi_html_interval_cell(out, pair->low, pair->high, 3);
    }
    cbi_html_number_cell(out, (double)pair->n_a, 0);
    cbi_html_p_cell(out, pair->p);
    cbi_html_p_cell(out, pair->p_holm);
    cbi_html_number_cell(out, pair->cliff, 2);
    if (pair->is_log)
        cbi_html_ratio_cell(out, exp(-pair->detectable), 2);
    else
        cbi_html_number_cell(out, pair->detectable, 2);
    cbi_text_add(out, "<td class=\"wrap\">");
    cbi_page_words(out, part, pair->words);
    cbi_text_add(out, "</td></tr>\n");
}

static void add_pairs(cbi_text *out, const cbi_report_part *part) {
    static const char head[] =
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table of the pairs\">"
        "<table class=\"sortable pairs\"><thead><tr><th scope=\"col\">pair</th>"
        "<th scope=\"col\" class=\"n\">difference<small>\xc3\x97: ratio</small></th>"
        "<th scope=\"col\" class=\"n\">95 % interval</th>"
        "<th scope=\"col\" class=\"n\">n<small>seeds</small></th>"
        "<th scope=\"col\" class=\"n\">p<small>two-sided</small></th>"
        "<th scope=\"col\" class=\"n\">p<small>Holm</small></th>"
        "<th scope=\"col\" class=\"n\">Cliff\xe2\x80\x99s \xce\xb4<small>\xe2\x88\x92"
        "1: always better</small></th>"
        "<th scope=\"col\" class=\"n\">detectable<small>in 4 of 5</small></th>"
        "<th scope=\"col\">in words</th></tr></thead><tbody>\n";
    if (part->compare->pair_count == 0)
        return;
    cbi_text_add(out, head);
    for (size_t i = 0; i < part->compare->pair_count; i++)
        add_pair(out, part, &part->compare->pairs[i]);
    cbi_text_add(out, "</tbody></table></div>\n");
}

/* ---- settings ---- */

static void add_importance(cbi_text *out, const cbi_page *page, const cbi_page_part *p) {
    const cb_importance *importance = p->part->importance;
    for (size_t i = 0; importance != NULL && i < importance->group_count; i++) {
        const cb_importance_group *group = &importance->groups[i];
        if (group->task_id != p->part->compare->task_id || group->cell != NULL)
            continue;
        cbi_text_add(out, "<p>");
        cbi_page_words(out, p->part, group->words);
        cbi_text_add(out, "</p>\n");
        for (size_t k = 0; k < group->warning_count; k++) {
            cbi_text_add(out, "<p class=\"note\">");
            cbi_page_words(out, p->part, group->warnings[k]);
            cbi_text_add(out, "</p>\n");
        }
    }
    add_figure(out, page, p, CBI_PLOT_IMPORTANCE);
    cbi_text_add(out, "<div class=\"pair\">\n");
    for (int i = 0; i < CBI_PLOT_MARGINALS; i++)
        add_figure(out, page, p, (cbi_plot)(CBI_PLOT_MARGINAL + i));
    cbi_text_add(out, "</div>\n");
}

static void add_options(cbi_text *out, const cbi_report_part *part) {
    cbi_text_add(out,
                 "<details><summary>The settings of all trials</summary><dl class=\"facts\">\n");
    for (size_t i = 0; i < part->option_count; i++) {
        cbi_text_add(out, "<dt>");
        cbi_html_name(out, part->options[i].name);
        cbi_text_add(out, "</dt><dd>");
        cbi_html_name(out, part->options[i].value);
        if (part->options[i].distinct > 1)
            cbi_text_addf(out, " <span class=\"note\">(%" PRId64 " values)</span>",
                          part->options[i].distinct);
        cbi_text_add(out, "</dd>\n");
    }
    cbi_text_add(out, "</dl></details>\n");
}

/* ---- equations and failures ---- */

static void add_equations(cbi_text *out, const cbi_report_part *part) {
    cbi_text_add(out, "<div class=\"equations\">\n");
    for (size_t i = 0; i < part->compare->cell_count; i++) {
        cbi_text_addf(out, "<div data-cell=\"%zu\"><h3>", i);
        cbi_page_cell(out, part, i);
        cbi_text_add(out, "</h3><p class=\"note\">");
        cbi_html_text(out, part->cells[i].source);
        cbi_text_addf(out, "<br>SHA-256 <code>%.12s\xe2\x80\xa6</code></p><pre tabindex=\"0\">",
                      part->compare->cells[i].text_sha256);
        cbi_html_text(out, part->cells[i].text);
        cbi_text_add(out, "</pre></div>\n");
    }
    cbi_text_add(out, "</div>\n");
}

static void add_failures(cbi_text *out, const cbi_report_part *part) {
    if (part->failure_count == 0) {
        cbi_text_add(out, "<p>None: no trial of this study diverged or failed.</p>\n");
        return;
    }
    cbi_text_add(
        out, "<p>A trial has diverged when its loss is no longer finite; it counts as worse than "
             "every number. A trial has failed when it could not be run to its end.</p>"
             "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table of failures\">"
             "<table class=\"sortable\"><thead><tr><th scope=\"col\">cell</th><th "
             "scope=\"col\">state</th>"
             "<th scope=\"col\" class=\"n\">trials</th><th scope=\"col\" class=\"n\">the first</th>"
             "<th scope=\"col\">why</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < part->failure_count; i++) {
        const cbi_report_failure *f = &part->failures[i];
        cbi_text_add(out, "<tr><th scope=\"row\">");
        cbi_html_name(out, f->cell);
        cbi_text_add(out, "</th><td>");
        cbi_html_text(out, f->state);
        cbi_text_add(out, "</td>");
        cbi_html_number_cell(out, (double)f->count, 0);
        cbi_html_number_cell(out, (double)f->trial_id, 0);
        cbi_text_add(out, "<td class=\"wrap\"><bdi>");
        cbi_html_text(out, *f->text != '\0' ? f->text : "\xe2\x80\x93");
        cbi_text_add(out, "</bdi></td></tr>\n");
    }
    cbi_text_add(out, "</tbody></table></div>\n");
    if (part->failure_count == 200)
        cbi_text_add(out, "<p class=\"note\">The 200 most frequent are shown.</p>\n");
}

/* ---- all ---- */

void cbi_page_sections(cbi_text *out, const cbi_page *page, const cbi_page_part *p) {
    begin_section(out, p, "spread", "Spread");
    add_figure(out, page, p, CBI_PLOT_SEEDS);
    add_figure(out, page, p, CBI_PLOT_SEARCH);
    end_section(out);
    begin_section(out, p, "differences", "Differences");
    add_figure(out, page, p, CBI_PLOT_PAIRS);
    add_pairs(out, p->part);
    end_section(out);
    begin_section(out, p, "curves", "Learning curves");
    cbi_text_add(out, "<div class=\"pair\">\n");
    add_figure(out, page, p, CBI_PLOT_VALID);
    add_figure(out, page, p, CBI_PLOT_TRAIN);
    cbi_text_add(out, "</div>\n");
    end_section(out);
    begin_section(out, p, "settings", "Settings that mattered");
    add_importance(out, page, p);
    add_figure(out, page, p, CBI_PLOT_PROGRESS);
    add_options(out, p->part);
    end_section(out);
    begin_section(out, p, "cost", "Accuracy and cost");
    cbi_text_add(out, "<div class=\"pair\">\n");
    add_figure(out, page, p, CBI_PLOT_PARAMS);
    add_figure(out, page, p, CBI_PLOT_TIME);
    cbi_text_add(out, "</div>\n");
    end_section(out);
    begin_section(out, p, "cells", "The cells\xe2\x80\x99 equations");
    add_equations(out, p->part);
    end_section(out);
    begin_section(out, p, "failures", "Failures");
    add_failures(out, p->part);
    end_section(out);
    begin_section(out, p, "repeat", "How to repeat it");
    cbi_page_repeat(out, p);
    end_section(out);
}
