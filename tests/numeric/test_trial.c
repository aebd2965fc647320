/* SPDX-License-Identifier: MIT */
/*
 * Trials before they run: defaults, identity, the size for a number of parameters, what is refused.
 */
#include "trial_check.h"

#define ADDING "{'task':{'name':'adding'},"
#define SMALL "\"length\":10,\"train\":20,\"valid\":10,\"test\":10"

static cb_task *adding, *order;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{" SMALL "}");
    order = open_task("temporal_order", "{" SMALL "}");
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    cb_task_close(order);
    return 0;
}

static void key_of(char key[65], const cb_task *task, const char *spec) {
    cb_trial *trial = make_trial(task, spec);
    assert_int_equal(strlen(cb_trial_key(trial)), 64);
    memcpy(key, cb_trial_key(trial), 65);
    cb_trial_destroy(trial);
}

static void expect_keys(const cb_task *task, const char *a, const char *b, int same) {
    char ka[65], kb[65];
    key_of(ka, task, a);
    key_of(kb, task, b);
    if ((strcmp(ka, kb) == 0) != same)
        fail_msg("expected %s keys of\n%s\n%s", same ? "the same" : "different", a, b);
}

static const char base[] = ADDING LSTM ",'hidden':8,'seed':1}";

static void test_resolved_is_its_own_specification(void **state) {
    (void)state;
    static const char *const specs[] = {
        base,
        ADDING CLOCKWORK ",'depth':2,'params':700,'train':{'clip':1,'patience':5,'rate':0.1}}",
        ADDING LSTM ",'hidden':3,'seed':4000000000,'train':{'optimiser':'nesterov','forget_bias':1,"
                    "'init':{'R':'orthogonal(1.10)','1.W_z':'zero'},'readout_init':'normal(.1)'}}",
        ADDING BOTH ",'hidden':3,'depth':2}",
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        cb_trial *a = make_trial(adding, specs[i]), *b = NULL;
        cb_err err = {0};
        if (cb_trial_create(&b, cb_trial_spec(a), adding, &err) != CB_OK)
            fail_msg("%s\n%s", cb_trial_spec(a), err.text);
        assert_string_equal(cb_trial_spec(a), cb_trial_spec(b));
        assert_string_equal(cb_trial_key(a), cb_trial_key(b));
        assert_int_equal(cb_trial_param_count(a), cb_trial_param_count(b));
        assert_int_equal(cb_trial_hidden(a), cb_trial_hidden(b));
        cb_trial_destroy(a);
        cb_trial_destroy(b);
    }
}

static void test_spec_has_everything(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "\"format\":1",
        "\"hidden\":8",
        "\"seed\":1",
        "\"sha256\":\"\"",
        "\"length\":10",
        "\"optimiser\":\"adam\"",
        "\"batch\":16",
        "\"epochs\":100",
        "\"patience\":null",
        "\"clip\":null",
        "\"forget_bias\":null",
        "\"init\":{}",
        "\"order\":\"shuffle\"",
        "\"loss_scale\":\"frame\"",
    };
    cb_trial *trial = make_trial(adding, base);
    const char *spec = cb_trial_spec(trial);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (strstr(spec, pieces[i]) == NULL)
            fail_msg("no %s in %s", pieces[i], spec);
    assert_null(strstr(spec, "lstm"));
    assert_null(strstr(spec, "momentum"));
    cb_trial_destroy(trial);
}

/* A specification without any of the settings that came later, as it was first resolved. */
static void test_old_specifications_stay(void **state) {
    (void)state;
    cb_trial *trial = make_trial(adding, base);
    assert_string_equal(
        cb_trial_spec(trial),
        "{\"format\":1,\"layers\":[{\"hidden\":8,\"text\":\"state h, c\\nz = tanh(W x + R h + "
        "b)\\ni = "
        "sigmoid(W x + R h + b)\\nf = sigmoid(W x + R h + b)\\nc' = f*c + i*z\\no = sigmoid(W x + "
        "R h "
        "+ b)\\nh' = "
        "o*tanh(c')\\n\"}],\"seed\":1,\"task\":{\"name\":\"adding\",\"settings\":{\"data_seed\":0,"
        "\"form\":\"modern\",\"length\":10,\"test\":10,\"train\":20,\"valid\":10},\"sha256\":\"\"}"
        ",\"train\":{\"batch\":16,\"beta1\":0.90000000000000002,\"beta2\":0.999,\"clip\":null,"
        "\"epochs\":100,\"epsilon\":1e-08,\"forget_bias\":null,\"init\":{},\"loss_scale\":"
        "\"frame\","
        "\"optimiser\":\"adam\",\"order\":\"shuffle\",\"patience\":null,\"rate\":0.001,\"readout_"
        "init\":\"glorot\"}"
        "}");
    assert_string_equal(cb_trial_key(trial),
                        "1fc966b443b72e2a3dbb23a53c74d9126cb65de9bf15482e3d09562a586ec958");
    cb_trial_destroy(trial);
}

#define WITH_TRAIN(cell, settings) ADDING cell ",'hidden':8,'seed':1,'train':{" settings "}}"

static void test_what_changes_the_key(void **state) {
    (void)state;
    static const char *const others[] = {
        ADDING LSTM ",'hidden':9,'seed':1}",
        ADDING LSTM ",'hidden':8,'seed':2}",
        ADDING RNN ",'hidden':8,'seed':1}",
        ADDING LSTM ",'hidden':8,'seed':1,'depth':2}",
        WITH_TRAIN(LSTM, "'optimiser':'sgd'"),
        WITH_TRAIN(LSTM, "'rate':0.002"),
        WITH_TRAIN(LSTM, "'beta1':0.8"),
        WITH_TRAIN(LSTM, "'beta2':0.99"),
        WITH_TRAIN(LSTM, "'epsilon':1e-7"),
        WITH_TRAIN(LSTM, "'clip':1"),
        WITH_TRAIN(LSTM, "'batch':17"),
        WITH_TRAIN(LSTM, "'epochs':99"),
        WITH_TRAIN(LSTM, "'patience':3"),
        WITH_TRAIN(LSTM, "'loss_scale':'sum'"),
        WITH_TRAIN(LSTM, "'order':'sequential'"),
        WITH_TRAIN(LSTM, "'forget_bias':1"),
        WITH_TRAIN(LSTM, "'init':{'R':'orthogonal(1)'}"),
        WITH_TRAIN(LSTM, "'readout_init':'zero'"),
        WITH_TRAIN(LSTM, "'clip_value':1"),
        WITH_TRAIN(LSTM, "'l2':1e-4"),
        WITH_TRAIN(LSTM, "'weight_noise':0.1"),
        WITH_TRAIN(LSTM, "'input_noise':0.1"),
        WITH_TRAIN(LSTM, "'dropout':0.1"),
        WITH_TRAIN(LSTM, "'input_dropout':0.1"),
        WITH_TRAIN(LSTM, "'variational_input':0.1"),
        WITH_TRAIN(LSTM, "'variational_state':0.1"),
        WITH_TRAIN(LSTM, "'recurrent_dropout':0.1"),
        WITH_TRAIN(LSTM, "'zoneout':0.1"),
        WITH_TRAIN(LSTM, "'zoneout_c':0.1"),
        WITH_TRAIN(LSTM, "'average':'ema'"),
        WITH_TRAIN(LSTM, "'average':'mean'"),
        WITH_TRAIN(LSTM, "'updates':199"),
        WITH_TRAIN(LSTM, "'operations':1e7"),
        WITH_TRAIN(LSTM, "'warm_up':1"),
        WITH_TRAIN(LSTM, "'schedule':'step'"),
        WITH_TRAIN(LSTM, "'schedule':'exponential'"),
        WITH_TRAIN(LSTM, "'schedule':'cosine'"),
        WITH_TRAIN(LSTM, "'schedule':'linear'"),
        WITH_TRAIN(LSTM, "'schedule':'plateau'"),
        ADDING BOTH ",'hidden':8,'seed':1}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_keys(adding, base, others[i], 0);
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'momentum'"),
                WITH_TRAIN(LSTM, "'optimiser':'momentum','momentum':0.5"), 0);
    char here[65], there[65];
    cb_task *longer = open_task("adding", "{\"length\":11,\"train\":20,\"valid\":10,\"test\":10}");
    key_of(here, adding, base);
    key_of(there, longer, base);
    assert_string_not_equal(here, there);
    cb_task_close(longer);
}

static void test_what_does_not_change_the_key(void **state) {
    (void)state;
    static const char *const same[] = {
        "{'seed':1.0,'hidden':8.0," LSTM ",'task':{'name':'adding','settings':{'length':10}}}",
        "{'task':{'name':'adding'},'seed':1,'hidden':8,'layers':[{'name':'mine','settings':{},"
        "'text':\"# a comment\\n\\n" LSTM_TEXT "\"}]}",
        "{'task':{'name':'adding'},'seed':1,'layers':[{'hidden':8,'text':\"" LSTM_TEXT "\"}]}",
        ADDING LSTM ",'hidden':8}",
        ADDING LSTM ",'hidden':8,'depth':1,'train':[]}",
        WITH_TRAIN(LSTM, "'optimiser':'adam','rate':1e-3,'batch':16,'epochs':1e2,'clip':null"),
        WITH_TRAIN(LSTM, "'momentum':0.3"),
        WITH_TRAIN(LSTM, "'init':[]"),
        WITH_TRAIN(LSTM, "'loss_scale':'sequence'"), /* one target for each sequence */
        WITH_TRAIN(LSTM, "'clip_value':null,'l2':0,'weight_noise':0.0,'input_noise':0,'dropout':0"),
        WITH_TRAIN(LSTM, "'input_dropout':0,'average':'none','average_decay':0.5"),
        WITH_TRAIN(LSTM, "'schedule':'constant','schedule_factor':0.1,'warm_up':0"),
        WITH_TRAIN(LSTM, "'variational_input':0,'variational_state':0,'recurrent_dropout':0.0,"
                         "'zoneout':0,'zoneout_c':null"),
        WITH_TRAIN(LSTM, "'zoneout_c':0"),
        WITH_TRAIN(LSTM, "'updates':200"), /* 100 epochs of two */
        WITH_TRAIN(LSTM, "'operations':1e15"),
        WITH_TRAIN(LSTM, "'decay':0.5,'weight_decay':2,'average_epochs':9"),
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect_keys(adding, base, same[i], 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'zoneout':0.1"),
                WITH_TRAIN(LSTM, "'zoneout':0.1,'zoneout_c':0.1"), 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'zoneout':0.1"),
                WITH_TRAIN(LSTM, "'zoneout':0.1,'zoneout_c':0"), 0);
    /* What finds no place in a cell. */
    expect_keys(adding, WITH_TRAIN(RNN, "'batch':8"),
                WITH_TRAIN(RNN, "'batch':8,'recurrent_dropout':0.3,'zoneout_c':0.5"), 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'sgd'"),
                WITH_TRAIN(LSTM, "'optimiser':'sgd','beta1':0.1,'beta2':0.2,'momentum':0.3"), 1);
    /* defaults of settings that depend on others */
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'rmsprop'"),
                WITH_TRAIN(LSTM, "'optimiser':'rmsprop','rate':0.001,'decay':0.99,'momentum':0,"
                                 "'epsilon':1e-8,'beta1':0.3"),
                1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'rmsprop-graves'"),
                WITH_TRAIN(LSTM, "'optimiser':'rmsprop-graves','rate':0.0001,'decay':0.95,"
                                 "'momentum':0.9,'epsilon':0.0001"),
                1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'adagrad'"),
                WITH_TRAIN(LSTM, "'optimiser':'adagrad','rate':0.01,'epsilon':1e-10"), 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'optimiser':'adadelta'"),
                WITH_TRAIN(LSTM, "'optimiser':'adadelta','rate':1,'decay':0.95,'epsilon':1e-6"), 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'schedule':'step'"),
                WITH_TRAIN(LSTM, "'schedule':'step','schedule_hold':10,'schedule_epochs':10,"
                                 "'schedule_factor':0.5"),
                1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'schedule':'cosine','schedule_hold':3"),
                WITH_TRAIN(LSTM, "'schedule':'cosine','schedule_hold':3,'schedule_epochs':97,"
                                 "'schedule_factor':0"),
                1);
    expect_keys(adding, WITH_TRAIN(RNN, ""), WITH_TRAIN(RNN, "'forget_bias':1"), 1);
    expect_keys(adding, WITH_TRAIN(LSTM, "'init':{'b_f':'constant(1)'}"),
                WITH_TRAIN(LSTM, "'forget_bias':2,'init':{'b_f':'constant(1.0)'}"), 1);
    /* layers written out, and one that is repeated */
    expect_keys(adding, ADDING RNN ",'hidden':5,'depth':2}",
                ADDING "'hidden':5,'layers':[{'text':\"" RNN_TEXT "\"},{'text':\"" RNN_TEXT "\"}]}",
                1);
    /* a setting put in, and the same written in the text */
    expect_keys(adding,
                ADDING "'hidden':6,'layers':[{'text':\"" CLOCKWORK_TEXT "\","
                       "'settings':{'periods':[1,3]}}]}",
                ADDING "'hidden':6,'layers':[{'text':\"state h\\nset periods = 1, 3\\n"
                       "matrix R = upper(periods)\\n"
                       "h' = clock(periods, tanh(W x + R h + b), h)\\n\"}]}",
                1);
}

static void expect_idle(const char *spec, const char *expected) {
    size_t n;
    char got[1024] = "";
    cb_trial *trial = make_trial(adding, spec);
    const cb_idle_setting *idle = cb_trial_idle(trial, &n);
    for (size_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s: %s; ", idle[i].name,
                 idle[i].why);
    assert_string_equal(got, expected);
    cb_trial_destroy(trial);
}

static void test_settings_without_effect(void **state) {
    (void)state;
    expect_idle(base, "");
    expect_idle(WITH_TRAIN(LSTM, "'clip':null,'l2':0,'dropout':0.0,'average':'none','warm_up':0"),
                "");
    expect_idle(WITH_TRAIN(LSTM, "'rate':0.1,'beta1':0.9,'loss_scale':'sequence'"), "");
    expect_idle(WITH_TRAIN(LSTM, "'momentum':0.5,'schedule_factor':0.5,'average_decay':0.9"),
                "momentum: optimiser 'adam' does not read it; schedule_factor: no schedule is set "
                "that reads it; average_decay: no average is set that reads it; ");
    expect_idle(WITH_TRAIN(LSTM, "'average':'mean','average_decay':0.9,'optimiser':'sgd',"
                                 "'beta2':0.9,'updates':1000000,'operations':1e20"),
                "beta2: optimiser 'sgd' does not read it; average_decay: average 'mean' does not "
                "read it; updates: the epochs are over before; operations: the epochs are over "
                "before; ");
    expect_idle(WITH_TRAIN(RNN, "'forget_bias':1"), "forget_bias: the cell has no vector b_f; ");
    expect_idle(WITH_TRAIN(LSTM, "'forget_bias':1,'init':{'b_f':'zero'}"),
                "forget_bias: init has a law for b_f; ");
    expect_idle(WITH_TRAIN(RNN, "'recurrent_dropout':0.3,'zoneout':0.1,'zoneout_c':0.5"),
                "recurrent_dropout: no state of the cell keeps a share of itself; zoneout_c: the "
                "cell has no state c, or its share is that of zoneout; ");
    expect_idle(WITH_TRAIN(LSTM, "'recurrent_dropout':0.3,'zoneout':0.1,'zoneout_c':0.5,"
                                 "'variational_input':0.1,'variational_state':0.1"),
                "");
}

/* LSTM: 4*H*(I+H+1) and the readout's H+1, with I = 2. */
static size_t lstm_count(size_t H) {
    return 4 * H * (2 + H + 1) + H + 1;
}

/* A layer of both directions has two cells, and a readout of twice the width. */
static void test_bidirectional(void **state) {
    (void)state;
    cb_trial *one = make_trial(adding, ADDING LSTM ",'hidden':8}");
    cb_trial *two = make_trial(adding, ADDING BOTH ",'hidden':8}");
    assert_int_equal(cb_stack_layer_count(cb_trial_stack(two)), 2);
    assert_int_equal(cb_trial_param_count(two), 2 * cb_trial_param_count(one) - 1);
    assert_non_null(strstr(cb_trial_spec(two), "\"bidirectional\":true"));
    assert_null(strstr(cb_trial_spec(one), "bidirectional"));
    cb_trial_destroy(one);
    cb_trial_destroy(two);
    refuse_trial(adding,
                 ADDING "'layers':[{'text':\"" RNN_TEXT "\",'bidirectional':1}],'hidden':3}",
                 CB_EARG, "layer 1: bidirectional: expected true or false");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'unroll':5"), CB_EARG,
                 "unroll: the task has one target for a whole sequence");
}

static void test_params(void **state) {
    (void)state;
    for (size_t params = lstm_count(1); params < 2000; params += 97) {
        char spec[1024];
        snprintf(spec, sizeof spec, ADDING LSTM ",'params':%zu}", params);
        cb_trial *trial = make_trial(adding, spec);
        const size_t H = cb_trial_hidden(trial);
        assert_int_equal(cb_trial_param_count(trial), lstm_count(H));
        assert_true(lstm_count(H) <= params);
        assert_true(lstm_count(H + 1) > params);
        cb_trial_destroy(trial);
    }
    refuse_trial(adding, ADDING LSTM ",'params':17}", CB_EARG, "at least 18");
    expect_keys(adding, ADDING LSTM ",'params':361}", base, 1);
}

/* The clockwork's size is a multiple of its four periods. */
static void test_params_of_a_cell_that_divides(void **state) {
    (void)state;
    size_t before = 0;
    for (size_t params = 40; params < 1500; params += 131) {
        char spec[1024];
        snprintf(spec, sizeof spec, ADDING CLOCKWORK ",'params':%zu}", params);
        cb_trial *trial = make_trial(adding, spec), *next = NULL;
        const size_t H = cb_trial_hidden(trial);
        assert_true(H % 4 == 0 && H >= before);
        assert_true(cb_trial_param_count(trial) <= params);
        snprintf(spec, sizeof spec, ADDING CLOCKWORK ",'hidden':%zu}", H + 4);
        next = make_trial(adding, spec);
        assert_true(cb_trial_param_count(next) > params);
        cb_trial_destroy(trial);
        cb_trial_destroy(next);
        before = H;
    }
    assert_true(before > 20);
    refuse_trial(adding, ADDING CLOCKWORK ",'params':20}", CB_EARG, "expected at least");
    refuse_trial(adding, ADDING "'layers':[{'text':\"state h\\nh' = tanh(W y)\\n\"}],'params':20}",
                 CB_EPARSE, "y");
}

static void test_refused(void **state) {
    (void)state;
    refuse_trial(adding, "{", CB_EPARSE, "trial");
    refuse_trial(adding, "[]", CB_EARG, "expected an object");
    refuse_trial(adding, ADDING LSTM ",'hiden':8}", CB_EARG, "did you mean 'hidden'?");
    refuse_trial(adding, "{" LSTM ",'hidden':8}", CB_EARG, "task");
    refuse_trial(adding, "{'task':{'name':'copy'}," LSTM ",'hidden':8}", CB_EARG, "'adding'");
    refuse_trial(adding, ADDING "'hidden':8}", CB_EARG, "layers");
    refuse_trial(adding, ADDING "'layers':[],'hidden':8}", CB_EARG, "layers");
    refuse_trial(adding, ADDING "'layers':[{'name':'x'}],'hidden':8}", CB_EARG, "text");
    refuse_trial(adding, ADDING "'layers':[{'text':3}],'hidden':8}", CB_EARG, "text");
    refuse_trial(adding, ADDING "'layers':[{'text':'','txt':''}],'hidden':8}", CB_EARG, "txt");
    refuse_trial(adding, ADDING LSTM "}", CB_EARG, "hidden");
    refuse_trial(adding, ADDING LSTM ",'hidden':0}", CB_EARG, "hidden");
    refuse_trial(adding, ADDING LSTM ",'hidden':1.5}", CB_EARG, "whole number");
    refuse_trial(adding, ADDING LSTM ",'hidden':1e300}", CB_EARG, "whole number");
    refuse_trial(adding, ADDING LSTM ",'hidden':8,'params':100}", CB_EARG, "both");
    refuse_trial(adding, ADDING LSTM ",'hidden':8,'seed':-1}", CB_EARG, "seed");
    refuse_trial(adding, ADDING LSTM ",'hidden':8,'format':99}", CB_EARG, "format");
    refuse_trial(adding, ADDING LSTM ",'hidden':8,'depth':0}", CB_EARG, "depth");
    refuse_trial(adding,
                 ADDING "'depth':3,'hidden':8,'layers':[{'text':\"" RNN_TEXT
                        "\"},{'text':\"" RNN_TEXT "\"}]}",
                 CB_EARG, "depth");
    refuse_trial(adding,
                 ADDING "'hidden':8,'layers':[{'text':\"" CLOCKWORK_TEXT
                        "\",'settings':{'periods':'1'}}]}",
                 CB_EARG, "periods");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'rat':1"), CB_EARG, "did you mean 'rate'?");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'rate':-1"), CB_EARG, "rate");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'rate':'fast'"), CB_EARG, "rate");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'optimiser':'adams'"), CB_EARG, "adam");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'batch':0"), CB_EARG, "batch");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'init':{'W_q':'zero'}"), CB_EARG, "W_q");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'init':{'2.W_z':'zero'}"), CB_EARG, "2.W_z");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'init':{'R':3}"), CB_EARG, "law");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'init':{'b':'glorot'}"), CB_EARG, "vectors");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'init':['R']"), CB_EARG, "init");
    refuse_trial(adding, WITH_TRAIN(LSTM, "'readout_init':'orthogonal(1)'"), CB_EARG, "glorot");
}

/* Courses of training that make no sense; two updates an epoch. */
static void test_refused_courses(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"'schedule':'steps'", "did you mean 'step'?"},
        {"'schedule':'step','epochs':10", "schedule_epochs: expected fewer than the 10 epochs"},
        {"'schedule':'step','schedule_hold':100", "schedule_hold: expected fewer than the 100"},
        {"'schedule':'step','updates':20", "schedule_epochs: expected fewer than the 10 epochs"},
        {"'schedule':'step','schedule_epochs':0", "schedule_epochs: expected an integer from 1"},
        {"'schedule':'step','schedule_factor':0", "schedule_factor: expected above 0"},
        {"'schedule':'exponential','schedule_factor':1",
         "schedule_factor: expected above 0 and below 1"},
        {"'schedule':'exponential','schedule_factor':2",
         "schedule_factor: expected a number from 0 to 1"},
        {"'schedule':'cosine','schedule_factor':1",
         "schedule_factor: expected at least 0 and below 1"},
        {"'schedule':'cosine','schedule_epochs':101", "schedule_epochs: expected at most 100"},
        {"'schedule':'linear','schedule_hold':4,'schedule_epochs':97",
         "schedule_epochs: expected at most 96"},
        {"'schedule':'linear','schedule_hold':100", "schedule_hold"},
        {"'schedule':'plateau','patience':5", "schedule_epochs: expected fewer than patience (5)"},
        {"'schedule':'plateau','epochs':5", "schedule_epochs: expected fewer than the 5 epochs"},
        {"'warm_up':200", "warm_up: expected fewer than the 200 updates"},
        {"'warm_up':30,'updates':30", "warm_up: expected fewer than the 30 updates"},
        {"'warm_up':-1", "warm_up"},
        {"'operations':1000", "operations: expected at least"},
        {"'updates':0", "updates"},
        {"'clip_value':0", "clip_value"},
        {"'dropout':1", "dropout"},
        {"'zoneout':1", "zoneout: expected a number from 0 to 0.99, got 1"},
        {"'zoneout':{'h':0.1}", "zoneout: expected a number from 0 to 0.99"},
        {"'zoneout_c':-0.1", "zoneout_c"},
        {"'zoneout_h':0.1", "did you mean 'zoneout_c'?"},
        {"'recurrent_dropout':1", "recurrent_dropout"},
        {"'variational_state':2", "variational_state"},
        {"'weight_noise':-1", "weight_noise"},
        {"'l2':-1", "l2"},
        {"'optimiser':'adadelta','decay':1", "decay"},
        {"'average':'ema','average_decay':1", "average_decay"},
        {"'average':'mean','average_epochs':0", "average_epochs"},
        {"'average':'emma'", "did you mean 'ema'?"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char spec[2048];
        snprintf(spec, sizeof spec, ADDING LSTM ",'hidden':8,'train':{%s}}", wrong[i][0]);
        refuse_trial(adding, spec, CB_EARG, wrong[i][1]);
    }
}

static void test_budgets_in_epochs(void **state) {
    (void)state;
    static const struct {
        const char *train;
        size_t epochs;
    } cases[] = {
        {"'updates':7", 4},          {"'updates':8", 4}, {"'updates':9,'epochs':3", 3},
        {"'operations':384959", 1}, /* an epoch has 3 * (200*640 + 20*16) */
        {"'operations':1000000", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char spec[2048];
        snprintf(spec, sizeof spec, ADDING LSTM ",'hidden':8,'train':{%s}}", cases[i].train);
        cb_trial *trial = make_trial(adding, spec);
        assert_int_equal(cb_trial_epochs(trial), cases[i].epochs);
        cb_trial_destroy(trial);
    }
}

/* A trial that no machine can hold is told so before it is tried. */
static void test_too_large_for_memory(void **state) {
    (void)state;
    cb_err err = {0};
    cb_trial_result out;
    cb_trial *trial =
        make_trial(adding, ADDING RNN ",'hidden':30000,'depth':4,"
                                      "'train':{'average':'mean','average_epochs':1000}}");
    assert_int_equal(cb_trial_run(trial, NULL, &out, &err), CB_ENOMEM);
    assert_non_null(strstr(err.text, "GB of memory, more than"));
    assert_null(out.weights);
    cb_trial_destroy(trial);
}

/* A resolved specification is bound to the task and data that it was resolved with. */
static void test_other_data_is_refused(void **state) {
    (void)state;
    cb_err err = {0};
    cb_trial *trial = make_trial(adding, base), *other = NULL;
    cb_task *longer = open_task("adding", "{\"length\":11,\"train\":20,\"valid\":10,\"test\":10}");
    assert_int_equal(cb_trial_create(&other, cb_trial_spec(trial), longer, &err), CB_EDATA);
    assert_null(other);
    assert_int_equal(cb_trial_create(&other, cb_trial_spec(trial), order, &err), CB_EARG);
    cb_trial_destroy(trial);
    cb_task_close(longer);
}

static void test_costs(void **state) {
    (void)state;
    cb_trial *trial = make_trial(adding, base);
    size_t bytes = 0;
    /* 8 products of an LSTM, 2*4*H*(I+H) flop, over 20*10 frames three times and 10*10 once; and
     * the readout once a sequence. */
    const double step = 2 * 4 * 8 * (2 + 8), readout = 2 * 8;
    assert_true(cb_trial_epoch_flop(trial) ==
                3 * (200 * step + 20 * readout) + 100 * step + 10 * readout);
    assert_int_equal(cb_trial_memory(trial, &bytes, NULL), CB_OK);
    assert_true(bytes > cb_trial_param_count(trial) * 6 * sizeof(float));
    assert_int_equal(cb_trial_epochs(trial), 100);
    cb_trial_destroy(trial);
    cb_trial_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolved_is_its_own_specification),
        cmocka_unit_test(test_bidirectional),
        cmocka_unit_test(test_spec_has_everything),
        cmocka_unit_test(test_old_specifications_stay),
        cmocka_unit_test(test_what_changes_the_key),
        cmocka_unit_test(test_what_does_not_change_the_key),
        cmocka_unit_test(test_settings_without_effect),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_params_of_a_cell_that_divides),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_courses),
        cmocka_unit_test(test_budgets_in_epochs),
        cmocka_unit_test(test_too_large_for_memory),
        cmocka_unit_test(test_other_data_is_refused),
        cmocka_unit_test(test_costs),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
