/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: whatever the training is made of and wherever it is stopped, what goes on from there
 * has the rows, the results and the weights of an undisturbed run, bit for bit. What is no whole
 * checkpoint of the very trial is not used.
 */
#include <fcntl.h>
#include <sys/stat.h>
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
    "", ",'weight_noise':0.1,'input_noise':0.1,'dropout':0.2,'input_dropout':0.1"};
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
    size_t stops = 0;
    for (size_t i = 0; i < COMBINATIONS; i++) {
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
        stops += check_parts(series, spec, 1 + i % 5);
    }
    assert_true(stops > 2 * COMBINATIONS);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_divergence),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
