/* SPDX-License-Identifier: MIT */
/* What mattered, from cellbench/importance.h: shares of the variance, and marginal curves. */
#include "report/plots_internal.h"

#include <math.h>
#include <string.h>

enum { MOST_SETTINGS = 12 };

static const cb_importance_group *next_group(const cbi_report_part *part, size_t *i) {
    const cb_importance *all = part->importance;
    while (all != NULL && *i < all->group_count) {
        const cb_importance_group *group = &all->groups[(*i)++];
        if (group->task_id == part->compare->task_id && group->study_id == part->compare->study_id)
            return group;
    }
    return NULL;
}

static size_t cell_of(const cbi_report_part *part, const cb_importance_group *group) {
    for (size_t i = 0; group->cell != NULL && i < part->compare->cell_count; i++)
        if (strcmp(part->compare->cells[i].name, group->cell) == 0)
            return i;
    return CBI_NO_CELL;
}

/* The group that gives settings their order: all cells together, else the first that has any. */
static const cb_importance_group *leading_group(const cbi_report_part *part) {
    const cb_importance_group *group;
    for (size_t i = 0; (group = next_group(part, &i)) != NULL;)
        if (group->setting_count > 0)
            return group;
    return NULL;
}

static const cb_importance_setting *setting_of(const cb_importance_group *group, const char *name) {
    for (size_t i = 0; i < group->setting_count; i++)
        if (strcmp(group->settings[i].name, name) == 0)
            return &group->settings[i];
    return NULL;
}

void cbi_plot_importance(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_importance_group *leading = leading_group(part), *group;
    const size_t rows = leading == NULL                          ? 0
                        : leading->setting_count < MOST_SETTINGS ? leading->setting_count
                                                                 : MOST_SETTINGS;
    const char **names = cbi_pool_take(pool, rows + 1, sizeof *names);
    size_t groups = 0, number = 0;
    figure->x.label = "share of the variance of the validation value";
    if (leading == NULL)
        figure->empty = "too few settings have a value to tell which of them mattered";
    for (size_t i = 0; names != NULL && i < rows; i++)
        names[i] = leading->settings[i].name;
    figure->rows = names;
    figure->row_count = names != NULL ? rows : 0;
    for (size_t i = 0; (group = next_group(part, &i)) != NULL;)
        groups += group->setting_count > 0;
    for (size_t i = 0; rows > 0 && (group = next_group(part, &i)) != NULL;) {
        if (group->setting_count == 0)
            continue;
        cbi_series *series = cbi_figure_add(
            figure, pool,
            &(cbi_series){.name = group->cell != NULL ? group->cell : "all cells together",
                          .what = "share and interval",
                          .cell = cell_of(part, group),
                          .mark = CBI_MARK_RANGE});
        const double shift = groups > 1 ? 0.7 * ((double)number / (double)(groups - 1) - 0.5) : 0;
        for (size_t k = 0; k < figure->row_count; k++) {
            const cb_importance_setting *setting = setting_of(group, figure->rows[k]);
            if (setting != NULL)
                cbi_series_add(series, pool,
                               (cbi_point){.x = setting->share.share,
                                           .y = (double)k + shift,
                                           .low = setting->share.low,
                                           .high = setting->share.high,
                                           .tag = -1});
        }
        number++;
    }
    figure->note = cbi_plot_words(
        pool,
        "Functional analysis of variance on a random forest: how much of the variance of the "
        "validation value each setting explains alone, over all settings tried%s. Bars: 95 %% "
        "interval over the trees.",
        leading != NULL && leading->cell == NULL ? "; black: of all cells together, where the cell "
                                                   "itself counts as one; in colour: of each cell"
                                                 : "");
}

/* Numbers go along the axis; categories take the places 0, 1, ... and become rows. */
static cbi_point marginal_point(const cb_importance_setting *setting, size_t k) {
    const cb_importance_point *p = &setting->points[k];
    const double middle =
        setting->is_log && p->low > 0 ? sqrt(p->low * p->high) : (p->low + p->high) / 2;
    if (setting->is_category)
        return (cbi_point){.x = p->mean,
                           .y = (double)k,
                           .low = p->mean - p->sd,
                           .high = p->mean + p->sd,
                           .tag = -1};
    return (cbi_point){
        .x = middle, .y = p->mean, .low = p->mean - p->sd, .high = p->mean + p->sd, .tag = -1};
}

static size_t row_of(const cbi_figure *figure, const char *text) {
    size_t i = 0;
    while (i < figure->row_count && strcmp(figure->rows[i], text) != 0)
        i++;
    return i;
}

static void add_marginal(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool,
                         const cb_importance_group *group, const char *name, double shift) {
    const cb_importance_setting *setting = setting_of(group, name);
    if (setting == NULL || setting->is_category != (figure->rows != NULL))
        return;
    cbi_series *series = cbi_figure_add(
        figure, pool,
        &(cbi_series){.name = group->cell != NULL ? group->cell : "all cells together",
                      .what = "marginal mean",
                      .cell = cell_of(part, group),
                      .mark = setting->is_category ? CBI_MARK_RANGE : CBI_MARK_BAND});
    for (size_t k = 0; k < setting->point_count; k++) {
        cbi_point point = marginal_point(setting, k);
        if (setting->is_category)
            point.y = (double)row_of(figure, setting->points[k].text) + shift;
        cbi_series_add(series, pool, point);
    }
}

static void set_axes(cbi_figure *figure, const cb_importance_setting *setting, const char *metric,
                     cbi_pool *pool) {
    const char *mean = cbi_plot_words(pool, "mean validation %s (lower is better)", metric);
    if (!setting->is_category) {
        figure->x.label = setting->name;
        figure->x.log = setting->is_log;
        figure->y.label = mean;
        return;
    }
    const char **names = cbi_pool_take(pool, setting->point_count + 1, sizeof *names);
    figure->x.label = mean;
    for (size_t k = 0; names != NULL && k < setting->point_count; k++)
        names[k] = setting->points[k].text != NULL ? setting->points[k].text : "";
    figure->rows = names;
    figure->row_count = names != NULL ? setting->point_count : 0;
}

void cbi_plot_marginal(cbi_figure *figure, const cbi_report_part *part, size_t which,
                       cbi_pool *pool) {
    static const char *const ids[CBI_PLOT_MARGINALS] = {"marginal-1", "marginal-2", "marginal-3",
                                                        "marginal-4"};
    const cb_importance_group *leading = leading_group(part), *group;
    const cb_importance_setting *setting = NULL;
    size_t groups = 0, number = 0;
    *figure = (cbi_figure){.id = ids[which]};
    for (size_t i = 0; leading != NULL && i < leading->setting_count; i++)
        if (strcmp(leading->settings[i].name, "cell") != 0 && which-- == 0)
            setting = &leading->settings[i];
    if (setting == NULL)
        return;
    figure->title = cbi_plot_words(pool, "Effect of %s", setting->name);
    figure->note =
        "The validation value that the forest expects at each value of the setting, averaged "
        "over all others; the band is one standard deviation over its trees.";
    set_axes(figure, setting, part->compare->metric, pool);
    for (size_t i = 0; (group = next_group(part, &i)) != NULL;)
        groups++;
    for (size_t i = 0; (group = next_group(part, &i)) != NULL; number++)
        add_marginal(figure, part, pool, group, setting->name,
                     groups > 1 ? 0.7 * ((double)number / (double)(groups - 1) - 0.5) : 0);
    if (figure->series_count == 0)
        figure->empty = "the forest has no marginal of this setting";
}
