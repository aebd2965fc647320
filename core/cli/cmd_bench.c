/* SPDX-License-Identifier: MIT */
/* cellbench bench: how fast cells are, over shapes. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cellbench/bench.h"
#include "cli/bench_plan.h"
#include "cli/bench_print.h"
#include "cli/bench_record.h"
#include "cli/bench_turns.h"
#include "cli/wish.h"

enum { MOST_ROUNDS = 10000, DEFAULT_ROUNDS = 11, SEED = 1 };

typedef struct command {
    cbi_bench_plan plan;
    cbi_bench_record record;
    int turns;
} command;

/* ---- while it runs ---- */

static cb_status keep_sample(void *context, const cb_bench *bench, size_t i, size_t round,
                             cb_bench_part part, const cb_bench_sample *sample, cb_err *err) {
    command *c = context;
    return cbi_bench_record_sample(&c->record, bench, i, round, part, sample, err);
}

static cb_status end_round(void *context, const cb_bench *bench, size_t round, cb_err *err) {
    command *c = context;
    cb_status st = cbi_bench_record_flush(&c->record, err);
    return st == CB_OK && c->turns ? cbi_bench_turn(&c->record, bench, round, stdin, stdout, err)
                                   : st;
}

static void show(void *context, size_t done, size_t all) {
    (void)context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < all ? "\r%zu of %zu samples\033[K" : "\r\033[K", done, all);
}

/* Texts of the rows that wait are the bench's: they are written while it is there. */
static int stop_asked(void *context) {
    command *c = context;
    cb_err err;
    if (cbi_wish_to_pause())
        cbi_wish_suspend();
    if (!cbi_wish_to_stop())
        return 0;
    if (cbi_bench_record_flush(&c->record, &err) != CB_OK)
        (void)cbi_cli_fail(&err);
    return 1;
}

/* ---- the command ---- */

static cb_status time_all(command *c, const cbi_cli_args *args, cb_err *err) {
    const cb_bench_options options = {
        .rounds = (size_t)cbi_cli_number(args, "rounds", DEFAULT_ROUNDS),
        .sample_seconds = 1e-3 * (double)cbi_cli_number(args, "sample-ms", 20),
        .seed = SEED,
        .core = cbi_cli_value(args, "core") ? (int)cbi_cli_number(args, "core", 0) : -1,
        .wall = c->plan.also[CBI_BENCH_JOBS] || cbi_cli_flag(args, "wall"),
        .context = c,
        .sample = keep_sample,
        .round = end_round,
        .progress = show,
        .stop = stop_asked,
    };
    const char *db = cbi_cli_value(args, "db"), *markdown = cbi_cli_value(args, "markdown");
    cb_bench *bench = NULL;
    cb_status st = db != NULL ? cbi_bench_record_open(&c->record, &c->plan, db, args, err) : CB_OK;
    cbi_wish_listen();
    if (st == CB_OK)
        st = cb_bench_run(&bench, c->plan.cases, c->plan.case_count, &options, err);
    if (st == CB_OK && markdown != NULL)
        st = cbi_bench_markdown(&c->plan, bench, markdown, err);
    if (st == CB_OK)
        st = cbi_bench_print(&c->plan, bench, cbi_cli_format_of(args), err);
    cbi_bench_record_close(&c->record);
    cb_bench_destroy(bench);
    cbi_wish_end();
    return st;
}

static cb_status write_values(const command *c, const char *path, cb_err *err) {
    if (c->plan.case_count != 1)
        return cb_fail(err, CB_EARG, "--values: expected one cell and one shape, got %zu cases",
                       c->plan.case_count);
    return cb_bench_values(&c->plan.cases[0], SEED, path, err);
}

static int check_options(const cbi_cli_args *args) {
    const char *const alone[] = {"db", "turns", "markdown"};
    if (cbi_cli_flag(args, "turns") && cbi_cli_value(args, "db") == NULL)
        return cbi_cli_usage(args->command, "bench: --turns needs --db: the samples go there");
    for (size_t i = 0; cbi_cli_value(args, "values") != NULL && i < 3; i++)
        if (cbi_cli_value(args, alone[i]) != NULL)
            return cbi_cli_usage(args->command,
                                 "bench: --values times nothing: --%s has no meaning", alone[i]);
    return 0;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    command c = {.turns = cbi_cli_flag(args, "turns")};
    const char *values = cbi_cli_value(args, "values");
    int status = check_options(args);
    if (status == 0)
        status = cbi_bench_plan_options(&c.plan, args);
    if (status != 0)
        return status;
    cb_status st = cbi_bench_plan_make(&c.plan, args, &err);
    if (st == CB_OK)
        st = values != NULL ? write_values(&c, values, &err) : time_all(&c, args, &err);
    cbi_bench_plan_fini(&c.plan);
    if (st == CB_ECANCEL) {
        fprintf(stderr, "stopped%s\n",
                cbi_cli_value(args, "db") != NULL ? "; what was measured is in the database" : "");
        return CBI_EXIT_INTERRUPT;
    }
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"shape", 's', CBI_CLI_MANY, "T,B,I,H", 0, 0, "a shape; may be given several times"},
    {"all-shapes", 0, CBI_CLI_FLAG, NULL, 0, 0, "the eleven shapes of the tables in results/"},
    {"file", 0, CBI_CLI_TEXT, "FILE", 0, 0, "time the equations in a text file"},
    {"phase", 0, CBI_CLI_TEXT, "PHASE", 0, 0, "train (default), forward, or first"},
    {"also", 0, CBI_CLI_TEXT, "WORDS", 0, 0, "each case also so: lengths,denormals,two"},
    {"baseline", 0, CBI_CLI_TEXT, "CELL", 0, 0, "whose time others are compared with (lstm)"},
    {"db", 0, CBI_CLI_TEXT, "FILE", 0, 0, "put every sample into this database"},
    {"markdown", 0, CBI_CLI_TEXT, "FILE", 0, 0, "write the table as Markdown too"},
    {"rounds", 0, CBI_CLI_NUMBER, "N", 1, MOST_ROUNDS, "samples of each case (11)"},
    {"sample-ms", 0, CBI_CLI_NUMBER, "N", 1, 60000, "least length of a sample (20)"},
    {"core", 0, CBI_CLI_NUMBER, "N", 0, 4095, "run on this processor only"},
    {"wall", 0, CBI_CLI_FLAG, NULL, 0, 0, "times of a clock, not of the processor"},
    {"values", 0, CBI_CLI_TEXT, "FILE", 0, 0, "time nothing; write weights, inputs, outputs"},
    {"turns", 0, CBI_CLI_FLAG, NULL, 0, 0, "take turns with a program on standard input"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_bench = {
    .name = "bench",
    .summary = "time cells over shapes",
    .arguments = "[CELL...] [options]",
    .text =
        "T steps, B sequences at once, I inputs, H units, and layers. Without names all\n"
        "registered cells are timed. Training is packing of new weights, forward, and full\n"
        "back-propagation with the gradient of the input; `first` is all from the text of the\n"
        "cell to the end of its first training step. GF/s counts matrix products only (multiply\n"
        "and add: 2; `flop`: forward, of one step of one sequence), as the median over the\n"
        "samples; low and high are quartiles. peak_% is its share of the multiply-add peak of\n"
        "one core, measured beside each sample. The samples of all cases are interleaved. The\n"
        "columns behind say where the time goes; time_to_base is the time as a multiple of that\n"
        "of `base`: of another cell, or of the same cell plain.\n\n"
        "--also times each case in other ways too: with sequences of unequal lengths, evenly\n"
        "from T down; with inputs too small for normal numbers; two at once (all by the wall;\n"
        "ms is then of one execution of either: half, if they do not hinder each other).\n"
        "--db: the views speed, speed_ratio and speed_part read the samples. Ctrl-C stops; what\n"
        "was measured stays. --values: safetensors, for a program to be held against; it may\n"
        "then take turns with this one, as scripts/baseline-torch does: after each round a line\n"
        "`turn N` is written, and its samples are read up to an empty line.\n",
    .example = "  cellbench bench lstm gru --shape 100,16,32,64 --db results/speed.db\n",
    .options = options,
    .most = (size_t)-1,
    .run = run,
};
