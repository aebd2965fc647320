/* SPDX-License-Identifier: MIT */
/*
 * cellbench status: how far the studies of a database are, who is at work on them, and what failed.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/standing.h"
#include "cli/watch.h"

/* Attempts are summed apart from trials: joined to each trial they cost twice the time. CROSS JOIN
 * keeps the loops in this order: down a study's list, which is sorted by trial. */
static const char studies_sql[] =
    "with spent as (select st.study_id, total(a.wall_seconds) as seconds, max(coalesce("
    "a.ended_utc, a.started_utc)) as last from study_trial as st cross join attempt as a on "
    "a.trial_id = st.trial_id where st.retired = 0 group by st.study_id) "
    "select s.name as study, coalesce(c.trials, 0) as trials, coalesce(c.done, 0) as done, "
    "coalesce(c.diverged, 0) as diverged, coalesce(c.failed, 0) as failed, coalesce(c.running, 0) "
    "as running, coalesce(c.pending, 0) as pending, coalesce(p.seconds, 0.0) as seconds, "
    "coalesce(p.last, s.updated_utc) as last_activity_utc from study as s left join (%s) as c on "
    "c.study_id = s.study_id left join spent as p on p.study_id = s.study_id order by s.study_id";

enum { SQL_BYTES = 2048 };

static cb_status studies_query(char sql[SQL_BYTES], cb_store *store, cb_err *err) {
    int64_t version = 0;
    cb_status st = cbi_cli_version(store, &version, err);
    snprintf(sql, SQL_BYTES, studies_sql, cbi_standing_counted(version));
    return st;
}

/* The study, its trials that failed, the latest first. */
static const char failed_sql[] =
    "select s.name as study, t.trial_id as trial, c.name as cell, st.config, t.seed, a.error_text "
    "as reason from trial as t cross join study_trial as st on st.trial_id = t.trial_id and "
    "st.retired = 0 cross join study as s on s.study_id = st.study_id cross join cell as c on "
    "c.cell_id = st.cell_id left join attempt as a on a.attempt_id = t.result_attempt_id "
    "where t.state = 'failed' order by s.study_id, st.position";

static const char runs_sql[] =
    "select r.run_id as run, m.host, r.jobs, (select count(*) from attempt as a where a.run_id = "
    "r.run_id and a.state = 'running') as trials, r.started_utc, r.command from run as r join "
    "machine as m on m.machine_id = r.machine_id where r.state = 'running' order by r.run_id";

/* ---- runs ---- */

static cb_status life(cb_store *store, const cb_query *query, const char **word, cb_err *err) {
    cbi_standing_run run = {.run_id = cb_query_column(query, 0).integer};
    char *host = cbi_cli_text(query, 1);
    if (host == NULL)
        return cb_fail(err, CB_ENOMEM, "the name of a host");
    snprintf(run.host, sizeof run.host, "%s", host);
    cbi_free(host);
    cb_status st = cbi_standing_life(&run, store, err);
    *word = run.word;
    return st;
}

static cb_status print_runs(cb_store *store, cbi_cli_format format, cb_err *err) {
    static const char *const names[] = {"run",    "state",       "host",   "jobs",
                                        "trials", "started_utc", "command"};
    enum { COLUMNS = sizeof names / sizeof *names };
    cbi_cli_table table = {.format = format, .columns = COLUMNS, .names = names};
    cb_query *query = NULL;
    const char *word = "";
    int has_row = 0, dead = 0;
    cb_status st = cb_query_open(&query, store, runs_sql, NULL, 0, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row &&
           (st = life(store, query, &word, err)) == CB_OK) {
        dead |= strcmp(word, "dead") == 0;
        for (size_t i = 0; i < COLUMNS; i++) {
            const cb_value value = cb_query_column(query, i > 1 ? i - 1 : i);
            if (i == 1)
                cbi_cli_table_text(&table, word);
            else
                cbi_cli_table_value(&table, &value);
        }
    }
    cb_query_close(query);
    if (st == CB_OK && table.count == 0 && format == CBI_CLI_PLAIN)
        printf("no run is at work\n");
    else if (st == CB_OK)
        st = cbi_cli_table_print(&table, err);
    if (st == CB_OK && dead && format == CBI_CLI_PLAIN)
        printf("What a dead run had begun is done again by the next run.\n");
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- studies ---- */

static cb_status print_studies(cb_store *store, int *any, cb_err *err) {
    static const char *const names[] = {"study",   "trials",  "done", "diverged",     "failed",
                                        "running", "pending", "time", "last activity"};
    enum { COLUMNS = sizeof names / sizeof *names, TIME = 7 };
    cbi_cli_table table = {.columns = COLUMNS, .names = names};
    cb_query *query = NULL;
    char text[32], sql[SQL_BYTES];
    int has_row = 0;
    cb_status st = studies_query(sql, store, err);
    if (st == CB_OK)
        st = cb_query_open(&query, store, sql, NULL, 0, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        for (size_t i = 0; i < COLUMNS; i++) {
            const cb_value value = cb_query_column(query, i);
            if (i == TIME)
                cbi_cli_table_text(&table, cbi_cli_duration(text, cbi_cli_real(query, i)));
            else
                cbi_cli_table_value(&table, &value);
        }
    cb_query_close(query);
    *any = table.count > 0;
    if (st == CB_OK && *any)
        st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* What failed, but no list that scrolls everything else away. */
static cb_status print_failed(cb_store *store, cb_err *err) {
    static const char count_sql[] =
        "select count(*) from trial as t cross join study_trial as st on st.trial_id = t.trial_id "
        "and st.retired = 0 where t.state = 'failed'";
    enum { MOST = 10 };
    char sql[1024];
    cb_query *query = NULL;
    int has_row = 0;
    int64_t count = 0;
    cb_status st = cb_query_open(&query, store, count_sql, NULL, 0, err);
    if (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        count = cb_query_column(query, 0).integer;
    cb_query_close(query);
    if (st != CB_OK || count == 0)
        return st;
    printf("\nfailed:\n");
    snprintf(sql, sizeof sql, "%s limit %d", failed_sql, MOST);
    st = cbi_cli_print_query(store, sql, NULL, 0, CBI_CLI_PLAIN, err);
    if (st == CB_OK && count > MOST)
        printf("and %lld more: --failed lists them\n", (long long)(count - MOST));
    return st;
}

static cb_status print_people(cb_store *store, cb_err *err) {
    int any = 0;
    cb_status st = print_studies(store, &any, err);
    if (st == CB_OK && !any)
        printf("no study yet\n");
    if (st == CB_OK)
        printf("\n");
    if (st == CB_OK)
        st = print_runs(store, CBI_CLI_PLAIN, err);
    if (st == CB_OK)
        st = print_failed(store, err);
    return st;
}

static cb_status print_programs(cb_store *store, cbi_cli_format format, cb_err *err) {
    char sql[SQL_BYTES];
    cb_status st = studies_query(sql, store, err);
    return st == CB_OK ? cbi_cli_print_query(store, sql, NULL, 0, format, err) : st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    const cbi_cli_format format = cbi_cli_format_of(args);
    const int runs = cbi_cli_flag(args, "runs"), failed = cbi_cli_flag(args, "failed");
    if (runs && failed)
        return cbi_cli_usage(args->command, "status: --runs and --failed exclude each other");
    if (cbi_cli_flag(args, "live")) {
        if (runs || failed || format != CBI_CLI_PLAIN)
            return cbi_cli_usage(args->command, "status: --live shows everything, as a text: it "
                                                "goes with --study alone");
        return cbi_watch(args->rest[0], cbi_cli_value(args, "study"));
    }
    if (cbi_cli_value(args, "study") != NULL)
        return cbi_cli_usage(args->command, "status: --study needs --live");
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && runs)
        st = print_runs(store, format, &err);
    else if (st == CB_OK && failed)
        st = cbi_cli_print_query(store, failed_sql, NULL, 0, format, &err);
    else if (st == CB_OK && format != CBI_CLI_PLAIN)
        st = print_programs(store, format, &err);
    else if (st == CB_OK)
        st = print_people(store, &err);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"live", 0, CBI_CLI_FLAG, NULL, 0, 0, "keep showing it, until the work is over or Ctrl-C"},
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "with --live: this study (the one at work)"},
    {"runs", 0, CBI_CLI_FLAG, NULL, 0, 0, "only the runs that have not ended"},
    {"failed", 0, CBI_CLI_FLAG, NULL, 0, 0, "only the trials that failed, and why"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_status = {
    .name = "status",
    .summary = "how far a database's studies are, who is at work, what failed",
    .arguments = "DB [options]",
    .text = "Counts each study's trials by state, with the time that their attempts took, and\n"
            "tells which runs are at work: alive is a run whose process holds its lock. With\n"
            "--csv or --json: the studies, or what --runs or --failed asks for.\n"
            "--live is for a second terminal: it only reads, disturbs nothing, waits for a\n"
            "database that is not there yet, and ends when no run is alive and nothing is\n"
            "pending. Where the output is no terminal it prints a line now and then.\n",
    .example = "  cellbench status results/quickstart.db\n"
               "  cellbench status results/quickstart.db --live\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
