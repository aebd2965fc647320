/* SPDX-License-Identifier: MIT */
/*
 * Studies as C sees them: files that are right, files that are wrong, and what a trial carries over
 * from Lua. The table that describes a study is tested in Lua (study_spec.lua).
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/made_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cellbench/cell.h"
#include "cellbench/script.h"
#include "cellbench/train.h"
#include "faults.h"

static char folder[] = "/tmp/cellbench-script-XXXXXX";
static char path[64];

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/study.lua", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static cb_script *make_script(void) {
    cb_err err;
    cb_script *script;
    if (cb_script_create(&script, cb_variants, &err) != CB_OK)
        fail_msg("%s", err.text);
    return script;
}

#define HEAD "local cb = require 'cellbench'\n"
#define TASK "task = cb.task.adding { length = 10, train = 20, valid = 10, test = 10 }, "

static const cb_study *load(cb_script *script, const char *text) {
    cb_err err;
    const cb_study *study;
    write_file(text);
    if (cb_script_study(script, path, 0, NULL, &study, &err) != CB_OK)
        fail_msg("%s", err.text);
    return study;
}

static void check_contains(const char *text, const char *piece) {
    if (strstr(text, piece) == NULL)
        fail_msg("expected '%s' in: %s", piece, text);
}

/* The study in `text` must be refused with both pieces in the message. */
static void refuse(const char *text, cb_status code, const char *first, const char *second) {
    cb_err err;
    const cb_study *study;
    cb_script *script = make_script();
    write_file(text);
    cb_status st = cb_script_study(script, path, 0, NULL, &study, &err);
    if (st != code)
        fail_msg("expected %s for %s, got %s: %s", cb_status_name(code), text, cb_status_name(st),
                 st == CB_OK ? "" : err.text);
    assert_null(study);
    check_contains(err.text, first);
    check_contains(err.text, second);
    /* A mistake in a study is told in one line; an error of Lua's has its traceback. */
    if (strstr(err.text, "did you mean") != NULL)
        assert_null(strstr(err.text, "traceback"));
    cb_script_destroy(script);
}

static const cb_trial_setting *find(const cb_study_trial *trial, const char *name) {
    for (size_t i = 0; i < trial->setting_count; i++)
        if (strcmp(trial->settings[i].name, name) == 0)
            return &trial->settings[i];
    return NULL;
}

static void test_trials(void **state) {
    (void)state;
    cb_err err;
    cb_script *script = make_script();
    const cb_study *study =
        load(script, HEAD "return cb.study { name = 'two', " TASK
                          "cells = { 'rnn', 'lstm' }, seeds = { 4, 9 }, keep = 'none',\n"
                          "space = { hidden = cb.choice { 3, 5 }, rate = cb.choice { 0.5 }, "
                          "clip = 2, init = { R = 'orthogonal(1)' },\n"
                          "optimiser = function(s) return s.hidden == 3 and 'sgd' or 'adam' end },"
                          "train = { batch = 5, epochs = 2 } }\n");
    assert_string_equal(study->info.name, "two");
    assert_string_equal(study->info.script_path, path);
    check_contains(study->info.script, "cb.study { name = 'two'");
    assert_string_equal(study->info.git_commit, "");
    assert_int_equal(study->keep_best, 0);
    assert_int_equal(study->count, 8);
    assert_string_equal(cb_task_get_def(study->task)->name, "adding");
    static const char *const cells[] = {"rnn", "rnn", "lstm", "lstm"};
    char key[65] = "";
    for (size_t i = 0; i < 8; i++) {
        cb_study_trial t;
        assert_int_equal(study->get(study->context, i, &t, &err), CB_OK);
        assert_string_equal(t.cell, cells[i % 4]);
        assert_int_equal(t.seed, i % 2 ? 9 : 4);
        assert_int_equal(t.config, i < 4 ? 1 : 2);
        assert_int_equal(cb_trial_hidden(t.trial), i < 4 ? 3 : 5);
        assert_int_equal(cb_trial_epochs(t.trial), 2);
        assert_true(strlen(t.cell_source) > 0);
        assert_int_equal(find(&t, "hidden")->value.type, CB_VALUE_INT);
        assert_int_equal(find(&t, "hidden")->value.integer, i < 4 ? 3 : 5);
        assert_int_equal(find(&t, "rate")->value.type, CB_VALUE_REAL);
        assert_int_equal(find(&t, "clip")->value.type, CB_VALUE_INT);
        assert_int_equal(find(&t, "optimiser")->value.type, CB_VALUE_TEXT);
        assert_memory_equal(find(&t, "optimiser")->value.text, i < 4 ? "sgd" : "adam", 3);
        check_contains(find(&t, "init")->value.text, "orthogonal(1)");
        assert_null(find(&t, "batch"));
        assert_string_not_equal(cb_trial_key(t.trial), key);
        snprintf(key, sizeof key, "%s", cb_trial_key(t.trial));
        cb_trial_destroy(t.trial);
    }
    cb_study_trial t;
    assert_int_equal(study->get(study->context, 8, &t, &err), CB_EARG);
    cb_script_destroy(script);
}

/* A trial again with a fresh seed: all else is the same. */
static void test_confirm(void **state) {
    (void)state;
    cb_err err;
    cb_script *script = make_script();
    const cb_study *study = load(
        script, HEAD "return cb.study { name = 'c', " TASK "cells = { 'rnn', 'gru' }, hidden = "
                     "3, space = { rate = cb.choice { 0.1, 0.2 } }, seeds = { 4, 9 }, "
                     "confirm = { top = 2, seeds = 3 } }");
    assert_int_equal(study->count, 8);
    assert_int_equal(study->confirm_top, 2);
    assert_int_equal(study->confirm_seeds, 3);
    for (size_t k = 0; k < 3; k++) {
        cb_study_trial first, fresh;
        char key[65];
        assert_int_equal(study->get(study->context, 6, &first, &err), CB_OK);
        snprintf(key, sizeof key, "%s", cb_trial_key(first.trial));
        cb_trial_destroy(first.trial);
        if (study->confirm(study->context, 6, k, &fresh, &err) != CB_OK)
            fail_msg("%s", err.text);
        assert_string_equal(fresh.cell, "gru");
        assert_int_equal(fresh.config, 2);
        assert_int_equal(fresh.seed, 10 + k);
        assert_true(find(&fresh, "rate")->value.real == 0.2);
        assert_string_not_equal(cb_trial_key(fresh.trial), key);
        cb_trial_destroy(fresh.trial);
    }
    cb_study_trial none;
    assert_int_equal(study->confirm(study->context, 6, 3, &none, &err), CB_EARG);
    assert_null(none.trial);
    assert_int_equal(study->confirm(study->context, 8, 0, &none, &err), CB_EARG);
    cb_script_destroy(script);
}

/* A study file read twice, in two states, has the same keys: no order of Lua's tables matters. */
static void test_keys_repeat(void **state) {
    (void)state;
    static const char text[] =
        HEAD "return cb.study { name = 'again', " TASK "cells = { 'lstm', 'clockwork' }, "
             "search = cb.random { trials = 5, seed = 3 }, space = { hidden = cb.log_int(4, 40), "
             "rate = cb.log_uniform(1e-4, 1e-1), batch = cb.int(1, 9), clip = cb.uniform(1, 2) } }";
    char keys[2][10][65];
    cb_err err;
    for (size_t round = 0; round < 2; round++) {
        cb_script *script = make_script();
        const cb_study *study = load(script, text);
        assert_int_equal(study->count, 10);
        for (size_t k = 0; k < 10; k++) {
            /* Out of order in the second round. */
            size_t i = round ? 9 - k : k;
            cb_study_trial t;
            if (study->get(study->context, i, &t, &err) != CB_OK)
                fail_msg("%s", err.text);
            /* The clockwork's four groups are equal, whatever size was drawn. */
            if (strcmp(t.cell, "clockwork") == 0)
                assert_int_equal(cb_trial_hidden(t.trial) % 4, 0);
            assert_int_equal(find(&t, "hidden")->value.integer, cb_trial_hidden(t.trial));
            snprintf(keys[round][i], 65, "%s", cb_trial_key(t.trial));
            cb_trial_destroy(t.trial);
        }
        cb_script_destroy(script);
    }
    assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
}

static void test_params(void **state) {
    (void)state;
    cb_err err;
    cb_script *script = make_script();
    const cb_study *study = load(script, HEAD "return cb.study { name = 'p', " TASK
                                              "cells = { 'rnn', 'gru' }, params = 2000 }");
    for (size_t i = 0; i < 2; i++) {
        cb_study_trial t;
        assert_int_equal(study->get(study->context, i, &t, &err), CB_OK);
        assert_true(cb_trial_param_count(t.trial) <= 2000);
        assert_true(cb_trial_param_count(t.trial) > 1500);
        assert_int_equal(find(&t, "hidden")->value.integer, cb_trial_hidden(t.trial));
        cb_trial_destroy(t.trial);
    }
    cb_script_destroy(script);
}

static void test_refused_studies(void **state) {
    (void)state;
    refuse("return 3", CB_EARG, "returns cb.study", "number");
    refuse("return {}", CB_EARG, "returns cb.study", "table");
    refuse("local x = \n", CB_EARG, "study.lua:2:", "unexpected symbol");
    refuse("\n\nlocal x = nil + 1", CB_EARG, "study.lua:3:", "traceback");
    refuse("error({})", CB_EARG, "an error that is a table", "traceback");
    refuse("\033Lua", CB_EARG, "", "");
    /* Two cells that are the same, be it under other names or by other ways of writing. */
    refuse(HEAD "return cb.study { name = 'x', " TASK
                "hidden = 3, cells = { 'gru', 'rnn', { 'gru', name = 'mine' } } }",
           CB_EARG, "study.lua:2:", "the cells 'gru' and 'mine' have the same equations");
    refuse(HEAD "return cb.study { name = 'x', " TASK
                "hidden = 4, cells = { 'clockwork', { 'clockwork', name = 'again', set = { "
                "periods = { 1, 2, 4, 8 } } } } }",
           CB_EARG, "study.lua:2:", "'clockwork' and 'again'");
    refuse(HEAD "return cb.study { nam = 'x' }", CB_EARG, "study.lua:2:", "did you mean 'name'?");
    refuse(HEAD "\nreturn cb.study { name = 'x', " TASK "cells = { 'lstm' }, hidden = 4, "
                "train = { epochs = 0 } }",
           CB_EARG, "study.lua:3:", "epochs");
    refuse(HEAD "return cb.study { name = 'x', task = cb.task.music { file = 'not-there.json' }, "
                "cells = { 'lstm' }, hidden = 4 }",
           CB_EIO, "study.lua:2:", "not-there.json");
    /* What only a trial can find out is found in the first one of each cell. */
    refuse(HEAD "return cb.study { name = 'x', " TASK "cells = { 'rnn', 'clockwork' }, "
                "hidden = 5 }",
           CB_ESHAPE, "study.lua:2: cell 'clockwork', configuration 1: ", "5");
    refuse(HEAD "return cb.study { name = 'x', " TASK "cells = { 'rnn' }, hidden = 4, "
                "space = { rate = function(s) return s.rat end } }",
           CB_EARG, "study.lua:2:", "did you mean 'rate'?");
    refuse(HEAD "return cb.study { name = 'x', " TASK "cells = { 'rnn' }, hidden = 4, "
                "init = { Q = 'glorot' } }",
           CB_EARG, "study.lua:2:", "Q");
    refuse(HEAD "return cb.study { name = 'x', " TASK "hidden = 4, cells = { cb.cell { "
                "name = 'mine', text = 'state h\\nh\\' = tanh(V y)' } } }",
           CB_EARG, "mine: line 2, column", "^");
}

static cb_status load_with(cb_script *script, const char *text, const char *argument,
                           const cb_study **study, cb_err *err) {
    char copy[64];
    char *arguments[] = {copy, NULL};
    snprintf(copy, sizeof copy, "%s", argument);
    write_file(text);
    return cb_script_study(script, path, 1, arguments, study, err);
}

/* What the command line says reaches the study; what the study does not read is refused, also when
 * one before it, in the same state, has read its own. */
static void test_arguments(void **state) {
    static const char reads[] =
        HEAD "local a = cb.arguments { trials = 3 }\n"
             "return cb.study { name = 'x', " TASK "cells = { 'rnn' }, hidden = 4, "
             "search = cb.random { trials = a.trials }, space = { rate = cb.uniform(0, 1) } }";
    static const char deaf[] =
        HEAD "return cb.study { name = 'x', " TASK "cells = { 'rnn' }, hidden = 4 }";
    (void)state;
    cb_err err;
    const cb_study *study;
    cb_script *script = make_script();
    assert_int_equal(load(script, reads)->count, 3);
    assert_int_equal(load_with(script, reads, "trials=5", &study, &err), CB_OK);
    assert_int_equal(study->count, 5);
    assert_int_equal(load_with(script, reads, "trial=5", &study, &err), CB_EARG);
    check_contains(err.text, "did you mean 'trials'?");
    assert_int_equal(load_with(script, deaf, "trials=5", &study, &err), CB_EARG);
    check_contains(err.text, "unexpected argument 'trials=5'");
    assert_null(study);
    cb_script_destroy(script);
}

static void test_missing_file(void **state) {
    (void)state;
    cb_err err;
    const cb_study *study;
    cb_script *script = make_script();
    unlink(path);
    assert_int_equal(cb_script_study(script, path, 0, NULL, &study, &err), CB_EIO);
    check_contains(err.text, "study.lua");
    assert_int_equal(cb_script_run(script, path, 0, NULL, &err), CB_EIO);
    write_file("");
    cb_script_destroy(script);
}

static void test_run(void **state) {
    (void)state;
    cb_err err;
    char one[] = "one", two[] = "two";
    char *argv[] = {one, two};
    cb_script *script = make_script();
    write_file("#!/usr/bin/env cellbench\nassert(arg[1] == 'one' and arg[2] == 'two')\n"
               "assert(select('#', ...) == 2 and arg[0]:find('study.lua', 1, true))\n"
               "assert(require 'cellbench'.version:match('^%d+%.%d+%.%d+$'))\n");
    if (cb_script_run(script, path, 2, argv, &err) != CB_OK)
        fail_msg("%s", err.text);
    write_file("#!\nlocal function f() error('on line two') end\nf()\n");
    assert_int_equal(cb_script_run(script, path, 0, NULL, &err), CB_EARG);
    check_contains(err.text, "study.lua:2: on line two");
    check_contains(err.text, "stack traceback");
    cb_script_destroy(script);
    cb_script_destroy(NULL);
}

/* The file must load as it stands; 0 if real data that it needs are not here. */
static int load_real(cb_script *script, const char *file, const cb_study **study) {
    cb_err err;
    cb_status st = cb_script_study(script, file, 0, NULL, study, &err);
    if (st == CB_EIO && strstr(err.text, "jsb-chorales") != NULL)
        return 0;
    if (st != CB_OK)
        fail_msg("%s", err.text);
    return 1;
}

static void skip_unless(int real) {
    if (real)
        return;
    print_message("skipped: the chorales are not here (set CELLBENCH_DATA)\n");
    skip();
}

static void check_every_trial(const cb_study *study, size_t count) {
    cb_err err;
    assert_int_equal(study->count, count);
    for (size_t i = 0; i < count; i++) {
        cb_study_trial t;
        if (study->get(study->context, i, &t, &err) != CB_OK)
            fail_msg("%s", err.text);
        cb_trial_destroy(t.trial);
    }
}

static void test_experiments(void **state) {
    (void)state;
    const cb_study *study;
    cb_script *script = make_script();
    assert_true(load_real(script, CELLBENCH_SOURCE "/experiments/quickstart.lua", &study));
    check_every_trial(study, study->count);
    int real = load_real(script, CELLBENCH_SOURCE "/experiments/chorales.lua", &study);
    if (real) {
        check_every_trial(study, study->count);
        assert_true(study->keep_best);
    }
    cb_script_destroy(script);
    skip_unless(real);
}

/* The study that the design document shows. */
static void test_design(void **state) {
    (void)state;
    const cb_study *study;
    cb_script *script = make_script();
    write_file("local cb = require \"cellbench\"\n\n"
               "return cb.study {\n"
               "  name   = \"variants-on-chorales\",\n"
               "  task   = cb.task.music { file = \"jsb-chorales-quarter.json\" },\n"
               "  cells  = { \"lstm\", \"peephole\", \"coupled\", \"gru\", \"clockwork\" },\n"
               "  search = cb.random { trials = 20, seed = 1 },\n"
               "  space  = { hidden = cb.log_int(20, 100), rate = cb.log_uniform(1e-4, 1e-1),\n"
               "             clip = cb.choice { 1, 5 } },\n"
               "  train  = { optimiser = \"nesterov\", momentum = 0.9, epochs = 60, patience = 8,\n"
               "             batch = 16, loss_scale = \"frame\" },\n"
               "  seeds  = 3,\n"
               "}\n");
    int real = load_real(script, path, &study);
    if (real)
        check_every_trial(study, 300);
    cb_script_destroy(script);
    skip_unless(real);
}

/* One round of everything under an allocator that gives out at its n-th call and stays so: Lua
 * asks twice, after collecting garbage. */
static cb_status load_and_make(faults *f) {
    cb_err err;
    cb_script *script = NULL;
    const cb_study *study;
    cb_study_trial t = {0};
    cb_allocator table = {faults_resize, faults_release, f};
    cb_memory_set(&table);
    cb_status st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_study(script, path, 0, NULL, &study, &err);
    if (st == CB_OK)
        st = study->get(study->context, 1, &t, &err);
    cb_trial_destroy(t.trial);
    cb_script_destroy(script);
    cb_memory_set(NULL);
    if (st != CB_OK && st != CB_ENOMEM)
        print_message("%s\n", err.text);
    return st;
}

static void test_memory_gives_out(void **state) {
    (void)state;
    write_file(HEAD
               "return cb.study { name = 'm', " TASK
               "cells = { 'gru', cb.cell { name = 'mine', text = 'state h\\nh\\' = tanh(W x)' } "
               "}, space = { hidden = cb.choice { 3, 5 } }, train = { clip = 1 }, "
               "reproduces = { paper = 'A paper', baseline = 'gru', trials = 9, margin = 10, "
               "margin_why = 'so', best = 0.5, claims = { { cell = 'mine', expected = 'worse', "
               "certainty = 'memory' } } } }");
    faults whole = {0};
    assert_int_equal(load_and_make(&whole), CB_OK);
    assert_int_equal(whole.alive, 0);
    assert_true(whole.calls > 1000);
    /* Ever larger steps: each of some thousand calls would take minutes. */
    for (long n = 1; n <= whole.calls; n += 1 + n / 24) {
        faults f = {.refuse_at = n, .refuse_more = 1};
        cb_status st = load_and_make(&f);
        assert_int_equal(f.alive, 0);
        /* Lua seeds its hashes from addresses, so the count differs a little from run to run; and
         * it does without a table of strings that it wanted to shrink. */
        if (st != CB_OK || n < whole.calls / 10 * 9)
            assert_int_equal(st, CB_ENOMEM);
    }
}

/* A registered cell whose text is made from settings is searched over like any other. */
static void test_made_cells(void **state) {
    (void)state;
    static const cb_cell_def *const table[] = {&highway, NULL};
    cb_err err;
    cb_script *script;
    assert_int_equal(cb_script_create(&script, table, &err), CB_OK);
    const cb_study *study =
        load(script, HEAD "return cb.study { name = 'made', " TASK
                          "cells = { { 'highway', set = { bias = -2 } } }, hidden = 4 }\n");
    assert_int_equal(study->count, 1);
    cb_study_trial trial;
    assert_int_equal(study->get(study->context, 0, &trial, &err), CB_OK);
    const char *text = cb_cell_text(cb_stack_cell(cb_trial_stack(trial.trial), 0));
    check_contains(text, "s' = a2*t2 + s1*(1 - t2)");
    check_contains(text, "set bias = -2");
    cb_trial_destroy(trial.trial);
    study = load(script, HEAD "return cb.study { name = 'made', " TASK
                              "cells = { { 'highway', set = { steps = 4 } } }, hidden = 4 }\n");
    assert_int_equal(study->get(study->context, 0, &trial, &err), CB_OK);
    check_contains(cb_cell_text(cb_stack_cell(cb_trial_stack(trial.trial), 0)),
                   "s' = a4*t4 + s3*(1 - t4)");
    cb_trial_destroy(trial.trial);
    write_file(HEAD "return cb.study { name = 'made', " TASK
                    "cells = { { 'highway', set = { steps = 40 } } }, hidden = 4 }\n");
    assert_int_equal(cb_script_study(script, path, 0, NULL, &study, &err), CB_EARG);
    check_contains(err.text, "highway: steps: expected a whole number from 1 to 10");
    cb_script_destroy(script);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trials),       cmocka_unit_test(test_confirm),
        cmocka_unit_test(test_keys_repeat),  cmocka_unit_test(test_made_cells),
        cmocka_unit_test(test_params),       cmocka_unit_test(test_refused_studies),
        cmocka_unit_test(test_missing_file), cmocka_unit_test(test_run),
        cmocka_unit_test(test_arguments),    cmocka_unit_test(test_experiments),
        cmocka_unit_test(test_design),       cmocka_unit_test(test_memory_gives_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
