/* SPDX-License-Identifier: MIT */
#include "stats/forest.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/fanova.h"
#include "cellbench/random.h"

/* What growing one tree takes. Rows that the bootstrap did not draw are in no order. */
typedef struct grower {
    const cbi_forest_rows *data;
    const cbi_forest_options *options;
    cbi_forest_tree *tree;
    cb_random stream;     /* choices of axes */
    uint32_t *sorted_row; /* [axes][rows] all rows by code, missing ones last: for all trees */
    uint32_t *order;      /* [axes][drawn] */
    uint32_t *spare;      /* [drawn] */
    double *weight;       /* [rows] how often it was drawn */
    double *weighted;     /* [rows] weight * y */
    unsigned char *is_left;
    uint16_t *axes; /* a permutation, shuffled anew at each node */
    size_t drawn;
    double *sum, *seen; /* [rows] of predictions by trees that have not seen the row */
} grower;

/* A node that is still to be divided: its stretch of the orders. */
typedef struct stretch {
    uint32_t node;
    size_t begin, end, depth;
} stretch;

typedef struct division {
    uint16_t axis, threshold;
    uint64_t set;
    double gain; /* squared error taken away, up to a constant of the node; never negative */
} division;

/* ---- the rows in order ---- */

/* Counting sort of all rows by one axis. */
static void sort_axis(const cbi_forest_rows *data, size_t axis, uint32_t *rows) {
    size_t start[CB_FANOVA_BINS + 2] = {0};
    const uint16_t *code = data->code + axis * data->rows;
    const size_t last = data->bins[axis];
    for (size_t i = 0; i < data->rows; i++)
        start[(code[i] == CBI_FOREST_MISSING ? last : code[i]) + 1]++;
    for (size_t b = 0; b <= last; b++)
        start[b + 1] += start[b];
    for (size_t i = 0; i < data->rows; i++)
        rows[start[code[i] == CBI_FOREST_MISSING ? last : code[i]]++] = (uint32_t)i;
}

static void draw_rows(grower *g, size_t number) {
    const size_t n = g->data->rows;
    cb_random stream = cb_random_stream(g->options->seed, "forest/rows", number);
    memset(g->weight, 0, n * sizeof *g->weight);
    for (size_t i = 0; i < n; i++)
        g->weight[cb_random_below(&stream, n)] += 1.0;
    g->drawn = 0;
    for (size_t i = 0; i < n; i++) {
        g->weighted[i] = g->weight[i] * g->data->y[i];
        g->drawn += g->weight[i] > 0.0;
    }
    for (size_t axis = 0; axis < g->data->axes; axis++) {
        const uint32_t *from = g->sorted_row + axis * n;
        uint32_t *to = g->order + axis * g->drawn;
        for (size_t i = 0; i < n; i++)
            if (g->weight[from[i]] > 0.0)
                *to++ = from[i];
    }
}

/* Parts a stretch of every order by is_left, keeping each sorted. */
static void part(grower *g, const stretch *s) {
    for (size_t axis = 0; axis < g->data->axes; axis++) {
        uint32_t *order = g->order + axis * g->drawn, *left = order + s->begin;
        size_t right = 0;
        for (size_t i = s->begin; i < s->end; i++) {
            const uint32_t row = order[i];
            /* Both are written and one is kept: no branch to mispredict. */
            *left = row;
            g->spare[right] = row;
            left += g->is_left[row];
            right += !g->is_left[row];
        }
        memcpy(left, g->spare, right * sizeof *left);
    }
}

/* ---- the best division of a node ---- */

/* Sums over a stretch. */
typedef struct total {
    double weight, weighted;
} total;

static double gain_of(double weight, double weighted, const total *all) {
    const double rest = all->weighted - weighted;
    return weighted * weighted / weight + rest * rest / (all->weight - weight);
}

static void divide_number(const grower *g, const stretch *s, uint16_t axis, const total *all,
                          division *best) {
    const uint16_t *code = g->data->code + axis * g->data->rows;
    const uint32_t *order = g->order + axis * g->drawn;
    const double leaf = (double)g->options->leaf;
    double weight = 0.0, weighted = 0.0;
    for (size_t i = s->begin; i + 1 < s->end; i++) {
        const uint32_t row = order[i];
        weight += g->weight[row];
        weighted += g->weighted[row];
        const uint16_t next = code[order[i + 1]];
        if (next == code[row] || weight < leaf)
            continue;
        if (all->weight - weight < leaf)
            return;
        const double gain = gain_of(weight, weighted, all);
        if (gain > best->gain)
            *best = (division){.axis = axis, .threshold = next, .gain = gain};
    }
}

/* Categories in the order of their means: the best division into two sets is one of that order
 * (Breiman et al. 1984, section 4.2.2). */
static void divide_category(const grower *g, const stretch *s, uint16_t axis, const total *all,
                            division *best) {
    const uint16_t *code = g->data->code + axis * g->data->rows;
    const uint32_t *order = g->order + axis * g->drawn;
    const double leaf = (double)g->options->leaf;
    total sums[64] = {{0.0, 0.0}};
    uint16_t present[64];
    size_t count = 0;
    for (size_t i = s->begin; i < s->end; i++) {
        total *t = &sums[code[order[i]]];
        if (t->weight == 0.0)
            present[count++] = code[order[i]];
        t->weight += g->weight[order[i]];
        t->weighted += g->weighted[order[i]];
    }
    for (size_t i = 1; i < count; i++) {
        const uint16_t moved = present[i];
        const double mean = sums[moved].weighted / sums[moved].weight;
        size_t k = i;
        for (; k > 0 && sums[present[k - 1]].weighted / sums[present[k - 1]].weight > mean; k--)
            present[k] = present[k - 1];
        present[k] = moved;
    }
    double weight = 0.0, weighted = 0.0;
    uint64_t set = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        weight += sums[present[i]].weight;
        weighted += sums[present[i]].weighted;
        set |= UINT64_C(1) << present[i];
        if (weight < leaf || all->weight - weight < leaf)
            continue;
        const double gain = gain_of(weight, weighted, all);
        if (gain > best->gain)
            *best = (division){.axis = axis, .set = set, .gain = gain};
    }
}

/* Missing ones are last in their order. */
static int is_active(const grower *g, const stretch *s, uint16_t axis) {
    const uint32_t last = g->order[axis * g->drawn + s->end - 1];
    return g->data->code[axis * g->data->rows + last] != CBI_FOREST_MISSING;
}

/* Offers `choices` axes, and more only while none of them divides the node at all. */
static division best_division(grower *g, const stretch *s, const total *all) {
    /* Even one that gains nothing is taken: two axes that act only together show nothing alone. */
    division best = {.axis = CBI_FOREST_LEAF, .gain = -1.0};
    for (size_t i = 0; i < g->data->axes; i++) {
        if (i >= g->options->choices && best.axis != CBI_FOREST_LEAF)
            break;
        const size_t pick = i + cb_random_below(&g->stream, g->data->axes - i);
        const uint16_t axis = g->axes[pick];
        g->axes[pick] = g->axes[i];
        g->axes[i] = axis;
        if (!is_active(g, s, axis))
            continue;
        if (g->data->is_category[axis])
            divide_category(g, s, axis, all, &best);
        else
            divide_number(g, s, axis, all, &best);
    }
    return best;
}

/* ---- a tree ---- */

static cb_status add_node(cbi_forest_tree *tree, uint32_t *out, cb_err *err) {
    void *block = tree->nodes;
    if (cbi_grow(&block, &tree->capacity, tree->count + 1, sizeof *tree->nodes) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "a tree of %zu nodes", tree->count + 1);
    tree->nodes = block;
    tree->nodes[tree->count] = (cbi_forest_node){.axis = CBI_FOREST_LEAF};
    *out = (uint32_t)tree->count++;
    return CB_OK;
}

static int goes_left(const cbi_forest_node *node, uint16_t code, int is_category) {
    return is_category ? (node->is.set >> code & 1) != 0 : code < node->threshold;
}

/* Divides a node's rows; *middle is where its right part begins. */
static void apply(grower *g, const stretch *s, const cbi_forest_node *node, size_t *middle) {
    const uint16_t *code = g->data->code + node->axis * g->data->rows;
    const uint32_t *order = g->order + node->axis * g->drawn;
    const int is_category = g->data->is_category[node->axis];
    *middle = s->begin;
    for (size_t i = s->begin; i < s->end; i++) {
        g->is_left[order[i]] = (unsigned char)goes_left(node, code[order[i]], is_category);
        *middle += g->is_left[order[i]];
    }
    part(g, s);
}

static int is_constant(const grower *g, const stretch *s, total *all) {
    const uint32_t *order = g->order;
    const double first = g->data->y[order[s->begin]];
    int constant = 1;
    *all = (total){0.0, 0.0};
    for (size_t i = s->begin; i < s->end; i++) {
        all->weight += g->weight[order[i]];
        all->weighted += g->weighted[order[i]];
        constant &= g->data->y[order[i]] == first;
    }
    return constant;
}

static cb_status divide(grower *g, const stretch *s, stretch *parts, int *divided, cb_err *err) {
    total all;
    division best = {.axis = CBI_FOREST_LEAF};
    const int constant = is_constant(g, s, &all);
    if (!constant && s->depth < CBI_FOREST_DEPTH && all.weight >= 2.0 * (double)g->options->leaf)
        best = best_division(g, s, &all);
    *divided = best.axis != CBI_FOREST_LEAF;
    if (!*divided) {
        g->tree->nodes[s->node].is.value = all.weighted / all.weight;
        return CB_OK;
    }
    cbi_forest_node node = {.axis = best.axis, .threshold = best.threshold};
    if (g->data->is_category[best.axis])
        node.is.set = best.set;
    cb_status st = add_node(g->tree, &node.left, err);
    if (st == CB_OK && (st = add_node(g->tree, &node.right, err)) == CB_OK) {
        size_t middle;
        g->tree->nodes[s->node] = node;
        apply(g, s, &node, &middle);
        parts[0] = (stretch){node.left, s->begin, middle, s->depth + 1};
        parts[1] = (stretch){node.right, middle, s->end, s->depth + 1};
    }
    return st;
}

static cb_status grow_tree(grower *g, size_t number, cb_err *err) {
    stretch stack[CBI_FOREST_DEPTH + 3]; /* one that waits for each level, and the two at work */
    size_t waiting = 1;
    uint32_t root = 0;
    draw_rows(g, number);
    g->stream = cb_random_stream(g->options->seed, "forest/axes", number);
    for (size_t i = 0; i < g->data->axes; i++)
        g->axes[i] = (uint16_t)i;
    cb_status st = add_node(g->tree, &root, err);
    stack[0] = (stretch){root, 0, g->drawn, 0};
    while (st == CB_OK && waiting > 0) {
        const stretch s = stack[--waiting];
        int divided = 0;
        st = divide(g, &s, &stack[waiting], &divided, err);
        waiting += divided ? 2 : 0;
    }
    return st;
}

/* ---- rows that a tree has not seen ---- */

/* A row that lacks the axis goes where no rows tell it to: left. Trees divide an axis only where
 * all their rows have it, so this is rare. */
double cbi_forest_value(const cbi_forest_tree *tree, const unsigned char *is_category,
                        const uint16_t *code, size_t stride) {
    const cbi_forest_node *node = tree->nodes;
    while (node->axis != CBI_FOREST_LEAF) {
        const uint16_t at = code[node->axis * stride];
        const int left = at == CBI_FOREST_MISSING || goes_left(node, at, is_category[node->axis]);
        node = tree->nodes + (left ? node->left : node->right);
    }
    return node->is.value;
}

static void predict_unseen(grower *g) {
    const cbi_forest_rows *data = g->data;
    for (size_t i = 0; i < data->rows; i++)
        if (g->weight[i] == 0.0) {
            g->sum[i] += cbi_forest_value(g->tree, data->is_category, data->code + i, data->rows);
            g->seen[i] += 1.0;
        }
}

static void judge(const grower *g, cbi_forest *forest) {
    double mean = 0.0, spread = 0.0, error = 0.0, n = 0.0;
    for (size_t i = 0; i < g->data->rows; i++)
        if (g->seen[i] > 0.0) {
            mean += g->data->y[i];
            n += 1.0;
        }
    mean /= n;
    for (size_t i = 0; i < g->data->rows; i++)
        if (g->seen[i] > 0.0) {
            const double e = g->sum[i] / g->seen[i] - g->data->y[i], d = g->data->y[i] - mean;
            error += e * e;
            spread += d * d;
        }
    forest->r2 = spread > 0.0 ? 1.0 - error / spread : (double)NAN;
}

/* ---- a forest ---- */

void cbi_forest_fini(cbi_forest *forest) {
    for (size_t i = 0; forest->trees != NULL && i < forest->count; i++)
        cbi_free(forest->trees[i].nodes);
    cbi_free(forest->trees);
    *forest = (cbi_forest){.count = 0};
}

static void grower_fini(grower *g) {
    void *const blocks[] = {g->sorted_row, g->order, g->spare, g->weight, g->weighted,
                            g->is_left,    g->axes,  g->sum,   g->seen};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

static cb_status grower_init(grower *g, const cbi_forest_rows *data,
                             const cbi_forest_options *options, cb_err *err) {
    const size_t n = data->rows;
    size_t all = 0;
    *g = (grower){.data = data, .options = options};
    cb_status st = cb_size_mul(n, data->axes, &all);
    if (st == CB_OK) {
        g->sorted_row = cbi_calloc(all, sizeof *g->sorted_row);
        g->order = cbi_calloc(all, sizeof *g->order);
        g->spare = cbi_calloc(n, sizeof *g->spare);
        g->weight = cbi_calloc(n, sizeof *g->weight);
        g->weighted = cbi_calloc(n, sizeof *g->weighted);
        g->is_left = cbi_calloc(n, sizeof *g->is_left);
        g->axes = cbi_calloc(data->axes, sizeof *g->axes);
        g->sum = cbi_calloc(n, sizeof *g->sum);
        g->seen = cbi_calloc(n, sizeof *g->seen);
    }
    if (g->sorted_row == NULL || g->order == NULL || g->spare == NULL || g->weight == NULL ||
        g->weighted == NULL || g->is_left == NULL || g->axes == NULL || g->sum == NULL ||
        g->seen == NULL)
        return cb_fail(err, CB_ENOMEM, "a forest on %zu rows of %zu axes", n, data->axes);
    for (size_t axis = 0; axis < data->axes; axis++)
        sort_axis(data, axis, g->sorted_row + axis * n);
    return CB_OK;
}

cb_status cbi_forest_grow(cbi_forest *out, const cbi_forest_rows *rows,
                          const cbi_forest_options *options, cb_err *err) {
    grower g;
    cbi_forest forest = {.count = options->trees};
    *out = (cbi_forest){.count = 0};
    cb_status st = grower_init(&g, rows, options, err);
    if (st == CB_OK && (forest.trees = cbi_calloc(options->trees, sizeof *forest.trees)) == NULL)
        st = cb_fail(err, CB_ENOMEM, "%zu trees", options->trees);
    for (size_t i = 0; i < options->trees && st == CB_OK; i++) {
        g.tree = &forest.trees[i];
        if ((st = grow_tree(&g, i, err)) == CB_OK)
            predict_unseen(&g);
    }
    if (st == CB_OK) {
        judge(&g, &forest);
        *out = forest;
    } else {
        cbi_forest_fini(&forest);
    }
    grower_fini(&g);
    return st;
}
