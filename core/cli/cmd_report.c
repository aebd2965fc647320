/* SPDX-License-Identifier: MIT */
/* cellbench report: the page, and figures and tables for a paper. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/report.h"
#include "cellbench/reproduction.h"
#include "cellbench/sweep.h"

/* "results/x.db" -> "results/x.html" */
static char *page_beside(const char *database) {
    const size_t n = strlen(database),
                 stem = n > 3 && strcmp(database + n - 3, ".db") == 0 ? n - 3 : n;
    cbi_text path = {0};
    char *out = NULL;
    cbi_text_add_n(&path, database, stem);
    cbi_text_add(&path, ".html");
    if (cbi_text_take(&path, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&path);
    return out;
}

static void say(const char *label, const char *path) {
    char *safe = path != NULL ? cbi_cli_printable(path, strlen(path), 0) : NULL;
    if (safe != NULL)
        printf("%-9s %s\n", label, safe);
    cbi_free(safe);
}

static void tell(const cb_report_options *options, const cb_report_made *made) {
    char size[48];
    say("page", options->page);
    if (options->page != NULL)
        printf("%-9s %s%s%s\n", "", cbi_cli_scaled(size, (double)made->page_bytes, "B"),
               made->has_charts ? "" : "; without charts: ", made->has_charts ? "" : made->without);
    say("markdown", options->markdown);
    say("latex", options->latex);
    say("figures", options->figures);
    if (options->figures != NULL)
        printf("%-9s %zu files\n", "", made->figures);
    if (made->parts == 0)
        printf("the database holds no trials yet: the report says so\n");
}

/* A page of what a paper published beside what was found, and nothing else. */
static int write_reproduction(const cbi_cli_args *args, const char *version) {
    cb_err err;
    cb_store *store = NULL;
    cb_reproduction_made made;
    const cb_reproduction_options options = {.study = cbi_cli_value(args, "study"),
                                             .path = cbi_cli_value(args, "reproduction"),
                                             .command = args->line,
                                             .version = version};
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && (st = cb_reproduction_write(store, &options, &made, &err)) == CB_OK) {
        say("page", options.path);
        printf("%-9s %zu of each cell\n", "trials", made.trials);
        printf("%-9s %zu agree, %zu disagree, %zu cannot be told at this size\n", "claims",
               made.verdicts[CB_VERDICT_AGREES], made.verdicts[CB_VERDICT_DISAGREES],
               made.verdicts[CB_VERDICT_OPEN]);
    }
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

/* --reproduction is a page of its own: nothing that shapes the others goes with it. */
static int check_reproduction(const cbi_cli_args *args) {
    static const char *const others[] = {"output", "figures", "markdown", "latex", "charts"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (cbi_cli_value(args, others[i]) != NULL)
            return cbi_cli_usage(args->command,
                                 "report: --reproduction and --%s exclude each other", others[i]);
    return CBI_EXIT_OK;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    cb_run_info info;
    cb_report_made made;
    memset(&info, 0, sizeof info);
    cb_run_info_fill(&info);
    cb_report_options options = {.study = cbi_cli_value(args, "study"),
                                 .page = cbi_cli_value(args, "output"),
                                 .figures = cbi_cli_value(args, "figures"),
                                 .markdown = cbi_cli_value(args, "markdown"),
                                 .latex = cbi_cli_value(args, "latex"),
                                 .charts = cbi_cli_value(args, "charts"),
                                 .command = args->line,
                                 .version = info.version};
    char *beside = NULL;
    if (cbi_cli_value(args, "reproduction") != NULL) {
        const int status = check_reproduction(args);
        return status != CBI_EXIT_OK ? status : write_reproduction(args, info.version);
    }
    if (options.charts != NULL && strcmp(options.charts, "none") == 0)
        options.charts = "";
    if (options.page == NULL && options.figures == NULL && options.markdown == NULL &&
        options.latex == NULL) {
        if ((beside = page_beside(args->rest[0])) == NULL)
            return cbi_cli_failf("out of memory");
        options.page = beside;
    }
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && (st = cb_report_write(store, &options, &made, &err)) == CB_OK)
        tell(&options, &made);
    cb_store_close(store);
    cbi_free(beside);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options_table[] = {
    {"output", 'o', CBI_CLI_TEXT, "FILE", 0, 0, "the page; without any of these: DB's name, .html"},
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    {"figures", 0, CBI_CLI_TEXT, "DIR", 0, 0, "each figure as SVG and PDF (needs gnuplot)"},
    {"markdown", 0, CBI_CLI_TEXT, "FILE", 0, 0, "the tables in Markdown"},
    {"latex", 0, CBI_CLI_TEXT, "FILE", 0, 0, "the tables in LaTeX (booktabs)"},
    {"reproduction", 0, CBI_CLI_TEXT, "FILE", 0, 0,
     "a paper's claims, each with a verdict, in Markdown; nothing else"},
    {"charts", 0, CBI_CLI_TEXT, "FILE", 0, 0, "Chart.js to put in the page; none: no charts"},
    {0},
};

const cbi_cli_command cbi_cmd_report = {
    .name = "report",
    .summary = "a page to read, figures and tables for a paper",
    .arguments = "DB [options]",
    .text =
        "Writes one HTML file that needs nothing else, no network and no server: the answer with\n"
        "its certainty, every trial, learning curves, differences, what settings mattered,\n"
        "costs, equations, failures, and how to repeat each number. Charts are drawn by\n"
        "Chart.js (Debian: libjs-chart.js), which is put into the page; where it is not\n"
        "installed gnuplot draws pictures, and where that is not either there are tables.\n"
        "A study that runs is not disturbed. Files that exist are written over, whole or not\n"
        "at all.\n",
    .example = "  cellbench report results/quickstart.db\n"
               "  cellbench report results/quickstart.db -o page.html --figures paper --latex "
               "paper/table.tex\n",
    .options = options_table,
    .least = 1,
    .most = 1,
    .run = run,
};
