/* SPDX-License-Identifier: MIT */
/*
 * cb_trial_memory against what a trial really takes: the highest resident size of a process that
 * runs it, less what it had before. Never less than that, and not much more.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trial_run.h"

static cb_task *adding, *copy, *long_copy;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{\"length\":60,\"train\":300,\"valid\":200,\"test\":100}");
    copy = open_task("copy", "{\"length\":40,\"train\":300,\"valid\":200,\"test\":100}");
    long_copy = open_task("copy", "{\"length\":2000,\"train\":40,\"valid\":10,\"test\":10}");
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    cb_task_close(copy);
    cb_task_close(long_copy);
    return 0;
}

/* A line of /proc/self/status in bytes. */
static double status_bytes(const char *name) {
    char line[256];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtod(line + strlen(name), NULL);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

static int stop_after(void *context) {
    int *left = context;
    return --*left < 0;
}

/* The code of the libraries that a first trial reads in. How much of a file counts as resident
 * depends on the pieces in which the system has it in its cache, 1 to 10 MB were seen: so files are
 * left out of what is measured, and the most is put in their place. */
#define CODE_BYTES 10e6

/* Bytes that the trial takes in a process of its own. */
static double measure(const cb_task *task, const char *spec) {
    int channel[2];
    double bytes = 0;
    assert_int_equal(pipe(channel), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int left = 7; /* evaluation of all but a rest, then two updates */
        cb_trial_result out;
        cb_trial *trial = make_trial(task, spec);
        const cb_train_events e = {.context = &left, .stop = stop_after};
        const double before = status_bytes("VmRSS:"), files = status_bytes("RssFile:");
        FILE *file = fopen("/proc/self/clear_refs", "w"); /* the highest size is that of now */
        if (file) {
            fputs("5", file);
            fclose(file);
        }
        if (cb_trial_run(trial, &e, &out, NULL) == CB_OK)
            bytes =
                status_bytes("VmHWM:") - before - (status_bytes("RssFile:") - files) + CODE_BYTES;
        _exit(write(channel[1], &bytes, sizeof bytes) != sizeof bytes);
    }
    close(channel[1]);
    assert_int_equal(read(channel[0], &bytes, sizeof bytes), sizeof bytes);
    close(channel[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return bytes;
}

static int wrong;

static void check(const cb_task *task, const char *cell, const char *rest) {
    char spec[4096];
    size_t predicted;
    snprintf(spec, sizeof spec, "{'task':{'name':'%s'},%s,%s}", cb_task_get_def(task)->name, cell,
             rest);
    cb_trial *trial = make_trial(task, spec);
    assert_int_equal(cb_trial_memory(trial, &predicted, NULL), CB_OK);
    cb_trial_destroy(trial);
    const double real = measure(task, spec), ratio = (double)predicted / real;
    if (ratio >= 1 && ratio <= 1.3)
        return;
    print_error("%.2f MB predicted, %.2f MB real: %s\n", (double)predicted / 1e6, real / 1e6, spec);
    wrong++;
}

#define GRU                                                                                        \
    "'layers':[{'text':\"state h\\nr = sigmoid(W x + R h + b)\\nz = sigmoid(W x + R h + b)\\n"     \
    "n = tanh(W x + R (r*h) + b)\\nh' = (1 - z)*n + z*h\\n\"}]"

static void test_prediction(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer's memory would be measured, too\n");
    skip();
#endif
    static const char *const cells[] = {RNN, LSTM, GRU, BOTH, CLOCKWORK};
    for (size_t i = 0; i < 5; i++) {
        check(adding, cells[i], "'hidden':4");
        check(adding, cells[i], "'hidden':128");
        check(adding, cells[i], "'hidden':512,'train':{'batch':4}");
        check(adding, cells[i], "'hidden':128,'depth':3,'train':{'batch':8}");
        check(copy, cells[i], "'hidden':64,'train':{'batch':100}");
    }
    static const char *const trains[] = {
        "'optimiser':'sgd'",
        "'optimiser':'rmsprop-graves','average':'ema','weight_noise':0.1",
        "'average':'mean','average_epochs':7",
        "'batch':256",
        "'dropout':0.3,'batch':128",
        "'input_noise':0.1",
        "'variational_input':0.1,'variational_state':0.1,'recurrent_dropout':0.1,'zoneout':0.1",
    };
    for (size_t i = 0; i < sizeof trains / sizeof *trains; i++) {
        char rest[256];
        snprintf(rest, sizeof rest, "'hidden':200,'depth':2,'train':{%s}", trains[i]);
        check(adding, LSTM, rest);
    }
    check(copy, LSTM, "'hidden':200,'depth':2,'train':{'unroll':20,'batch':64}");
    check(copy, LSTM, "'hidden':200,'depth':2,'train':{'unroll':100,'batch':64}");
    check(copy, LSTM, "'hidden':200,'depth':2,'train':{'unroll':500,'batch':8,'dropout':0.2}");
    check(copy, LSTM, "'hidden':64,'train':{'unroll':35,'batch':20}");
    static const char *const segments[] = {"null", "0", "1", "300"};
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        char rest[256];
        snprintf(rest, sizeof rest, "'hidden':96,'depth':2,'train':{'batch':10,'segment':%s}",
                 segments[i]);
        check(long_copy, LSTM, rest);
    }
    assert_int_equal(wrong, 0);
}

static void test_data(void **state) {
    (void)state;
    cb_trial *a = make_trial(adding, "{'task':{'name':'adding'}," RNN ",'hidden':4}");
    cb_trial *c = make_trial(copy, "{'task':{'name':'copy'}," RNN ",'hidden':4}");
    const size_t starts = (600 + 3) * sizeof(size_t), frames = cb_task_data(copy)->split[0].frames;
    assert_int_equal(cb_trial_data_bytes(a), 600 * (60 * 2 + 1) * sizeof(float) + starts);
    assert_int_equal(cb_trial_data_bytes(c), frames / 300 * 600 * 2 * sizeof(int32_t) + starts);
    cb_trial_destroy(a);
    cb_trial_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_prediction),
                                       cmocka_unit_test(test_data)};
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
