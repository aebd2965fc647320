/* SPDX-License-Identifier: MIT */
/*
 * Reading: tasks and cells from the view `ranking`, which says what each cell's best setting is,
 * then one pass over the trials for what they gave. Both come in the same order, so that a cell's
 * rows follow one another. A study that runs meanwhile may show a trial of a cell that the first
 * query has not seen: it is passed over.
 */
#include "report/compare_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/stats.h"
#include "report/report_query.h"

/* The values of one role of the cell that is being read. */
typedef struct gathered {
    cb_compare_value *values;
    size_t *trials; /* of each value's seed */
    size_t count, values_capacity, trials_capacity;
    size_t asked, diverged, failed, open, not_finite, repeated, timed;
    int64_t seed; /* of the last row */
    double seconds;
} gathered;

typedef struct reader {
    cbi_compare_draft *draft;
    cb_compare *compare;
    size_t task_capacity, cell_capacity, tried_capacity; /* of the last ones */
    size_t at_task, at_cell;                             /* where the pass over trials is */
    int is_open;                                         /* a cell is being read */
    gathered of[2];                                      /* first, confirm */
} reader;

/* ---- tasks, cells, and the settings that were tried ---- */

static cb_status add_task(reader *r, const cb_query *query, cb_err *err) {
    cb_compare *c = r->compare;
    void *block = c->tasks;
    if (cbi_grow(&block, &r->task_capacity, c->task_count + 1, sizeof *c->tasks) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "a list of %zu tasks", c->task_count + 1);
    c->tasks = block;
    cb_compare_task *task = &c->tasks[c->task_count++];
    *task = (cb_compare_task){.study_id = cbi_report_int(query, 0),
                              .task_id = cbi_report_int(query, 1)};
    r->cell_capacity = 0;
    cb_status st = cbi_report_text(query, 2, &task->study, err);
    return st == CB_OK ? cbi_report_text(query, 3, &task->task, err) : st;
}

static cb_status add_cell(reader *r, cb_compare_task *task, const cb_query *query, cb_err *err) {
    void *block = task->cells;
    if (cbi_grow(&block, &r->cell_capacity, task->cell_count + 1, sizeof *task->cells) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "a list of %zu cells", task->cell_count + 1);
    task->cells = block;
    cb_compare_cell *cell = &task->cells[task->cell_count++];
    *cell = (cb_compare_cell){.config = cbi_report_int(query, 5),
                              .valid = cbi_report_real(query, 6),
                              .mean = (double)NAN,
                              .sd = (double)NAN,
                              .low = (double)NAN,
                              .high = (double)NAN,
                              .epoch_seconds = (double)NAN,
                              .expected_best = (double)NAN};
    r->tried_capacity = 0;
    return cbi_report_text(query, 4, &cell->name, err);
}

/* study_id, task_id, study, task, cell, config, valid: rows of `ranking`, best first in a cell. */
static cb_status take_setting(void *context, const cb_query *query, cb_err *err) {
    reader *r = context;
    cb_compare *c = r->compare;
    const int64_t study_id = cbi_report_int(query, 0), task_id = cbi_report_int(query, 1);
    const cb_value name = cb_query_column(query, 4);
    cb_compare_task *task = c->task_count > 0 ? &c->tasks[c->task_count - 1] : NULL;
    cb_status st = CB_OK;
    if (task == NULL || task->study_id != study_id || task->task_id != task_id) {
        if ((st = add_task(r, query, err)) != CB_OK)
            return st;
        task = &c->tasks[c->task_count - 1];
    }
    cb_compare_cell *cell = task->cell_count > 0 ? &task->cells[task->cell_count - 1] : NULL;
    if (cell == NULL || strlen(cell->name) != name.length ||
        memcmp(cell->name, name.text, name.length) != 0) {
        if ((st = add_cell(r, task, query, err)) != CB_OK)
            return st;
        cell = &task->cells[task->cell_count - 1];
    }
    cell->budget.settings++;
    const double valid = cbi_report_real(query, 6);
    if (isnan(valid))
        return CB_OK;
    void *block = cell->tried;
    if (cbi_grow(&block, &r->tried_capacity, cell->tried_count + 1, sizeof *cell->tried) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu settings", cell->tried_count + 1);
    cell->tried = block;
    cell->tried[cell->tried_count++] = valid;
    return CB_OK;
}

static const char settings_sql[] =
    "select r.study_id, r.task_id, s.name, k.name, r.cell, r.config, r.valid from ranking as r "
    "join study as s on s.study_id = r.study_id join task as k on k.task_id = r.task_id "
    "where ?1 = 0 or r.study_id = ?1 order by r.study_id, k.name, r.task_id, r.cell, r.place";

/* ---- trials ---- */

enum {
    STUDY,
    TASK,
    CELL,
    CELL_ID,
    TEXT_SHA256,
    CONFIG,
    IS_CONFIRM,
    SEED,
    TRIAL,
    STATE,
    METRIC,
    HIDDEN,
    PARAMS,
    VALUE,
    WALL,
    CPU,
    FLOP,
    EPOCHS
};

static const char trials_sql[] =
    "select st.study_id, t.task_id, c.name, c.cell_id, c.text_sha256, st.config, "
    "st.role = 'confirm', t.seed, t.trial_id, t.state, t.metric, t.hidden, t.param_count, a.%s, "
    "a.wall_seconds, a.cpu_seconds, a.flop, a.epochs from study_trial as st "
    "join trial as t on t.trial_id = st.trial_id join cell as c on c.cell_id = st.cell_id "
    "join task as k on k.task_id = t.task_id "
    "left join attempt as a on a.attempt_id = t.result_attempt_id "
    "where st.retired = 0 and (?1 = 0 or st.study_id = ?1) "
    "order by st.study_id, k.name, t.task_id, c.name, st.role, t.seed, st.position";

typedef enum outcome { OPEN = 0, DONE = 1, DIVERGED = 2, FAILED = 3 } outcome;

static outcome outcome_of(const cb_query *query) {
    const cb_value state = cb_query_column(query, STATE);
    if (state.length == 4 && memcmp(state.text, "done", 4) == 0)
        return DONE;
    if (state.length == 8 && memcmp(state.text, "diverged", 8) == 0)
        return DIVERGED;
    return state.length == 6 && memcmp(state.text, "failed", 6) == 0 ? FAILED : OPEN;
}

/* The means of seeds with several trials, the choice between the roles, mean and interval. */
static cb_status close_cell(reader *r, cb_err *err) {
    if (!r->is_open)
        return CB_OK;
    cb_compare_cell *cell = &r->compare->tasks[r->at_task].cells[r->at_cell];
    gathered *g = &r->of[r->of[1].count + r->of[1].not_finite > 0];
    r->is_open = 0;
    cell->over = g->count == 0    ? CB_COMPARE_OVER_NONE
                 : g == &r->of[1] ? CB_COMPARE_OVER_CONFIRM
                                  : CB_COMPARE_OVER_STUDY;
    cell->asked = g->asked;
    cell->diverged = g->diverged;
    cell->failed = g->failed;
    cell->open = g->open;
    cell->not_finite = g->not_finite;
    cell->repeated = g->repeated;
    cell->epoch_seconds = g->timed > 0 ? g->seconds / (double)g->timed : (double)NAN;
    cell->n = g->count;
    double *numbers = cbi_calloc(g->count + 1, sizeof *numbers);
    cell->values = cbi_calloc(g->count + 1, sizeof *cell->values);
    if (numbers == NULL || cell->values == NULL) {
        cbi_free(numbers);
        return cb_fail(err, CB_ENOMEM, "%zu values", g->count);
    }
    for (size_t i = 0; i < g->count; i++) {
        cell->values[i] = g->values[i];
        cell->values[i].value /= (double)g->trials[i];
        numbers[i] = cell->values[i].value;
    }
    const cb_stats_mean m = cb_stats_mean_of(numbers, g->count, r->compare->level);
    cell->mean = m.mean;
    cell->sd = m.sd;
    cell->low = m.low;
    cell->high = m.high;
    cbi_free(numbers);
    return CB_OK;
}

static void empty(gathered *g) {
    g->count = 0;
    g->asked = g->diverged = g->failed = g->open = g->not_finite = g->repeated = g->timed = 0;
    g->seconds = 0.0;
}

/* Moves to the cell of a row, closing the one before; *found = 0 if it was not in the ranking. */
static cb_status move_to(reader *r, const cb_query *query, int *found, cb_err *err) {
    cb_compare *c = r->compare;
    const int64_t study_id = cbi_report_int(query, STUDY), task_id = cbi_report_int(query, TASK);
    const cb_value name = cb_query_column(query, CELL);
    *found = 0;
    for (size_t t = r->at_task; t < c->task_count; t++) {
        const cb_compare_task *task = &c->tasks[t];
        if (task->study_id != study_id || task->task_id != task_id)
            continue;
        for (size_t i = 0; i < task->cell_count && !*found; i++) {
            const char *known = task->cells[i].name;
            if (strlen(known) != name.length || memcmp(known, name.text, name.length) != 0)
                continue;
            *found = 1;
            if (r->is_open && t == r->at_task && i == r->at_cell)
                return CB_OK;
            cb_status st = close_cell(r, err);
            r->at_task = t;
            r->at_cell = i;
            r->is_open = 1;
            empty(&r->of[0]);
            empty(&r->of[1]);
            return st;
        }
    }
    return CB_OK;
}

static cb_status add_value(gathered *g, const cb_query *query, int is_new, cb_err *err) {
    const double value = cbi_report_real(query, VALUE);
    const double seconds = cbi_report_real(query, WALL), epochs = cbi_report_real(query, EPOCHS);
    if (seconds >= 0.0 && epochs > 0.0) {
        g->seconds += seconds / epochs;
        g->timed++;
    }
    if (isnan(value)) {
        g->not_finite++;
        return CB_OK;
    }
    if (!is_new && g->count > 0 && g->values[g->count - 1].seed == g->seed) {
        g->repeated += g->trials[g->count - 1] == 1;
        g->values[g->count - 1].value += value;
        g->trials[g->count - 1]++;
        return CB_OK;
    }
    void *values = g->values, *trials = g->trials;
    if (cbi_grow(&values, &g->values_capacity, g->count + 1, sizeof *g->values) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu values", g->count + 1);
    g->values = values;
    if (cbi_grow(&trials, &g->trials_capacity, g->count + 1, sizeof *g->trials) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu values", g->count + 1);
    g->trials = trials;
    g->values[g->count] = (cb_compare_value){
        .seed = g->seed, .trial_id = cbi_report_int(query, TRIAL), .value = value};
    g->trials[g->count++] = 1;
    return CB_OK;
}

/* A trial of a cell's best setting. */
static cb_status gather(gathered *g, const cb_query *query, outcome state, cb_err *err) {
    const int64_t seed = cbi_report_int(query, SEED);
    const int is_new = g->asked == 0 || seed != g->seed;
    g->seed = seed;
    g->asked += is_new != 0;
    g->diverged += state == DIVERGED;
    g->failed += state == FAILED;
    g->open += state == OPEN;
    return state == DONE ? add_value(g, query, is_new, err) : CB_OK;
}

static void spend(cb_compare_budget *b, const cb_query *query, outcome state) {
    const double wall = cbi_report_real(query, WALL), cpu = cbi_report_real(query, CPU);
    const double flop = cbi_report_real(query, FLOP);
    b->trials++;
    b->done += state == DONE;
    b->diverged += state == DIVERGED;
    b->failed += state == FAILED;
    b->wall_seconds += wall > 0.0 ? wall : 0.0;
    b->cpu_seconds += cpu > 0.0 ? cpu : 0.0;
    b->flop += flop > 0.0 ? flop : 0.0;
}

static cb_status take_trial(void *context, const cb_query *query, cb_err *err) {
    reader *r = context;
    int found = 0;
    cb_status st = move_to(r, query, &found, err);
    if (st != CB_OK || !found)
        return st;
    cb_compare_task *task = &r->compare->tasks[r->at_task];
    cb_compare_cell *cell = &task->cells[r->at_cell];
    const outcome state = outcome_of(query);
    const int is_confirm = cbi_report_int(query, IS_CONFIRM) != 0;
    task->trials++;
    task->done += state == DONE;
    task->diverged += state == DIVERGED;
    task->failed += state == FAILED;
    task->open += state == OPEN;
    cell->budget.open += state == OPEN;
    if (!is_confirm)
        spend(&cell->budget, query, state);
    if (task->metric == NULL && (st = cbi_report_text(query, METRIC, &task->metric, err)) != CB_OK)
        return st;
    if (cell->text_sha256 == NULL) {
        cell->cell_id = cbi_report_int(query, CELL_ID);
        if ((st = cbi_report_text(query, TEXT_SHA256, &cell->text_sha256, err)) != CB_OK)
            return st;
    }
    if (cbi_report_int(query, CONFIG) != cell->config)
        return CB_OK;
    cell->hidden = cbi_report_int(query, HIDDEN);
    cell->params = cbi_report_int(query, PARAMS);
    return gather(&r->of[is_confirm], query, state, err);
}

static cb_status read_trials(reader *r, const cb_value *study, cb_err *err) {
    char sql[sizeof trials_sql + 32];
    snprintf(sql, sizeof sql, trials_sql, r->draft->options->measure);
    cb_status st = cbi_report_each(r->draft->store, sql, study, 1, take_trial, r, err);
    if (st == CB_OK)
        st = close_cell(r, err);
    for (size_t i = 0; i < 2; i++) {
        cbi_free(r->of[i].values);
        cbi_free(r->of[i].trials);
    }
    return st;
}

/* ---- order, and the search ---- */

/* As the leaderboard has them. */
static int by_place(const void *a, const void *b) {
    const cb_compare_cell *x = a, *y = b;
    if (isnan(x->valid) != isnan(y->valid))
        return isnan(x->valid) ? 1 : -1;
    if (!isnan(x->valid) && x->valid != y->valid)
        return x->valid > y->valid ? 1 : -1;
    return strcmp(x->name, y->name);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static cb_status expect(cb_compare_cell *cell, cb_err *err) {
    const size_t n = cell->budget.settings;
    if (cell->tried_count == 0)
        return CB_OK;
    qsort(cell->tried, cell->tried_count, sizeof *cell->tried, by_value);
    double *all = cbi_calloc(n, sizeof *all);
    cell->expected = cbi_calloc(n, sizeof *cell->expected);
    cb_status st =
        all != NULL && cell->expected != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "%zu settings", n);
    for (size_t i = 0; i < n && st == CB_OK; i++)
        all[i] = cell->tried[i < cell->tried_count ? i : cell->tried_count - 1];
    if (st == CB_OK)
        st = cb_stats_expected_best(all, n, cell->expected, NULL, err);
    cbi_free(all);
    return st;
}

static cb_status arrange(cb_compare_task *task, cb_err *err) {
    cb_status st = CB_OK;
    task->common_settings = SIZE_MAX;
    qsort(task->cells, task->cell_count, sizeof *task->cells, by_place);
    for (size_t i = 0; i < task->cell_count && st == CB_OK; i++) {
        task->cells[i].place = i + 1;
        if (task->cells[i].budget.settings < task->common_settings)
            task->common_settings = task->cells[i].budget.settings;
        st = expect(&task->cells[i], err);
    }
    for (size_t i = 0; i < task->cell_count && st == CB_OK; i++)
        if (task->cells[i].expected != NULL)
            task->cells[i].expected_best = task->cells[i].expected[task->common_settings - 1];
    return st;
}

cb_status cbi_compare_read(cbi_compare_draft *d, cb_err *err) {
    reader r = {.draft = d, .compare = d->compare};
    cb_value study = {.type = CB_VALUE_INT};
    int64_t version;
    cb_status st = cbi_report_version(d->store, 2, &version, err);
    if (st == CB_OK)
        st = cbi_report_study(d->store, d->options->study, &study.integer, err);
    if (st == CB_OK)
        st = cbi_report_each(d->store, settings_sql, &study, 1, take_setting, &r, err);
    if (st == CB_OK)
        st = read_trials(&r, &study, err);
    for (size_t i = 0; i < d->compare->task_count && st == CB_OK; i++)
        st = arrange(&d->compare->tasks[i], err);
    return st == CB_OK ? cbi_compare_facts_read(d, &study, version, err) : st;
}
