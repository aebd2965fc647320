/* SPDX-License-Identifier: MIT */
/* What report.js reads: one object a figure; points are arrays to keep the page small. */
#include "report/figure.h"

#include <inttypes.h>
#include <stdint.h>

#include "report/html.h"

static const char *const marks[] = {"points", "line", "step", "band", "range", "box"};

/* [x, y], then [low, high] where the mark has them, then the tag. */
static void add_point(cbi_text *out, const cbi_series *series, const cbi_point *p, int tagged) {
    const int spans = series->mark >= CBI_MARK_BAND;
    cbi_text_add(out, "[");
    cbi_json_number(out, p->x);
    cbi_text_add(out, ",");
    cbi_json_number(out, p->y);
    if (spans) {
        cbi_text_add(out, ",");
        cbi_json_number(out, p->low);
        cbi_text_add(out, ",");
        cbi_json_number(out, p->high);
    } else if (tagged) {
        cbi_text_addf(out, ",%" PRId64, p->tag);
    }
    cbi_text_add(out, "]");
}

static void add_series(cbi_text *out, const cbi_figure *figure, const cbi_series *series) {
    cbi_text_add(out, "{\"name\":");
    cbi_text plain = {0};
    cbi_name_plain(&plain, series->name != NULL ? series->name : "", CBI_HTML_NAME);
    out->failed |= plain.failed;
    cbi_json_text(out, plain.data != NULL ? plain.data : "");
    cbi_text_fini(&plain);
    cbi_text_add(out, ",\"what\":");
    cbi_json_text(out, series->what != NULL ? series->what : "");
    if (series->cell != CBI_NO_CELL)
        cbi_text_addf(out, ",\"cell\":%zu", series->cell);
    cbi_text_addf(out, ",\"mark\":\"%s\",\"points\":[", marks[series->mark]);
    for (size_t i = 0; i < series->count; i++) {
        cbi_text_add(out, i > 0 ? "," : "");
        add_point(out, series, &series->points[i], figure->tag != NULL);
    }
    cbi_text_add(out, "]}");
}

static void add_axis(cbi_text *out, const char *name, const cbi_axis *axis) {
    cbi_text_addf(out, ",\"%s\":{\"label\":", name);
    cbi_json_text(out, axis->label != NULL ? axis->label : "");
    cbi_text_addf(out, ",\"log\":%s", axis->log ? "true" : "false");
    if (axis->top > 0) {
        cbi_text_add(out, ",\"top\":");
        cbi_json_number(out, axis->top);
    }
    cbi_text_add(out, "}");
}

void cbi_figure_json(cbi_text *out, const cbi_figure *figure) {
    cbi_text_add(out, "{\"id\":");
    cbi_json_text(out, figure->id);
    add_axis(out, "x", &figure->x);
    add_axis(out, "y", &figure->y);
    if (figure->tag != NULL) {
        cbi_text_add(out, ",\"tag\":");
        cbi_json_text(out, figure->tag);
    }
    if (figure->has_reference) {
        cbi_text_add(out, ",\"reference\":");
        cbi_json_number(out, figure->reference);
    }
    if (figure->rows != NULL) {
        cbi_text_add(out, ",\"rows\":[");
        for (size_t i = 0; i < figure->row_count; i++) {
            cbi_text plain = {0};
            cbi_name_plain(&plain, figure->rows[i], CBI_HTML_NAME);
            out->failed |= plain.failed;
            cbi_text_add(out, i > 0 ? ",{\"name\":" : "{\"name\":");
            cbi_json_text(out, plain.data != NULL ? plain.data : "");
            cbi_text_fini(&plain);
            if (figure->row_cells != NULL)
                cbi_text_addf(out, ",\"cell\":%zu", figure->row_cells[i]);
            cbi_text_add(out, "}");
        }
        cbi_text_add(out, "]");
    }
    cbi_text_add(out, ",\"series\":[");
    for (size_t i = 0; i < figure->series_count; i++) {
        cbi_text_add(out, i > 0 ? ",\n" : "");
        add_series(out, figure, &figure->series[i]);
    }
    cbi_text_add(out, "]}");
}
