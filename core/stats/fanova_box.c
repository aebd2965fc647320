/* SPDX-License-Identifier: MIT */
/* Boxes: the parts of the space on which a tree is constant, found by walking it. */
#include "stats/fanova_internal.h"

#include <string.h>

#include "base/alloc.h"

cb_status cbi_fanova_walk_init(cbi_fanova_walk *w, const cb_fanova *f, cb_err *err) {
    w->f = f;
    w->sides = cbi_calloc(f->axis_count, sizeof *w->sides);
    w->path = cbi_calloc(f->axis_count, sizeof *w->path);
    return w->sides == NULL || w->path == NULL
               ? cb_fail(err, CB_ENOMEM, "fanova: %zu axes", f->axis_count)
               : CB_OK;
}

void cbi_fanova_walk_fini(cbi_fanova_walk *w) {
    for (size_t i = 0; w->slope != NULL && i < w->f->axis_count; i++)
        cbi_free(w->slope[i]);
    cbi_free(w->slope);
    cbi_free(w->plane);
    cbi_free(w->sides);
    cbi_free(w->path);
}

static double share_of_set(const cbi_fanova_axis *a, uint64_t set) {
    double share = 0.0;
    for (size_t b = 0; b < a->bins; b++)
        if (set >> b & 1)
            share += a->reach[b + 1] - a->reach[b];
    return share;
}

/* The side that one child of a node leaves of the present one. */
static cbi_fanova_side narrowed(const cbi_fanova_walk *w, const cbi_forest_node *node, int left) {
    const cbi_fanova_axis *a = &w->f->axes[node->axis];
    cbi_fanova_side s = w->sides[node->axis];
    s.divided++;
    if (a->kind == CB_FANOVA_CATEGORY) {
        s.set &= left ? node->is.set : ~node->is.set;
        s.share = share_of_set(a, s.set);
        return s;
    }
    if (left)
        s.high = node->threshold;
    else
        s.low = node->threshold;
    s.share = a->reach[s.high] - a->reach[s.low];
    return s;
}

/* The weight of a box is taken anew from the sides of its path, so that no rounding is carried
 * along; sides that no division has touched weigh 1. */
static void walk_from(cbi_fanova_walk *w, uint32_t number) {
    const cbi_forest_node *node = &w->tree->nodes[number];
    if (node->axis == CBI_FOREST_LEAF) {
        double weight = 1.0;
        for (size_t i = 0; i < w->path_count; i++)
            weight *= w->sides[w->path[i]].share;
        if (weight > 0.0)
            w->leaf(w, node->is.value, weight);
        return;
    }
    const cbi_fanova_side before = w->sides[node->axis];
    const size_t path_count = w->path_count;
    if (before.divided == 0)
        w->path[w->path_count++] = node->axis;
    for (int left = 1; left >= 0; left--) {
        w->sides[node->axis] = before;
        w->sides[node->axis] = narrowed(w, node, left);
        walk_from(w, left ? node->left : node->right);
    }
    w->sides[node->axis] = before;
    w->path_count = path_count;
}

void cbi_fanova_walk_tree(cbi_fanova_walk *w, size_t tree) {
    w->tree = &w->f->forest.trees[tree];
    w->path_count = 0;
    for (size_t i = 0; i < w->f->axis_count; i++)
        w->sides[i] = (cbi_fanova_side){0, w->f->bins[i], ~UINT64_C(0), 1.0, 0};
    walk_from(w, 0);
}

int cbi_fanova_next_run(const cbi_fanova_axis *a, const cbi_fanova_side *s, size_t *at,
                        size_t *begin, size_t *end) {
    if (a->kind != CB_FANOVA_CATEGORY) {
        *begin = s->low;
        *end = s->high;
        return (*at)++ == 0;
    }
    size_t i = *at;
    while (i < a->bins && !(s->set >> i & 1))
        i++;
    *begin = i;
    while (i < a->bins && (s->set >> i & 1))
        i++;
    *end = *at = i;
    return *begin < *end;
}
