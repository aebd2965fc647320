/* SPDX-License-Identifier: MIT */
/*
 * Functional analysis of variance: which settings a result depended on, and how (Hutter, Hoos,
 * Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance").
 *
 * A forest of regression trees is fitted to the results. Each tree is constant on boxes, so the
 * forest's mean over all settings but one or two, and the variance of that marginal mean, are exact
 * sums over boxes. The share of a setting is the variance of its marginal mean over the variance of
 * the forest; that of a pair is what the pair's marginal varies beyond the two single ones. (What
 * interactions add to the variance of the forest is estimated from 16,384 points. The paper
 * averages the shares of single trees instead. Those are rough: on Ishigami's function with 10,000
 * rows they miss the true shares by up to 0.04, the forest's by 0.01.)
 *
 * What the means are over, for each axis alone (the axes are taken as independent):
 *
 * - a number: the values that the rows have. A random search that draws the logarithm uniformly is
 *   thereby weighted in logarithmic space, a grid by its levels; no scale has to be declared, and
 *   monotonous transformations change nothing. More than CB_FANOVA_BINS different values are
 *   grouped into that many bins of about equal numbers of rows.
 * - a category: by the share of rows that have it.
 * - a conditional axis (NaN in rows where it is not active): the values of the rows where it is
 *   active. A tree may divide it only where all rows have it, below the division that makes it
 *   active, so it takes nothing from the axis it depends on. Its share is of the whole variance;
 *   fit the rows alone where it is active to see what it explains there.
 * - a constant axis explains nothing: share 0.
 *
 * Intervals are percentiles of the shares of single trees, each grown from its own bootstrap sample
 * of the rows, moved so that their mean is the forest's share. They are wide rather than narrow,
 * for a forest varies less than its trees; but they know nothing of what no tree can fit.
 * cb_fanova_r2 says how much of the results the forest explains: low means that the shares speak of
 * noise.
 *
 * Deterministic: the same rows in the same order, options and seed give the same bits.
 */
#ifndef CELLBENCH_FANOVA_H
#define CELLBENCH_FANOVA_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CB_FANOVA_BINS = 256, CB_FANOVA_CATEGORIES = 64 };

typedef struct cb_fanova cb_fanova;

typedef enum cb_fanova_kind {
    CB_FANOVA_NUMBER = 0,  /* ordered: real or whole */
    CB_FANOVA_CATEGORY = 1 /* 0, 1, ... CB_FANOVA_CATEGORIES - 1: no order */
} cb_fanova_kind;

typedef struct cb_fanova_options {
    size_t trees;    /* 0: 64 */
    size_t leaf;     /* least rows of a leaf; 0: of 1, 2, 4, 8 and 16 the one with the best r2 of
                        a small forest */
    double features; /* share of the axes that each division may choose from; 0: 2/3 */
    double level;    /* of the intervals; 0: 0.95 */
    uint64_t seed;   /* of the bootstrap and of the choice of axes */
} cb_fanova_options;

/*
 * Fits the forest and computes all single effects.
 *
 * x      in  [rows][axes] NaN: not active in this row; infinities are CB_EARG
 * y      in  [rows]       finite
 * kinds  in  [axes]
 *
 * CB_EARG with fewer than 2 rows, no axis, or a category that is none. options: NULL for defaults.
 * Cost: about trees * rows * axes * log2(rows) steps; memory 40 bytes for each row of each tree.
 */
CB_API CB_MUST_USE cb_status cb_fanova_create(cb_fanova **out, const double *x, const double *y,
                                              const cb_fanova_kind *kinds, size_t rows, size_t axes,
                                              const cb_fanova_options *options, cb_err *err);
/* NULL is allowed. */
CB_API void cb_fanova_destroy(cb_fanova *fanova);

/* 1 - squared error / variance of the mean of those trees that have not seen a row, over the rows:
 * at most 1; 0 or less: the forest knows no more than the mean. NaN if y is constant. */
CB_API double cb_fanova_r2(const cb_fanova *fanova);
/* The least rows of a leaf, as given or chosen. */
CB_API size_t cb_fanova_leaf(const cb_fanova *fanova);

/* A share of the variance, with its interval. NaN if y is constant. */
typedef struct cb_fanova_share {
    double share, low, high;
} cb_fanova_share;
CB_API cb_fanova_share cb_fanova_single(const cb_fanova *fanova, size_t axis);
/* Of two different axes together, beyond what each explains alone. */
CB_API CB_MUST_USE cb_status cb_fanova_pair(const cb_fanova *fanova, size_t a, size_t b,
                                            cb_fanova_share *out, cb_err *err);

/* A bin of an axis, or a category, with the mean result when all other axes vary. */
typedef struct cb_fanova_point {
    double low, high; /* smallest and largest value in it; a category's number */
    size_t rows;      /* that have such a value */
    double mean;      /* of the forest */
    double sd;        /* from tree to tree */
    int best;         /* 1: the lowest mean, and those around it (any, for categories) that the
                         trees do not tell apart from it at the level */
} cb_fanova_point;

/* *points are borrowed until destroy, in ascending order. */
CB_API void cb_fanova_curve(const cb_fanova *fanova, size_t axis, const cb_fanova_point **points,
                            size_t *count);

#ifdef __cplusplus
}
#endif
#endif
