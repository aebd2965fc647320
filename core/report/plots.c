/* SPDX-License-Identifier: MIT */
/* Figures with one row for each cell, or pair of cells, and learning curves. */
#include "report/plots_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "cellbench/stats_summary.h"

enum {
    MOST_POINTS = 3000, /* of a figure: beyond, marks cover each other and pages get slow */
    LEAST_POINTS = 40   /* of a cell, however many cells there are */
};

/* Means stand below the dots that they are of, in parts of a row. */
#define BELOW 0.26

const char *cbi_plot_words(cbi_pool *pool, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return cbi_pool_text(pool, text, length);
}

size_t cbi_plot_share(const cbi_report_part *part) {
    const size_t cells = part->compare->cell_count, share = cells > 0 ? MOST_POINTS / cells : 0;
    return share < LEAST_POINTS ? LEAST_POINTS : share;
}

static void use_rows(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    const char **rows = cbi_pool_take(pool, task->cell_count + 1, sizeof *rows);
    size_t *cells = cbi_pool_take(pool, task->cell_count + 1, sizeof *cells);
    for (size_t i = 0; rows != NULL && cells != NULL && i < task->cell_count; i++) {
        rows[i] = task->cells[i].name;
        cells[i] = i;
    }
    figure->rows = rows;
    figure->row_cells = cells;
    figure->row_count = rows != NULL && cells != NULL ? task->cell_count : 0;
}

/* Lowest and highest x of all points, for the swarms of all rows alike. */
static void swarm_all(cbi_figure *figure) {
    const int is_log = figure->x.log;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < figure->series_count; i++)
        for (size_t k = 0; k < figure->series[i].count; k++) {
            low = fmin(low, figure->series[i].points[k].x);
            high = fmax(high, figure->series[i].points[k].x);
        }
    for (size_t i = 0; i < figure->series_count; i++)
        if (figure->series[i].mark == CBI_MARK_POINTS)
            cbi_series_swarm(&figure->series[i], low, high, is_log);
}

/* Values over more than two decades, all positive, are read on a logarithmic axis. */
int cbi_plot_wants_log(double low, double high) {
    return low > 0 && high / low > 100;
}

/* Whether the values are to be read on a logarithmic axis; ends of intervals that have no place on
 * it then go to its lower end. */
static int cut_for_log(cbi_figure *figure) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < figure->series_count; i++)
        for (size_t k = 0; k < figure->series[i].count; k++) {
            low = fmin(low, figure->series[i].points[k].x);
            high = fmax(high, figure->series[i].points[k].x);
        }
    if (!cbi_plot_wants_log(low, high))
        return 0;
    for (size_t i = 0; i < figure->series_count; i++)
        for (size_t k = 0; k < figure->series[i].count; k++)
            if (figure->series[i].points[k].low < low / 2)
                figure->series[i].points[k].low = low / 2;
    return 1;
}

/* ---- the seeds of the best setting ---- */

void cbi_plot_seeds(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    size_t values = 0;
    use_rows(figure, part, pool);
    figure->x.label = cbi_plot_words(pool, "test %s (lower is better)", task->metric);
    figure->tag = "seed";
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *cell = &task->cells[i];
        cbi_series *each = cbi_figure_add(
            figure, pool, &(cbi_series){.name = cell->name, .what = "each seed", .cell = i});
        for (size_t k = 0; k < cell->n; k++)
            cbi_series_add(each, pool,
                           (cbi_point){.x = cell->values[k].value,
                                       .y = (double)i,
                                       .tag = cell->values[k].seed});
        values += cell->n;
        if (each != NULL)
            (void)cbi_series_thin(each, cbi_plot_share(part));
        if (cell->n < 2)
            continue; /* its mean is the dot itself */
        cbi_series *mean = cbi_figure_add(figure, pool,
                                          &(cbi_series){.name = cell->name,
                                                        .what = "mean and 95 % interval",
                                                        .cell = i,
                                                        .mark = CBI_MARK_RANGE});
        cbi_series_add(mean, pool,
                       (cbi_point){.x = cell->mean,
                                   .y = (double)i + BELOW,
                                   .low = cell->low,
                                   .high = cell->high,
                                   .tag = -1});
    }
    figure->x.log = cut_for_log(figure);
    swarm_all(figure);
    figure->note = cbi_plot_words(
        pool,
        "Each dot is a trial, one for each seed, of the cell's best setting. The diamond is the "
        "mean, "
        "the bar its 95 %% t interval.%s",
        figure->x.log ? " The axis is logarithmic; an interval that reaches below 0 is cut." : "");
    if (values == 0)
        figure->empty = "no trial of a best setting has a finite test value yet";
}

/* ---- all trials of the search ---- */

static void add_box(cbi_figure *figure, cbi_pool *pool, const cbi_report_part *part, size_t cell,
                    double *values, size_t n) {
    if (n < 3)
        return;
    n = cb_stats_sort(values, n);
    cbi_series *box = cbi_figure_add(figure, pool,
                                     &(cbi_series){.name = part->compare->cells[cell].name,
                                                   .what = "median and quartiles",
                                                   .cell = cell,
                                                   .mark = CBI_MARK_BOX});
    cbi_series_add(box, pool,
                   (cbi_point){.x = cb_stats_quantile(values, n, 0.5),
                               .y = (double)cell,
                               .low = cb_stats_quantile(values, n, 0.25),
                               .high = cb_stats_quantile(values, n, 0.75),
                               .tag = -1});
}

void cbi_plot_search(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    double low = INFINITY, high = -INFINITY;
    double *values = cbi_pool_take(pool, part->trial_count + 1, sizeof *values);
    size_t all = 0, shown = 0;
    use_rows(figure, part, pool);
    figure->x.label = cbi_plot_words(pool, "validation %s (lower is better)", task->metric);
    figure->tag = "trial";
    for (size_t i = 0; i < task->cell_count && values != NULL; i++) {
        size_t n = 0;
        cbi_series each = {.name = task->cells[i].name, .what = "each trial", .cell = i};
        for (size_t k = 0; k < part->trial_count; k++) {
            const cbi_report_trial *trial = &part->trials[k];
            if (trial->cell != i || trial->confirm || !isfinite(trial->valid))
                continue;
            values[n++] = trial->valid;
            low = fmin(low, trial->valid);
            high = fmax(high, trial->valid);
            cbi_series_add(&each, pool,
                           (cbi_point){.x = trial->valid, .y = (double)i, .tag = trial->trial_id});
        }
        add_box(figure, pool, part, i, values, n);
        all += cbi_series_thin(&each, cbi_plot_share(part));
        shown += each.count;
        (void)cbi_figure_add(figure, pool, &each);
    }
    figure->x.log = cbi_plot_wants_log(low, high);
    swarm_all(figure);
    figure->note = cbi_plot_words(
        pool,
        "Every trial of the search, at every setting, by its best validation value; the bar goes "
        "from the lower to the upper quartile, with the median as a line.%s%s",
        shown < all ? cbi_plot_words(pool,
                                     " %zu of %zu trials are drawn, evenly spaced over the "
                                     "sorted values of each cell.",
                                     shown, all)
                    : "",
        figure->x.log ? " The axis is logarithmic." : "");
    if (all == 0)
        figure->empty = "no trial of the search has finished yet";
}

/* ---- learning curves ---- */

/* Before training, and in its first epochs, losses are far above all that is of interest: the axis
 * ends at what is reached after a twentieth of the longest curve, if that is much lower. 0: it need
 * not end before the values do. */
static double top_of_curves(const cbi_report_part *part, int split) {
    double top = 0, highest = 0;
    int64_t last = 0;
    for (size_t i = 0; i < part->compare->cell_count; i++) {
        const cbi_report_curve *curve = &part->cells[i].curve[split];
        if (curve->count > 0 && curve->epochs[curve->count - 1].epoch > last)
            last = curve->epochs[curve->count - 1].epoch;
    }
    for (size_t i = 0; i < part->compare->cell_count; i++) {
        const cbi_report_curve *curve = &part->cells[i].curve[split];
        for (size_t k = 0; k < curve->count; k++) {
            highest = fmax(highest, curve->epochs[k].high);
            if (20 * curve->epochs[k].epoch >= last)
                top = fmax(top, curve->epochs[k].high);
        }
    }
    return top > 0 && top < 0.6 * highest ? top : 0;
}

void cbi_plot_curves(cbi_figure *figure, const cbi_report_part *part, int split, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    double low = INFINITY, high = -INFINITY;
    int deciles = 0, thinned = 0;
    figure->x.label = "epoch";
    figure->y.label = cbi_plot_words(
        pool, "%s %s", split == CBI_CURVE_TRAIN ? "training" : "validation", task->metric);
    for (size_t i = 0; i < task->cell_count; i++) {
        const cbi_report_curve *curve = &part->cells[i].curve[split];
        if (curve->count == 0)
            continue;
        deciles |= curve->deciles;
        thinned |= curve->count < curve->all;
        cbi_series *band = cbi_figure_add(
            figure, pool,
            &(cbi_series){.name = task->cells[i].name,
                          .what = cbi_plot_words(pool, "median of %zu seed%s", curve->seeds,
                                                 curve->seeds == 1 ? "" : "s"),
                          .cell = i,
                          .mark = curve->seeds > 1 ? CBI_MARK_BAND : CBI_MARK_LINE});
        for (size_t k = 0; k < curve->count; k++) {
            const cbi_report_epoch *e = &curve->epochs[k];
            low = fmin(low, e->low);
            high = fmax(high, e->middle);
            cbi_series_add(band, pool,
                           (cbi_point){.x = (double)e->epoch,
                                       .y = e->middle,
                                       .low = e->low,
                                       .high = e->high,
                                       .tag = -1});
        }
    }
    figure->y.log = cbi_plot_wants_log(low, high);
    figure->y.top = figure->y.log ? 0 : top_of_curves(part, split);
    figure->note = cbi_plot_words(
        pool,
        "At the best setting of each cell. Line: median over the seeds that still train; it ends "
        "where fewer than half do. Band: %s.%s%s%s",
        deciles ? "outer deciles of the seeds, lowest to highest with fewer than ten"
                : "lowest to highest seed",
        thinned ? " Not every epoch is drawn." : "",
        figure->y.top > 0 ? " The first epochs lie above the axis." : "",
        figure->y.log ? " The axis is logarithmic." : "");
    if (figure->series_count == 0)
        figure->empty = "no learning curve has been recorded";
}

/* ---- pairs ---- */

/* Values of the two cells at the seeds that both have; both lists are sorted by seed. */
static void add_differences(cbi_series *series, cbi_pool *pool, const cb_compare_cell *a,
                            const cb_compare_cell *b, double row, int is_ratio) {
    size_t i = 0, k = 0;
    while (i < a->n && k < b->n) {
        const double x = a->values[i].value, y = b->values[k].value;
        if (a->values[i].seed < b->values[k].seed) {
            i++;
        } else if (a->values[i].seed > b->values[k].seed) {
            k++;
        } else {
            cbi_series_add(
                series, pool,
                (cbi_point){.x = is_ratio ? x / y : x - y, .y = row, .tag = a->values[i].seed});
            i++, k++;
        }
    }
}

static void add_pair(cbi_figure *figure, const cbi_report_part *part, size_t i, int is_ratio,
                     cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    const cb_compare_pair *pair = &task->pairs[i];
    const char *name = figure->rows[i];
    cbi_series *each = cbi_figure_add(
        figure, pool, &(cbi_series){.name = name, .what = "each seed", .cell = pair->b});
    if (pair->paired)
        add_differences(each, pool, &task->cells[pair->a], &task->cells[pair->b], (double)i,
                        is_ratio);
    if (each != NULL)
        (void)cbi_series_thin(each, cbi_plot_share(part));
    cbi_series *mean = cbi_figure_add(figure, pool,
                                      &(cbi_series){.name = name,
                                                    .what = "mean and 95 % interval",
                                                    .cell = pair->b,
                                                    .mark = CBI_MARK_RANGE});
    if (is_ratio)
        cbi_series_add(mean, pool,
                       (cbi_point){.x = pair->ratio,
                                   .y = (double)i + BELOW,
                                   .low = pair->ratio_low,
                                   .high = pair->ratio_high,
                                   .tag = -1});
    else if (!pair->is_log)
        cbi_series_add(mean, pool,
                       (cbi_point){.x = pair->difference,
                                   .y = (double)i + BELOW,
                                   .low = pair->low,
                                   .high = pair->high,
                                   .tag = -1});
}

void cbi_plot_pairs(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    const char **rows = cbi_pool_take(pool, task->pair_count + 1, sizeof *rows);
    size_t *cells = cbi_pool_take(pool, task->pair_count + 1, sizeof *cells), values = 0;
    int is_ratio = 1; /* all are compared by ratios, or all are drawn as differences */
    if (rows == NULL || cells == NULL)
        return;
    for (size_t i = 0; i < task->pair_count; i++) {
        const cb_compare_pair *pair = &task->pairs[i];
        cells[i] = pair->b;
        rows[i] = cbi_plot_words(pool, "%s %s %s", task->cells[pair->a].name,
                                 pair->is_log ? "/" : "\xe2\x88\x92", task->cells[pair->b].name);
        is_ratio &= pair->is_log || !isfinite(pair->difference);
        values += isfinite(pair->difference);
    }
    figure->rows = rows;
    figure->row_cells = cells;
    figure->row_count = task->pair_count;
    figure->tag = "seed";
    figure->has_reference = 1;
    figure->reference = is_ratio ? 1 : 0;
    figure->x.log = is_ratio;
    figure->x.label = cbi_plot_words(pool,
                                     is_ratio ? "ratio of test %s, first by second"
                                              : "difference of test %s, first minus second",
                                     task->metric);
    for (size_t i = 0; i < task->pair_count; i++)
        add_pair(figure, part, i, is_ratio, pool);
    swarm_all(figure);
    figure->note = cbi_plot_words(
        pool,
        "Each dot is one seed: the value of the first cell %s that of the second, at their best "
        "settings. Left of %d the first is better. Diamond and bar: %s and its 95 %% interval.",
        is_ratio ? "divided by" : "less", is_ratio ? 1 : 0,
        is_ratio ? "geometric mean of the ratios" : "mean difference");
    if (values == 0)
        figure->empty = task->cell_count < 2 ? "there is only one cell"
                                             : "no pair of cells has values to compare";
}
