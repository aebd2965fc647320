/* SPDX-License-Identifier: MIT */
/* Figures of what a value was bought with: settings tried, parameters, time. And the table of all
 * figures. */
#include "report/plots_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- search ---- */

/* The expected best falls fast at first: the numbers of settings grow with it, about 1.12-fold. */
static size_t next_budget(size_t n) {
    const size_t more = n + n / 8;
    return more > n ? more : n + 1;
}

void cbi_plot_progress(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    const cb_compare_task *task = part->compare;
    size_t most = 0;
    figure->x.label = "settings tried";
    figure->y.label =
        cbi_plot_words(pool, "expected best validation %s (lower is better)", task->metric);
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *cell = &task->cells[i];
        const size_t settings = cell->budget.settings;
        most = settings > most ? settings : most;
        if (cell->expected == NULL)
            continue;
        cbi_series *line = cbi_figure_add(
            figure, pool,
            &(cbi_series){
                .name = cell->name, .what = "expected best", .cell = i, .mark = CBI_MARK_LINE});
        for (size_t n = 1; n <= settings;
             n = n < settings && next_budget(n) > settings ? settings : next_budget(n))
            cbi_series_add(line, pool,
                           (cbi_point){.x = (double)n, .y = cell->expected[n - 1], .tag = -1});
    }
    figure->x.log = most > 50;
    figure->note =
        "The best validation value to expect if only n of the settings that the cell was "
        "given had been tried, drawn without replacement (Tang et al. 2020). Cells compare "
        "fairly at equal n. A setting without a result counts as the worst. Of a random "
        "search this tells what more search brings; of a grid only how its points lie.";
    if (most < 3)
        figure->empty = "fewer than three settings for each cell: there is no search to speak of";
    else if (figure->series_count == 0)
        figure->empty = "no setting has a validation value yet";
}

/* ---- cost ---- */

static int by_x_then_y(const void *a, const void *b) {
    const cbi_point *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* The settings that no other one beats in both: sorted by cost, each better than all before it. */
static void add_front(cbi_figure *figure, cbi_pool *pool, cbi_point *points, size_t count) {
    double best = INFINITY;
    cbi_series front = {.name = "Pareto front",
                        .what = "no setting is better at this cost or less",
                        .cell = CBI_NO_CELL,
                        .mark = CBI_MARK_STEP};
    qsort(points, count, sizeof *points, by_x_then_y);
    for (size_t i = 0; i < count; i++)
        if (points[i].y < best) {
            best = points[i].y;
            cbi_series_add(&front, pool, points[i]);
        }
    if (front.count > 0)
        (void)cbi_figure_add(figure, pool, &front);
}

static void plot_cost(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool,
                      double (*cost_of)(const cbi_report_setting *)) {
    const cb_compare_task *task = part->compare;
    double low = INFINITY, high = 0, best = INFINITY, worst = -INFINITY;
    size_t count = 0, shown = 0;
    cbi_point *points = cbi_pool_take(pool, part->setting_count + 1, sizeof *points);
    figure->y.label = cbi_plot_words(pool, "validation %s, mean (lower is better)", task->metric);
    figure->tag = "setting";
    for (size_t i = 0; i < task->cell_count && points != NULL; i++) {
        cbi_series each = {.name = task->cells[i].name, .what = "a setting", .cell = i};
        for (size_t k = 0; k < part->setting_count; k++) {
            const cbi_report_setting *s = &part->settings[k];
            const cbi_point point = {.x = cost_of(s), .y = s->valid, .tag = s->config};
            if (s->cell != i || !isfinite(point.x) || !isfinite(point.y))
                continue;
            cbi_series_add(&each, pool, point);
            points[count++] = point;
            low = fmin(low, point.x), high = fmax(high, point.x);
            best = fmin(best, point.y), worst = fmax(worst, point.y);
        }
        (void)cbi_series_thin(&each, cbi_plot_share(part));
        shown += each.count;
        if (each.count > 0)
            (void)cbi_figure_add(figure, pool, &each);
    }
    if (points != NULL)
        add_front(figure, pool, points, count);
    figure->x.log = low > 0 && high / low > 10;
    figure->y.log = cbi_plot_wants_log(best, worst);
    if (count == 0)
        figure->empty = "no setting has a validation value yet";
    else if (shown < count)
        figure->note =
            cbi_plot_words(pool, "%s %zu of %zu settings are drawn; the front is of all.",
                           figure->note, shown, count);
}

static double params_of(const cbi_report_setting *setting) {
    return (double)setting->params;
}

void cbi_plot_params(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    figure->x.label = "learned parameters";
    figure->note =
        "Each mark is a setting of a cell. The line is the Pareto front: nothing is better "
        "with as many parameters or fewer.";
    plot_cost(figure, part, pool, params_of);
}

static double seconds_of(const cbi_report_setting *setting) {
    return setting->cpu_seconds > 0 ? setting->cpu_seconds : (double)NAN;
}

void cbi_plot_time(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool) {
    figure->x.label = "processor seconds of a trial";
    figure->note =
        "Each mark is a setting of a cell; the time is that of training until it ended, while "
        "other trials ran beside it. The line is the Pareto front: nothing is better in as "
        "little time.";
    plot_cost(figure, part, pool, seconds_of);
}

/* ---- all of them ---- */

void cbi_plots_make(cbi_figure figures[CBI_PLOTS], const cbi_report_part *part, cbi_pool *pool) {
    static const struct {
        const char *id, *title;
    } heads[CBI_PLOTS] = {
        [CBI_PLOT_SEEDS] = {"seeds", "Test values of the best settings"},
        [CBI_PLOT_SEARCH] = {"search", "All trials of the search"},
        [CBI_PLOT_VALID] = {"valid", "Validation"},
        [CBI_PLOT_TRAIN] = {"train", "Training"},
        [CBI_PLOT_PAIRS] = {"pairs", "Differences seed by seed"},
        [CBI_PLOT_PROGRESS] = {"progress", "Best value against settings tried"},
        [CBI_PLOT_PARAMS] = {"params", "Accuracy against parameters"},
        [CBI_PLOT_TIME] = {"time", "Accuracy against time"},
        [CBI_PLOT_IMPORTANCE] = {"importance", "Which settings mattered"},
    };
    for (size_t i = 0; i < CBI_PLOTS; i++)
        figures[i] = (cbi_figure){.id = heads[i].id, .title = heads[i].title, .note = ""};
    cbi_plot_seeds(&figures[CBI_PLOT_SEEDS], part, pool);
    cbi_plot_search(&figures[CBI_PLOT_SEARCH], part, pool);
    cbi_plot_curves(&figures[CBI_PLOT_VALID], part, CBI_CURVE_VALID, pool);
    cbi_plot_curves(&figures[CBI_PLOT_TRAIN], part, CBI_CURVE_TRAIN, pool);
    cbi_plot_pairs(&figures[CBI_PLOT_PAIRS], part, pool);
    cbi_plot_progress(&figures[CBI_PLOT_PROGRESS], part, pool);
    cbi_plot_params(&figures[CBI_PLOT_PARAMS], part, pool);
    cbi_plot_time(&figures[CBI_PLOT_TIME], part, pool);
    cbi_plot_importance(&figures[CBI_PLOT_IMPORTANCE], part, pool);
    for (int i = 0; i < CBI_PLOT_MARGINALS; i++)
        cbi_plot_marginal(&figures[CBI_PLOT_MARGINAL + i], part, (size_t)i, pool);
}
