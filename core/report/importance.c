/* SPDX-License-Identifier: MIT */
/*
 * Importance as a whole: for each table the groups (all cells, each cell), for each group the rows
 * with their values, the settings that vary among them, the forest, and what it says of each.
 */
#include "cellbench/importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/stats.h"
#include "report/importance_internal.h"
#include "report/report_query.h"

enum { CELL = -1 }; /* a column that is the cell itself */

/* The rows and settings of a group, as the forest takes them. */
typedef struct design {
    size_t *row; /* of the table */
    double *y;
    size_t rows;
    int *column; /* of the table, or CELL */
    cb_fanova_kind *kinds;
    size_t *active; /* rows that have it */
    size_t axes;
    double *x; /* [rows][axes] */
} design;

static void design_fini(design *g) {
    void *const blocks[] = {g->row, g->y, g->column, g->kinds, g->active, g->x};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

/* ---- rows with a value ---- */

static double worst_of(const cbi_importance_table *t, size_t cell) {
    double worst = -INFINITY;
    for (size_t i = 0; i < t->row_count; i++)
        if ((cell == t->cell_count || t->rows[i].cell == cell) && t->rows[i].done > 0)
            worst = fmax(worst, t->rows[i].sum / (double)t->rows[i].done);
    return worst;
}

static cb_status choose_rows(const cbi_importance_draft *d, const cbi_importance_table *t,
                             size_t cell, cb_importance_group *group, design *g, cb_err *err) {
    const double worst = worst_of(t, cell);
    g->row = cbi_calloc(t->row_count + 1, sizeof *g->row);
    g->y = cbi_calloc(t->row_count + 1, sizeof *g->y);
    if (g->row == NULL || g->y == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu rows", t->row_count);
    for (size_t i = 0; i < t->row_count; i++) {
        const cbi_importance_row *r = &t->rows[i];
        if (cell != t->cell_count && r->cell != cell)
            continue;
        const int counts = d->options->diverged == CB_IMPORTANCE_WORST && isfinite(worst);
        const size_t n = r->done + (counts ? r->diverged : 0);
        group->diverged += r->diverged > 0;
        const double y = (r->sum + (counts ? (double)r->diverged * worst : 0.0)) / (double)n;
        if (!isfinite(y)) { /* no value at all, or several whose sum is none */
            group->missing++;
            continue;
        }
        g->row[g->rows] = i;
        g->y[g->rows++] = y;
    }
    group->rows = g->rows;
    return CB_OK;
}

/* *tail: share of the sum of squares that the worst twentieth of the rows has. */
static cb_status describe_values(const cbi_importance_draft *d, cb_importance_group *group,
                                 design *g, double *tail, cb_err *err) {
    double *sorted = cbi_calloc(g->rows + 1, sizeof *sorted), all = 0.0, worst = 0.0;
    if (sorted == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu rows", g->rows);
    memcpy(sorted, g->y, g->rows * sizeof *sorted);
    (void)cb_stats_sort(sorted, g->rows);
    if (d->options->cap > 0.0) {
        const double cap = cb_stats_quantile(sorted, g->rows, d->options->cap);
        for (size_t i = 0; i < g->rows; i++) {
            g->y[i] = fmin(g->y[i], cap);
            sorted[i] = fmin(sorted[i], cap);
        }
    }
    const cb_stats_mean m = cb_stats_mean_of(g->y, g->rows, d->options->level);
    group->mean = m.mean;
    group->sd = m.sd;
    for (size_t i = 0; i < g->rows; i++) {
        const double square = (sorted[i] - m.mean) * (sorted[i] - m.mean);
        all += square;
        worst += 20 * (g->rows - i) <= g->rows ? square : 0.0;
    }
    *tail = all > 0.0 ? worst / all : 0.0;
    cbi_free(sorted);
    return CB_OK;
}

/* ---- settings that vary ---- */

static double value_at(const cbi_importance_table *t, size_t row, int column) {
    return column == CELL ? (double)t->rows[row].cell : t->x[(size_t)column * t->row_count + row];
}

/* 1 if the rows that have it have at least two values; *active counts them. */
static int varies(const cbi_importance_table *t, const design *g, int column, size_t *active) {
    double first = (double)NAN;
    int several = 0;
    *active = 0;
    for (size_t i = 0; i < g->rows; i++) {
        const double value = value_at(t, g->row[i], column);
        if (isnan(value))
            continue;
        several |= *active > 0 && value != first;
        first = *active > 0 ? first : value;
        ++*active;
    }
    return several;
}

static int is_category(const cbi_importance_table *t, int column) {
    return column == CELL || t->columns[column].is_category;
}

/* More categories than a forest takes: the setting is left out, and a warning says so. */
static cb_status refuse(cb_importance_group *group, const cbi_importance_column *c, cb_err *err) {
    cbi_text text = {0};
    char *words = NULL;
    cbi_text_addf(&text,
                  "%s has %zu different texts, more than the %d that a forest takes: it is "
                  "left out.",
                  c->name, c->word_count, CB_FANOVA_CATEGORIES);
    cb_status st = cbi_text_take(&text, &words, err);
    cbi_text_fini(&text);
    return st == CB_OK ? cbi_report_add(&group->warnings, &group->warning_count, words, err) : st;
}

static cb_status choose_settings(const cbi_importance_table *t, cb_importance_group *group,
                                 design *g, cb_err *err) {
    const size_t most = t->column_count + 1;
    g->column = cbi_calloc(most, sizeof *g->column);
    g->kinds = cbi_calloc(most, sizeof *g->kinds);
    g->active = cbi_calloc(most, sizeof *g->active);
    g->x = cbi_calloc(most * (g->rows + 1), sizeof *g->x);
    if (g->column == NULL || g->kinds == NULL || g->active == NULL || g->x == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu rows of %zu settings", g->rows, most);
    cb_status st = CB_OK;
    for (int column = CELL; column < (int)t->column_count && st == CB_OK; column++) {
        if (!varies(t, g, column, &g->active[g->axes]))
            continue;
        const size_t words = column == CELL ? t->cell_count : t->columns[column].word_count;
        if (is_category(t, column) && words > CB_FANOVA_CATEGORIES) {
            if (column != CELL)
                st = refuse(group, &t->columns[column], err);
            continue;
        }
        g->kinds[g->axes] = is_category(t, column) ? CB_FANOVA_CATEGORY : CB_FANOVA_NUMBER;
        g->column[g->axes++] = column;
    }
    for (size_t i = 0; i < g->rows; i++)
        for (size_t a = 0; a < g->axes; a++)
            g->x[i * g->axes + a] = value_at(t, g->row[i], g->column[a]);
    return st;
}

/* ---- what the forest says ---- */

/* The share of a conditional setting where it is active: a forest on those rows alone. Settings
 * that some of them lack take part as conditional ones. */
static cb_status fit_active(const cbi_importance_draft *d, const design *g, size_t axis,
                            cb_fanova_share *out, cb_err *err) {
    const cb_fanova_options options = {.trees = d->options->trees, .level = d->options->level};
    cb_fanova *f = NULL;
    size_t n = 0;
    double *x = cbi_calloc(g->rows * g->axes + 1, sizeof *x);
    double *y = cbi_calloc(g->rows + 1, sizeof *y);
    cb_status st = x != NULL && y != NULL
                       ? CB_OK
                       : cb_fail(err, CB_ENOMEM, "%zu rows of %zu settings", g->rows, g->axes);
    for (size_t i = 0; i < g->rows && st == CB_OK; i++) {
        if (isnan(g->x[i * g->axes + axis]))
            continue;
        memcpy(x + n * g->axes, g->x + i * g->axes, g->axes * sizeof *x);
        y[n++] = g->y[i];
    }
    if (st == CB_OK && n >= CBI_IMPORTANCE_ROWS &&
        (st = cb_fanova_create(&f, x, y, g->kinds, n, g->axes, &options, err)) == CB_OK)
        *out = cb_fanova_single(f, axis);
    cb_fanova_destroy(f);
    cbi_free(x);
    cbi_free(y);
    return st;
}

/* "0.002 .. 0.01", "adam or nesterov", "any". */
static cb_status say_best(cb_importance_setting *s, cb_err *err) {
    cbi_text text = {0};
    const cb_importance_point *first = NULL, *last = NULL;
    size_t n = 0, all = 0;
    for (size_t i = 0; i < s->point_count; i++) {
        const cb_importance_point *p = &s->points[i];
        all += p->rows > 0;
        if (!p->best)
            continue;
        n++;
        first = first != NULL ? first : p;
        last = p;
        if (s->is_category)
            cbi_text_addf(&text, "%s%s", text.length > 0 ? " or " : "", p->text);
    }
    if (n == all && n > 1) {
        const int failed = text.failed;
        cbi_text_fini(&text);
        text = (cbi_text){.failed = failed};
        cbi_text_add(&text, "any");
    } else if (!s->is_category && first != NULL) {
        if (last->high > first->low)
            cbi_text_addf(&text, "%.3g .. %.3g", first->low, last->high);
        else
            cbi_text_addf(&text, "%.3g", first->low);
    }
    cb_status st = cbi_text_take(&text, &s->best, err);
    cbi_text_fini(&text);
    return st;
}

static cb_status take_points(const cb_fanova *f, size_t axis, const cbi_importance_table *t,
                             int column, cb_importance_setting *s, cb_err *err) {
    const cb_fanova_point *points;
    size_t count;
    cb_fanova_curve(f, axis, &points, &count);
    s->points = cbi_calloc(count + 1, sizeof *s->points);
    if (s->points == NULL)
        return cb_fail(err, CB_ENOMEM, "a curve of %zu points", count);
    for (size_t i = 0; i < count; i++) {
        if (points[i].rows == 0)
            continue;
        cb_importance_point *p = &s->points[s->point_count++];
        *p = (cb_importance_point){.low = points[i].low,
                                   .high = points[i].high,
                                   .rows = points[i].rows,
                                   .mean = points[i].mean,
                                   .sd = points[i].sd,
                                   .best = points[i].best};
        if (!s->is_category)
            continue;
        p->low = p->high = (double)NAN;
        p->text = cbi_strdup(column == CELL ? t->cells[i] : t->columns[column].words[i]);
        if (p->text == NULL)
            return cb_fail(err, CB_ENOMEM, "the name of a category");
    }
    s->is_log = !s->is_category && s->point_count > 1 && s->points[0].low > 0.0 &&
                s->points[s->point_count - 1].high >= 10.0 * s->points[0].low;
    return say_best(s, err);
}

static cb_status take_setting(const cbi_importance_draft *d, const cbi_importance_table *t,
                              const design *g, const cb_fanova *f, size_t axis,
                              cb_importance_setting *s, cb_err *err) {
    const int column = g->column[axis];
    *s = (cb_importance_setting){.is_category = is_category(t, column),
                                 .share = cb_fanova_single(f, axis),
                                 .active = g->active[axis],
                                 .active_share = {(double)NAN, (double)NAN, (double)NAN}};
    s->name = cbi_strdup(column == CELL ? "cell" : t->columns[column].name);
    if (s->name == NULL)
        return cb_fail(err, CB_ENOMEM, "the name of a setting");
    cb_status st = take_points(f, axis, t, column, s, err);
    if (st == CB_OK && s->active < g->rows)
        st = fit_active(d, g, axis, &s->active_share, err);
    return st;
}

/* The axes, most important first; unknown shares last. */
static void order_axes(const cb_fanova *f, size_t n, size_t *order) {
    for (size_t i = 0; i < n; i++) {
        const double share = cb_fanova_single(f, i).share;
        size_t k = i;
        for (; k > 0 && share > cb_fanova_single(f, order[k - 1]).share; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

static int by_share(const void *a, const void *b) {
    const cb_importance_pair *x = a, *y = b;
    if (x->share.share != y->share.share)
        return x->share.share < y->share.share ? 1 : -1;
    return x->a != y->a ? (x->a > y->a) - (x->a < y->a) : (x->b > y->b) - (x->b < y->b);
}

static cb_status take_pairs(const cbi_importance_draft *d, const cb_fanova *f, const size_t *order,
                            cb_importance_group *group, cb_err *err) {
    const size_t n =
        d->options->pairs < group->setting_count ? d->options->pairs : group->setting_count;
    cb_status st = CB_OK;
    if (n < 2 || !isfinite(group->settings[0].share.share))
        return CB_OK;
    group->pairs = cbi_calloc(n * (n - 1) / 2, sizeof *group->pairs);
    if (group->pairs == NULL)
        return cb_fail(err, CB_ENOMEM, "the pairs of %zu settings", n);
    for (size_t a = 0; a < n && st == CB_OK; a++)
        for (size_t b = a + 1; b < n && st == CB_OK; b++) {
            cb_importance_pair *pair = &group->pairs[group->pair_count++];
            pair->a = a;
            pair->b = b;
            st = cb_fanova_pair(f, order[a], order[b], &pair->share, err);
        }
    if (st == CB_OK)
        qsort(group->pairs, group->pair_count, sizeof *group->pairs, by_share);
    return st;
}

static cb_status explain(const cbi_importance_draft *d, const cbi_importance_table *t,
                         const design *g, cb_importance_group *group, cb_err *err) {
    const cb_fanova_options options = {.trees = d->options->trees, .level = d->options->level};
    cb_fanova *f = NULL;
    size_t *order = cbi_calloc(g->axes, sizeof *order);
    group->settings = cbi_calloc(g->axes, sizeof *group->settings);
    cb_status st = order != NULL && group->settings != NULL
                       ? cb_fanova_create(&f, g->x, g->y, g->kinds, g->rows, g->axes, &options, err)
                       : cb_fail(err, CB_ENOMEM, "%zu settings", g->axes);
    if (st == CB_OK) {
        group->r2 = cb_fanova_r2(f);
        order_axes(f, g->axes, order);
    }
    for (size_t i = 0; i < g->axes && st == CB_OK; i++)
        st = take_setting(d, t, g, f, order[i], &group->settings[group->setting_count++], err);
    if (st == CB_OK)
        st = take_pairs(d, f, order, group, err);
    cb_fanova_destroy(f);
    cbi_free(order);
    return st;
}

cb_status cbi_importance_fit(const cbi_importance_draft *d, const cbi_importance_table *t,
                             size_t cell, cb_importance_group *group, cb_err *err) {
    design g = {.rows = 0};
    double tail = 0.0;
    *group = (cb_importance_group){.study_id = t->study_id,
                                   .task_id = t->task_id,
                                   .r2 = (double)NAN,
                                   .mean = (double)NAN,
                                   .sd = (double)NAN};
    group->study = cbi_strdup(t->study);
    group->task = cbi_strdup(t->task);
    group->metric = cbi_strdup(t->metric);
    group->cell = cell < t->cell_count ? cbi_strdup(t->cells[cell]) : NULL;
    cb_status st = group->study == NULL || group->task == NULL || group->metric == NULL ||
                           (group->cell == NULL && cell < t->cell_count)
                       ? cb_fail(err, CB_ENOMEM, "the names of a group")
                       : choose_rows(d, t, cell, group, &g, err);
    if (st == CB_OK)
        st = describe_values(d, group, &g, &tail, err);
    if (st == CB_OK)
        st = choose_settings(t, group, &g, err);
    if (st == CB_OK && g.rows >= CBI_IMPORTANCE_ROWS && g.axes > 0)
        st = explain(d, t, &g, group, err);
    if (st == CB_OK)
        st = cbi_importance_say(d, group, tail, err);
    design_fini(&g);
    return st;
}

/* ---- the whole ---- */

static void group_fini(cb_importance_group *group) {
    for (size_t i = 0; i < group->setting_count; i++) {
        cb_importance_setting *s = &group->settings[i];
        for (size_t k = 0; k < s->point_count; k++)
            cbi_free(s->points[k].text);
        cbi_free(s->points);
        cbi_free(s->name);
        cbi_free(s->best);
    }
    for (size_t i = 0; i < group->warning_count; i++)
        cbi_free(group->warnings[i]);
    void *const blocks[] = {group->study,    group->task,  group->metric, group->cell,
                            group->settings, group->pairs, group->words,  group->warnings};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
}

void cb_importance_destroy(cb_importance *importance) {
    if (importance == NULL)
        return;
    for (size_t i = 0; i < importance->group_count; i++)
        group_fini(&importance->groups[i]);
    for (size_t i = 0; i < importance->note_count; i++)
        cbi_free(importance->notes[i]);
    cbi_free(importance->groups);
    cbi_free(importance->notes);
    cbi_free(importance);
}

/* The groups of a table: all cells, if there are several, then each; or the cell asked for. */
static cb_status fit_table(const cbi_importance_draft *d, const cbi_importance_table *t,
                           size_t *capacity, size_t *found, cb_err *err) {
    cb_importance *out = d->importance;
    const char *wanted = d->options->cell;
    cb_status st = CB_OK;
    for (size_t i = 0; i <= t->cell_count && st == CB_OK; i++) {
        const size_t cell = i == 0 ? t->cell_count : i - 1;
        if (cell == t->cell_count ? wanted != NULL || t->cell_count < 2
                                  : wanted != NULL && strcmp(t->cells[cell], wanted) != 0)
            continue;
        void *block = out->groups;
        if (cbi_grow(&block, capacity, out->group_count + 1, sizeof *out->groups) != CB_OK)
            return cb_fail(err, CB_ENOMEM, "%zu groups", out->group_count + 1);
        out->groups = block;
        ++*found;
        st = cbi_importance_fit(d, t, cell, &out->groups[out->group_count++], err);
    }
    return st;
}

static cb_status no_such_cell(const cbi_importance_draft *d, cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, d->options->cell);
    for (size_t i = 0; i < d->table_count; i++)
        for (size_t k = 0; k < d->tables[i].cell_count; k++)
            cbi_near_offer(&near, d->tables[i].cells[k]);
    return cb_fail(err, CB_EARG, "%s: no cell '%s'%s", cb_store_path(d->store), d->options->cell,
                   cbi_near_text(&near));
}

static cb_status check(const cb_importance_options *o, cb_err *err) {
    if (!(o->level >= 0.5) || !(o->level <= 0.9999))
        return cb_fail(err, CB_EARG, "level: expected 0.5 to 0.9999, got %g", o->level);
    if (!(o->cap >= 0.0) || !(o->cap < 1.0))
        return cb_fail(err, CB_EARG, "cap: expected a share between 0 and 1, got %g", o->cap);
    if ((unsigned)o->diverged > CB_IMPORTANCE_LEFT_OUT)
        return cb_fail(err, CB_EARG, "diverged: expected 0 or 1, got %d", (int)o->diverged);
    return CB_OK;
}

cb_status cb_importance_read(cb_importance **out, cb_store *store,
                             const cb_importance_options *options, cb_err *err) {
    cb_importance_options o = options != NULL ? *options : (cb_importance_options){.study = NULL};
    size_t capacity = 0, found = 0;
    o.level = o.level != 0.0 ? o.level : 0.95;
    *out = NULL;
    cb_status st = check(&o, err);
    if (st != CB_OK)
        return st;
    cb_importance *importance = cbi_calloc(1, sizeof *importance);
    if (importance == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu bytes", sizeof *importance);
    importance->level = o.level;
    cbi_importance_draft d = {.importance = importance, .options = &o, .store = store};
    st = cbi_importance_load(&d, err);
    for (size_t i = 0; i < d.table_count && st == CB_OK; i++)
        st = fit_table(&d, &d.tables[i], &capacity, &found, err);
    if (st == CB_OK && o.cell != NULL && found == 0 && d.table_count > 0)
        st = no_such_cell(&d, err);
    cbi_importance_unload(&d);
    if (st == CB_OK)
        *out = importance;
    else
        cb_importance_destroy(importance);
    return st;
}
