/* SPDX-License-Identifier: MIT */
/*
 * lua_host PROGRAM STUDY DATABASE SCRIPT ARGUMENT...: makes a database of results by running a
 * study, with PROGRAM (the command) as worker, then runs a Lua script in the state that `cellbench
 * lua` gives it. The tests in Lua run so, and in the stock lua5.4.
 */
#include <stdio.h>
#include <unistd.h>

#include "cellbench/script.h"
#include "cellbench/store.h"
#include "cellbench/sweep.h"

static cb_status make_database(const char *program, const char *file, const char *path,
                               cb_err *err) {
    cb_store *store = NULL;
    cb_script *script = NULL;
    const cb_study *study;
    int64_t id, failed;
    const cb_sweep_options options = {.program = program, .command = "lua_host", .jobs = 2};
    cb_status st;
    unlink(path);
    if ((st = cb_script_create(&script, cb_variants, err)) == CB_OK &&
        (st = cb_script_study(script, file, 0, NULL, &study, err)) == CB_OK &&
        (st = cb_store_open(&store, path, CB_STORE_WRITE, err)) == CB_OK)
        st = cb_sweep_run(store, study, &options, &id, &failed, err);
    cb_store_close(store);
    cb_script_destroy(script);
    return st;
}

int main(int argc, char **argv) {
    cb_err err;
    cb_script *script = NULL;
    if (argc < 5) {
        fprintf(stderr, "usage: lua_host PROGRAM STUDY DATABASE SCRIPT ARGUMENT...\n");
        return 2;
    }
    cb_status st = make_database(argv[1], argv[2], argv[3], &err);
    if (st == CB_OK)
        st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_run(script, argv[4], argc - 5, argv + 5, &err);
    cb_script_destroy(script);
    if (st != CB_OK)
        fprintf(stderr, "%s\n", err.text);
    return st == CB_OK ? 0 : 1;
}
