/* SPDX-License-Identifier: MIT */
/*
 * Learning curves of the best setting of each cell: at each epoch the median over the seeds that
 * still train, and a band. The curve ends where fewer than half of the seeds are left (training
 * ends early at different epochs): beyond that it would tell of the few that went on.
 */
#include "report/report_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cellbench/stats_summary.h"
#include "report/report_query.h"

enum {
    MOST_EPOCHS = 200, /* more points than this are not told apart on a page */
    MOST_SEEDS = 1000, /* of a cell: a curve needs no more */
    DECILES_FROM = 10  /* seeds from which the outer deciles are inside the data */
};

/* The values of one epoch, seed after seed. */
typedef struct column {
    double *values;
    size_t count, capacity;
} column;

typedef struct curves {
    column *columns[CBI_CURVE_SPLITS]; /* by epoch */
    size_t count[CBI_CURVE_SPLITS], capacity[CBI_CURVE_SPLITS];
    size_t seeds[CBI_CURVE_SPLITS];
} curves;

static const char curve_sql[] =
    "select e.split = 'train', e.epoch, e.value from trial as t join epoch as e on e.attempt_id = "
    "t.result_attempt_id and e.metric = t.metric where t.trial_id = ?1 and e.split in ('train', "
    "'valid') order by e.split, e.epoch";

static void add_value(curves *all, cbi_pool *pool, int split, int64_t epoch, double value) {
    enum { HIGHEST_EPOCH = 1000000 };
    if (epoch < 0 || epoch > HIGHEST_EPOCH || !isfinite(value))
        return;
    while (all->count[split] <= (size_t)epoch)
        if (CBI_POOL_APPEND(pool, all->columns[split], all->count[split], all->capacity[split]) ==
            NULL)
            return;
    column *at = &all->columns[split][epoch];
    double *place = CBI_POOL_APPEND(pool, at->values, at->count, at->capacity);
    if (place != NULL)
        *place = value;
}

typedef struct reading {
    curves *all;
    cbi_pool *pool;
    int seen[CBI_CURVE_SPLITS];
} reading;

static cb_status take_epoch(void *context, const cb_query *query, cb_err *err) {
    reading *r = context;
    const int split = cbi_report_int(query, 0) != 0 ? CBI_CURVE_TRAIN : CBI_CURVE_VALID;
    r->seen[split] = 1;
    add_value(r->all, r->pool, split, cbi_report_int(query, 1), cbi_report_real(query, 2));
    return cbi_pool_status(r->pool, err);
}

static cb_status read_trial(curves *all, cb_store *store, cbi_pool *pool, int64_t trial_id,
                            cb_err *err) {
    const cb_value id = {.type = CB_VALUE_INT, .integer = trial_id};
    reading r = {.all = all, .pool = pool};
    const cb_status st = cbi_report_each(store, curve_sql, &id, 1, take_epoch, &r, err);
    for (int split = 0; split < CBI_CURVE_SPLITS; split++)
        all->seeds[split] += (size_t)r.seen[split];
    return st;
}

static cbi_report_epoch summary(column *at, size_t epoch, int deciles) {
    at->count = cb_stats_sort(at->values, at->count);
    return (cbi_report_epoch){.epoch = (int64_t)epoch,
                              .n = (int64_t)at->count,
                              .middle = cb_stats_quantile(at->values, at->count, 0.5),
                              .low = cb_stats_quantile(at->values, at->count, deciles ? 0.1 : 0),
                              .high = cb_stats_quantile(at->values, at->count, deciles ? 0.9 : 1)};
}

static void reduce(cbi_report_curve *curve, curves *all, int split, cbi_pool *pool) {
    size_t capacity = 0, last = 0;
    curve->seeds = all->seeds[split];
    curve->deciles = curve->seeds >= DECILES_FROM;
    for (size_t e = 0; e < all->count[split]; e++)
        if (all->columns[split][e].count > 0 && 2 * all->columns[split][e].count >= curve->seeds) {
            curve->all++;
            last = e;
        }
    const size_t step = last / MOST_EPOCHS + 1;
    for (size_t e = 0; e <= last && curve->all > 0; e++) {
        column *at = &all->columns[split][e];
        if ((e % step != 0 && e != last) || at->count == 0 || 2 * at->count < curve->seeds)
            continue;
        cbi_report_epoch *place = CBI_POOL_APPEND(pool, curve->epochs, curve->count, capacity);
        if (place != NULL)
            *place = summary(at, e, curve->deciles);
    }
}

cb_status cbi_report_read_curves(cbi_report_part *part, cb_store *store, cbi_pool *pool,
                                 cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < part->compare->cell_count; i++) {
        const cb_compare_cell *cell = &part->compare->cells[i];
        cbi_pool scratch = {0};
        curves all = {.seeds = {0}};
        for (size_t k = 0; st == CB_OK && k < cell->n && k < MOST_SEEDS; k++)
            st = read_trial(&all, store, &scratch, cell->values[k].trial_id, err);
        for (int split = 0; st == CB_OK && split < CBI_CURVE_SPLITS; split++)
            reduce(&part->cells[i].curve[split], &all, split, pool);
        cbi_pool_fini(&scratch);
    }
    return st == CB_OK ? cbi_pool_status(pool, err) : st;
}
