/* SPDX-License-Identifier: MIT */
/*
 * cellbench importance: which settings mattered. All that is said is drawn up by
 * cellbench/importance.h; here it is set for a terminal, as CSV or as JSON.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/json_put.h"
#include "cellbench/importance.h"

enum { PAIRS = 8 }; /* the most important settings, of which all pairs are taken */

/* ---- for programs ---- */

static const char *cell_of(const cb_importance_group *group) {
    return group->cell != NULL ? group->cell : "(all)";
}

static cb_status print_settings_csv(const cb_importance *importance, cb_err *err) {
    static const char *const names[] = {
        "study",  "task",         "cell",       "setting",     "share", "low", "high",
        "active", "active_share", "active_low", "active_high", "best",  "n",   "r2"};
    cbi_cli_table table = {
        .format = CBI_CLI_CSV, .columns = sizeof names / sizeof *names, .names = names};
    for (size_t g = 0; g < importance->group_count; g++) {
        const cb_importance_group *group = &importance->groups[g];
        for (size_t i = 0; i < group->setting_count; i++) {
            const cb_importance_setting *s = &group->settings[i];
            cbi_cli_table_text(&table, group->study);
            cbi_cli_table_text(&table, group->task);
            cbi_cli_table_text(&table, cell_of(group));
            cbi_cli_table_text(&table, s->name);
            cbi_cli_table_real(&table, s->share.share);
            cbi_cli_table_real(&table, s->share.low);
            cbi_cli_table_real(&table, s->share.high);
            cbi_cli_table_int(&table, (int64_t)s->active);
            cbi_cli_table_real(&table, s->active_share.share);
            cbi_cli_table_real(&table, s->active_share.low);
            cbi_cli_table_real(&table, s->active_share.high);
            cbi_cli_table_text(&table, s->best);
            cbi_cli_table_int(&table, (int64_t)group->rows);
            cbi_cli_table_real(&table, group->r2);
        }
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static cb_status print_pairs_csv(const cb_importance *importance, cb_err *err) {
    static const char *const names[] = {"study", "task", "cell", "a", "b", "share", "low", "high"};
    cbi_cli_table table = {
        .format = CBI_CLI_CSV, .columns = sizeof names / sizeof *names, .names = names};
    for (size_t g = 0; g < importance->group_count; g++) {
        const cb_importance_group *group = &importance->groups[g];
        for (size_t i = 0; i < group->pair_count; i++) {
            const cb_importance_pair *p = &group->pairs[i];
            cbi_cli_table_text(&table, group->study);
            cbi_cli_table_text(&table, group->task);
            cbi_cli_table_text(&table, cell_of(group));
            cbi_cli_table_text(&table, group->settings[p->a].name);
            cbi_cli_table_text(&table, group->settings[p->b].name);
            cbi_cli_table_real(&table, p->share.share);
            cbi_cli_table_real(&table, p->share.low);
            cbi_cli_table_real(&table, p->share.high);
        }
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* As in compare_json.c, members are added without a check after each. */
static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value) {
    json_t *out = json_string(value != NULL ? value : "");
    return out != NULL ? out : json_string("(not UTF-8)");
}

static json_t *share_of(const cb_fanova_share *s) {
    return isnan(s->share) ? json_null()
                           : json_pack("{so so so}", "share", real(s->share), "low", real(s->low),
                                       "high", real(s->high));
}

static json_t *setting_of(const cb_importance_setting *s) {
    json_t *points = json_array();
    for (size_t i = 0; i < s->point_count; i++) {
        const cb_importance_point *p = &s->points[i];
        json_t *at = p->text != NULL
                         ? json_pack("{so}", "category", text(p->text))
                         : json_pack("{so so}", "low", real(p->low), "high", real(p->high));
        json_t *rest = json_pack("{sI so so sb}", "n", (json_int_t)p->rows, "mean", real(p->mean),
                                 "sd", real(p->sd), "best", p->best);
        (void)json_object_update(at, rest);
        json_decref(rest);
        (void)json_array_append_new(points, at);
    }
    return json_pack("{so so sb sI so so so}", "setting", text(s->name), "share",
                     share_of(&s->share), "category", s->is_category, "active",
                     (json_int_t)s->active, "active_share", share_of(&s->active_share), "best",
                     text(s->best), "points", points);
}

static json_t *group_of(const cb_importance_group *group) {
    json_t *settings = json_array(), *pairs = json_array(), *warnings = json_array();
    for (size_t i = 0; i < group->setting_count; i++)
        (void)json_array_append_new(settings, setting_of(&group->settings[i]));
    for (size_t i = 0; i < group->pair_count; i++)
        (void)json_array_append_new(
            pairs, json_pack("{so so so}", "a", text(group->settings[group->pairs[i].a].name), "b",
                             text(group->settings[group->pairs[i].b].name), "share",
                             share_of(&group->pairs[i].share)));
    for (size_t i = 0; i < group->warning_count; i++)
        (void)json_array_append_new(warnings, text(group->warnings[i]));
    return json_pack("{so so so so sI sI sI so so so so so so so}", "study", text(group->study),
                     "task", text(group->task), "metric", text(group->metric), "cell",
                     group->cell != NULL ? text(group->cell) : json_null(), "n",
                     (json_int_t)group->rows, "diverged", (json_int_t)group->diverged, "missing",
                     (json_int_t)group->missing, "r2", real(group->r2), "mean", real(group->mean),
                     "sd", real(group->sd), "words", text(group->words), "settings", settings,
                     "pairs", pairs, "warnings", warnings);
}

static cb_status print_json(const cb_importance *importance, cb_err *err) {
    json_t *groups = json_array(), *notes = json_array();
    for (size_t i = 0; i < importance->group_count; i++)
        (void)json_array_append_new(groups, group_of(&importance->groups[i]));
    for (size_t i = 0; i < importance->note_count; i++)
        (void)json_array_append_new(notes, text(importance->notes[i]));
    const int whole = json_array_size(groups) == importance->group_count;
    json_t *all =
        json_pack("{so so so}", "level", real(importance->level), "groups", groups, "notes", notes);
    const int bad = all == NULL || !whole || cbi_cli_json_put(all) != 0;
    json_decref(all);
    return bad ? cb_fail(err, CB_ENOMEM, "importance as JSON") : CB_OK;
}

/* ---- for people ---- */

static void print_text(const char *before, const char *words, size_t indent) {
    char *safe = cbi_cli_printable(words, strlen(words), 0);
    fputs(before, stdout);
    cbi_cli_wrapped(safe != NULL ? safe : "(out of memory)", indent, 80);
    cbi_free(safe);
}

static void add_share(cbi_cli_table *table, const cb_fanova_share *s) {
    char number[32] = "-", between[64] = "-";
    if (isfinite(s->share)) {
        snprintf(number, sizeof number, "%.1f %%", 100.0 * s->share);
        snprintf(between, sizeof between, "%.1f .. %.1f", 100.0 * s->low, 100.0 * s->high);
    }
    cbi_cli_table_text(table, number);
    cbi_cli_table_text(table, between);
}

static cb_status print_settings(const cb_importance *importance, const cb_importance_group *group,
                                cb_err *err) {
    char interval[32];
    const char *const names[] = {"setting", "share", interval, "best", "n"};
    cbi_cli_table table = {.columns = sizeof names / sizeof *names, .names = names};
    snprintf(interval, sizeof interval, "%.4g %% interval", 100.0 * importance->level);
    for (size_t i = 0; i < group->setting_count; i++) {
        cbi_cli_table_text(&table, group->settings[i].name);
        add_share(&table, &group->settings[i].share);
        cbi_cli_table_text(&table, group->settings[i].best);
        cbi_cli_table_int(&table, (int64_t)group->settings[i].active);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static cb_status print_pairs(const cb_importance *importance, const cb_importance_group *group,
                             cb_err *err) {
    char interval[32];
    const char *const names[] = {"pair", "share", interval};
    cbi_cli_table table = {.columns = sizeof names / sizeof *names, .names = names};
    snprintf(interval, sizeof interval, "%.4g %% interval", 100.0 * importance->level);
    for (size_t i = 0; i < group->pair_count && i < PAIRS; i++) {
        char pair[96];
        snprintf(pair, sizeof pair, "%.40s with %.40s", group->settings[group->pairs[i].a].name,
                 group->settings[group->pairs[i].b].name);
        cbi_cli_table_text(&table, pair);
        add_share(&table, &group->pairs[i].share);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static cb_status print_group(const cb_importance *importance, const cb_importance_group *group,
                             cb_err *err) {
    char head[512];
    cb_status st = CB_OK;
    snprintf(head, sizeof head, "study %.120s, task %.120s, %s%.120s", group->study, group->task,
             group->cell != NULL ? "cell " : "all cells", group->cell != NULL ? group->cell : "");
    print_text("", head, 0);
    printf("\n");
    if (group->setting_count > 0 && isfinite(group->settings[0].share.share)) {
        st = print_settings(importance, group, err);
        printf("\n");
    }
    if (st == CB_OK && group->pair_count > 0) {
        st = print_pairs(importance, group, err);
        printf("\n");
    }
    print_text("", group->words, 0);
    for (size_t i = 0; i < group->warning_count; i++)
        print_text("- ", group->warnings[i], 2);
    return st;
}

static cb_status print_people(const cb_importance *importance, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < importance->group_count && st == CB_OK; i++) {
        printf("%s", i > 0 ? "\n" : "");
        st = print_group(importance, &importance->groups[i], err);
    }
    for (size_t i = 0; i < importance->note_count; i++)
        print_text("- ", importance->notes[i], 2);
    return st;
}

/* ---- the command ---- */

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    cb_importance *importance = NULL;
    const char *cap = cbi_cli_value(args, "cap");
    const int pairs = cbi_cli_flag(args, "pairs");
    cb_importance_options o = {.study = cbi_cli_value(args, "study"),
                               .cell = cbi_cli_value(args, "cell"),
                               .settings = args->many,
                               .setting_count = args->many_count,
                               .pairs = pairs ? PAIRS : 0,
                               .diverged = cbi_cli_flag(args, "no-diverged")
                                               ? CB_IMPORTANCE_LEFT_OUT
                                               : CB_IMPORTANCE_WORST};
    char *end = NULL;
    if (cap != NULL && ((o.cap = strtod(cap, &end)),
                        *cap == '\0' || *end != '\0' || !(o.cap > 0.0 && o.cap < 1.0)))
        return cbi_cli_usage(args->command,
                             "importance: --cap: expected a share between 0 and 1, got '%s'", cap);
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && (st = cb_importance_read(&importance, store, &o, &err)) == CB_OK)
        st = cbi_cli_flag(args, "json")   ? print_json(importance, &err)
             : !cbi_cli_flag(args, "csv") ? print_people(importance, &err)
             : pairs                      ? print_pairs_csv(importance, &err)
                                          : print_settings_csv(importance, &err);
    cb_importance_destroy(importance);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    {"cell", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this cell"},
    {"setting", 0, CBI_CLI_MANY, "NAME", 0, 0, "only this one; may be given several times"},
    {"pairs", 0, CBI_CLI_FLAG, NULL, 0, 0, "pairs among the eight most important settings too"},
    {"cap", 0, CBI_CLI_TEXT, "SHARE", 0, 0, "what is worse than this share of all counts as that"},
    {"no-diverged", 0, CBI_CLI_FLAG, NULL, 0, 0, "leave diverged trials out"},
    {"csv", 0, CBI_CLI_FLAG, NULL, 0, 0, "print as CSV (RFC 4180); with --pairs: the pairs"},
    {"json", 0, CBI_CLI_FLAG, NULL, 0, 0, "print everything as JSON, marginal curves included"},
    {0},
};

const cbi_cli_command cbi_cmd_importance = {
    .name = "importance",
    .summary = "which settings mattered",
    .arguments = "DB [options]",
    .text = "For each cell of a study, and for all together: what share of the variance of\n"
            "the validation value each setting explains by itself (fANOVA, Hutter et al.\n"
            "2014), by a forest of regression trees on the study's settings; and the values\n"
            "with the lowest mean over all other settings, as far as the trees do not tell\n"
            "them apart (best). A result is a setting, averaged over the study's own seeds.\n"
            "\n"
            "R2 says how much the forest explains of settings that it has not seen: where it\n"
            "is low, the shares speak of noise. Shares do not add up to 100 %: what is left\n"
            "is explained by settings together (--pairs). A trial that diverged counts as the\n"
            "worst finite value, unless --no-diverged; --cap 0.5 asks what mattered among the\n"
            "better half.\n",
    .example = "  cellbench importance results/chorales.db --cell gru --pairs\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
