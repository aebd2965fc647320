/* SPDX-License-Identifier: MIT */
/*
 * Reading a database for a report: one list of queries, each with the function that takes its rows.
 * Every query is bound to ?1, the study, and ?2, the task.
 */
#include "report/report_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "report/report_query.h"

typedef struct reader {
    cbi_report_part *part;
    cbi_pool *pool;
    void (*take)(struct reader *r, const cb_query *query);
} reader;

/* The index of the cell of that name; the number of cells if there is none. */
static size_t cell_of(const reader *r, const cb_query *query, size_t column) {
    const cb_compare_task *task = r->part->compare;
    const cb_value name = cb_query_column(query, column);
    size_t i = 0;
    while (i < task->cell_count && (strlen(task->cells[i].name) != name.length ||
                                    memcmp(task->cells[i].name, name.text, name.length) != 0))
        i++;
    return i;
}

static void take_study(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    const char **const texts[] = {&part->script_path, &part->script,      &part->git_commit,
                                  &part->created_utc, &part->updated_utc, &part->task_settings,
                                  &part->data_sha256};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = cbi_pool_column(r->pool, query, i);
    if (part->script != NULL)
        cbi_sha256_hex(part->script, strlen(part->script), part->script_sha256);
}

static void take_trial(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    const size_t cell = cell_of(r, query, 0);
    cbi_report_trial *trial =
        cell < part->compare->cell_count
            ? CBI_POOL_APPEND(r->pool, part->trials, part->trial_count, part->trial_capacity)
            : NULL;
    if (trial != NULL)
        *trial = (cbi_report_trial){.cell = cell,
                                    .trial_id = cbi_report_int(query, 1),
                                    .config = cbi_report_int(query, 2),
                                    .seed = cbi_report_int(query, 3),
                                    .params = cbi_report_int(query, 4),
                                    .confirm = cbi_report_int(query, 5) != 0,
                                    .valid = cbi_report_real(query, 6),
                                    .test = cbi_report_real(query, 7),
                                    .cpu_seconds = cbi_report_real(query, 8)};
}

static void take_setting(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    const size_t cell = cell_of(r, query, 0);
    cbi_report_setting *setting =
        cell < part->compare->cell_count
            ? CBI_POOL_APPEND(r->pool, part->settings, part->setting_count, part->setting_capacity)
            : NULL;
    if (setting != NULL)
        *setting = (cbi_report_setting){.cell = cell,
                                        .config = cbi_report_int(query, 1),
                                        .params = cbi_report_int(query, 2),
                                        .n = cbi_report_int(query, 3),
                                        .valid = cbi_report_real(query, 4),
                                        .cpu_seconds = cbi_report_real(query, 5)};
}

static void take_equations(reader *r, const cb_query *query) {
    const size_t cell = cell_of(r, query, 0);
    if (cell < r->part->compare->cell_count) {
        r->part->cells[cell].source = cbi_pool_column(r->pool, query, 1);
        r->part->cells[cell].text = cbi_pool_column(r->pool, query, 2);
    }
}

static void take_failure(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    cbi_report_failure *failure =
        CBI_POOL_APPEND(r->pool, part->failures, part->failure_count, part->failure_capacity);
    if (failure != NULL)
        *failure = (cbi_report_failure){.cell = cbi_pool_column(r->pool, query, 0),
                                        .state = cbi_pool_column(r->pool, query, 1),
                                        .text = cbi_pool_column(r->pool, query, 2),
                                        .count = cbi_report_int(query, 3),
                                        .trial_id = cbi_report_int(query, 4)};
}

static void take_run(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    cbi_report_run *run = CBI_POOL_APPEND(r->pool, part->runs, part->run_count, part->run_capacity);
    if (run == NULL)
        return;
    const char **const texts[] = {&run->command,         &run->version, &run->git_commit,
                                  &run->compiler,        &run->flags,   &run->blis_version,
                                  &run->kernel,          &run->state,   &run->started_utc,
                                  &run->ended_utc,       &run->host,    &run->cpu,
                                  &run->instruction_set, &run->system};
    int64_t *const integers[] = {&run->run_id, &run->numerics,     &run->jobs,
                                 &run->cores,  &run->memory_bytes, &run->trials};
    const size_t n = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < n; i++)
        *texts[i] = cbi_pool_column(r->pool, query, i);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        *integers[i] = cbi_report_int(query, n + i);
    run->denormals_flushed = cbi_report_int(query, n + sizeof integers / sizeof *integers) != 0;
}

static void set_option(reader *r, const cb_query *query, cbi_report_option *option) {
    if (option != NULL)
        *option = (cbi_report_option){.name = cbi_pool_column(r->pool, query, 0),
                                      .value = cbi_pool_column(r->pool, query, 1),
                                      .distinct = cbi_report_int(query, 2)};
}

static void take_option(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    set_option(r, query,
               CBI_POOL_APPEND(r->pool, part->options, part->option_count, part->option_capacity));
}

static void take_varied(reader *r, const cb_query *query) {
    cbi_report_part *part = r->part;
    set_option(r, query,
               CBI_POOL_APPEND(r->pool, part->varied, part->varied_count, part->varied_capacity));
}

static void take_counts(reader *r, const cb_query *query) {
    r->part->first_seeds = cbi_report_int(query, 0);
    r->part->confirm_trials = cbi_report_int(query, 1);
    r->part->weights_kept = cbi_report_int(query, 2);
}

/* Trials of the study's present list on this task, with the attempt whose numbers count. */
#define LISTED                                                                                     \
    "from study_trial as st join trial as t on t.trial_id = st.trial_id "                          \
    "join cell as c on c.cell_id = st.cell_id "                                                    \
    "left join attempt as a on a.attempt_id = t.result_attempt_id "                                \
    "where st.study_id = ?1 and t.task_id = ?2 and st.retired = 0 "

/* One value as it is; several as "least .. largest", numbers before texts. */
#define SHORT(value) "iif(typeof(" value ") = 'real', format('%.4g', " value "), " value ")"
#define RANGE_OF(value)                                                                            \
    "case count(distinct " value                                                                   \
    ") when 0 then 'none' when 1 then " SHORT("min(" value ")") " || '' else " SHORT(              \
        "min(" value ")") " || ' to ' || " SHORT("max(" value ")") " end, "

static const struct {
    const char *sql;
    void (*take)(reader *r, const cb_query *query);
} queries[] = {
    {"select s.script_path, s.script, s.git_commit, s.created_utc, s.updated_utc, coalesce((select "
     "group_concat(j.key || ' ' || coalesce(j.value, 'none'), ', ') from "
     "json_each(iif(json_valid(k.identity), k.identity, '{}')) as j), ''), k.data_sha256 "
     "from study as s, task as k where s.study_id = ?1 and k.task_id = ?2",
     take_study},
    {"select c.name, t.trial_id, st.config, t.seed, t.param_count, st.role = 'confirm', a.valid, "
     "a.test, a.cpu_seconds " LISTED "and t.state = 'done' order by st.position",
     take_trial},
    {"select c.name, st.config, max(t.param_count), count(a.valid), avg(a.valid), "
     "avg(a.cpu_seconds) " LISTED "and t.state = 'done' and st.role = 'first' "
     "group by c.name, st.config having count(a.valid) > 0",
     take_setting},
    {"select c.name, c.source, c.text " LISTED "group by c.cell_id order by max(st.position)",
     take_equations},
    {"select c.name, t.state, coalesce(a.error_text, ''), count(*), min(t.trial_id) " LISTED
     "and t.state in ('failed', 'diverged') group by c.name, t.state, coalesce(a.error_text, '') "
     "order by t.state = 'diverged', count(*) desc, c.name limit 200",
     take_failure},
    {"select r.command, r.version, r.git_commit, r.compiler, r.flags, r.blis_version, r.kernel, "
     "r.state, r.started_utc, coalesce(r.ended_utc, ''), m.host, m.cpu, m.instruction_set, "
     "m.system, r.run_id, r.numerics, r.jobs, m.cores, m.memory_bytes, u.trials, "
     "r.denormals_flushed from (select a.run_id as run_id, count(*) as trials " LISTED
     "and a.run_id is not null group by a.run_id) as u join run as r on r.run_id = u.run_id "
     "join machine as m on m.machine_id = r.machine_id order by r.run_id",
     take_run},
    {"select j.key, " RANGE_OF(
         "j.value") "count(distinct j.value) "
                    "from study_trial as st join trial as t on t.trial_id = st.trial_id "
                    "join specification as x on x.trial_id = t.trial_id, "
                    "json_each(iif(json_valid(x.spec), x.spec, '{}'), '$.train') as j "
                    "where st.study_id = ?1 and t.task_id = ?2 and st.retired = 0 group by j.key "
                    "order by j.key",
     take_option},
    {"select x.name, " RANGE_OF(
         "coalesce(x.integer, x.real, x.text)") "count(distinct coalesce(x.integer, x.real, "
                                                "x.text)) from study_trial as st "
                                                "join trial as t on t.trial_id = st.trial_id join "
                                                "setting as x on x.study_id = st.study_id "
                                                "and x.trial_id = st.trial_id where st.study_id = "
                                                "?1 and t.task_id = ?2 and st.retired = 0 "
                                                "group by x.name order by x.name",
     take_varied},
    {"select count(distinct t.seed) filter (where st.role = 'first'), "
     "sum(st.role = 'confirm'), sum(a.weights_file <> '') " LISTED,
     take_counts},
};

static cb_status take_row(void *context, const cb_query *query, cb_err *err) {
    reader *r = context;
    r->take(r, query);
    return cbi_pool_status(r->pool, err);
}

/* Pairs cost most, and a page shows a few. */
static cb_status read_importance(cbi_report_part *part, cb_store *store, cb_err *err) {
    enum { PAIRS = 5, PAIRS_ROWS = 2000 };
    const cb_importance_options options = {.study = part->compare->study,
                                           .pairs = part->setting_count <= PAIRS_ROWS ? PAIRS : 0};
    return cb_importance_read(&part->importance, store, &options, err);
}

static cb_status read_part(cbi_report_part *part, cb_store *store, cbi_pool *pool, cb_err *err) {
    const cb_value at[] = {{.type = CB_VALUE_INT, .integer = part->compare->study_id},
                           {.type = CB_VALUE_INT, .integer = part->compare->task_id}};
    reader r = {part, pool, NULL};
    part->cells = cbi_pool_take(pool, part->compare->cell_count + 1, sizeof *part->cells);
    cb_status st = cbi_pool_status(pool, err);
    for (size_t i = 0; st == CB_OK && i < part->compare->cell_count; i++)
        part->cells[i].source = part->cells[i].text = "";
    for (size_t i = 0; st == CB_OK && i < sizeof queries / sizeof *queries; i++) {
        r.take = queries[i].take;
        st = cbi_report_each(store, queries[i].sql, at, 2, take_row, &r, err);
    }
    if (st == CB_OK)
        st = cbi_report_read_curves(part, store, pool, err);
    return st == CB_OK ? read_importance(part, store, err) : st;
}

cb_status cbi_report_read(cbi_report_data *out, cb_store *store, const char *study, cb_err *err) {
    const cb_compare_options options = {.study = study};
    *out = (cbi_report_data){.parts = NULL};
    (void)snprintf(out->database, sizeof out->database, "%s", cb_store_path(store));
    cb_status st = cb_compare_read(&out->compare, store, &options, err);
    if (st != CB_OK)
        return st;
    out->parts = cbi_pool_take(&out->pool, out->compare->task_count + 1, sizeof *out->parts);
    st = cbi_pool_status(&out->pool, err);
    for (size_t i = 0; st == CB_OK && i < out->compare->task_count; i++) {
        out->parts[i].compare = &out->compare->tasks[i];
        st = read_part(&out->parts[i], store, &out->pool, err);
    }
    if (st != CB_OK)
        cbi_report_data_fini(out);
    return st;
}

void cbi_report_data_fini(cbi_report_data *data) {
    for (size_t i = 0; data->parts != NULL && i < data->compare->task_count; i++)
        cb_importance_destroy(data->parts[i].importance);
    cb_compare_destroy(data->compare);
    cbi_pool_fini(&data->pool);
    *data = (cbi_report_data){.parts = NULL};
}
