/* SPDX-License-Identifier: MIT */
/* From trials to verdicts: the best tenth of each cell against the baseline's, and the settings. */
#include "report/reproduction_internal.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

static const double alpha = 0.05;

const char *cb_verdict_name(cb_verdict verdict) {
    static const char *const names[] = {"cannot be told", "agrees", "disagrees"};
    return (size_t)verdict < sizeof names / sizeof *names ? names[verdict] : "";
}

/* ---- verdicts ---- */

static cb_verdict either(int agrees, int disagrees) {
    return agrees ? CB_VERDICT_AGREES : disagrees ? CB_VERDICT_DISAGREES : CB_VERDICT_OPEN;
}

cb_verdict cb_verdict_of_difference(cb_expected expected, const cb_stats_difference *difference,
                                    double p, double margin, double level) {
    const int worse = p < level && difference->difference > 0,
              better = p < level && difference->difference < 0,
              no_worse = difference->high<margin, no_better = difference->low> - margin;
    switch (expected) {
    case CB_EXPECTED_WORSE:
        return either(worse, no_worse);
    case CB_EXPECTED_BETTER:
        return either(better, no_better);
    case CB_EXPECTED_NOT_WORSE:
        return either(no_worse, worse);
    case CB_EXPECTED_NOT_BETTER:
        return either(no_better, better);
    case CB_EXPECTED_NO_DIFFERENCE:
        return either(no_worse && no_better, worse || better);
    }
    return CB_VERDICT_OPEN;
}

cb_verdict cb_verdict_of_share(const cb_fanova_share *share, double above, double below) {
    return !isnan(above) ? either(share->low > above, share->high < above)
                         : either(share->high<below, share->low> below);
}

cb_verdict cb_verdict_of_order(const cb_fanova_share *share, const cb_fanova_share *others,
                               size_t count) {
    int above_all = 1, below_one = 0;
    for (size_t i = 0; i < count; i++) {
        above_all &= share->low > others[i].high;
        below_one |= share->high < others[i].low;
    }
    return either(above_all, below_one);
}

/* ---- cells ---- */

const cbi_found_cell *cbi_reproduction_cell(const cbi_reproduction *r, const char *name) {
    for (size_t i = 0; i < r->cell_count; i++)
        if (strcmp(r->cells[i].name, name) == 0)
            return &r->cells[i];
    return NULL;
}

/* The values of one cell's trials, in their order, for the functions of stats. */
typedef struct values {
    const cbi_found_trial **trial;
    double *valid, *test, *sorted, *decile;
    size_t *best;
    size_t n, decile_count;
} values;

static int take_values(values *v, cbi_reproduction *r, size_t cell) {
    const size_t n = r->all_count + 1;
    *v = (values){.trial = cbi_pool_take(&r->pool, n, sizeof *v->trial),
                  .valid = cbi_pool_take(&r->pool, n, sizeof *v->valid),
                  .test = cbi_pool_take(&r->pool, n, sizeof *v->test),
                  .sorted = cbi_pool_take(&r->pool, n, sizeof *v->sorted),
                  .decile = cbi_pool_take(&r->pool, n, sizeof *v->decile),
                  .best = cbi_pool_take(&r->pool, n, sizeof *v->best)};
    if (r->pool.failed)
        return 0;
    for (size_t i = 0; i < r->all_count; i++) {
        const cbi_found_trial *t = &r->all[i];
        if (t->cell != cell)
            continue;
        v->trial[v->n] = t;
        v->valid[v->n] = t->diverged ? (double)INFINITY : t->valid;
        v->test[v->n] = v->sorted[v->n] = t->diverged ? (double)INFINITY : t->test;
        v->n++;
    }
    return 1;
}

static double mean_of(const values *v, double (*get)(const cbi_found_trial *)) {
    double sum = 0;
    for (size_t i = 0; i < v->n; i++)
        sum += get(v->trial[i]);
    return sum / (double)v->n;
}

static double params_of(const cbi_found_trial *t) {
    return (double)t->params;
}

static double hidden_of(const cbi_found_trial *t) {
    return (double)t->hidden;
}

static double epochs_of(const cbi_found_trial *t) {
    return (double)t->epochs;
}

static void add_cost(cbi_found_cell *cell, const values *v) {
    double epochs = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (isnan(v->trial[i]->cpu_seconds))
            continue;
        cell->cpu_seconds += v->trial[i]->cpu_seconds;
        cell->flop += isnan(v->trial[i]->flop) ? 0 : v->trial[i]->flop;
        epochs += (double)v->trial[i]->epochs;
    }
    cell->epoch_seconds = cell->cpu_seconds / epochs;
}

/* Diverged trials are never among the best, even where the tenth is not filled without them. */
static cb_status take_best(values *v, const cbi_reproduction *r, cbi_found_cell *cell,
                           cb_err *err) {
    size_t count = 0;
    cb_status st = CB_OK;
    if (v->n > 0)
        st = cb_stats_best_share(v->valid, v->n, r->published.best, v->best, &count, err);
    for (size_t i = 0; st == CB_OK && i < count; i++)
        if (!v->trial[v->best[i]]->diverged)
            v->decile[v->decile_count++] = v->test[v->best[i]];
    if (v->decile_count > 0)
        cell->best = v->trial[v->best[0]];
    cell->decile = cb_stats_mean_of(v->decile, v->decile_count, 1 - alpha);
    return st;
}

static cb_status describe(values *v, cbi_reproduction *r, size_t c, cb_err *err) {
    cbi_found_cell *cell = &r->cells[c];
    if (!take_values(v, r, c))
        return cbi_pool_status(&r->pool, err);
    for (size_t i = 0; i < v->n; i++)
        cell->diverged += v->trial[i]->diverged != 0;
    const size_t sorted = cb_stats_sort(v->sorted, v->n);
    for (int q = 0; q < 3; q++)
        cell->quartile[q] = cb_stats_quantile(v->sorted, sorted, 0.25 * (q + 1));
    cell->params = mean_of(v, params_of);
    cell->hidden = mean_of(v, hidden_of);
    cell->epochs = mean_of(v, epochs_of);
    add_cost(cell, v);
    return take_best(v, r, cell, err);
}

/* ---- against the baseline ---- */

static cb_status put_baseline_first(cbi_reproduction *r, cb_err *err) {
    size_t at = 0;
    while (at < r->cell_count && strcmp(r->cells[at].name, r->published.baseline) != 0)
        at++;
    if (at == r->cell_count)
        return cb_fail(err, CB_ESTORE, "study '%s': its baseline '%s' has no trials", r->study,
                       r->published.baseline);
    const cbi_found_cell baseline = r->cells[at];
    memmove(&r->cells[1], &r->cells[0], at * sizeof *r->cells);
    r->cells[0] = baseline;
    for (size_t i = 0; i < r->all_count; i++)
        r->all[i].cell = r->all[i].cell == at  ? 0
                         : r->all[i].cell < at ? r->all[i].cell + 1
                                               : r->all[i].cell;
    return CB_OK;
}

static cb_status compare(cbi_reproduction *r, cb_err *err) {
    values *v = cbi_pool_take(&r->pool, r->cell_count + 1, sizeof *v);
    double *p = cbi_pool_take(&r->pool, r->cell_count + 1, sizeof *p);
    cb_status st = cbi_pool_status(&r->pool, err);
    for (size_t c = 0; st == CB_OK && c < r->cell_count; c++) {
        if ((st = describe(&v[c], r, c, err)) != CB_OK)
            break;
        r->cells[c].difference = cb_stats_welch(v[c].decile, v[c].decile_count, v[0].decile,
                                                v[0].decile_count, 1 - alpha);
        p[c] = c > 0 ? r->cells[c].difference.p : (double)NAN;
        if (v[c].decile_count > r->best_count)
            r->best_count = v[c].decile_count;
    }
    if (st == CB_OK)
        st = cb_stats_holm(p, r->cell_count, p, err);
    for (size_t c = 0; st == CB_OK && c < r->cell_count; c++)
        r->cells[c].p_holm = p[c];
    return st;
}

/* ---- settings ---- */

/* The settings that claims are about, each once. */
static cb_status claimed_settings(cbi_reproduction *r, const char ***out, size_t *count,
                                  cb_err *err) {
    const cbi_published *p = &r->published;
    size_t most = 1;
    for (size_t i = 0; i < p->claim_count; i++)
        most += 1 + p->claims[i].more_than_count;
    const char **names = cbi_pool_take(&r->pool, most, sizeof *names);
    *out = names;
    *count = 0;
    if (names == NULL)
        return cbi_pool_status(&r->pool, err);
    for (size_t i = 0; i < p->claim_count; i++)
        for (size_t k = 0; p->claims[i].setting != NULL && k <= p->claims[i].more_than_count; k++) {
            const char *name = k == 0 ? p->claims[i].setting : p->claims[i].more_than[k - 1];
            size_t at = 0;
            while (at < *count && strcmp(names[at], name) != 0)
                at++;
            names[at] = name;
            *count += at == *count;
        }
    return CB_OK;
}

static cb_status weigh(cbi_reproduction *r, cb_store *store, cb_err *err) {
    cb_status st = claimed_settings(r, &r->settings, &r->setting_count, err);
    const cb_importance_options options = {.study = r->study,
                                           .settings = r->settings,
                                           .setting_count = r->setting_count,
                                           .configs = r->n};
    return st == CB_OK && r->setting_count > 0
               ? cb_importance_read(&r->importance, store, &options, err)
               : st;
}

const cb_importance_setting *cbi_reproduction_setting(const cbi_reproduction *r, const char *cell,
                                                      const char *name) {
    const cb_importance *importance = r->importance;
    for (size_t g = 0; importance != NULL && g < importance->group_count; g++) {
        const cb_importance_group *group = &importance->groups[g];
        for (size_t i = 0; group->cell != NULL && i < group->setting_count; i++)
            if (strcmp(group->cell, cell) == 0 && strcmp(group->settings[i].name, name) == 0)
                return &group->settings[i];
    }
    return NULL;
}

/* ---- claims ---- */

static cb_verdict judge_setting(cbi_reproduction *r, const cbi_claim *claim) {
    const char *cell = r->published.baseline;
    const cb_importance_setting *own = cbi_reproduction_setting(r, cell, claim->setting);
    if (own == NULL)
        return CB_VERDICT_OPEN;
    if (claim->more_than == NULL)
        return cb_verdict_of_share(&own->share, claim->above, claim->below);
    cb_fanova_share *others = cbi_pool_take(&r->pool, claim->more_than_count + 1, sizeof *others);
    for (size_t i = 0; others != NULL && i < claim->more_than_count; i++) {
        const cb_importance_setting *other = cbi_reproduction_setting(r, cell, claim->more_than[i]);
        if (other == NULL)
            return CB_VERDICT_OPEN;
        others[i] = other->share;
    }
    return others == NULL ? CB_VERDICT_OPEN
                          : cb_verdict_of_order(&own->share, others, claim->more_than_count);
}

static cb_verdict judge_cell(const cbi_reproduction *r, const cbi_claim *claim) {
    const cbi_found_cell *cell = cbi_reproduction_cell(r, claim->cell);
    return cell == NULL ? CB_VERDICT_OPEN
                        : cb_verdict_of_difference(claim->expected, &cell->difference, cell->p_holm,
                                                   r->published.margin, alpha);
}

cb_status cbi_reproduction_judge(cbi_reproduction *r, cb_store *store, cb_err *err) {
    cb_status st = put_baseline_first(r, err);
    if (st != CB_OK || (st = compare(r, err)) != CB_OK || (st = weigh(r, store, err)) != CB_OK)
        return st;
    for (size_t i = 0; i < r->published.claim_count; i++) {
        cbi_claim *claim = &r->published.claims[i];
        claim->verdict = claim->cell != NULL ? judge_cell(r, claim) : judge_setting(r, claim);
    }
    return cbi_pool_status(&r->pool, err);
}
