/* SPDX-License-Identifier: MIT */
/*
 * The parts of a functional analysis of variance: axes cut into bins, boxes of trees, effects.
 */
#ifndef CB_STATS_FANOVA_INTERNAL_H
#define CB_STATS_FANOVA_INTERNAL_H

#include "cellbench/fanova.h"
#include "stats/forest.h"

typedef struct cbi_fanova_axis {
    cb_fanova_kind kind;
    size_t bins;
    cb_fanova_point *points; /* [bins] */
    double *reach;           /* [bins + 1] share of the rows below a bin */
    double *curve;           /* [trees][bins] */
    double *variance;        /* [trees] of the curve */
    double forest_variance;  /* of the mean curve */
    cb_fanova_share single;
} cbi_fanova_axis;

struct cb_fanova {
    size_t rows, axis_count, trees, leaf;
    double level, r2, centre; /* centre: mean of y, taken away before all sums */
    uint16_t *code;           /* [axes][rows] */
    uint16_t *bins;           /* [axes] */
    unsigned char *is_category;
    double *y;
    cbi_fanova_axis *axes;
    cbi_forest forest;
    double *mean, *variance; /* [trees] of whole trees */
    double forest_mean, forest_variance;
};

/* Cuts an axis of x into bins and codes its rows; sorted[rows] is room to work in. */
CB_MUST_USE cb_status cbi_fanova_code(cb_fanova *f, size_t number, const double *x, double *sorted,
                                      cb_err *err);
/* The bin of an axis that holds the part u of its rows below it, 0 <= u < 1. */
uint16_t cbi_fanova_bin_at(const cbi_fanova_axis *a, double u);

/* ---- boxes ---- */

/* The part of one axis that a box has. A category's bins are those of its set. */
typedef struct cbi_fanova_side {
    uint16_t low, high; /* bins low .. high - 1 */
    uint64_t set;
    double share;
    unsigned divided; /* how many divisions of the path are on this axis */
} cbi_fanova_side;

typedef struct cbi_fanova_walk {
    const cb_fanova *f;
    const cbi_forest_tree *tree;
    cbi_fanova_side *sides; /* [axes] */
    void (*leaf)(struct cbi_fanova_walk *, double value, double weight);
    /* Single effects. */
    uint16_t *path; /* axes that the path has divided, each once */
    size_t path_count;
    double **slope; /* [axes][bins + 1] */
    double mean, square;
    /* A pair. */
    size_t a, b;
    double *plane; /* [bins of a + 1][bins of b + 1] */
} cbi_fanova_walk;

/* Room for walks; release with cbi_fanova_walk_fini, after a failure too. */
CB_MUST_USE cb_status cbi_fanova_walk_init(cbi_fanova_walk *w, const cb_fanova *f, cb_err *err);
void cbi_fanova_walk_fini(cbi_fanova_walk *w);
/* Calls leaf for each box of a tree that has any weight, with the sides of the box in w. */
void cbi_fanova_walk_tree(cbi_fanova_walk *w, size_t tree);
/* The next stretch of neighbouring bins of a side from *at on; 0 if there is none. *at starts as
 * 0. */
int cbi_fanova_next_run(const cbi_fanova_axis *a, const cbi_fanova_side *s, size_t *at,
                        size_t *begin, size_t *end);

/* ---- effects ---- */

/* All curves, single effects, and the variance of the forest. */
CB_MUST_USE cb_status cbi_fanova_singles(cb_fanova *f, uint64_t seed, cb_err *err);

#endif
