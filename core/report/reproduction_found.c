/* SPDX-License-Identifier: MIT */
/* What a study found, as the database has it: its trials in their order, and who computed them. */
#include "report/reproduction_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "report/report_query.h"

typedef struct reader {
    cbi_reproduction *r;
    size_t studies;
    char hash[CBI_SHA256_HEX];
} reader;

/* ---- the study ---- */

enum { STUDY_ID, STUDY, PATH, SCRIPT, COMMIT, REPRODUCES };

static const char study_sql[] =
    "select study_id, name, script_path, script, git_commit, reproduces from study "
    "where (?1 = 0 and reproduces <> '') or study_id = ?1 order by study_id";

static cb_status take_study(void *context, const cb_query *query, cb_err *err) {
    reader *in = context;
    cbi_reproduction *r = in->r;
    if (in->studies++ > 0)
        return CB_OK; /* told as too many */
    const cb_value script = cb_query_column(query, SCRIPT),
                   json = cb_query_column(query, REPRODUCES);
    cbi_sha256_hex(script.text, script.length, in->hash);
    r->study_id = cbi_report_int(query, STUDY_ID);
    r->study = cbi_pool_column(&r->pool, query, STUDY);
    r->script_path = cbi_pool_column(&r->pool, query, PATH);
    r->script_hash = cbi_pool_text(&r->pool, in->hash, strlen(in->hash));
    r->commit = cbi_pool_column(&r->pool, query, COMMIT);
    if (r->pool.failed)
        return cbi_pool_status(&r->pool, err);
    if (json.length == 0)
        return cb_fail(err, CB_EARG,
                       "study '%s' reproduces nothing: its script has no `reproduces`", r->study);
    return cbi_published_read(r, json.text, json.length, err);
}

/* ---- trials ---- */

enum {
    CELL,
    HASH,
    CONFIG,
    STATE,
    VALID,
    TEST,
    EPOCHS,
    WALL,
    CPU,
    FLOP,
    HIDDEN,
    PARAMS,
    TASK,
    DATA,
    METRIC
};

static const char trials_sql[] =
    "select c.name, c.text_sha256, st.config, t.state, a.valid, a.test, a.epochs, a.wall_seconds, "
    "a.cpu_seconds, a.flop, t.hidden, t.param_count, k.name, k.data_sha256, t.metric "
    "from study_trial as st join trial as t on t.trial_id = st.trial_id "
    "join cell as c on c.cell_id = st.cell_id join task as k on k.task_id = t.task_id "
    "left join attempt as a on a.attempt_id = t.result_attempt_id "
    "where st.study_id = ?1 and st.retired = 0 and st.role = 'first' order by st.position";

static int is_text(const cb_query *query, size_t column, const char *text) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_TEXT && value.length == strlen(text) &&
           memcmp(value.text, text, value.length) == 0;
}

/* The number of the row's cell, which is added if it is new; SIZE_MAX without memory. */
static size_t cell_of(cbi_reproduction *r, const cb_query *query) {
    for (size_t i = 0; i < r->cell_count; i++)
        if (is_text(query, CELL, r->cells[i].name))
            return i;
    cbi_found_cell *cell = CBI_POOL_APPEND(&r->pool, r->cells, r->cell_count, r->cell_capacity);
    const char *name = cbi_pool_column(&r->pool, query, CELL),
               *hash = cbi_pool_column(&r->pool, query, HASH);
    if (r->pool.failed)
        return SIZE_MAX;
    cell->name = name;
    cell->hash = hash;
    return r->cell_count - 1;
}

static cb_status take_trial(void *context, const cb_query *query, cb_err *err) {
    cbi_reproduction *r = context;
    const size_t cell = cell_of(r, query);
    cbi_found_trial *t = CBI_POOL_APPEND(&r->pool, r->all, r->all_count, r->all_capacity);
    if (r->metric == NULL) {
        r->task = cbi_pool_column(&r->pool, query, TASK);
        r->data_hash = cbi_pool_column(&r->pool, query, DATA);
        r->metric = cbi_pool_column(&r->pool, query, METRIC);
    }
    if (r->pool.failed)
        return cbi_pool_status(&r->pool, err);
    const int done = is_text(query, STATE, "done");
    *t = (cbi_found_trial){.cell = cell,
                           .config = cbi_report_int(query, CONFIG),
                           .hidden = cbi_report_int(query, HIDDEN),
                           .params = cbi_report_int(query, PARAMS),
                           .epochs = cbi_report_int(query, EPOCHS),
                           .ended = done || is_text(query, STATE, "diverged") ||
                                    is_text(query, STATE, "failed"),
                           .valid = done ? cbi_report_real(query, VALID) : (double)NAN,
                           .test = done ? cbi_report_real(query, TEST) : (double)NAN,
                           .wall_seconds = cbi_report_real(query, WALL),
                           .cpu_seconds = cbi_report_real(query, CPU),
                           .flop = cbi_report_real(query, FLOP)};
    t->diverged = t->ended && (isnan(t->valid) || isnan(t->test));
    return CB_OK;
}

/* Settings are numbered from 1, and come in their order. */
static void count_complete(cbi_reproduction *r) {
    for (size_t c = 0; c < r->cell_count; c++) {
        int64_t last = 0, open = 0;
        for (size_t i = 0; i < r->all_count; i++) {
            if (r->all[i].cell != c)
                continue;
            last = r->all[i].config;
            if (!r->all[i].ended && open == 0)
                open = last;
        }
        r->cells[c].complete = open > 0 ? open - 1 : last;
    }
}

/* Leaves the trials that count, settings 1..n. */
static void keep_balanced(cbi_reproduction *r) {
    size_t kept = 0;
    r->n = r->cell_count > 0 ? r->cells[0].complete : 0;
    for (size_t c = 1; c < r->cell_count; c++)
        if (r->cells[c].complete < r->n)
            r->n = r->cells[c].complete;
    for (size_t i = 0; i < r->all_count; i++)
        if (r->all[i].config <= r->n)
            r->all[kept++] = r->all[i];
        else
            r->left_out += r->all[i].ended != 0;
    r->all_count = kept;
}

/* ---- who computed ---- */

static const char builds_sql[] =
    "select distinct 'cellbench ' || r.version || ', commit ' || r.git_commit || ', ' || r.compiler"
    " || ', ' || r.flags || ', BLIS ' || r.blis_version || ', kernels ' || r.kernel || ', numerics "
    "'"
    " || r.numerics, m.cpu || ', ' || m.instruction_set || ', ' || m.cores || ' cores, ' || "
    "m.system "
    "from study_trial as st join trial as t on t.trial_id = st.trial_id "
    "join attempt as a on a.attempt_id = t.result_attempt_id join run as r on r.run_id = a.run_id "
    "join machine as m on m.machine_id = r.machine_id where st.study_id = ?1 and st.retired = 0 "
    "and st.role = 'first' and st.config <= ?2 order by r.run_id";

static cb_status add_once(cbi_reproduction *r, const char ***list, size_t *count, size_t *capacity,
                          const char *text, cb_err *err) {
    for (size_t i = 0; text != NULL && i < *count; i++)
        if (strcmp((*list)[i], text) == 0)
            return CB_OK;
    const char **place = cbi_pool_append(&r->pool, (void *)list, count, capacity, sizeof **list);
    if (place != NULL)
        *place = text;
    return r->pool.failed ? cbi_pool_status(&r->pool, err) : CB_OK;
}

static cb_status take_build(void *context, const cb_query *query, cb_err *err) {
    cbi_reproduction *r = context;
    cb_status st = add_once(r, &r->builds, &r->build_count, &r->build_capacity,
                            cbi_pool_column(&r->pool, query, 0), err);
    return st == CB_OK ? add_once(r, &r->machines, &r->machine_count, &r->machine_capacity,
                                  cbi_pool_column(&r->pool, query, 1), err)
                       : st;
}

static const char run_sql[] =
    "select command, jobs from run where study_id = ?1 order by run_id desc limit 1";

static cb_status take_run(void *context, const cb_query *query, cb_err *err) {
    cbi_reproduction *r = context;
    r->jobs = cbi_report_int(query, 1);
    return add_once(r, &r->commands, &r->command_count, &r->command_capacity,
                    cbi_pool_column(&r->pool, query, 0), err);
}

static const char hours_sql[] =
    "select sum(a.cpu_seconds)/3600, sum(a.wall_seconds/r.jobs)/3600 from study_trial as st "
    "join trial as t on t.trial_id = st.trial_id "
    "join attempt as a on a.attempt_id = t.result_attempt_id join run as r on r.run_id = a.run_id "
    "where st.study_id = ?1 and st.retired = 0 and st.role = 'first' and st.config <= ?2";

static cb_status take_hours(void *context, const cb_query *query, cb_err *err) {
    cbi_reproduction *r = context;
    (void)err;
    r->hours = cbi_report_real(query, 0);
    r->wall_hours = cbi_report_real(query, 1);
    return CB_OK;
}

/* ---- the whole ---- */

static cb_status find_study(reader *in, cb_store *store, const char *name, cb_err *err) {
    cb_value id = {.type = CB_VALUE_INT};
    cb_status st = cbi_report_study(store, name, &id.integer, err);
    if (st == CB_OK)
        st = cbi_report_each(store, study_sql, &id, 1, take_study, in, err);
    if (st == CB_OK && in->studies != 1)
        st = cb_fail(err, CB_EARG, "%s: %s: %s", cb_store_path(store),
                     in->studies == 0 ? "no study reproduces a paper"
                                      : "several studies reproduce a paper",
                     in->studies == 0 ? "`reproduces` in its script says what was published"
                                      : "--study names one");
    return st;
}

cb_status cbi_found_read(cbi_reproduction *r, cb_store *store, const char *study, cb_err *err) {
    reader in = {.r = r};
    int64_t version;
    cb_status st = cbi_report_version(store, 5, &version, err);
    if (st == CB_OK)
        st = find_study(&in, store, study, err);
    cb_value values[2] = {{.type = CB_VALUE_INT, .integer = r->study_id}, {.type = CB_VALUE_INT}};
    if (st == CB_OK)
        st = cbi_report_each(store, trials_sql, values, 1, take_trial, r, err);
    if (st != CB_OK)
        return st;
    count_complete(r);
    keep_balanced(r);
    values[1].integer = r->n;
    if ((st = cbi_report_each(store, builds_sql, values, 2, take_build, r, err)) == CB_OK &&
        (st = cbi_report_each(store, hours_sql, values, 2, take_hours, r, err)) == CB_OK)
        st = cbi_report_each(store, run_sql, values, 1, take_run, r, err);
    return st;
}
