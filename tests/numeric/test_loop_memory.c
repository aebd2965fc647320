/* SPDX-License-Identifier: MIT */
/*
 * No allocation in the training loop: once every batch has been seen, a trial asks for no memory
 * until it ends, whatever is trained and however it is disturbed; on whole sequences, on chunks of
 * streams, and where sequences are gone through in segments.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cellbench/memory.h"
#include "trial_run.h"

typedef struct counter {
    size_t calls;
    size_t after_first; /* calls when the first epoch was over */
    size_t epochs;
    const char *spec;
} counter;

static void *resize(void *context, void *block, size_t size) {
    ((counter *)context)->calls++;
    return realloc(block, size);
}

static void release(void *context, void *block) {
    (void)context;
    free(block);
}

/* Rows are told after each epoch's validation: from the first to the last one. */
static cb_status row(void *context, const cb_epoch_row *row, cb_err *err) {
    counter *c = context;
    (void)err;
    if (row->split != CB_VALID || row->epoch == c->epochs) /* epoch 0, or a second metric */
        return CB_OK;
    c->epochs = row->epoch;
    if (c->epochs == 1)
        c->after_first = c->calls;
    else if (c->calls != c->after_first)
        fail_msg("%s\n%zu allocations in epochs 2 to %zu", c->spec, c->calls - c->after_first,
                 c->epochs);
    return CB_OK;
}

static void check(const char *task_name, const char *settings, const char *cell, const char *rest) {
    counter c = {0};
    const cb_allocator table = {resize, release, &c};
    cb_memory_set(&table);
    cb_task *task = open_task(task_name, settings);
    char spec[4096];
    snprintf(spec, sizeof spec, "{'task':{'name':'%s'},%s,'hidden':12,%s}", task_name, cell, rest);
    c.spec = spec;
    cb_trial *trial = make_trial(task, spec);
    cb_trial_result out;
    cb_err err = {0};
    const cb_train_events events = {.context = &c, .row = row};
    if (cb_trial_run(trial, &events, &out, &err) != CB_OK)
        fail_msg("%s\n%s", spec, err.text);
    assert_int_equal(out.state, CB_TRIAL_DONE);
    assert_int_equal(c.epochs, 4);
    cb_free(out.weights);
    cb_trial_destroy(trial);
    cb_task_close(task);
    cb_memory_set(NULL);
}

#define ADDING "adding", "{\"length\":13,\"train\":40,\"valid\":20,\"test\":20}"
#define COPY "copy", "{\"length\":5,\"train\":40,\"valid\":20,\"test\":20}"

static void test_no_allocation(void **state) {
    (void)state;
    static const char *const cells[] = {RNN, LSTM, BOTH, CLOCKWORK};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        check(ADDING, cells[i], "'train':{'epochs':4,'batch':1,'optimiser':'nesterov'}");
        check(ADDING, cells[i], "'depth':2,'train':{'epochs':4,'batch':7,'clip':1}");
        check(COPY, cells[i],
              "'depth':2,'train':{'epochs':4,'batch':7,'dropout':0.2,'weight_noise':0.01}");
    }
    check(ADDING, LSTM,
          "'depth':2,'train':{'epochs':4,'batch':7,'optimiser':'adam','dropout':0.2,"
          "'input_noise':0.1,'input_dropout':0.1,'average':'ema','l2':1e-5,'clip_value':1}");
}

/* States are handed to the engine and taken from it before and after each chunk or segment. A layer
 * that runs backwards cannot be cut so. */
static void test_no_allocation_in_pieces(void **state) {
    (void)state;
    static const char *const cells[] = {RNN, LSTM, CLOCKWORK};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        check(COPY, cells[i], "'depth':2,'train':{'epochs':4,'batch':7,'unroll':5}");
        check(COPY, cells[i], "'train':{'epochs':4,'batch':1,'unroll':1000,'dropout':0.2}");
        check(COPY, cells[i], "'depth':2,'train':{'epochs':4,'batch':7,'segment':4}");
        check(ADDING, cells[i],
              "'depth':2,'train':{'epochs':4,'batch':7,'segment':5,'zoneout':0.1,"
              "'variational_input':0.2,'variational_state':0.1,'recurrent_dropout':0.1}");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_allocation),
                                       cmocka_unit_test(test_no_allocation_in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
