/* SPDX-License-Identifier: MIT */
/*
 * cellbench compare: each cell at its best setting, with the uncertainty of what is said of it.
 *
 * The setting is the first of the view `ranking`: chosen by validation over the study's own seeds.
 * What is then told of it comes from confirmation trials where there are any, for they chose
 * nothing.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/stats.h"

enum { FEW_SEEDS = 5, SCHEMA = 2 };

static const double level = 0.95;

/* One cell of one study on one task. */
typedef struct entry {
    char *study, *task, *cell, *metric, *setting;
    int64_t study_id, task_id, config;
    int64_t open, done, diverged, failed; /* trials of the cell, at all settings */
    double valid;                         /* mean over the study's seeds */
    int confirmed;
    int64_t asked; /* trials at this setting that the mean should be over */
    cb_stats_mean test;
    double params, epoch_seconds;
} entry;

typedef struct entries {
    entry *row;
    size_t count, capacity;
} entries;

static void entries_fini(entries *list) {
    for (size_t i = 0; i < list->count; i++) {
        entry *e = &list->row[i];
        char *const texts[] = {e->study, e->task, e->cell, e->metric, e->setting};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            cbi_free(texts[k]);
    }
    cbi_free(list->row);
}

/* ---- reading ---- */

static const char cells_sql[] =
    "select s.name, k.name, r.cell, s.study_id, r.task_id, r.config, r.open, r.valid, "
    "(select count(*) filter (where t.state = 'done') || ' ' || count(*) filter (where t.state = "
    "'diverged') || ' ' || count(*) filter (where t.state = 'failed') from study_trial as st join "
    "trial as t using (trial_id) join cell as c on c.cell_id = st.cell_id where st.study_id = "
    "r.study_id and st.retired = 0 and st.role = 'first' and t.task_id = r.task_id and c.name = "
    "r.cell) from ranking as r join study as s on s.study_id = r.study_id join task as k on "
    "k.task_id = r.task_id where r.place = 1 and (?1 = '' or s.name = ?1) "
    "order by s.study_id, k.name, r.task_id, r.valid is null, r.valid, r.cell";

/* Trials of one setting of one cell. */
#define OF_SETTING                                                                                 \
    "from study_trial as st join trial as t using (trial_id) join cell as c on c.cell_id = "       \
    "st.cell_id left join attempt as a on a.attempt_id = t.result_attempt_id where st.study_id = " \
    "?1 and st.retired = 0 and st.config = ?2 and t.task_id = ?3 and c.name = ?4 "

static const char trials_sql[] =
    "select st.role = 'confirm', t.state = 'done', a.test, a.wall_seconds / nullif(a.epochs, 0), "
    "t.param_count, t.metric " OF_SETTING "order by t.seed, st.position";

static const char setting_sql[] =
    "select x.name, coalesce(x.integer, x.real, x.text) from setting as x where x.study_id = ?1 "
    "and x.trial_id = (select st.trial_id " OF_SETTING
    "order by st.role <> 'first', st.position limit 1) order by x.name";

static cb_status add_entry(entries *list, const cb_query *query, cb_err *err) {
    void *block = list->row;
    if (cbi_grow(&block, &list->capacity, list->count + 1, sizeof *list->row) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "a list of %zu cells", list->count + 1);
    list->row = block;
    entry *e = &list->row[list->count++];
    *e = (entry){.study = cbi_cli_text(query, 0),
                 .task = cbi_cli_text(query, 1),
                 .cell = cbi_cli_text(query, 2),
                 .study_id = cb_query_column(query, 3).integer,
                 .task_id = cb_query_column(query, 4).integer,
                 .config = cb_query_column(query, 5).integer,
                 .open = cb_query_column(query, 6).integer,
                 .valid = cbi_cli_real(query, 7),
                 .test = cb_stats_mean_of(NULL, 0, level),
                 .params = (double)NAN,
                 .epoch_seconds = (double)NAN};
    char *counts = cbi_cli_text(query, 8);
    const int bad = e->study == NULL || e->task == NULL || e->cell == NULL || counts == NULL;
    if (!bad &&
        sscanf(counts, "%" SCNd64 " %" SCNd64 " %" SCNd64, &e->done, &e->diverged, &e->failed) != 3)
        e->done = e->diverged = e->failed = 0;
    cbi_free(counts);
    return bad ? cb_fail(err, CB_ENOMEM, "the names of a cell") : CB_OK;
}

typedef struct numbers {
    double *of[2]; /* test values: of the study's seeds, of fresh ones */
    size_t count[2], capacity[2];
    int64_t asked[2];
    double seconds[2];
} numbers;

static cb_status take_trial(numbers *n, const cb_query *query, cb_err *err) {
    const int role = cb_query_column(query, 0).integer != 0;
    n->asked[role]++;
    if (cb_query_column(query, 1).integer == 0)
        return CB_OK;
    void *block = n->of[role];
    if (cbi_grow(&block, &n->capacity[role], n->count[role] + 1, sizeof *n->of[role]) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu values", n->count[role] + 1);
    n->of[role] = block;
    n->of[role][n->count[role]++] = cbi_cli_real(query, 2);
    n->seconds[role] += cbi_cli_real(query, 3);
    return CB_OK;
}

static cb_status read_values(cb_store *store, entry *e, const cb_value *at, cb_err *err) {
    numbers n = {.count = {0, 0}};
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, trials_sql, at, 4, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row &&
           (st = take_trial(&n, query, err)) == CB_OK) {
        e->params = cbi_cli_real(query, 4);
        if (e->metric == NULL && (e->metric = cbi_cli_text(query, 5)) == NULL)
            st = cb_fail(err, CB_ENOMEM, "the name of a metric");
    }
    cb_query_close(query);
    e->confirmed = n.count[1] > 0;
    e->asked = n.asked[e->confirmed];
    e->test = cb_stats_mean_of(n.of[e->confirmed], n.count[e->confirmed], level);
    if (n.count[e->confirmed] > 0)
        e->epoch_seconds = n.seconds[e->confirmed] / (double)n.count[e->confirmed];
    cbi_free(n.of[0]);
    cbi_free(n.of[1]);
    return st;
}

/* "hidden=32 rate=0.01" */
static cb_status read_setting(cb_store *store, entry *e, const cb_value *at, cb_err *err) {
    cbi_text text = {0};
    cb_query *query = NULL;
    char number[32];
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, setting_sql, at, 4, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        const cb_value name = cb_query_column(query, 0), value = cb_query_column(query, 1);
        cbi_text_addf(&text, "%s%.*s=", text.length > 0 ? " " : "", (int)name.length, name.text);
        if (value.type == CB_VALUE_INT)
            cbi_text_addf(&text, "%" PRId64, value.integer);
        else if (value.type == CB_VALUE_REAL)
            cbi_text_add(&text, cbi_number(number, value.real));
        else if (value.type == CB_VALUE_TEXT)
            cbi_text_add_n(&text, value.text, value.length);
        else
            cbi_text_add(&text, "none");
    }
    cb_query_close(query);
    if (st == CB_OK)
        st = cbi_text_take(&text, &e->setting, err);
    cbi_text_fini(&text);
    return st;
}

static cb_status read_all(entries *list, cb_store *store, const char *study, cb_err *err) {
    const cb_value name = cbi_cli_text_value(study != NULL ? study : "");
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, cells_sql, &name, 1, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        st = add_entry(list, query, err);
    cb_query_close(query);
    for (size_t i = 0; i < list->count && st == CB_OK; i++) {
        entry *e = &list->row[i];
        const cb_value at[] = {{.type = CB_VALUE_INT, .integer = e->study_id},
                               {.type = CB_VALUE_INT, .integer = e->config},
                               {.type = CB_VALUE_INT, .integer = e->task_id},
                               cbi_cli_text_value(e->cell)};
        if ((st = read_values(store, e, at, err)) == CB_OK)
            st = read_setting(store, e, at, err);
    }
    return st;
}

/* ---- for programs ---- */

static cb_status print_programs(const entries *list, cbi_cli_format format, cb_err *err) {
    static const char *const names[] = {"study",     "task",    "cell",     "metric",    "config",
                                        "setting",   "valid",   "over",     "n",         "asked",
                                        "test_mean", "test_sd", "test_low", "test_high", "params",
                                        "s_epoch",   "done",    "diverged", "failed",    "open"};
    cbi_cli_table table = {
        .format = format, .columns = sizeof names / sizeof *names, .names = names};
    for (size_t i = 0; i < list->count; i++) {
        const entry *e = &list->row[i];
        const int any = e->test.n > 0;
        cbi_cli_table_text(&table, e->study);
        cbi_cli_table_text(&table, e->task);
        cbi_cli_table_text(&table, e->cell);
        cbi_cli_table_text(&table, e->metric);
        cbi_cli_table_int(&table, e->config);
        cbi_cli_table_text(&table, e->setting);
        cbi_cli_table_real(&table, e->valid);
        cbi_cli_table_text(&table, any ? e->confirmed ? "confirm" : "study" : NULL);
        cbi_cli_table_int(&table, (int64_t)e->test.n);
        cbi_cli_table_int(&table, e->asked);
        const double reals[] = {e->test.mean, e->test.sd, e->test.low, e->test.high};
        for (size_t k = 0; k < sizeof reals / sizeof *reals; k++)
            cbi_cli_table_real(&table, reals[k]);
        cbi_cli_table_int(&table, (int64_t)e->params);
        cbi_cli_table_real(&table, e->epoch_seconds);
        const int64_t counts[] = {e->done, e->diverged, e->failed, e->open};
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            cbi_cli_table_int(&table, counts[k]);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- for people ---- */

static cb_status print_table(const entry *e, size_t n, cb_err *err) {
    static const char *const names[] = {"cell",          "n",  "over",   "valid",   "test mean",
                                        "95 % interval", "sd", "params", "s_epoch", "setting"};
    cbi_cli_table table = {.columns = sizeof names / sizeof *names, .names = names};
    for (size_t i = 0; i < n; i++, e++) {
        char interval[64] = "-";
        if (e->test.n >= 2)
            snprintf(interval, sizeof interval, "%.4g .. %.4g", e->test.low, e->test.high);
        cbi_cli_table_text(&table, e->cell);
        cbi_cli_table_int(&table, (int64_t)e->test.n);
        cbi_cli_table_text(&table, e->test.n == 0 ? "-" : e->confirmed ? "confirm" : "study");
        cbi_cli_table_real(&table, e->valid);
        cbi_cli_table_real(&table, e->test.mean);
        cbi_cli_table_text(&table, interval);
        cbi_cli_table_real(&table, e->test.sd);
        cbi_cli_table_int(&table, (int64_t)e->params);
        cbi_cli_table_real(&table, e->epoch_seconds);
        cbi_cli_table_text(&table, e->setting);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* ", name", fit for a terminal. */
static void add_name(cbi_text *line, const entry *e) {
    char *safe = cbi_cli_printable(e->cell, strlen(e->cell), 0);
    cbi_text_addf(line, "%s%s", line->length > 0 ? ", " : "", safe != NULL ? safe : "?");
    cbi_free(safe);
}

static void print_text(const char *before, const cbi_text *text, size_t indent) {
    fputs(before, stdout);
    cbi_cli_wrapped(text->data != NULL && !text->failed ? text->data : "(out of memory)", indent,
                    80);
}

/* One note about the cells of which `holds` is true: "gru, lstm: text". */
static void note(const entry *e, size_t n, int (*holds)(const entry *), const char *text) {
    cbi_text line = {0};
    for (size_t i = 0; i < n; i++)
        if (holds(&e[i]))
            add_name(&line, &e[i]);
    if (line.length > 0) {
        cbi_text_addf(&line, ": %s", text);
        print_text("- ", &line, 2);
    }
    cbi_text_fini(&line);
}

static int is_empty(const entry *e) {
    return e->test.n == 0;
}

static int is_open(const entry *e) {
    return e->open > 0;
}

static int is_single(const entry *e) {
    return e->test.n == 1;
}

static int is_few(const entry *e) {
    return e->test.n >= 2 && e->test.n < FEW_SEEDS;
}

static int is_partial(const entry *e) {
    return e->test.n > 0 && (int64_t)e->test.n < e->asked;
}

static int is_chosen_by_these(const entry *e) {
    return e->test.n > 0 && !e->confirmed;
}

/* 1 if the intervals of two means do not overlap. */
static int is_apart(const cb_stats_mean *a, const cb_stats_mean *b) {
    return a->n >= 2 && b->n >= 2 && (a->low > b->high || b->low > a->high);
}

/* What stands first by validation, never without what is not known about it. */
static void print_first(const entry *e, size_t n) {
    cbi_text line = {0}, unclear = {0};
    add_name(&line, e);
    if (e->test.n < 2) {
        cbi_text_add(&line, " is first by validation; without an interval nothing is said of its "
                            "difference from others.");
        goto out;
    }
    cbi_text_addf(&line, " is first by validation; its test mean is %.4g, %.4g .. %.4g at 95%%.",
                  e->test.mean, e->test.low, e->test.high);
    for (size_t i = 1; i < n; i++)
        if (!is_apart(&e->test, &e[i].test))
            add_name(&unclear, &e[i]);
    if (unclear.length > 0)
        cbi_text_addf(&line, " These intervals do not tell it apart from: %s.", unclear.data);
    else
        cbi_text_add(&line, " No other cell's interval overlaps with that.");
out:
    print_text("", &line, 0);
    cbi_text_fini(&unclear);
    cbi_text_fini(&line);
}

static void print_notes(const entry *e, size_t n) {
    if (!is_empty(e) && n > 1)
        print_first(e, n);
    note(e, n, is_empty,
         "no trial has finished; 'cellbench table DB --trials' shows their states.");
    note(e, n, is_open, "trials are still to be finished: all of this may change.");
    note(e, n, is_partial,
         "some trials of the setting have no result; the mean is over the others.");
    note(e, n, is_chosen_by_these,
         "the test is over the study's own seeds, which chose the setting too, so it may look "
         "better than it is; `confirm` in the study runs the best ones with fresh seeds.");
    note(e, n, is_single, "a single value (n = 1) has no interval.");
    note(e, n, is_few,
         "few seeds: with n < 5 the interval is wide, and right only if the values "
         "are normally distributed.");
}

static cb_status print_people(const entries *list, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0, n; i < list->count && st == CB_OK; i += n) {
        const entry *e = &list->row[i];
        for (n = 1;
             i + n < list->count && e[n].study_id == e->study_id && e[n].task_id == e->task_id;)
            n++;
        printf("%sstudy ", i > 0 ? "\n" : "");
        cbi_cli_put(stdout, e->study);
        printf(", task ");
        cbi_cli_put(stdout, e->task);
        printf(", metric ");
        cbi_cli_put(stdout, e->metric != NULL ? e->metric : "?");
        printf(": lower is better\n\n");
        if ((st = print_table(e, n, err)) == CB_OK) {
            printf("\n");
            print_notes(e, n);
        }
    }
    if (st == CB_OK && list->count == 0)
        printf("there are no trials yet\n");
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    entries list = {0};
    const char *study = cbi_cli_value(args, "study");
    const cbi_cli_format format = cbi_cli_format_of(args);
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK)
        st = cbi_cli_need_version(store, SCHEMA, &err);
    if (st == CB_OK && study != NULL)
        st = cbi_cli_check_study(store, study, &err);
    if (st == CB_OK && (st = read_all(&list, store, study, &err)) == CB_OK)
        st = format == CBI_CLI_PLAIN ? print_people(&list, &err)
                                     : print_programs(&list, format, &err);
    entries_fini(&list);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_compare = {
    .name = "compare",
    .summary = "each cell at its best setting, with intervals",
    .arguments = "DB [options]",
    .text = "For each cell: the setting with the best mean validation value over the study's\n"
            "seeds (valid), and the test values of that setting: mean, standard deviation and\n"
            "the 95 % t-interval of the mean over n seeds. over: confirm, with the fresh\n"
            "seeds of a study's `confirm`; study, with the seeds that chose the setting,\n"
            "which flatters it. The interval says how far the mean over further seeds may be\n"
            "off, not how the cell would do at another setting or with other data. Lower is\n"
            "better.\n",
    .example = "  cellbench compare results/quickstart.db\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
