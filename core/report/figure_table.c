/* SPDX-License-Identifier: MIT */
/* The numbers of a figure as a table: for those who do not see it, and for those who want them. */
#include "report/figure.h"

#include <inttypes.h>
#include <stdint.h>

#include "report/html.h"

enum { MOST_ROWS = 400 }; /* a table of more is not read; all are in the database */

static void add_head(cbi_text *out, const cbi_figure *figure, int spans) {
    cbi_text_add(out, "<thead><tr><th scope=\"col\">series</th><th scope=\"col\">what</th>");
    const char *const names[] = {figure->x.label, figure->rows == NULL ? figure->y.label : NULL,
                                 spans ? "from" : NULL, spans ? "to" : NULL, figure->tag};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] != NULL) {
            cbi_text_add(out, "<th scope=\"col\" class=\"n\">");
            cbi_html_text(out, names[i]);
            cbi_text_add(out, "</th>");
        }
    cbi_text_add(out, "</tr></thead><tbody>\n");
}

static void add_cell(cbi_text *out, double value, int present) {
    cbi_text_add(out, "<td class=\"n\">");
    if (present)
        cbi_html_number(out, value, 4);
    cbi_text_add(out, "</td>");
}

static void add_row(cbi_text *out, const cbi_figure *figure, const cbi_series *series,
                    const cbi_point *p, int spans) {
    const int has_span = series->mark >= CBI_MARK_BAND;
    if (series->cell != CBI_NO_CELL)
        cbi_text_addf(out, "<tr data-cell=\"%zu\"><th scope=\"row\">", series->cell);
    else
        cbi_text_add(out, "<tr><th scope=\"row\">");
    cbi_html_name(out, series->name);
    cbi_text_add(out, "</th><td>");
    cbi_html_text(out, series->what);
    cbi_text_add(out, "</td>");
    add_cell(out, p->x, 1);
    if (figure->rows == NULL)
        add_cell(out, p->y, 1);
    if (spans) {
        add_cell(out, p->low, has_span);
        add_cell(out, p->high, has_span);
    }
    if (figure->tag != NULL && !has_span && p->tag >= 0)
        cbi_text_addf(out, "<td class=\"n\">%" PRId64 "</td>", p->tag);
    else if (figure->tag != NULL)
        cbi_text_add(out, "<td></td>");
    cbi_text_add(out, "</tr>\n");
}

void cbi_figure_table(cbi_text *out, const cbi_figure *figure) {
    size_t all = 0, shown = 0, most;
    int spans = 0;
    for (size_t i = 0; i < figure->series_count; i++) {
        all += figure->series[i].count;
        spans |= figure->series[i].mark >= CBI_MARK_BAND;
    }
    /* Each series gets its share, so that none is left out wholly. */
    most = figure->series_count > 0 ? MOST_ROWS / figure->series_count : 0;
    most = most < 4 ? 4 : most;
    cbi_text_add(out, "<details class=\"numbers\"><summary>The numbers of this figure</summary>"
                      "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"numbers of "
                      "the figure\"><table>");
    add_head(out, figure, spans);
    for (size_t i = 0; i < figure->series_count; i++) {
        const cbi_series *series = &figure->series[i];
        const size_t step = all > MOST_ROWS ? (series->count + most - 1) / most : 1;
        for (size_t k = 0; k<series->count; k += step> 0 ? step : 1, shown++)
            add_row(out, figure, series, &series->points[k], spans);
    }
    cbi_text_add(out, "</tbody></table></div>");
    if (shown < all)
        cbi_text_addf(out, "<p class=\"note\">%zu of %zu points, evenly spaced.</p>", shown, all);
    cbi_text_add(out, "</details>\n");
}
