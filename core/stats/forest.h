/* SPDX-License-Identifier: MIT */
/*
 * Forests of regression trees on coded rows: each value of an axis is a small whole number, its
 * bin.
 *
 * A tree is grown from a bootstrap sample of the rows; at each node the division that leaves the
 * least squared error, of those that a random choice of axes offers. Rows are sorted once for each
 * axis; a node owns the same stretch of every axis's order, and a division parts each stretch in
 * two, so that a level of the tree costs one pass over rows and axes.
 */
#ifndef CB_STATS_FOREST_H
#define CB_STATS_FOREST_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

enum {
    CBI_FOREST_MISSING = 0xffff, /* a code: the axis is not active in this row */
    CBI_FOREST_LEAF = 0xffff,    /* an axis: the node is a leaf */
    CBI_FOREST_DEPTH = 64        /* divisions above a leaf at most, so that recursion is bounded */
};

typedef struct cbi_forest_rows {
    size_t rows, axes;
    const uint16_t *code;             /* [axes][rows] */
    const double *y;                  /* [rows] */
    const uint16_t *bins;             /* [axes] codes are below */
    const unsigned char *is_category; /* [axes] then bins <= 64 */
} cbi_forest_rows;

typedef struct cbi_forest_node {
    uint16_t axis;        /* CBI_FOREST_LEAF: a leaf */
    uint16_t threshold;   /* a number goes left if its code is below */
    uint32_t left, right; /* nodes of the same tree */
    union {
        double value; /* of a leaf */
        uint64_t set; /* a category goes left if its bit is set */
    } is;
} cbi_forest_node;

typedef struct cbi_forest_tree {
    cbi_forest_node *nodes; /* the root is the first */
    size_t count, capacity;
} cbi_forest_tree;

typedef struct cbi_forest_options {
    size_t trees;
    size_t leaf;    /* least rows of a leaf, with their repetitions in the sample; >= 1 */
    size_t choices; /* axes that a division may choose from; 1 .. axes */
    uint64_t seed;
} cbi_forest_options;

typedef struct cbi_forest {
    cbi_forest_tree *trees;
    size_t count;
    double r2; /* of the mean of the trees that have not seen a row; NaN: y is constant */
} cbi_forest;

CB_MUST_USE cb_status cbi_forest_grow(cbi_forest *out, const cbi_forest_rows *rows,
                                      const cbi_forest_options *options, cb_err *err);
/* What a tree says of the row whose code on an axis is code[axis * stride]. */
double cbi_forest_value(const cbi_forest_tree *tree, const unsigned char *is_category,
                        const uint16_t *code, size_t stride);
/* A forest of zeros is allowed. */
void cbi_forest_fini(cbi_forest *forest);

#endif
