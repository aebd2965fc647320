/* SPDX-License-Identifier: MIT */
/*
 * Progress. Counts and best values come from the store, so that they include what earlier runs and
 * other coordinators did. The time left is the planned cost of what is not settled, divided by the
 * speed of this run; a trial that stops early counts with its whole planned cost, so the speed is
 * measured in the same unit as what is left.
 */
#include "sweep/progress.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

/* Reading the counts may take this share (1/n) of the time. */
enum { REFRESH_SHARE = 20 };

int64_t cbi_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t cbi_now_ms(void) {
    return cbi_now_us() / 1000;
}

/* ---- reading ---- */

static int text_is(cb_value value, const char *text) {
    return value.type == CB_VALUE_TEXT && value.length == strlen(text) &&
           memcmp(value.text, text, value.length) == 0;
}

cb_status cbi_tracker_read(cbi_tracker *t, cb_err *err) {
    static const char sql[] = "SELECT t.key FROM study_trial AS s JOIN trial AS t USING (trial_id) "
                              "WHERE s.study_id = ?1 AND s.retired = 0 "
                              "AND t.state NOT IN ('pending', 'running')";
    const cb_value id = {.type = CB_VALUE_INT, .integer = t->study_id};
    char key[sizeof t->plan->items->key];
    cb_query *query = NULL;
    int has_row;
    cb_status st = cb_query_open(&query, t->store, sql, &id, 1, err);
    if (st != CB_OK)
        return st;
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        cb_value value = cb_query_column(query, 0);
        if (value.type != CB_VALUE_TEXT || value.length >= sizeof key)
            continue;
        memcpy(key, value.text, value.length);
        key[value.length] = '\0';
        cbi_plan_item *item = cbi_plan_find(t->plan, key);
        if (item != NULL)
            item->settled = 1;
    }
    cb_query_close(query);
    return st;
}

static void add_cell_row(cbi_tracker *t, cb_query *query) {
    cb_value name = cb_query_column(query, 0), state = cb_query_column(query, 1);
    int64_t count = cb_query_column(query, 2).integer;
    cb_value best = cb_query_column(query, 3);
    for (size_t i = 0; i < t->shown.cell_count; i++) {
        cb_cell_progress *cell = &t->cells[i];
        if (!text_is(name, cell->cell))
            continue;
        if (text_is(state, "running"))
            cell->running += count;
        if (text_is(state, "done") || text_is(state, "diverged"))
            cell->done += count;
        if (text_is(state, "done") && best.type == CB_VALUE_REAL)
            cell->best_valid = best.real;
    }
}

static cb_status read_cells(cbi_tracker *t, cb_err *err) {
    static const char sql[] = "SELECT c.name, t.state, count(*), "
                              "min(a.valid) FILTER (WHERE s.role = 'first') "
                              "FROM study_trial AS s JOIN trial AS t USING (trial_id) "
                              "JOIN cell AS c ON c.cell_id = s.cell_id "
                              "LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id "
                              "WHERE s.study_id = ?1 AND s.retired = 0 GROUP BY c.name, t.state";
    const cb_value id = {.type = CB_VALUE_INT, .integer = t->study_id};
    cb_query *query = NULL;
    int has_row;
    cb_status st = cb_query_open(&query, t->store, sql, &id, 1, err);
    if (st != CB_OK)
        return st;
    for (size_t i = 0; i < t->shown.cell_count; i++)
        t->cells[i] = (cb_cell_progress){.cell = t->plan->cells[i].name, .best_valid = NAN};
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        add_cell_row(t, query);
    cb_query_close(query);
    return st;
}

/* ---- the tracker ---- */

cb_status cbi_tracker_init(cbi_tracker *t, cb_store *store, int64_t study_id, cbi_plan *plan,
                           const char *metric, cb_err *err) {
    *t = (cbi_tracker){.store = store, .study_id = study_id, .plan = plan, .refreshed_us = -1};
    t->begun_us = cbi_now_us();
    t->cells = cbi_calloc(plan->cell_count + 1, sizeof *t->cells);
    if (t->cells == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for %zu cells", plan->cell_count);
    t->shown.metric = metric;
    t->shown.cells = t->cells;
    t->shown.cell_count = plan->cell_count;
    return cbi_tracker_read(t, err);
}

void cbi_tracker_fini(cbi_tracker *t) {
    cbi_free(t->cells);
    *t = (cbi_tracker){0};
}

void cbi_tracker_settle(cbi_tracker *t, cbi_plan_item *item) {
    t->shown.here_done++;
    if (item == NULL || item->settled)
        return;
    item->settled = 1;
    t->here_flop += item->flop;
}

/* Trials that others settled are not marked in the plan: the cost of the unmarked ones is scaled by
 * the share of them that the store still counts as open. A confirmation to come counts as an
 * average trial. */
static double estimate_left(const cbi_tracker *t) {
    const cb_study_counts *counts = &t->shown.counts;
    int64_t open = counts->pending + counts->running, unmarked = 0;
    double left = 0, all = 0, done = t->here_flop + t->partial_flop;
    for (size_t i = 0; i < t->plan->item_count; i++) {
        all += t->plan->items[i].flop;
        if (!t->plan->items[i].settled) {
            left += t->plan->items[i].flop;
            unmarked++;
        }
    }
    if (t->shown.awaited == 0 && (open == 0 || unmarked == 0))
        return 0;
    if (done <= 0 || t->shown.elapsed_seconds <= 0)
        return NAN;
    left = unmarked > 0 ? left * (double)open / (double)unmarked - t->partial_flop : 0;
    left += (double)t->shown.awaited * all / (double)t->plan->item_count;
    return left > 0 ? left / (done / t->shown.elapsed_seconds) : 0;
}

cb_status cbi_tracker_update(cbi_tracker *t, int force, cb_err *err) {
    int64_t now = cbi_now_us();
    cb_status st;
    if (force || t->refreshed_us < 0 ||
        now - t->refreshed_us >= REFRESH_SHARE * t->refresh_cost_us) {
        if ((st = cb_store_study_count(t->store, t->study_id, &t->shown.counts, err)) != CB_OK ||
            (st = read_cells(t, err)) != CB_OK)
            return st;
        t->refreshed_us = cbi_now_us();
        t->refresh_cost_us = t->refreshed_us - now;
    }
    t->shown.elapsed_seconds = (double)(cbi_now_us() - t->begun_us) / 1e6;
    t->shown.left_seconds = estimate_left(t);
    return CB_OK;
}
