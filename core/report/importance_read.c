/* SPDX-License-Identifier: MIT */
/* Reading: the trials of a study as rows, one for each cell and setting, and what was set. */
#include "report/importance_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/report_query.h"

/* ---- rows ---- */

enum { STUDY, TASK, STUDY_NAME, TASK_NAME, METRIC, CELL, CONFIG, STATE, VALID, TRIAL };

static const char rows_sql[] =
    "select st.study_id, t.task_id, s.name, k.name, t.metric, c.name, st.config, t.state, a.valid, "
    "t.trial_id from study_trial as st join study as s on s.study_id = st.study_id "
    "join trial as t on t.trial_id = st.trial_id join cell as c on c.cell_id = st.cell_id "
    "join task as k on k.task_id = t.task_id "
    "left join attempt as a on a.attempt_id = t.result_attempt_id and t.state = 'done' "
    "where st.retired = 0 and st.role = 'first' and (?1 = 0 or st.study_id = ?1) "
    "and (?2 = 0 or st.config <= ?2) order by st.study_id, k.name, t.task_id, c.name, st.config, "
    "t.seed, st.position";

static cb_status add_table(cbi_importance_draft *d, const cb_query *query, cb_err *err) {
    void *block = d->tables;
    if (cbi_grow(&block, &d->table_capacity, d->table_count + 1, sizeof *d->tables) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu tasks", d->table_count + 1);
    d->tables = block;
    cbi_importance_table *t = &d->tables[d->table_count++];
    *t = (cbi_importance_table){.study_id = cbi_report_int(query, STUDY),
                                .task_id = cbi_report_int(query, TASK)};
    cb_status st = cbi_report_text(query, STUDY_NAME, &t->study, err);
    if (st == CB_OK)
        st = cbi_report_text(query, TASK_NAME, &t->task, err);
    return st == CB_OK ? cbi_report_text(query, METRIC, &t->metric, err) : st;
}

static cb_status add_row(cbi_importance_table *t, int64_t config, int64_t trial_id, cb_err *err) {
    void *block = t->rows;
    if (cbi_grow(&block, &t->row_capacity, t->row_count + 1, sizeof *t->rows) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu settings", t->row_count + 1);
    t->rows = block;
    t->rows[t->row_count++] =
        (cbi_importance_row){.cell = t->cell_count - 1, .config = config, .trial_id = trial_id};
    return CB_OK;
}

static int is_text(const cb_value *value, const char *text) {
    return value->type == CB_VALUE_TEXT && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}

static cb_status take_row(void *context, const cb_query *query, cb_err *err) {
    cbi_importance_draft *d = context;
    cb_status st = CB_OK;
    cbi_importance_table *t = d->table_count > 0 ? &d->tables[d->table_count - 1] : NULL;
    if (t == NULL || t->study_id != cbi_report_int(query, STUDY) ||
        t->task_id != cbi_report_int(query, TASK)) {
        if ((st = add_table(d, query, err)) != CB_OK)
            return st;
        t = &d->tables[d->table_count - 1];
    }
    const cb_value cell = cb_query_column(query, CELL), state = cb_query_column(query, STATE);
    const int64_t config = cbi_report_int(query, CONFIG);
    const int new_cell = t->cell_count == 0 || !is_text(&cell, t->cells[t->cell_count - 1]);
    if (new_cell) {
        char *name = NULL;
        if ((st = cbi_report_text(query, CELL, &name, err)) != CB_OK ||
            (st = cbi_report_add(&t->cells, &t->cell_count, name, err)) != CB_OK)
            return st;
    }
    if (new_cell || t->rows[t->row_count - 1].config != config)
        if ((st = add_row(t, config, cbi_report_int(query, TRIAL), err)) != CB_OK)
            return st;
    cbi_importance_row *row = &t->rows[t->row_count - 1];
    const double valid = cbi_report_real(query, VALID);
    if (is_text(&state, "done") && !isnan(valid)) {
        row->sum += valid;
        row->done++;
    } else if (is_text(&state, "diverged") || is_text(&state, "done")) {
        row->diverged++;
    } else {
        row->other++;
    }
    return CB_OK;
}

/* ---- what was set ---- */

static const char settings_sql[] =
    "select name, type, coalesce(integer, real), text, trial_id from setting where study_id = ?1 "
    "order by name, trial_id";

/* The rows of a table by the trial that stands for them, for the search by halves. */
typedef struct finder {
    cbi_importance_table *table;
    const cb_importance_options *options;
    size_t *by_trial;
    size_t column_capacity;
} finder;

static void sift(const cbi_importance_table *t, size_t *order, size_t from, size_t n) {
    for (size_t i = from, child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && t->rows[order[child + 1]].trial_id > t->rows[order[child]].trial_id)
            child++;
        if (t->rows[order[i]].trial_id >= t->rows[order[child]].trial_id)
            return;
        const size_t moved = order[i];
        order[i] = order[child];
        order[child] = moved;
    }
}

/* Heap sort: the order needs the table, which qsort() cannot be given. */
static void sort_by_trial(const cbi_importance_table *t, size_t *order) {
    for (size_t i = 0; i < t->row_count; i++)
        order[i] = i;
    for (size_t i = t->row_count / 2; i-- > 0;)
        sift(t, order, i, t->row_count);
    for (size_t n = t->row_count; n > 1;) {
        const size_t last = order[--n];
        order[n] = order[0];
        order[0] = last;
        sift(t, order, 0, n);
    }
}

/* SIZE_MAX: a trial that no row stands on. */
static size_t row_of(const finder *f, int64_t trial_id) {
    size_t low = 0, high = f->table->row_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int64_t at = f->table->rows[f->by_trial[middle]].trial_id;
        if (at == trial_id)
            return f->by_trial[middle];
        if (at < trial_id)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

static cb_status add_column(finder *f, const cb_query *query, cb_err *err) {
    cbi_importance_table *t = f->table;
    void *columns = t->columns, *x = t->x;
    const size_t n = t->column_count;
    size_t none = 0, cells = 0;
    if (cbi_grow(&columns, &f->column_capacity, n + 1, sizeof *t->columns) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu settings", n + 1);
    t->columns = columns;
    if (cb_size_mul(n + 1, t->row_count, &cells) != CB_OK ||
        cbi_grow(&x, &none, cells, sizeof *t->x) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu settings of %zu rows", n + 1, t->row_count);
    t->x = x;
    t->columns[n] = (cbi_importance_column){.name = NULL};
    t->column_count++;
    for (size_t i = 0; i < t->row_count; i++)
        t->x[n * t->row_count + i] = (double)NAN;
    return cbi_report_text(query, 0, &t->columns[n].name, err);
}

/* The number of a category, which is added if it is new. */
static cb_status category(cbi_importance_column *c, const char *word, double *out, cb_err *err) {
    size_t i = 0;
    cb_status st = CB_OK;
    while (i < c->word_count && strcmp(c->words[i], word) != 0)
        i++;
    if (i == c->word_count)
        st = cbi_report_add(&c->words, &c->word_count, cbi_strdup(word), err);
    *out = (double)i;
    return st;
}

/* A column with any text is one of categories: numbers in it become words as well. */
static cb_status make_category(finder *f, cb_err *err) {
    cbi_importance_table *t = f->table;
    cbi_importance_column *c = &t->columns[t->column_count - 1];
    double *x = t->x + (t->column_count - 1) * t->row_count;
    cb_status st = CB_OK;
    c->is_category = 1;
    for (size_t i = 0; i < t->row_count && st == CB_OK; i++) {
        char number[32];
        if (!isnan(x[i]))
            st = category(c, cbi_number(number, x[i]), &x[i], err);
    }
    return st;
}

static int is_wanted(const cb_importance_options *options, const cb_value *name) {
    size_t i = 0;
    while (i < options->setting_count && !is_text(name, options->settings[i]))
        i++;
    return options->setting_count == 0 || i < options->setting_count;
}

static cb_status take_setting(void *context, const cb_query *query, cb_err *err) {
    finder *f = context;
    cbi_importance_table *t = f->table;
    cb_status st = CB_OK;
    const cb_value name = cb_query_column(query, 0), type = cb_query_column(query, 1);
    if (!is_wanted(f->options, &name))
        return CB_OK;
    if (t->column_count == 0 || !is_text(&name, t->columns[t->column_count - 1].name))
        if ((st = add_column(f, query, err)) != CB_OK)
            return st;
    cbi_importance_column *c = &t->columns[t->column_count - 1];
    const size_t row = row_of(f, cbi_report_int(query, 4));
    if (row == SIZE_MAX || is_text(&type, "null"))
        return CB_OK;
    double *x = t->x + (t->column_count - 1) * t->row_count;
    const int is_word = is_text(&type, "text");
    if (is_word && !c->is_category && (st = make_category(f, err)) != CB_OK)
        return st;
    if (!c->is_category) {
        x[row] = cbi_report_real(query, 2);
        return CB_OK;
    }
    char number[32];
    char *word = NULL;
    if (is_word)
        st = cbi_report_text(query, 3, &word, err);
    if (st == CB_OK)
        st = category(c, is_word ? word : cbi_number(number, cbi_report_real(query, 2)), &x[row],
                      err);
    cbi_free(word);
    return st;
}

/* Settings are the same with all seeds, so those of a row's first trial are read. */
static cb_status read_settings(cbi_importance_draft *d, cbi_importance_table *t, cb_err *err) {
    const cb_value study = {.type = CB_VALUE_INT, .integer = t->study_id};
    finder f = {.table = t,
                .options = d->options,
                .by_trial = cbi_calloc(t->row_count + 1, sizeof *f.by_trial)};
    if (f.by_trial == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu rows", t->row_count);
    sort_by_trial(t, f.by_trial);
    cb_status st = cbi_report_each(d->store, settings_sql, &study, 1, take_setting, &f, err);
    cbi_free(f.by_trial);
    return st;
}

/* ---- the whole ---- */

static cb_status take_note(void *context, const cb_query *query, cb_err *err) {
    cbi_importance_draft *d = context;
    cbi_text text = {0};
    char *name = NULL, *note = NULL;
    for (size_t i = 0; i < d->table_count; i++)
        if (d->tables[i].study_id == cbi_report_int(query, 0))
            return CB_OK;
    cb_status st = cbi_report_text(query, 1, &name, err);
    if (st == CB_OK) {
        cbi_text_addf(&text, "study '%s' has no trials yet", name);
        st = cbi_text_take(&text, &note, err);
    }
    if (st == CB_OK)
        st = cbi_report_add(&d->importance->notes, &d->importance->note_count, note, err);
    cbi_text_fini(&text);
    cbi_free(name);
    return st;
}

cb_status cbi_importance_load(cbi_importance_draft *d, cb_err *err) {
    cb_value values[2] = {{.type = CB_VALUE_INT},
                          {.type = CB_VALUE_INT, .integer = d->options->configs}};
    int64_t version;
    cb_status st = cbi_report_version(d->store, 2, &version, err);
    if (st == CB_OK)
        st = cbi_report_study(d->store, d->options->study, &values[0].integer, err);
    if (st == CB_OK)
        st = cbi_report_each(d->store, rows_sql, values, 2, take_row, d, err);
    for (size_t i = 0; i < d->table_count && st == CB_OK; i++)
        st = read_settings(d, &d->tables[i], err);
    if (st == CB_OK)
        st = cbi_report_each(d->store,
                             "select study_id, name from study where ?1 = 0 or study_id = ?1 "
                             "order by study_id",
                             values, 1, take_note, d, err);
    if (st == CB_OK && d->table_count == 0 && d->importance->note_count == 0)
        st = cbi_report_add(&d->importance->notes, &d->importance->note_count,
                            cbi_strdup("there is no study yet"), err);
    return st;
}

static void table_fini(cbi_importance_table *t) {
    for (size_t i = 0; i < t->cell_count; i++)
        cbi_free(t->cells[i]);
    for (size_t i = 0; i < t->column_count; i++) {
        for (size_t k = 0; k < t->columns[i].word_count; k++)
            cbi_free(t->columns[i].words[k]);
        cbi_free(t->columns[i].words);
        cbi_free(t->columns[i].name);
    }
    void *const blocks[] = {t->study, t->task, t->metric, t->cells, t->rows, t->columns, t->x};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

void cbi_importance_unload(cbi_importance_draft *d) {
    for (size_t i = 0; i < d->table_count; i++)
        table_fini(&d->tables[i]);
    cbi_free(d->tables);
}
