/* SPDX-License-Identifier: MIT */
/*
 * lua_host DATABASE SCRIPT ARGUMENT...: makes a small database of results, then runs a Lua script
 * in the state that `cellbench lua` gives it. The tests in Lua run so, and in the stock lua5.4.
 */
#include <stdio.h>
#include <unistd.h>

#include "cellbench/script.h"
#include "cellbench/store.h"

static cb_status make_database(const char *path, cb_err *err) {
    cb_store *store = NULL;
    int64_t id;
    cb_study_info info = {.name = "sample", .script_path = "", .script = "", .git_commit = ""};
    cb_status st;
    unlink(path);
    if ((st = cb_store_open(&store, path, CB_STORE_WRITE, err)) != CB_OK)
        return st;
    if ((st = cb_store_study_begin(store, &info, &id, err)) == CB_OK)
        st = cb_store_study_end(store, id, err);
    cb_store_close(store);
    return st;
}

int main(int argc, char **argv) {
    cb_err err;
    cb_script *script = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: lua_host DATABASE SCRIPT ARGUMENT...\n");
        return 2;
    }
    cb_status st = make_database(argv[1], &err);
    if (st == CB_OK)
        st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_run(script, argv[2], argc - 3, argv + 3, &err);
    cb_script_destroy(script);
    if (st != CB_OK)
        fprintf(stderr, "%s\n", err.text);
    return st == CB_OK ? 0 : 1;
}
