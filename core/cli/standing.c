/* SPDX-License-Identifier: MIT */
/*
 * The time left is the cost of what is open over the speed of the runs at work. Cost is what the
 * trial may take at most, so it is measured for finished ones in the same unit: a trial that stops
 * early counts in full.
 */
#include "cli/standing.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/cli.h"

/* How studies are counted: where the schema has no view for it, and no costs, every trial costs 1.
 */
static const char counted_before_3[] =
    "select st.study_id as study_id, count(*) as trials, sum(t.state = 'done') as done, "
    "sum(t.state = 'diverged') as diverged, sum(t.state = 'failed') as failed, sum(t.state = "
    "'running') as running, sum(t.state = 'pending') as pending, 1.0 * sum(t.state in ('pending', "
    "'running')) as left_cost from study_trial as st cross join trial as t on t.trial_id = "
    "st.trial_id where st.retired = 0 group by st.study_id";
static const char counted_now[] = "select study_id, trials, done, diverged, failed, running, "
                                  "pending, left_flop as left_cost from progress";

/* What older schemas lack. */
typedef struct dialect {
    const char *counted, *cost, *role, *run_study;
} dialect;

static const dialect dialects[] = {
    {counted_before_3, "1.0", "1", "NULL"},
    {counted_before_3, "1.0", "st.role = 'first'", "NULL"},
    {counted_now, "t.cost_flop", "st.role = 'first'", "r.study_id"},
};

static const dialect *dialect_of(int64_t version) {
    const int64_t known = sizeof dialects / sizeof *dialects;
    return &dialects[version < 1 ? 0 : version > known ? known - 1 : version - 1];
}

const char *cbi_standing_counted(int64_t version) {
    return dialect_of(version)->counted;
}

typedef struct reading {
    cbi_standing *out;
    cb_store *store;
    const dialect *columns;
    int64_t study_id;
    cbi_standing_run *run;                     /* the one that is being read */
    double open_cost, done_cost, done_seconds; /* of the study */
    cb_err *err;
} reading;

/* ---- queries ---- */

typedef cb_status (*row_call)(reading *r, cb_query *query);

/* Calls for each row of a query that may ask for the study. */
static cb_status each_row(reading *r, const char *sql, int of_study, row_call call) {
    const cb_value id = {.type = CB_VALUE_INT, .integer = r->study_id};
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, r->store, sql, &id, of_study ? 1 : 0, r->err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, r->err)) == CB_OK && has_row)
        st = call(r, query);
    cb_query_close(query);
    return st;
}

static cb_status each_rowf(reading *r, int of_study, row_call call, const char *format, ...)
    CB_PRINTF(4, 5);
static cb_status each_rowf(reading *r, int of_study, row_call call, const char *format, ...) {
    char sql[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(sql, sizeof sql, format, list);
    va_end(list);
    return each_row(r, sql, of_study, call);
}

static int64_t integer(const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_INT ? value.integer : 0;
}

static cb_status no_memory(const reading *r) {
    return cb_fail(r->err, CB_ENOMEM, "%s: no memory", cb_store_path(r->store));
}

/* ---- studies ---- */

static cb_status read_version(reading *r, cb_query *query) {
    r->columns = dialect_of(integer(query, 0));
    return CB_OK;
}

static cb_status read_study(reading *r, cb_query *query) {
    cb_study_counts *counts = &r->out->now.counts;
    r->out->studies++;
    r->out->open += integer(query, 6) + integer(query, 7);
    if (r->out->study != NULL)
        return CB_OK;
    r->study_id = integer(query, 0);
    *counts = (cb_study_counts){
        .total = integer(query, 2),
        .done = integer(query, 3),
        .diverged = integer(query, 4),
        .failed = integer(query, 5),
        .running = integer(query, 6),
        .pending = integer(query, 7),
    };
    r->open_cost = cbi_cli_real(query, 8);
    return (r->out->study = cbi_cli_text(query, 1)) != NULL ? CB_OK : no_memory(r);
}

/* All studies, that which is shown first. */
static cb_status read_studies(reading *r, const char *name) {
    char sql[1280];
    snprintf(sql, sizeof sql,
             "select s.study_id, s.name, coalesce(c.trials, 0), coalesce(c.done, 0), "
             "coalesce(c.diverged, 0), coalesce(c.failed, 0), coalesce(c.running, 0), "
             "coalesce(c.pending, 0), coalesce(c.left_cost, 0.0) from study as s left join (%s) as "
             "c on c.study_id = s.study_id order by %s, s.updated_utc desc, s.study_id desc",
             r->columns->counted,
             /* A study that someone works on is the newest of those with open trials. */
             name != NULL ? "s.name = ?1 desc" : "coalesce(c.running + c.pending, 0) > 0 desc");
    const cb_value value = cbi_cli_text_value(name != NULL ? name : "");
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, r->store, sql, &value, name != NULL, r->err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, r->err)) == CB_OK && has_row)
        st = read_study(r, query);
    cb_query_close(query);
    if (st == CB_OK && name != NULL && r->out->study != NULL && strcmp(r->out->study, name) != 0)
        st = cbi_cli_check_study(r->store, name, r->err);
    return st;
}

static cb_status read_cell(reading *r, cb_query *query) {
    cb_progress *now = &r->out->now;
    void *cells = r->out->cells;
    if (cbi_grow(&cells, &r->out->cell_capacity, now->cell_count + 1, sizeof *r->out->cells) !=
        CB_OK)
        return no_memory(r);
    now->cells = r->out->cells = cells;
    char *name = cbi_cli_text(query, 0);
    r->out->cells[now->cell_count++] = (cb_cell_progress){
        .cell = name,
        .done = integer(query, 1),
        .running = integer(query, 2),
        .best_valid = cbi_cli_real(query, 3),
    };
    if (name == NULL)
        return no_memory(r);
    r->done_cost += cbi_cli_real(query, 4);
    r->done_seconds += cbi_cli_real(query, 5);
    if (r->out->metric == NULL && (r->out->metric = cbi_cli_text(query, 6)) == NULL)
        return no_memory(r);
    return CB_OK;
}

static cb_status read_cells(reading *r) {
    const char *cost = r->columns->cost;
    cb_status st = each_rowf(
        r, 1, read_cell,
        "select c.name, sum(t.state in ('done', 'diverged')), sum(t.state = 'running'), "
        "min(a.valid) filter (where t.state = 'done' and %s), total(%s) filter (where "
        "a.wall_seconds > 0 and %s > 0), total(a.wall_seconds) filter (where %s > 0), "
        "max(t.metric) from study_trial as st cross join trial as t on t.trial_id = st.trial_id "
        "cross join cell as c on c.cell_id = st.cell_id left join attempt as a on a.attempt_id = "
        "t.result_attempt_id and t.state in ('done', 'diverged') where st.study_id = ?1 and "
        "st.retired = 0 group by st.cell_id order by min(st.position)",
        r->columns->role, cost, cost, cost);
    r->out->now.metric = r->out->metric;
    return st;
}

/* ---- runs ---- */

cb_status cbi_standing_life(cbi_standing_run *run, cb_store *store, cb_err *err) {
    cb_run_info here;
    int alive = 0, paused = 0;
    cb_run_info_fill(&here);
    cb_status st = cb_store_run_alive(store, run->run_id, &alive, err);
    if (st == CB_OK && alive)
        st = cb_store_run_paused(store, run->run_id, &paused, err);
    run->lives = alive;
    run->works = alive && !paused;
    /* The locks of another machine are not seen from here. */
    const char *no_lock = strcmp(run->host, here.host) == 0 ? "dead" : "not known here";
    run->word = !alive ? no_lock : paused ? "paused" : "alive";
    return st;
}

/* The speed of its last trials. What lies between their ends is told by the clock, the pauses and
 * costs of each trial included; of few, which may have ended at once, by their own time. */
static cb_status read_rate(reading *r, cb_query *query) {
    cbi_standing_run *run = r->run;
    const double count = cbi_cli_real(query, 0), cost = cbi_cli_real(query, 1);
    const double own = cbi_cli_real(query, 2), between = cbi_cli_real(query, 3);
    if (count >= 5.0 * (double)run->jobs && between > 1.0)
        run->rate = cost / between / (double)run->jobs;
    else if (own > 0.0)
        run->rate = cost / own;
    return CB_OK;
}

static cb_status read_last_trials(reading *r) {
    return each_rowf(r, 0, read_rate,
                     "select count(*), total(cost), total(seconds), 86400.0 * "
                     "(julianday(max(ended)) - julianday(min(ended))) from (select %s as cost, "
                     "a.wall_seconds as seconds, a.ended_utc as ended from attempt as a cross join "
                     "trial as t on t.trial_id = a.trial_id where a.run_id = %lld and a.state in "
                     "('done', 'diverged') and %s > 0 order by a.attempt_id desc limit 200)",
                     r->columns->cost, (long long)r->run->run_id, r->columns->cost);
}

static cb_status read_run(reading *r, cb_query *query) {
    cbi_standing_run run = {
        .run_id = integer(query, 0),
        .jobs = integer(query, 1),
        .trials = integer(query, 2),
        .seconds = cbi_cli_real(query, 3),
        .rate = NAN,
        .here = integer(query, 5) != 0,
    };
    char *host = cbi_cli_text(query, 4);
    if (host == NULL)
        return no_memory(r);
    snprintf(run.host, sizeof run.host, "%s", host);
    cbi_free(host);
    cb_status st = cbi_standing_life(&run, r->store, r->err);
    r->out->alive |= run.lives;
    r->run = &run;
    if (st == CB_OK && run.works)
        st = read_last_trials(r);
    r->run = NULL;
    if (st == CB_OK && r->out->run_count++ < CBI_STANDING_RUNS)
        r->out->runs[r->out->run_count - 1] = run;
    return st;
}

static cb_status read_runs(reading *r) {
    return each_rowf(r, 1, read_run,
                     "select r.run_id, r.jobs, (select count(*) from attempt as a where a.run_id = "
                     "r.run_id and a.state = 'running'), 86400.0 * (julianday('now') - "
                     "julianday(r.started_utc)), m.host, coalesce(%s, ?1) = ?1 from run as r cross "
                     "join machine as m on m.machine_id = r.machine_id where r.state = 'running' "
                     "order by r.run_id desc",
                     r->columns->run_study);
}

/* ---- time ---- */

/* The part of a running trial that its time so far has done. */
static cb_status credit_running(reading *r, cb_query *query) {
    const int64_t run_id = integer(query, 0);
    const double cost = cbi_cli_real(query, 1), seconds = cbi_cli_real(query, 2);
    for (size_t i = 0; i < r->out->run_count && i < CBI_STANDING_RUNS; i++) {
        const cbi_standing_run *run = &r->out->runs[i];
        if (run->run_id == run_id && run->works && isfinite(run->rate) && seconds > 0.0)
            r->open_cost -= fmin(cost, seconds * run->rate);
    }
    return CB_OK;
}

static cb_status read_left(reading *r) {
    double speed = 0.0;
    for (size_t i = 0; i < r->out->run_count && i < CBI_STANDING_RUNS; i++) {
        cbi_standing_run *run = &r->out->runs[i];
        if (!isfinite(run->rate) && r->done_seconds > 0.0)
            run->rate = r->done_cost / r->done_seconds; /* like earlier runs of the study */
        if (run->works && run->here && isfinite(run->rate))
            speed += run->rate * (double)run->jobs;
    }
    cb_status st = each_rowf(r, 1, credit_running,
                             "select a.run_id, %s, 86400.0 * (julianday('now') - "
                             "julianday(a.started_utc)) from attempt as a cross join trial as t on "
                             "t.trial_id = a.trial_id cross join study_trial as st on st.study_id "
                             "= ?1 and st.trial_id = a.trial_id where a.state = 'running'",
                             r->columns->cost);
    r->out->now.left_seconds = speed > 0.0 ? fmax(0.0, r->open_cost) / speed : (double)NAN;
    return st;
}

/* ---- failures ---- */

static cb_status read_failure(reading *r, cb_query *query) {
    cbi_standing_failure *failure = &r->out->failures[r->out->failure_count++];
    failure->trial_id = integer(query, 0);
    failure->cell = cbi_cli_text(query, 1);
    failure->reason = cbi_cli_text(query, 2);
    return failure->cell != NULL && failure->reason != NULL ? CB_OK : no_memory(r);
}

static cb_status read_failures(reading *r) {
    return each_rowf(r, 1, read_failure,
                     "select t.trial_id, c.name, coalesce(a.error_text, '') from trial as t cross "
                     "join study_trial as st on st.study_id = ?1 and st.trial_id = t.trial_id and "
                     "st.retired = 0 cross join cell as c on c.cell_id = st.cell_id left join "
                     "attempt as a on a.attempt_id = t.result_attempt_id where t.state = 'failed' "
                     "order by a.ended_utc desc, t.trial_id desc limit %d",
                     (int)CBI_STANDING_FAILURES);
}

/* ---- all of it ---- */

cb_status cbi_standing_read(cbi_standing *out, cb_store *store, const char *study, cb_err *err) {
    static const char anchor_sql[] = "select count(*) from study union all select 0";
    reading r = {.out = out, .store = store, .err = err};
    cb_query *anchor = NULL;
    int has_row = 0;
    memset(out, 0, sizeof *out);
    out->now.left_seconds = NAN;
    /* While this one is open, between its two rows, all others see the same moment. */
    cb_status st = cb_query_open(&anchor, store, anchor_sql, NULL, 0, err);
    if (st != CB_OK || (st = cb_query_next(anchor, &has_row, err)) != CB_OK ||
        (st = each_row(&r, "pragma user_version", 0, read_version)) != CB_OK ||
        (st = read_studies(&r, study)) != CB_OK || (st = read_runs(&r)) != CB_OK ||
        out->study == NULL)
        goto out;
    if ((st = read_cells(&r)) == CB_OK && (st = read_left(&r)) == CB_OK &&
        out->now.counts.failed > 0)
        st = read_failures(&r);
out:
    cb_query_close(anchor);
    return st;
}

void cbi_standing_fini(cbi_standing *s) {
    for (size_t i = 0; i < s->now.cell_count; i++)
        cbi_free((char *)s->cells[i].cell);
    for (size_t i = 0; i < s->failure_count; i++) {
        cbi_free(s->failures[i].cell);
        cbi_free(s->failures[i].reason);
    }
    cbi_free(s->cells);
    cbi_free(s->study);
    cbi_free(s->metric);
    memset(s, 0, sizeof *s);
}
