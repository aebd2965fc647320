/* SPDX-License-Identifier: MIT */
/*
 * cellbench status: how far the studies of a database are, who is at work on them, and what failed.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/sweep.h"

static const char studies_sql[] =
    "with spent as (select trial_id, sum(wall_seconds) as seconds, max(coalesce(ended_utc, "
    "started_utc)) as last from attempt group by trial_id) "
    "select s.name as study, count(t.trial_id) as trials, count(*) filter (where t.state = 'done') "
    "as done, count(*) filter (where t.state = 'diverged') as diverged, count(*) filter (where "
    "t.state = 'failed') as failed, count(*) filter (where t.state = 'running') as running, "
    "count(*) filter (where t.state = 'pending') as pending, coalesce(sum(p.seconds), 0.0) as "
    "seconds, max(coalesce(p.last, s.updated_utc)) as last_activity_utc "
    "from study as s left join study_trial as st on st.study_id = s.study_id and st.retired = 0 "
    "left join trial as t on t.trial_id = st.trial_id left join spent as p on p.trial_id = "
    "t.trial_id group by s.study_id order by s.study_id";

static const char failed_sql[] =
    "select s.name as study, t.trial_id as trial, c.name as cell, st.config, t.seed, a.error_text "
    "as reason from study as s join study_trial as st on st.study_id = s.study_id and st.retired = "
    "0 join trial as t on t.trial_id = st.trial_id and t.state = 'failed' join cell as c on "
    "c.cell_id = st.cell_id left join attempt as a on a.attempt_id = t.result_attempt_id "
    "order by s.study_id, st.position";

static const char runs_sql[] =
    "select r.run_id as run, m.host, r.jobs, (select count(*) from attempt as a where a.run_id = "
    "r.run_id and a.state = 'running') as trials, r.started_utc, r.command from run as r join "
    "machine as m on m.machine_id = r.machine_id where r.state = 'running' order by r.run_id";

/* ---- runs ---- */

/* Whether the run lives. The locks of another machine are not seen from here. */
static cb_status life(cb_store *store, const cb_query *query, const char **word, cb_err *err) {
    cb_run_info here;
    int alive = 0;
    char *host = cbi_cli_text(query, 1);
    if (host == NULL)
        return cb_fail(err, CB_ENOMEM, "the name of a host");
    cb_run_info_fill(&here);
    const int is_here = strcmp(host, here.host) == 0;
    cbi_free(host);
    cb_status st = cb_store_run_alive(store, cb_query_column(query, 0).integer, &alive, err);
    *word = alive ? "alive" : is_here ? "dead" : "not known here";
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
    char text[32];
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, studies_sql, NULL, 0, err);
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

static cb_status count_failed(cb_store *store, int *any, cb_err *err) {
    cb_query *query = NULL;
    cb_status st = cb_query_open(&query, store, failed_sql, NULL, 0, err);
    *any = 0;
    if (st == CB_OK)
        st = cb_query_next(query, any, err);
    cb_query_close(query);
    return st;
}

static cb_status print_people(cb_store *store, cb_err *err) {
    int any = 0, failed = 0;
    cb_status st = print_studies(store, &any, err);
    if (st == CB_OK && !any)
        printf("no study yet\n");
    if (st == CB_OK)
        printf("\n");
    if (st == CB_OK)
        st = print_runs(store, CBI_CLI_PLAIN, err);
    if (st == CB_OK)
        st = count_failed(store, &failed, err);
    if (st == CB_OK && failed) {
        printf("\nfailed:\n");
        st = cbi_cli_print_query(store, failed_sql, NULL, 0, CBI_CLI_PLAIN, err);
    }
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    const cbi_cli_format format = cbi_cli_format_of(args);
    const int runs = cbi_cli_flag(args, "runs"), failed = cbi_cli_flag(args, "failed");
    if (runs && failed)
        return cbi_cli_usage(args->command, "status: --runs and --failed exclude each other");
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && runs)
        st = print_runs(store, format, &err);
    else if (st == CB_OK && (failed || format != CBI_CLI_PLAIN))
        st = cbi_cli_print_query(store, failed ? failed_sql : studies_sql, NULL, 0, format, &err);
    else if (st == CB_OK)
        st = print_people(store, &err);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
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
            "--csv or --json: the studies, or what --runs or --failed asks for.\n",
    .example = "  cellbench status results/quickstart.db\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
