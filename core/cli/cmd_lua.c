/* SPDX-License-Identifier: MIT */
/*
 * cellbench lua: any Lua script with the module loaded; and the hidden command `worker`, which
 * `run` starts.
 */
#include "cli/cli.h"

#include "cellbench/script.h"
#include "cellbench/sweep.h"

static const cbi_cli_option no_options[] = {{0}};

static int run_lua(const cbi_cli_args *args) {
    cb_err err;
    cb_script *script = NULL;
    cb_status st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_run(script, args->rest[0], (int)args->count - 1, args->rest + 1, &err);
    cb_script_destroy(script);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

const cbi_cli_command cbi_cmd_lua = {
    .name = "lua",
    .summary = "run a Lua script with the module cellbench at hand",
    .arguments = "FILE [ARGUMENT...]",
    .text = "The script finds its arguments in the table arg and the module by\n"
            "require \"cellbench\"; the same module loads in the stock lua5.4.\n",
    .example = "  cellbench lua my-analysis.lua results/quickstart.db\n",
    .options = no_options,
    .least = 1,
    .most = (size_t)-1,
    .verbatim = 1,
    .run = run_lua,
};

/* Where the coordinator puts the worker's end of their socket pair. */
enum { WORKER_SOCKET = 3 };

static int run_worker(const cbi_cli_args *args) {
    cb_err err;
    (void)args;
    return cb_worker_run(WORKER_SOCKET, &err) == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

const cbi_cli_command cbi_cmd_worker = {
    .name = "worker",
    .summary = "trains trials for `cellbench run`, which starts it",
    .arguments = "",
    .text = "Not for people: it speaks with its coordinator on descriptor 3.\n",
    .example = "  (started by cellbench run)\n",
    .options = no_options,
    .hidden = 1,
    .run = run_worker,
};
