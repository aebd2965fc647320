/* SPDX-License-Identifier: MIT */
/*
 * A figure as a gnuplot script. Numbers go in as data; names only within single quotes, where
 * gnuplot expands nothing and a quote is doubled, and without characters that act unseen.
 */
#include "report/figure.h"

#include <math.h>
#include <stdio.h>

#include "report/html.h"

/* The palette of report.css on white, and shapes in the order of report.js. */
static const char *const colours[] = {"#0067a6", "#c04a00", "#00795a", "#9b3f86",
                                      "#7d5f00", "#3583b5", "#4d5560", "#b3123f"};
static const int shapes[] = {7, 9, 5, 13, 3, 2, 1};

static const char *colour_of(const cbi_series *series) {
    return series->cell == CBI_NO_CELL ? "#1c2127"
                                       : colours[series->cell % (sizeof colours / sizeof *colours)];
}

static int shape_of(const cbi_series *series) {
    return series->cell == CBI_NO_CELL ? 6
                                       : shapes[series->cell % (sizeof shapes / sizeof *shapes)];
}

/* Marks along an axis are formats, too: there a percent sign is doubled. */
static void add_quoted(cbi_text *out, const char *name, int is_format) {
    enum { MOST = 60 };
    cbi_text plain = {0};
    cbi_name_plain(&plain, name, MOST);
    out->failed |= plain.failed;
    cbi_text_add(out, "'");
    for (size_t i = 0; i < plain.length; i++) {
        const char c = plain.data[i];
        cbi_text_add_n(out, &c, 1);
        if (c == '\'' || (c == '%' && is_format))
            cbi_text_add_n(out, &c, 1);
    }
    cbi_text_add(out, "'");
    cbi_text_fini(&plain);
}

static void add_axis(cbi_text *out, char which, const cbi_axis *axis) {
    cbi_text_addf(out, "set %clabel ", which);
    add_quoted(out, axis->label != NULL ? axis->label : "", 0);
    cbi_text_addf(out, "\n%s logscale %c\n", axis->log ? "set" : "unset", which);
    if (axis->top > 0)
        cbi_text_addf(out, "set %crange [*:%.9g]\n", which, axis->top);
}

static void add_data(cbi_text *out, const cbi_series *series, size_t number) {
    char text[4][32];
    cbi_text_addf(out, "$d%zu << END\n", number);
    for (size_t i = 0; i < series->count; i++) {
        const cbi_point *p = &series->points[i];
        const double along = series->mark == CBI_MARK_BAND ? p->y : p->x;
        const double low = isfinite(p->low) ? p->low : along;
        const double high = isfinite(p->high) ? p->high : along;
        cbi_text_addf(out, "%s %s %s %s\n", cbi_number(text[0], p->x), cbi_number(text[1], p->y),
                      cbi_number(text[2], low), cbi_number(text[3], high));
    }
    cbi_text_add(out, "END\n");
}

static void add_style(cbi_text *out, const cbi_series *series, size_t number, int keyed) {
    const char *colour = colour_of(series);
    const int small = series->count > 150;
    cbi_text_addf(out, "$d%zu ", number);
    switch (series->mark) {
    case CBI_MARK_LINE:
        cbi_text_addf(out, "using 1:2 with lines lw 2 lc rgb '%s'", colour);
        break;
    case CBI_MARK_STEP:
        cbi_text_addf(out, "using 1:2 with steps dt 2 lw 1.5 lc rgb '%s'", colour);
        break;
    case CBI_MARK_BAND:
        cbi_text_addf(
            out,
            "using 1:3:4 with filledcurves fs transparent solid 0.15 noborder lc rgb '%s' "
            "notitle, $d%zu using 1:2 with lines lw 2 lc rgb '%s'",
            colour, number, colour);
        break;
    case CBI_MARK_RANGE:
        cbi_text_addf(out, "using 1:2:3:4 with xerrorbars pt 12 ps 1.3 lw 2 lc rgb '%s'",
                      keyed ? colour : "#1c2127");
        break;
    case CBI_MARK_BOX:
        cbi_text_addf(out,
                      "using 3:2:($4-$3):(0) with vectors nohead lw 12 lc rgb '#d0%s' notitle, "
                      "$d%zu using 1:2 with points pt '|' lc rgb '#1c2127'",
                      colour + 1, number);
        break;
    case CBI_MARK_POINTS:
    default:
        cbi_text_addf(out, "using 1:2 with points pt %d ps %s lc rgb '#50%s'", shape_of(series),
                      small ? "0.35" : "0.8", colour + 1);
        break;
    }
    if (keyed) {
        cbi_text_add(out, " title ");
        add_quoted(out, series->name, 0);
    } else {
        cbi_text_add(out, " notitle");
    }
}

static void add_rows(cbi_text *out, const cbi_figure *figure) {
    cbi_text_add(out, "set ytics (");
    for (size_t i = 0; i < figure->row_count; i++) {
        cbi_text_add(out, i > 0 ? ", " : "");
        add_quoted(out, figure->rows[i], 1);
        cbi_text_addf(out, " %zu", i);
    }
    cbi_text_addf(out, ")\nset yrange [%zu.5:-0.5]\nunset ylabel\nunset logscale y\n",
                  figure->row_count > 0 ? figure->row_count - 1 : 0);
}

/* Where rows are not the cells themselves, colours need their names. */
static int is_keyed(const cbi_figure *figure) {
    return figure->rows == NULL || figure->row_cells == NULL;
}

void cbi_figure_gnuplot(cbi_text *out, const cbi_figure *figure) {
    cbi_text_add(
        out,
        "set encoding utf8\nset border 3 lc rgb '#59626d'\nset tics nomirror out\nset format '%g'\n"
        "set grid x y lc rgb '#e4e6e9' lt 1 lw 0.5\n"
        "set key outside top horizontal left Left reverse samplen 2\n");
    add_axis(out, 'x', &figure->x);
    add_axis(out, 'y', &figure->y);
    if (figure->rows != NULL)
        add_rows(out, figure);
    if (figure->has_reference)
        cbi_text_addf(out,
                      "set arrow 1 from first %g, graph 0 to first %g, graph 1 nohead dt 3 lc rgb "
                      "'#59626d'\n",
                      figure->reference, figure->reference);
    cbi_text_add(out,
                 "set autoscale fix\nset offsets graph 0.02, graph 0.02, graph 0.03, graph 0.03\n");
    for (size_t i = 0; i < figure->series_count; i++)
        if (figure->series[i].count > 0)
            add_data(out, &figure->series[i], i);
    int any = 0;
    for (size_t i = 0; i < figure->series_count; i++)
        if (figure->series[i].count > 0) {
            cbi_text_add(out, any ? ", \\\n  " : "plot ");
            add_style(out, &figure->series[i], i, is_keyed(figure));
            any = 1;
        }
    cbi_text_add(out, "\n");
}
