/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: whatever the training is made of and wherever it is stopped, what goes on from there
 * has the rows, the results and the weights of an undisturbed run, bit for bit. What is no whole
 * checkpoint of the very trial is not used.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "trial_run.h"
#include "unit/task_file.h"

static cb_task *adding, *copy, *series;
static char checkpoint[128];

static void write_series(char *text, size_t size) {
    size_t at = 0;
    for (int i = 0; i < 90; i++)
        at += (size_t)snprintf(text + at, size - at, "%.3f\n", sin(0.7 * i) + 0.1 * (i % 5));
}

static int open_tasks(void **state) {
    char text[2048];
    if (set_up(state) != 0)
        return -1;
    write_series(text, sizeof text);
    const char *settings = write_file("series.csv", text, strlen(text));
    adding = open_task("adding", "{\"length\":4,\"train\":11,\"valid\":70,\"test\":70}");
    copy = open_task("copy", "{\"length\":1,\"digits\":2,\"train\":9,\"valid\":66,\"test\":65}");
    series = open_task("series", add_settings(settings, "\"length\":7"));
    /* In memory where there is room: the tests write thousands of them. */
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : folder;
    snprintf(checkpoint, sizeof checkpoint, "%s/cellbench-test-%ld", where, (long)getpid());
    return 0;
}

static int close_tasks(void **state) {
    cb_task_close(adding);
    cb_task_close(copy);
    cb_task_close(series);
    return tear_down(state);
}

/* ---- a run, and one that is stopped again and again ---- */

static cb_trial_result run_events(const cb_task *task, const char *spec, const cb_train_events *e) {
    cb_err err = {0};
    cb_trial_result out;
    cb_trial *trial = make_trial(task, spec); /* a new one each time */
    if (cb_trial_run(trial, e, &out, &err) != CB_OK)
        fail_msg("%s: %s", spec, err.text);
    assert_string_equal(out.checkpoint_error, "");
    cb_trial_destroy(trial);
    return out;
}

/* The last of the attempts; *attempts says how many it took. Each asks at most `patience` times
 * before it stops. */
static cb_trial_result run_in_parts(const cb_task *task, const char *spec, size_t patience,
                                    record *r, size_t *attempts) {
    cb_trial_result out;
    size_t before = 0;
    (void)unlink(checkpoint);
    for (*attempts = 1;; ++*attempts) {
        *r = (record){.stop_at = patience + 1};
        const cb_train_events e = {r, keep_row, ask, checkpoint, 0};
        out = run_events(task, spec, &e);
        if (out.resumed_updates != before)
            fail_msg("%s\nattempt %zu: expected %zu updates taken over, got %zu", spec, *attempts,
                     before, out.resumed_updates);
        assert_true(out.resumed_epochs <= out.epochs);
        before = out.updates;
        assert_int_equal(out.checkpoints, out.state == CB_TRIAL_STOPPED);
        if (out.state != CB_TRIAL_STOPPED)
            return out;
        assert_null(out.weights);
    }
}

static void same_real(const char *spec, const char *what, double a, double b) {
    if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b)))
        fail_msg("%s\n%s: expected %a, got %a", spec, what, a, b);
}

static void same_run(const char *spec, const record *a, const record *b, const cb_trial_result *x,
                     const cb_trial_result *y) {
    if (a->count != b->count)
        fail_msg("%s\nexpected %zu rows, got %zu", spec, a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const cb_epoch_row *p = &a->rows[i], *q = &b->rows[i];
        assert_int_equal(p->epoch, q->epoch);
        assert_int_equal(p->split, q->split);
        assert_string_equal(p->metric, q->metric);
        same_real(spec, "row", p->value, q->value);
        assert_true(q->seconds >= 0);
    }
    assert_int_equal(x->state, y->state);
    assert_int_equal(x->epochs, y->epochs);
    assert_int_equal(x->best_epoch, y->best_epoch);
    assert_int_equal(x->updates, y->updates);
    same_real(spec, "train", x->train, y->train);
    same_real(spec, "valid", x->valid, y->valid);
    same_real(spec, "test", x->test, y->test);
    same_real(spec, "valid_error", x->valid_error, y->valid_error);
    same_real(spec, "test_error", x->test_error, y->test_error);
    same_real(spec, "flop", x->flop, y->flop);
    assert_int_equal(x->weight_count, y->weight_count);
    if (x->weight_count > 0 && memcmp(x->weights, y->weights, x->weight_count * sizeof(float)) != 0)
        fail_msg("%s\nother weights", spec);
}

/* Stops after every `patience` batches. Returns how often. */
static size_t check_parts(const cb_task *task, const char *spec, size_t patience) {
    static record whole, parts;
    size_t attempts;
    whole = (record){0};
    const cb_train_events e = {.context = &whole, .row = keep_row, .stop = ask};
    cb_trial_result a = run_events(task, spec, &e);
    cb_trial_result b = run_in_parts(task, spec, patience, &parts, &attempts);
    same_run(spec, &whole, &parts, &a, &b);
    /* `whole` counts the batches; each attempt but the last got through `patience` of them. */
    assert_int_equal(attempts, (whole.asked - 1) / patience + 1);
    cb_free(a.weights);
    cb_free(b.weights);
    assert_int_equal(unlink(checkpoint), attempts > 1 ? 0 : -1);
    return attempts - 1;
}

/* ---- every combination ---- */

static const char *const optimisers[] = {"sgd",     "momentum", "nesterov",       "adam",
                                         "adamw",   "rmsprop",  "rmsprop-graves", "adagrad",
                                         "adadelta"};
static const char *const averages[] = {"", ",'average':'ema','average_decay':0.8",
                                       ",'average':'mean','average_epochs':2"};
static const char *const schedules[] = {"",
                                        ",'schedule':'step','schedule_epochs':1",
                                        ",'schedule':'exponential','warm_up':3",
                                        ",'schedule':'cosine','schedule_hold':1",
                                        ",'schedule':'linear'",
                                        ",'schedule':'plateau','schedule_epochs':1"};
static const char *const disturbances[] = {
    "", ",'weight_noise':0.1,'input_noise':0.1,'dropout':0.2,'input_dropout':0.1",
    ",'variational_input':0.1,'variational_state':0.2,'zoneout':0.1"};
static const char *const ends[] = {"", ",'patience':2", ",'updates':7"};
static const char *const orders[] = {"", ",'unroll':5", ",'order':'sequential','l2':0.01"};

enum {
    OPTIMISERS = sizeof optimisers / sizeof *optimisers,
    AVERAGES = sizeof averages / sizeof *averages,
    SCHEDULES = sizeof schedules / sizeof *schedules,
    DISTURBANCES = sizeof disturbances / sizeof *disturbances,
    ENDS = sizeof ends / sizeof *ends,
    ORDERS = sizeof orders / sizeof *orders,
    COMBINATIONS = OPTIMISERS * AVERAGES * SCHEDULES * DISTURBANCES * ENDS * ORDERS
};

#define CELL "'layers':[{'text':\"state h\\nh' = tanh(W x + R h + b)\\n\"}],'hidden':2,'depth':2"

/* The i-th choice of the part of *rest that a list of n entries takes. */
static const char *choose(const char *const *list, size_t n, size_t *rest) {
    const char *chosen = list[*rest % n];
    *rest /= n;
    return chosen;
}

static void test_every_combination(void **state) {
    (void)state;
    /* Every one when asked to; otherwise each fifth, which meets all pairs of choices: five has no
     * factor in common with the lengths of the lists. */
    const size_t stride = getenv("CELLBENCH_LONG") ? 1 : 5;
    size_t stops = 0;
    for (size_t i = 0; i < COMBINATIONS; i += stride) {
        size_t rest = i;
        char spec[1024];
        const char *optimiser = choose(optimisers, OPTIMISERS, &rest);
        const char *average = choose(averages, AVERAGES, &rest);
        const char *schedule = choose(schedules, SCHEDULES, &rest);
        const char *disturbance = choose(disturbances, DISTURBANCES, &rest);
        const char *end = choose(ends, ENDS, &rest);
        const char *order = choose(orders, ORDERS, &rest);
        if (strstr(schedule, "plateau") && strstr(end, "patience"))
            end = ",'patience':3";
        snprintf(spec, sizeof spec,
                 "{'task':{'name':'series'}," CELL ",'train':{'epochs':3,'batch':5,'optimiser':"
                 "'%s','rate':0.05%s%s%s%s%s}}",
                 optimiser, average, schedule, disturbance, end, order);
        stops += check_parts(series, spec, 1 + i % 7);
    }
    assert_true(stops > 2 * COMBINATIONS / stride);
}

/* ---- other cells and tasks ---- */

#define COPY "{'task':{'name':'copy'},"
#define ADDING "{'task':{'name':'adding'},"

static void test_every_place(void **state) {
    (void)state;
    static const struct {
        const char *task, *spec;
    } cases[] = {
        {"copy", COPY LSTM ",'hidden':3,'depth':2,'train':{'epochs':3,'batch':4,'unroll':3,"
                           "'dropout':0.2,'average':'mean'}}"},
        {"copy", COPY LSTM ",'hidden':3,'train':{'epochs':3,'batch':4,'operations':3e4}}"},
        {"copy", COPY LSTM ",'hidden':3,'train':{'epochs':3,'batch':4,'unroll':3,'zoneout':0.1,"
                           "'zoneout_c':0.5,'variational_state':0.3,'recurrent_dropout':0.2}}"},
        {"copy", COPY BOTH ",'hidden':3,'depth':2,'train':{'epochs':2,'batch':4,'dropout':0.2}}"},
        {"copy", COPY CLOCKWORK ",'hidden':4,'train':{'epochs':2,'batch':3,'unroll':2}}"},
        {"copy", COPY "'layers':[{'text':\"state h, c[3] = learned\\nc' = tanh(W x + R c)\\n"
                      "h' = V c' + b\\n\"}],'hidden':4,'train':{'epochs':2,'batch':4,"
                      "'unroll':2,'optimiser':'momentum'}}"},
        {"adding", ADDING "'hidden':3,'layers':[{'text':\"state h\\nfixed b\\nlimit p_h = 0.5\\n"
                          "h' = tanh(W x + p*h + b)\\n\"}],'train':{'epochs':3,'batch':4,"
                          "'optimiser':'adamw','average':'ema','clip':0.1}}"},
        {"adding", ADDING LSTM ",'hidden':3,'train':{'epochs':9,'batch':4,'rate':0}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 1; k < 20; k++)
            check_parts(strcmp(cases[i].task, "copy") == 0 ? copy : adding, cases[i].spec, k);
}

static void test_divergence(void **state) {
    (void)state;
    static const char *const specs[] = {
        ADDING RNN ",'hidden':3,'train':{'optimiser':'sgd','rate':1e20,'epochs':9,'batch':3}}",
        ADDING RNN ",'hidden':3,'train':{'optimiser':'sgd','rate':1e10,'epochs':9,'batch':3,"
                   "'clip':1e8}}",
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        for (size_t k = 1; k < 8; k++)
            check_parts(adding, specs[i], k);
}

/* ---- what is no checkpoint of the trial ---- */

static const char plain[] =
    COPY LSTM ",'hidden':3,'seed':5,'train':{'epochs':3,'batch':4,'average':'ema'}}";

/* Runs `plain` with what lies in the file; the result must be that of an undisturbed run. Returns
 * the updates that were taken over. */
static size_t run_on(double seconds) {
    static record whole, now;
    whole = now = (record){0};
    const cb_train_events e = {.context = &whole, .row = keep_row};
    const cb_train_events f = {&now, keep_row, NULL, checkpoint, seconds};
    cb_trial_result a = run_events(copy, plain, &e), b = run_events(copy, plain, &f);
    same_run(plain, &whole, &now, &a, &b);
    cb_free(a.weights);
    cb_free(b.weights);
    return b.resumed_updates;
}

/* A checkpoint in the middle of this trial, read into memory. */
static char *stop_in(const char *spec, size_t *length) {
    char *bytes;
    cb_err err = {0};
    record r = {.stop_at = 9};
    (void)unlink(checkpoint);
    const cb_train_events e = {&r, keep_row, ask, checkpoint, 0};
    cb_trial_result out = run_events(copy, spec, &e);
    assert_int_equal(out.state, CB_TRIAL_STOPPED);
    if (cbi_file_read(&bytes, length, checkpoint, 1 << 20, &err) != CB_OK)
        fail_msg("%s", err.text);
    return bytes;
}

static void put(const void *bytes, size_t length) {
    assert_int_equal(cbi_file_write(checkpoint, bytes, length, NULL), CB_OK);
}

static void test_damaged(void **state) {
    (void)state;
    size_t length, header;
    char *bytes = stop_in(plain, &length);
    assert_true(run_on(0) > 0);
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < length; i += i < 8 + header ? 5 : 37) {
        bytes[i] ^= 4;
        put(bytes, length);
        bytes[i] ^= 4;
        if (run_on(0) != 0)
            fail_msg("taken over with byte %zu changed", i);
    }
    for (size_t i = 0; i < length; i += 1 + length / 40) {
        put(bytes, i);
        assert_int_equal(run_on(0), 0);
    }
    put("nothing of the kind", 19);
    assert_int_equal(run_on(0), 0);
    cbi_free(bytes);
    assert_int_equal(unlink(checkpoint), 0);
    assert_int_equal(mkdir(checkpoint, 0700), 0);
    assert_int_equal(run_on(0), 0);
    assert_int_equal(rmdir(checkpoint), 0);
}

static void test_of_another_trial(void **state) {
    (void)state;
    static const char *const others[] = {
        COPY LSTM ",'hidden':3,'seed':6,'train':{'epochs':3,'batch':4,'average':'ema'}}",
        COPY LSTM ",'hidden':3,'seed':5,'train':{'epochs':4,'batch':4,'average':'ema'}}",
        COPY RNN ",'hidden':3,'seed':5,'train':{'epochs':3,'batch':4}}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t length;
        cbi_free(stop_in(others[i], &length));
        assert_int_equal(run_on(0), 0);
    }
    assert_int_equal(unlink(checkpoint), 0);
}

/* ---- in time ---- */

/* The last one that was written while it ran; a second run takes it over. */
static void test_by_time(void **state) {
    (void)state;
    assert_int_equal(run_on(1e-9), 0);
    assert_int_equal(access(checkpoint, R_OK), 0);
    const size_t before = run_on(0);
    assert_true(before > 0 || access(checkpoint, R_OK) == 0);
    assert_int_equal(unlink(checkpoint), 0);
}

static cb_status die(void *context, const cb_epoch_row *row, cb_err *err) {
    (void)context;
    (void)err;
    if (row->epoch == 2)
        _exit(3);
    return CB_OK;
}

/* A process that ends in the middle of its work leaves what the next one goes on from. */
static void test_killed(void **state) {
    (void)state;
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cb_trial_result out;
        cb_trial *trial = make_trial(copy, plain);
        const cb_train_events e = {NULL, die, NULL, checkpoint, 1e-9};
        (void)!cb_trial_run(trial, &e, &out, NULL);
        _exit(4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    assert_int_equal(access(checkpoint, R_OK), 0);
    (void)run_on(0);
    assert_int_equal(unlink(checkpoint), 0);
}

static void test_cannot_be_written(void **state) {
    (void)state;
    static const char nowhere[] = "/no/such/folder/x";
    record r = {.stop_at = 9};
    cb_trial_result out;
    cb_trial *trial = make_trial(copy, plain);
    const cb_train_events e = {&r, keep_row, ask, nowhere, 1e-9};
    assert_int_equal(cb_trial_run(trial, &e, &out, NULL), CB_OK);
    assert_int_equal(out.state, CB_TRIAL_STOPPED);
    assert_int_equal(out.checkpoints, 0);
    assert_non_null(strstr(out.checkpoint_error, nowhere));
    cb_trial_destroy(trial);
}

/* ---- refused allocations ---- */

static cb_status stop_and_go_on(void *context) {
    cb_trial *trial = NULL;
    cb_trial_result out = {0};
    cb_status st = CB_OK;
    (void)context;
    (void)unlink(checkpoint);
    for (int part = 0; part < 3 && st == CB_OK; part++) {
        record r = {.stop_at = part < 2 ? 4 : 0};
        const cb_train_events e = {&r, keep_row, ask, checkpoint, 0};
        if ((st = try_trial(&trial, adding,
                            ADDING RNN ",'hidden':2,'train':{'epochs':1,'batch':4}}", NULL)) ==
            CB_OK)
            st = cb_trial_run(trial, &e, &out, NULL);
        if (st != CB_OK)
            assert_null(out.weights);
        cb_free(out.weights);
        cb_trial_destroy(trial);
        trial = NULL;
    }
    return st;
}

static void test_every_allocation(void **state) {
    (void)state;
    assert_true(faults_run(stop_and_go_on, NULL) > 100);
    (void)unlink(checkpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged),           cmocka_unit_test(test_of_another_trial),
        cmocka_unit_test(test_by_time),           cmocka_unit_test(test_killed),
        cmocka_unit_test(test_cannot_be_written), cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_every_combination), cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_divergence),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
