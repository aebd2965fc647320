/* SPDX-License-Identifier: MIT */
/*
 * Progress. Counts and best values come from the store, so that they include what earlier runs and
 * other coordinators did. They are read when nothing of this run waits for its commit, and what it
 * does until the next reading is added: so that a trial that has an end is never shown as running.
 *
 * The time left is the planned cost of what has no end, divided by the speed of this run; a trial
 * that stops early counts with its whole planned cost, so the speed is measured in the same unit as
 * what is left.
 */
#include "sweep/progress.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "sweep/clock.h"

/* Reading the counts may take this share (1/n) of the time. */
enum { REFRESH_SHARE = 20 };

/* ---- cells ---- */

static cbi_tracked_cell *find_cell(cbi_tracker *t, const char *name, size_t length) {
    for (size_t i = 0; i < t->cell_count; i++)
        if (strlen(t->cells[i].name) == length && memcmp(t->cells[i].name, name, length) == 0)
            return &t->cells[i];
    return NULL;
}

static cb_status get_cell(cbi_tracker *t, const char *name, size_t length, cbi_tracked_cell **out,
                          cb_err *err) {
    if ((*out = find_cell(t, name, length)) != NULL)
        return CB_OK;
    cb_status st =
        cbi_grow((void **)&t->cells, &t->cell_capacity, t->cell_count + 1, sizeof *t->cells);
    if (st == CB_OK)
        st = cbi_grow((void **)&t->cell_rows, &t->row_capacity, t->cell_count + 1,
                      sizeof *t->cell_rows);
    char *copy = st == CB_OK ? cbi_strndup(name, length) : NULL;
    if (copy == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for %zu cells", t->cell_count + 1);
    t->cell_rows[t->cell_count] = (cb_cell_progress){.cell = copy, .best_valid = NAN};
    *out = &t->cells[t->cell_count++];
    **out = (cbi_tracked_cell){.name = copy};
    return CB_OK;
}

static int text_is(cb_value value, const char *text) {
    return value.type == CB_VALUE_TEXT && value.length == strlen(text) &&
           memcmp(value.text, text, value.length) == 0;
}

static cb_status add_cell_row(cbi_tracker *t, cb_query *query, cb_err *err) {
    const cb_value name = cb_query_column(query, 0), state = cb_query_column(query, 1);
    const cb_value best = cb_query_column(query, 3);
    const int64_t count = cb_query_column(query, 2).integer;
    cbi_tracked_cell *cell;
    if (name.type != CB_VALUE_TEXT)
        return CB_OK;
    cb_status st = get_cell(t, name.text, name.length, &cell, err);
    if (st != CB_OK)
        return st;
    cb_cell_progress *row = &t->cell_rows[cell - t->cells];
    if (!cell->seen) {
        *cell = (cbi_tracked_cell){.name = cell->name, .decided = cell->decided, .seen = 1};
        row->best_valid = NAN;
    }
    if (text_is(state, "running"))
        cell->running += count;
    if (text_is(state, "done") || text_is(state, "diverged"))
        cell->done += count;
    if (text_is(state, "done") && best.type == CB_VALUE_REAL)
        row->best_valid = best.real;
    return CB_OK;
}

static cb_status read_cells(cbi_tracker *t, cb_err *err) {
    static const char sql[] =
        "SELECT c.name, t.state, count(*), min(a.valid) FILTER (WHERE s.role = 'first'),"
        " min(min(s.position)) OVER (PARTITION BY c.name) AS place"
        " FROM study_trial AS s JOIN trial AS t USING (trial_id)"
        " JOIN cell AS c ON c.cell_id = s.cell_id"
        " LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id"
        " WHERE s.study_id = ?1 AND s.retired = 0 GROUP BY c.name, t.state ORDER BY place";
    const cb_value id = {.type = CB_VALUE_INT, .integer = t->study_id};
    cb_query *query = NULL;
    int has_row;
    cb_status st = cb_query_open(&query, t->store, sql, &id, 1, err);
    if (st != CB_OK)
        return st;
    for (size_t i = 0; i < t->cell_count; i++)
        t->cells[i].seen = 0;
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        if ((st = add_cell_row(t, query, err)) != CB_OK)
            break;
    cb_query_close(query);
    return st;
}

/* ---- events ---- */

void cbi_tracker_claimed(cbi_tracker *t, const cb_claim *claim) {
    cbi_tracked_cell *cell = find_cell(t, claim->cell, strlen(claim->cell));
    t->since.pending--;
    t->since.running++;
    if (cell != NULL)
        cell->running_since++;
}

void cbi_tracker_ended(cbi_tracker *t, const cb_claim *claim, cb_attempt_end end, double share) {
    int64_t *const counts[] = {
        [CB_ATTEMPT_DONE] = &t->since.done,
        [CB_ATTEMPT_DIVERGED] = &t->since.diverged,
        [CB_ATTEMPT_FAILED] = &t->since.failed,
        [CB_ATTEMPT_RETURNED] = &t->since.pending,
    };
    cbi_tracked_cell *cell = find_cell(t, claim->cell, strlen(claim->cell));
    t->since.running--;
    (*counts[end])++;
    if (cell != NULL) {
        cell->running_since--;
        cell->done_since += end == CB_ATTEMPT_DONE || end == CB_ATTEMPT_DIVERGED;
    }
    if (end == CB_ATTEMPT_RETURNED)
        return;
    t->shown.here_done++;
    t->since.left_flop -= claim->cost_flop;
    t->here_flop += share * claim->cost_flop;
}

cb_status cbi_tracker_decided(cbi_tracker *t, const cb_value *name, cb_err *err) {
    cbi_tracked_cell *cell;
    cb_status st = CB_OK;
    if (name->type == CB_VALUE_TEXT &&
        (st = get_cell(t, name->text, name->length, &cell, err)) == CB_OK)
        cell->decided = 1;
    return st;
}

/* ---- the tracker ---- */

cb_status cbi_tracker_init(cbi_tracker *t, cb_store *store, const cb_study *study, int64_t study_id,
                           cb_err *err) {
    *t = (cbi_tracker){.store = store, .study = study, .study_id = study_id, .refreshed_us = -1};
    t->begun_ms = cbi_now_ms();
    t->shown.metric = cb_task_data(study->task)->metric;
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < study->cell_count; i++) {
        cbi_tracked_cell *cell;
        st = get_cell(t, study->cells[i].name, strlen(study->cells[i].name), &cell, err);
    }
    return st == CB_OK ? cbi_tracker_update(t, 1, err) : st;
}

void cbi_tracker_fini(cbi_tracker *t) {
    for (size_t i = 0; i < t->cell_count; i++)
        cbi_free(t->cells[i].name);
    cbi_free(t->cells);
    cbi_free(t->cell_rows);
    *t = (cbi_tracker){0};
}

/* How many settings of a cell will be confirmed, as far as that is known. */
static int64_t winners(const cb_study *study, const char *cell) {
    size_t count = 1;
    for (size_t i = 0; i < study->cell_count; i++)
        if (strcmp(study->cells[i].name, cell) == 0)
            count = study->cells[i].configs;
    return (int64_t)(count < study->confirm_top ? count : study->confirm_top);
}

/* Confirmation trials of cells that are not decided yet. */
static int64_t awaited(const cbi_tracker *t) {
    int64_t count = 0;
    for (size_t i = 0; i < t->cell_count; i++)
        if (!t->cells[i].decided)
            count += winners(t->study, t->cells[i].name) * (int64_t)t->study->confirm_seeds;
    return count;
}

/* A confirmation to come counts as an average trial of what is left, or of what was done here. */
static double estimate_left(const cbi_tracker *t) {
    const cb_study_counts *now = &t->shown.counts;
    const int64_t open = now->pending + now->running, waiting = t->shown.awaited;
    const double done = t->here_flop + t->partial_flop;
    double left = now->left_flop - t->partial_flop;
    if (open <= 0 && waiting <= 0)
        return 0;
    if (done <= 0 || t->shown.elapsed_seconds <= 0 || (open > 0 && now->left_flop <= 0))
        return NAN;
    if (open > 0)
        left += (double)waiting * now->left_flop / (double)open;
    else if (t->shown.here_done > 0)
        left = (double)waiting * t->here_flop / (double)t->shown.here_done;
    return left > 0 ? left / (done / t->shown.elapsed_seconds) : 0;
}

static cb_status refresh(cbi_tracker *t, cb_err *err) {
    const int64_t begun = cbi_now_us();
    cb_status st = cb_store_study_count(t->store, t->study_id, &t->counts, err);
    if (st != CB_OK || (st = read_cells(t, err)) != CB_OK)
        return st;
    for (size_t i = 0; i < t->cell_count; i++)
        t->cells[i].done_since = t->cells[i].running_since = 0;
    t->since = (cb_study_counts){0};
    t->refreshed_us = cbi_now_us();
    t->refresh_cost_us = t->refreshed_us - begun;
    return CB_OK;
}

static int64_t not_below_0(int64_t value) {
    return value > 0 ? value : 0;
}

/* What was read, and what this run has done since. What others have done since is not known: a
 * count that would fall below 0 for that is 0. */
static void show_counts(cbi_tracker *t) {
    cb_study_counts *out = &t->shown.counts;
    *out = t->counts;
    out->pending = not_below_0(out->pending + t->since.pending);
    out->running = not_below_0(out->running + t->since.running);
    out->done += t->since.done;
    out->diverged += t->since.diverged;
    out->failed += t->since.failed;
    out->left_flop += t->since.left_flop;
    for (size_t i = 0; i < t->cell_count; i++) {
        const cbi_tracked_cell *cell = &t->cells[i];
        t->cell_rows[i].cell = cell->name;
        t->cell_rows[i].done = cell->done + cell->done_since;
        t->cell_rows[i].running = not_below_0(cell->running + cell->running_since);
    }
    t->shown.cells = t->cell_rows;
    t->shown.cell_count = t->cell_count;
}

cb_status cbi_tracker_update(cbi_tracker *t, int force, cb_err *err) {
    const int64_t age = cbi_now_us() - t->refreshed_us;
    const int committed = cb_store_commit_due_ms(t->store) < 0;
    cb_status st;
    if (force || t->refreshed_us < 0 || (committed && age >= REFRESH_SHARE * t->refresh_cost_us)) {
        if ((st = refresh(t, err)) != CB_OK)
            return st;
    }
    show_counts(t);
    t->shown.awaited = awaited(t);
    t->shown.elapsed_seconds = (double)(cbi_now_ms() - t->begun_ms - t->paused_ms) / 1e3;
    t->shown.left_seconds = estimate_left(t);
    return CB_OK;
}
