/* SPDX-License-Identifier: MIT */
/*
 * What stands around the values: the best settings in words and where the search for them ended,
 * what the results were computed with, whether a run is at work, and which studies have no trials.
 */
#include "report/compare_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "report/report_query.h"

/* ---- the settings in words, and where the search ended ---- */

static const char setting_sql[] =
    "select x.name, coalesce(x.integer, x.real, x.text), min(coalesce(y.integer, y.real)), "
    "max(coalesce(y.integer, y.real)), count(distinct coalesce(y.integer, y.real)) "
    "from setting as x "
    "join study_trial as st on st.study_id = x.study_id and st.cell_id in (select cell_id from "
    "cell where name = ?4) and st.retired = 0 and st.role = 'first' "
    "join trial as t on t.trial_id = st.trial_id and t.task_id = ?3 "
    "left join setting as y on y.study_id = x.study_id and y.trial_id = st.trial_id "
    "and y.name = x.name and y.type in ('integer', 'real') "
    "where x.study_id = ?1 and x.trial_id = (select b.trial_id from study_trial as b "
    "join trial as bt on bt.trial_id = b.trial_id join cell as bc on bc.cell_id = b.cell_id "
    "where b.study_id = ?1 and b.retired = 0 and b.config = ?2 and bt.task_id = ?3 "
    "and bc.name = ?4 order by b.role <> 'first', b.position limit 1) "
    "group by x.name order by x.name";

enum { LEVELS_LEAST = 3 }; /* of a setting that has an edge: with two, each value is at one */

typedef struct described {
    cbi_text setting;
    cbi_text edges;
} described;

static cb_status take_value(void *context, const cb_query *query, cb_err *err) {
    described *d = context;
    (void)err;
    const cb_value name = cb_query_column(query, 0), value = cb_query_column(query, 1);
    const double real = cbi_report_real(query, 1);
    cbi_text_addf(&d->setting, "%s%.*s=", d->setting.length > 0 ? " " : "", (int)name.length,
                  name.text);
    if (value.type == CB_VALUE_INT)
        cbi_text_addf(&d->setting, "%" PRId64, value.integer);
    else if (value.type == CB_VALUE_REAL)
        cbi_text_addf(&d->setting, "%.4g", value.real);
    else if (value.type == CB_VALUE_TEXT)
        cbi_text_add_n(&d->setting, value.text, value.length);
    else
        cbi_text_add(&d->setting, "none");
    const int is_lowest = real <= cbi_report_real(query, 2);
    const int is_highest = real >= cbi_report_real(query, 3);
    if (cbi_report_int(query, 4) >= LEVELS_LEAST && (is_lowest || is_highest))
        cbi_text_addf(&d->edges, "%s%s %.*s", d->edges.length > 0 ? ", " : "",
                      is_lowest ? "lowest" : "highest", (int)name.length, name.text);
    return CB_OK;
}

static cb_status describe(cbi_compare_draft *d, size_t number, cb_compare_cell *cell, cb_err *err) {
    const cb_compare_task *task = &d->compare->tasks[number];
    const cb_value at[] = {
        {.type = CB_VALUE_INT, .integer = task->study_id},
        {.type = CB_VALUE_INT, .integer = cell->config},
        {.type = CB_VALUE_INT, .integer = task->task_id},
        {.type = CB_VALUE_TEXT, .text = cell->name, .length = strlen(cell->name)}};
    described found = {.setting = {0}};
    cb_status st = cbi_report_each(d->store, setting_sql, at, 4, take_value, &found, err);
    cbi_text *edges = &d->facts[number].edges;
    if (st == CB_OK && found.edges.length > 0)
        cbi_text_addf(edges, "%s%s (%s)", edges->length > 0 ? ", " : "", cell->name,
                      found.edges.data);
    if (st == CB_OK && (found.edges.failed || edges->failed))
        st = cb_fail(err, CB_ENOMEM, "the settings of a cell");
    if (st == CB_OK)
        st = cbi_text_take(&found.setting, &cell->setting, err);
    cbi_text_fini(&found.setting);
    cbi_text_fini(&found.edges);
    return st;
}

/* ---- what the results were computed with ---- */

static const char facts_sql[] =
    "select st.study_id, t.task_id, count(distinct a.numerics || ' ' || a.instruction_set), "
    "group_concat(distinct a.instruction_set || ', numerics ' || a.numerics), "
    "count(distinct r.machine_id) from study_trial as st "
    "join trial as t on t.trial_id = st.trial_id and t.state in ('done', 'diverged') "
    "join attempt as a on a.attempt_id = t.result_attempt_id "
    "join run as r on r.run_id = a.run_id "
    "where st.retired = 0 and (?1 = 0 or st.study_id = ?1) group by st.study_id, t.task_id";

static cb_status take_facts(void *context, const cb_query *query, cb_err *err) {
    cbi_compare_draft *d = context;
    for (size_t i = 0; i < d->compare->task_count; i++) {
        cbi_compare_facts *f = &d->facts[i];
        if (d->compare->tasks[i].study_id != cbi_report_int(query, 0) ||
            d->compare->tasks[i].task_id != cbi_report_int(query, 1) || f->arithmetic_list != NULL)
            continue;
        f->arithmetics = (size_t)cbi_report_int(query, 2);
        f->machines = (size_t)cbi_report_int(query, 4);
        return cbi_report_text(query, 3, &f->arithmetic_list, err);
    }
    return CB_OK;
}

static cb_status take_run(void *context, const cb_query *query, cb_err *err) {
    cbi_compare_draft *d = context;
    int alive = 0;
    cb_status st = cb_store_run_alive(d->store, cbi_report_int(query, 0), &alive, err);
    for (size_t i = 0; i < d->compare->task_count && alive; i++)
        d->compare->tasks[i].running = 1;
    return st;
}

/* ---- studies without trials, and lists that are not all there yet ---- */

static cb_status take_study(void *context, const cb_query *query, cb_err *err) {
    cbi_compare_draft *d = context;
    char *name = NULL;
    cbi_text note = {0};
    char *text = NULL;
    const int64_t study_id = cbi_report_int(query, 0), missing = cbi_report_int(query, 2);
    int has_task = 0;
    for (size_t i = 0; i < d->compare->task_count; i++)
        has_task |= d->compare->tasks[i].study_id == study_id;
    if (has_task && missing <= 0)
        return CB_OK;
    cb_status st = cbi_report_text(query, 1, &name, err);
    if (st == CB_OK) {
        if (!has_task)
            cbi_text_addf(&note, "study '%s' has no trials yet", name);
        else
            cbi_text_addf(&note,
                          "%" PRId64 " trials of study '%s' are not in the list yet: its "
                          "run has not come to them",
                          missing, name);
        st = cbi_text_take(&note, &text, err);
    }
    if (st == CB_OK)
        st = cbi_report_add(&d->compare->notes, &d->compare->note_count, text, err);
    cbi_text_fini(&note);
    cbi_free(name);
    return st;
}

static cb_status read_notes(cbi_compare_draft *d, const cb_value *study, int64_t version,
                            cb_err *err) {
    /* Lists that are registered as they are run came with version 3. */
    const char *sql = version >= 3
                          ? "select study_id, name, trial_count - registered from study where "
                            "?1 = 0 or study_id = ?1 order by study_id"
                          : "select study_id, name, 0 from study where ?1 = 0 or study_id = ?1 "
                            "order by study_id";
    cb_status st = cbi_report_each(d->store, sql, study, 1, take_study, d, err);
    if (st == CB_OK && d->compare->task_count == 0 && d->compare->note_count == 0)
        st = cbi_report_add(&d->compare->notes, &d->compare->note_count,
                            cbi_strdup("there is no study yet"), err);
    return st;
}

cb_status cbi_compare_facts_read(cbi_compare_draft *d, const cb_value *study, int64_t version,
                                 cb_err *err) {
    cb_status st = CB_OK;
    d->facts = cbi_calloc(d->compare->task_count + 1, sizeof *d->facts);
    if (d->facts == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu tasks", d->compare->task_count);
    st = cbi_report_each(d->store, facts_sql, study, 1, take_facts, d, err);
    if (st == CB_OK)
        st = cbi_report_each(d->store, "select run_id from run where state = 'running'", NULL, 0,
                             take_run, d, err);
    for (size_t t = 0; t < d->compare->task_count && st == CB_OK; t++)
        for (size_t i = 0; i < d->compare->tasks[t].cell_count && st == CB_OK; i++)
            st = describe(d, t, &d->compare->tasks[t].cells[i], err);
    return st == CB_OK ? read_notes(d, study, version, err) : st;
}
