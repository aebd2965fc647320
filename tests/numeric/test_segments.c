/* SPDX-License-Identifier: MIT */
/*
 * Trials in segments: the bits of every loss and of every weight are those of the trial that runs
 * its sequences whole; and what cannot be cut is refused.
 */
#include <stdlib.h>

#include "trial_run.h"

static cb_task *adding, *copy, *reber;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{\"length\":70,\"train\":40,\"valid\":20,\"test\":20}");
    copy = open_task("copy", "{\"length\":40,\"train\":30,\"valid\":20,\"test\":20}");
    reber = open_task("reber", "{\"train\":60,\"valid\":20,\"test\":20}"); /* unequal lengths */
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    cb_task_close(copy);
    cb_task_close(reber);
    return 0;
}

static cb_trial_result run_with(const cb_task *task, const char *cell, const char *rest,
                                const char *segment, record *r) {
    char spec[4096];
    snprintf(spec, sizeof spec,
             "{'task':{'name':'%s'},%s,'hidden':8,'train':{'epochs':2,'rate':0.01%s%s}}",
             cb_task_get_def(task)->name, cell, rest, segment);
    return run_spec(task, spec, r);
}

static void same(const cb_task *task, const char *cell, const char *rest, const char *segment) {
    record whole, cut;
    cb_trial_result a = run_with(task, cell, rest, "", &whole);
    cb_trial_result b = run_with(task, cell, rest, segment, &cut);
    const char *name = cb_task_get_def(task)->name;
    assert_int_equal(a.state, CB_TRIAL_DONE);
    if (a.weight_count != b.weight_count ||
        memcmp(a.weights, b.weights, a.weight_count * sizeof *a.weights) != 0)
        fail_msg("%s, %s%s%s: other weights", name, cell, rest, segment);
    assert_int_equal(whole.count, cut.count);
    for (size_t i = 0; i < whole.count; i++)
        if (memcmp(&whole.rows[i].value, &cut.rows[i].value, sizeof cut.rows[i].value) != 0)
            fail_msg("%s, %s%s%s: row %zu: %.17g and %.17g", name, cell, rest, segment, i,
                     whole.rows[i].value, cut.rows[i].value);
    cb_free(a.weights);
    cb_free(b.weights);
}

#define TWO(text) "'depth':2,'layers':[{'name':'two','text':\"" text "\"}]"
#define LEARNED                                                                                    \
    "'layers':[{'name':'learned','text':\"state h = learned, c\\n"                                 \
    "c' = 0.5*c + W x\\nh' = tanh(R h + c' + b)\\n\"}]"
/* A state that is a delayed input, and a product of two values. */
#define DELAYED                                                                                    \
    "'layers':[{'name':'delayed','text':\"state h, u[I]\\nu' = x\\n"                               \
    "r = sigmoid(W x + V u + b)\\nh' = tanh(W x + R (r*h) + b)\\n\"}]"

static void test_bits(void **state) {
    static const char *const cells[] = {RNN, LSTM, CLOCKWORK, LEARNED, TWO(LSTM_TEXT)};
    static const char *const segments[] = {",'segment':1", ",'segment':20", ",'segment':0",
                                           ",'segment':1000"};
    (void)state;
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++)
        for (size_t s = 0; s < sizeof segments / sizeof *segments; s++) {
            same(adding, cells[c], ",'batch':16", segments[s]);
            same(copy, cells[c], ",'batch':5", segments[s]);
            same(reber, cells[c], ",'batch':30", segments[s]);
        }
    for (size_t s = 0; s < sizeof segments / sizeof *segments; s++)
        same(adding, DELAYED, ",'batch':9", segments[s]);
}

/* Everything that is drawn in a pass. */
static void test_noise(void **state) {
    (void)state;
    same(copy, TWO(LSTM_TEXT), ",'batch':16,'dropout':0.3", ",'segment':7");
    same(adding, TWO(RNN_TEXT), ",'batch':7,'dropout':0.3,'input_noise':0.1", ",'segment':1");
    same(reber, LSTM, ",'batch':60,'weight_noise':0.1,'clip':1", ",'segment':5");
}

/* Masks within the cells belong to sequences and steps, wherever these are cut; segments run their
 * forward pass twice. (Each mask in each cell: test_segments_internal.) */
static void test_masks(void **state) {
    static const char *const masks[] = {
        ",'zoneout':0.2", ",'variational_input':0.3", ",'variational_state':0.3",
        ",'recurrent_dropout':0.3",
        ",'zoneout':0.1,'variational_input':0.2,'variational_state':0.2,"
        "'recurrent_dropout':0.2,'dropout':0.2,'weight_noise':0.05"};
    static const char *const cells[] = {RNN, CLOCKWORK, LEARNED, TWO(LSTM_TEXT)};
    char rest[512];
    (void)state;
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
        for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
            snprintf(rest, sizeof rest, ",'batch':30%s", masks[m]);
            same(reber, cells[c], rest, ",'segment':3");
            snprintf(rest, sizeof rest, ",'batch':7,'optimiser':'sgd'%s", masks[m]);
            same(adding, cells[c], rest, ",'segment':20");
            same(adding, cells[c], rest, ",'segment':0");
        }
}

#define ADDING "{'task':{'name':'adding'},'hidden':8,"

static void test_refusals(void **state) {
    (void)state;
    refuse_trial(copy,
                 "{'task':{'name':'copy'},'hidden':8," LSTM ",'train':{'segment':10,'unroll':5}}",
                 CB_EARG, "with unroll");
    refuse_trial(adding, ADDING BOTH ",'train':{'segment':10}}", CB_EARG, "bidirectional");
    refuse_trial(adding, ADDING LSTM ",'train':{'segment':-1}}", CB_EARG, "segment");
}

/* Off, it is not in the identity. */
static void test_identity(void **state) {
    (void)state;
    cb_trial *plain = make_trial(adding, ADDING LSTM "}");
    cb_trial *off = make_trial(adding, ADDING LSTM ",'train':{'segment':null}}");
    cb_trial *on = make_trial(adding, ADDING LSTM ",'train':{'segment':0}}");
    assert_string_equal(cb_trial_spec(plain), cb_trial_spec(off));
    assert_non_null(strstr(cb_trial_spec(on), "\"segment\":0"));
    cb_trial_destroy(plain);
    cb_trial_destroy(off);
    cb_trial_destroy(on);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits), cmocka_unit_test(test_noise), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_identity)};
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
