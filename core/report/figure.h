/* SPDX-License-Identifier: MIT */
/*
 * A figure as data: axes, series of points, and words. It is made once (plots.c) and shown three
 * ways: as JSON for the charts of the page, as a table of its numbers, as a gnuplot script.
 */
#ifndef CB_REPORT_FIGURE_H
#define CB_REPORT_FIGURE_H

#include <stdint.h>

#include "base/text.h"
#include "report/pool.h"

typedef enum cbi_mark {
    CBI_MARK_POINTS = 0,
    CBI_MARK_LINE = 1,
    CBI_MARK_STEP = 2,  /* a line that goes right, then down: a front */
    CBI_MARK_BAND = 3,  /* from low to high above each x, with y as a line in it */
    CBI_MARK_RANGE = 4, /* x with an interval low..high along x, at height y */
    CBI_MARK_BOX = 5    /* the same, thick: quartiles and median */
} cbi_mark;

typedef struct cbi_point {
    double x, y, low, high;
    int64_t tag;
} cbi_point;

#define CBI_NO_CELL SIZE_MAX

typedef struct cbi_series {
    const char *name; /* of the cell, mostly */
    const char *what; /* "each seed", "mean and 95 % interval" */
    size_t cell;      /* decides colour and shape; CBI_NO_CELL: neutral */
    cbi_mark mark;
    cbi_point *points;
    size_t count, capacity;
} cbi_series;

typedef struct cbi_axis {
    const char *label; /* with its unit */
    int log;
    double top; /* where the axis ends although values go on; 0: it holds them all */
} cbi_axis;

typedef struct cbi_figure {
    const char *id, *title, *note; /* note: how to read it, and what was left out */
    const char *empty;             /* why there is nothing to see; NULL: there is */
    const char *tag;               /* what a point's tag is: "trial", "seed", "setting"; or NULL */
    cbi_axis x, y;
    const char *const *rows; /* names along y from the top, at 0, 1, ...; NULL: y is a number */
    const size_t *row_cells;
    size_t row_count;
    int has_reference; /* 1: a line where two are equal, at x = `reference` */
    double reference;
    cbi_series *series;
    size_t series_count, series_capacity;
} cbi_figure;

/* NULL when memory is out, and then adding to it does nothing. */
cbi_series *cbi_figure_add(cbi_figure *figure, cbi_pool *pool, const cbi_series *series);
void cbi_series_add(cbi_series *series, cbi_pool *pool, cbi_point point);
/* Leaves at most `most` points, evenly spaced over those sorted by x, the ends among them: the
 * distribution keeps its shape. Returns how many there were. */
size_t cbi_series_thin(cbi_series *series, size_t most);
/* Moves points of a row that stand close to each other apart, up and down: each is seen. */
void cbi_series_swarm(cbi_series *series, double low, double high, int is_log);

/* figure_json.c */
void cbi_figure_json(cbi_text *out, const cbi_figure *figure);
/* figure_table.c: within <details>; at most so many rows. */
void cbi_figure_table(cbi_text *out, const cbi_figure *figure);
/* figure_gnuplot.c: everything but `set terminal`. */
void cbi_figure_gnuplot(cbi_text *out, const cbi_figure *figure);

#endif
