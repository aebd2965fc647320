/* SPDX-License-Identifier: MIT */
/*
 * Memory that gives out while a script computes: a net run forward and backward, a training, a
 * database. Whatever raises where, nothing may be left behind, and the status must say what it was.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cellbench/cell.h"
#include "cellbench/script.h"
#include "cellbench/store.h"
#include "faults.h"

static char folder[] = "/tmp/cellbench-script-XXXXXX";
static char script_path[64], database_path[64], lock_path[80];

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(script_path, sizeof script_path, "%s/run.lua", folder);
    snprintf(database_path, sizeof database_path, "%s/run.db", folder);
    snprintf(lock_path, sizeof lock_path, "%s.lock", database_path);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(script_path);
    unlink(database_path);
    unlink(lock_path);
    return rmdir(folder);
}

static cb_status run(faults *f) {
    cb_err err;
    char *argv[] = {database_path};
    cb_script *script = NULL;
    cb_allocator table = {faults_resize, faults_release, f};
    cb_memory_set(&table);
    cb_status st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_run(script, script_path, 1, argv, &err);
    cb_script_destroy(script);
    cb_memory_set(NULL);
    if (st != CB_OK && st != CB_ENOMEM)
        print_message("%s\n", err.text);
    return st;
}

/* Runs `text` whole, then with ever later failures. The count of allocations differs a little from
 * run to run, for Lua seeds its hashes from addresses: hence the tenth at the end. */
static void give_out(const char *text) {
    FILE *file = fopen(script_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    faults whole = {0};
    assert_int_equal(run(&whole), CB_OK);
    assert_int_equal(whole.alive, 0);
    for (long n = 1; n <= whole.calls; n += 1 + n / 48) {
        faults f = {.refuse_at = n, .refuse_more = 1};
        cb_status st = run(&f);
        assert_int_equal(f.alive, 0);
        if (st != CB_OK || n < whole.calls / 10 * 9)
            assert_int_equal(st, CB_ENOMEM);
    }
}

static void test_net(void **state) {
    (void)state;
    give_out("local cb = require 'cellbench'\n"
             "for _, precision in ipairs { 'f32', 'f64' } do\n"
             "  local net = cb.net { cell = 'lstm', input = 2, hidden = 3, precision = precision,\n"
             "    init = { R = 'orthogonal(1)' }, bidirectional = precision == 'f32' }\n"
             "  local x = { { { 1, 2 }, { 3, 4 } }, { { 5, 6 } } }\n"
             "  local y = net:forward(x, { lengths = { 2, 1 },\n"
             "    initial = { ['1.c'] = { { 1, 1, 1 }, { 2, 2, 2 } } } })\n"
             "  net:backward(y, { final = { ['1.h'] = net:state('1.h') } })\n"
             "  net:state_grad('1.c')\n"
             "  net:set(net:grad())\n"
             "end\n");
}

static void test_train(void **state) {
    (void)state;
    give_out("local cb = require 'cellbench'\n"
             "local n = 0\n"
             "local result = cb.train { cell = 'gru', hidden = 3, train = { epochs = 2 },\n"
             "  task = cb.task.adding { length = 5, train = 20, valid = 5, test = 5 },\n"
             "  on_epoch = function() n = n + 1 end }\n"
             "assert(n == 3 and result.weights['1.R_n'])\n");
}

static void test_database(void **state) {
    (void)state;
    cb_err err;
    cb_store *store;
    int64_t id;
    const cb_study_info info = {.name = "empty", .script_path = "", .script = "", .git_commit = ""};
    assert_int_equal(cb_store_open(&store, database_path, CB_STORE_WRITE, &err), CB_OK);
    assert_int_equal(cb_store_study_begin(store, &info, &id, &err), CB_OK);
    cb_store_close(store);
    give_out("local cb = require 'cellbench'\n"
             "local db, message = cb.open(arg[1])\n"
             "if not db then error(message, 0) end\n"
             "assert(#db:studies() == 1)\n"
             "for _ in db:study('empty'):trials {} do error('none') end\n"
             "db:close()\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_train),
        cmocka_unit_test(test_database),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
