/* SPDX-License-Identifier: MIT */
/*
 * Regularisers, schedules, averages and budgets within trials: gradients under noise and masks
 * against differences of the loss under the same draws, and what each may and may not touch.
 */
#include "trial_run.h"

/* One batch of 40 sequences an epoch, unless `train` says otherwise. */
static cb_task *adding;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{\"length\":6,\"train\":40,\"valid\":40,\"test\":10}");
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    return 0;
}

/* Two layers of four units; `train` is put behind plain gradient descent. */
static cb_trial_result descend(const char *train, record *r) {
    char spec[2048];
    snprintf(spec, sizeof spec,
             "{'task':{'name':'adding'},'seed':3,'hidden':4,'depth':2," RNN
             ",'train':{'order':'sequential',%s%s%s}}",
             strstr(train, "'optimiser'") ? "" : "'optimiser':'sgd',",
             strstr(train, "'batch'") ? "" : "'batch':40,", train);
    const cb_trial_result out = run_spec(adding, spec, r);
    assert_int_equal(out.state, CB_TRIAL_DONE);
    return out;
}

static double mse(const record *r, size_t epoch, cb_split_name split) {
    return value_of(r, epoch, split, "mse");
}

static double loss_of(const char *train, size_t epoch, cb_split_name split) {
    record r;
    cb_trial_result out = descend(train, &r);
    cb_free(out.weights);
    return mse(&r, epoch, split);
}

/* Weights: per layer W [4][2 or 4], R [4][4], b [4] (in the order of the stack); V [4], its bias.
 */
enum { LAYER1 = 4 * 2 + 4 * 4 + 4, LAYER2 = 4 * 4 + 4 * 4 + 4, ALL = LAYER1 + LAYER2 + 5 };

/* The sum of the gradient over the tensors that `law` sets to the constant a, in the first update:
 * from the update itself, and from losses at a - h and a + h. The training metric of epoch 1 is the
 * loss under the draws of that update; draws do not depend on weights. */
static void check_gradient(const char *noise, const char *law, size_t from, size_t count) {
    const double a = 0.3, h = 0.01, rate = 1e-3;
    char init[512], train[1024];
    double loss[2];
    record r;
    for (int side = 0; side < 2; side++) {
        snprintf(init, sizeof init, law, a + (side ? h : -h));
        snprintf(train, sizeof train, "%s,%s,'rate':0,'epochs':1", noise, init);
        loss[side] = loss_of(train, 1, CB_TRAIN);
    }
    snprintf(init, sizeof init, law, a);
    snprintf(train, sizeof train, "%s,%s,'rate':0,'epochs':1", noise, init);
    cb_trial_result still = descend(train, &r);
    snprintf(train, sizeof train, "%s,%s,'rate':%g,'epochs':1", noise, init, rate);
    cb_trial_result moved = descend(train, &r);
    assert_int_equal(moved.best_epoch, 1);
    assert_int_equal(moved.weight_count, ALL);
    double sum = 0;
    for (size_t i = from; i < from + count; i++) {
        assert_true(fabs((double)still.weights[i] - a) < 1e-6); /* the tensors that are meant */
        sum += ((double)still.weights[i] - (double)moved.weights[i]) / rate;
    }
    const double expected = (loss[1] - loss[0]) / (2 * h);
    if (!(fabs(sum - expected) < 0.01 * fabs(expected) + 1e-3) || fabs(expected) < 0.02)
        fail_msg("%s, %s: expected a gradient of %g, got %g", noise, law, expected, sum);
    cb_free(still.weights);
    cb_free(moved.weights);
}

static void test_gradients(void **state) {
    (void)state;
    static const char *const noises[] = {
        "'l2':0",
        "'dropout':0.4",
        "'weight_noise':0.2",
        "'input_noise':0.5",
        "'input_dropout':0.4",
        "'dropout':0.3,'weight_noise':0.1,'input_noise':0.2,'input_dropout':0.2",
        "'variational_input':0.3,'variational_state':0.3,'zoneout':0.3",
    };
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) {
        check_gradient(noises[i], "'readout_init':'constant(%.17g)'", LAYER1 + LAYER2, 4);
        check_gradient(noises[i], "'init':{'2.W_h':'constant(%.17g)'}", LAYER1, 16);
        check_gradient(noises[i], "'init':{'1.W_h':'constant(%.17g)'}", 0, 8);
    }
}

/* Noise and masks are of training alone, new in each update, and the same when repeated. */
static void test_noise_is_of_training(void **state) {
    (void)state;
    static const char *const noises[] = {"'dropout':0.4",           "'weight_noise':0.2",
                                         "'input_noise':0.5",       "'input_dropout':0.4",
                                         "'variational_input':0.4", "'variational_state':0.4"};
    record plain, r, again;
    cb_trial_result out = descend("'rate':0,'epochs':2", &plain);
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) {
        char train[256];
        snprintf(train, sizeof train, "%s,'rate':0,'epochs':2", noises[i]);
        cb_trial_result a = descend(train, &r), b = descend(train, &again);
        assert_true(mse(&r, 1, CB_VALID) == mse(&plain, 1, CB_VALID));
        assert_true(a.test == out.test);
        assert_true(mse(&r, 1, CB_TRAIN) != mse(&plain, 1, CB_TRAIN));
        assert_true(mse(&r, 1, CB_TRAIN) != mse(&r, 2, CB_TRAIN));
        for (size_t k = 0; k < r.count; k++)
            assert_true(r.rows[k].value == again.rows[k].value);
        assert_memory_equal(a.weights, out.weights, ALL * sizeof(float));
        cb_free(a.weights);
        cb_free(b.weights);
    }
    cb_free(out.weights);
}

/* In evaluation zoneout is the mean of what it does in training, which is not the plain cell. */
static void test_zoneout(void **state) {
    (void)state;
    record plain, r, other;
    cb_free(descend("'rate':0,'epochs':2", &plain).weights);
    cb_free(descend("'rate':0,'epochs':2,'zoneout':0.3", &r).weights);
    cb_free(descend("'rate':0,'epochs':2,'zoneout':0.3,'batch':7", &other).weights);
    assert_true(mse(&r, 1, CB_VALID) != mse(&plain, 1, CB_VALID));
    assert_true(mse(&r, 1, CB_VALID) == mse(&r, 2, CB_VALID));
    assert_true(mse(&r, 1, CB_TRAIN) != mse(&r, 2, CB_TRAIN));
    /* A mask belongs to its sequence: without updates the batches change nothing but the order in
     * which losses are summed. */
    for (size_t epoch = 1; epoch <= 2; epoch++)
        assert_true(fabs(mse(&r, epoch, CB_TRAIN) - mse(&other, epoch, CB_TRAIN)) < 1e-6);
}

/* One update with and without a penalty: matrices differ by rate*share*w, vectors do not. */
static void check_penalty(const char *with, const char *without, double shrink) {
    record r;
    cb_trial_result first = descend("'rate':0,'epochs':1,'init':{'b':'constant(0.5)'}", &r);
    cb_trial_result a = descend(with, &r), b = descend(without, &r);
    assert_true(a.best_epoch == 1 && b.best_epoch == 1);
    for (size_t i = 0; i < ALL; i++) {
        const size_t in_second = i - LAYER1;
        const int vector = i < LAYER1            ? i >= LAYER1 - 4
                           : i < LAYER1 + LAYER2 ? in_second >= LAYER2 - 4
                                                 : i == ALL - 1;
        const double w = (double)first.weights[i];
        const double d = (double)b.weights[i] - (double)a.weights[i];
        assert_true(fabs(d - (vector ? 0 : shrink * w)) < 1e-6);
    }
    cb_free(first.weights);
    cb_free(a.weights);
    cb_free(b.weights);
}

static void test_penalties(void **state) {
    (void)state;
    check_penalty("'epochs':1,'init':{'b':'constant(0.5)'},'rate':0.01,'l2':1",
                  "'epochs':1,'init':{'b':'constant(0.5)'},'rate':0.01", 0.01);
    check_penalty("'epochs':1,'init':{'b':'constant(0.5)'},'rate':0.01,'optimiser':'adamw',"
                  "'weight_decay':0.5",
                  "'epochs':1,'init':{'b':'constant(0.5)'},'rate':0.01,'optimiser':'adam'", 0.005);
}

/* A factor that leaves nothing of the rate freezes the weights from there on. */
static void test_schedules(void **state) {
    (void)state;
    record plain, r;
    cb_free(descend("'rate':0.05,'epochs':6", &plain).weights);
    cb_free(
        descend("'rate':0.05,'epochs':6,'schedule':'step','schedule_hold':2,'schedule_epochs':1,"
                "'schedule_factor':1e-30",
                &r)
            .weights);
    for (size_t epoch = 0; epoch <= 6; epoch++)
        assert_true(mse(&r, epoch, CB_VALID) == mse(&plain, epoch < 2 ? epoch : 2, CB_VALID));
    /* Validation never gets lower with a rate that is far too high: dropped after three epochs. */
    cb_free(descend("'rate':3,'epochs':8,'clip':1,'schedule':'plateau','schedule_epochs':3,"
                    "'schedule_factor':1e-30",
                    &r)
                .weights);
    size_t best = 0, last = 0;
    for (size_t epoch = 1; epoch <= 8; epoch++) {
        if (mse(&r, epoch, CB_VALID) < mse(&r, best, CB_VALID))
            best = epoch;
        if (mse(&r, epoch, CB_VALID) != mse(&r, epoch - 1, CB_VALID))
            last = epoch;
    }
    assert_in_range(best, 0, 4);
    assert_int_equal(last, best + 3);
    /* The first update of four: a quarter of the rate. */
    const double warm = loss_of("'rate':0.08,'epochs':9,'warm_up':4", 1, CB_VALID);
    assert_true(warm == loss_of("'rate':0.02,'epochs':9", 1, CB_VALID));
}

static void test_averages(void **state) {
    (void)state;
    record plain, ema, mean;
    cb_trial_result a = descend("'rate':0.05,'epochs':5", &plain);
    cb_trial_result b = descend("'rate':0.05,'epochs':5,'average':'ema','average_decay':0.5", &ema);
    cb_trial_result c =
        descend("'rate':0.05,'epochs':5,'average':'mean','average_epochs':2", &mean);
    for (size_t epoch = 1; epoch <= 5; epoch++) { /* training goes on from the weights themselves */
        assert_true(mse(&ema, epoch, CB_TRAIN) == mse(&plain, epoch, CB_TRAIN));
        assert_true(mse(&mean, epoch, CB_TRAIN) == mse(&plain, epoch, CB_TRAIN));
    }
    assert_true(fabs(mse(&ema, 1, CB_VALID) - mse(&plain, 1, CB_VALID)) < 1e-6);
    assert_true(mse(&ema, 2, CB_VALID) != mse(&plain, 2, CB_VALID));
    assert_true(mse(&mean, 2, CB_VALID) != mse(&plain, 2, CB_VALID));
    /* Losses fall evenly: the average of the last two lies between them. */
    for (size_t epoch = 2; epoch <= 5; epoch++) {
        const double low = mse(&plain, epoch, CB_VALID);
        const double high = mse(&plain, epoch - 1, CB_VALID);
        assert_true(low < high);
        assert_true(mse(&mean, epoch, CB_VALID) > low);
        assert_true(mse(&mean, epoch, CB_VALID) < high);
    }
    assert_memory_not_equal(a.weights, c.weights, ALL * sizeof(float));
    cb_free(a.weights);
    cb_free(b.weights);
    cb_free(c.weights);
}

/* Four batches an epoch, of 10 sequences of 6 frames each. */
static void test_budgets(void **state) {
    (void)state;
    record plain, r;
    cb_trial_result full = descend("'batch':10,'rate':0.05,'epochs':3", &plain);
    assert_int_equal(full.updates, 12);
    cb_trial_result a = descend("'batch':10,'rate':0.05,'epochs':3,'updates':6", &r);
    assert_int_equal(a.updates, 6);
    assert_int_equal(a.epochs, 2);
    assert_true(mse(&r, 1, CB_VALID) == mse(&plain, 1, CB_VALID));
    assert_true(mse(&r, 2, CB_VALID) != mse(&plain, 2, CB_VALID));
    cb_free(a.weights);
    /* Used up with the end of an epoch: no other one begins. */
    a = descend("'batch':10,'rate':0.05,'epochs':3,'updates':8", &r);
    assert_int_equal(a.updates, 8);
    assert_int_equal(a.epochs, 2);
    assert_true(mse(&r, 2, CB_VALID) == mse(&plain, 2, CB_VALID));
    cb_free(a.weights);
    /* Products of a frame: 2*4*(2+4), 2*4*(4+4); of a sequence: 2*4. */
    const double update = 3 * 10 * (6 * (48 + 64) + 8);
    const struct {
        double operations;
        size_t updates, epochs;
    } cases[] = {{update, 1, 1},     {4 * update, 4, 1},       {5 * update - 1, 4, 1},
                 {5 * update, 5, 2}, {12 * update - 1, 11, 3}, {12 * update, 12, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char train[256];
        snprintf(train, sizeof train, "'batch':10,'rate':0.05,'epochs':3,'operations':%.17g",
                 cases[i].operations);
        a = descend(train, &r);
        assert_int_equal(a.updates, cases[i].updates);
        assert_int_equal(a.epochs, cases[i].epochs);
        cb_free(a.weights);
    }
    cb_free(full.weights);
}

static void test_clip_value(void **state) {
    (void)state;
    record r;
    cb_trial_result first = descend("'rate':0,'epochs':1", &r);
    cb_trial_result a = descend("'rate':1,'epochs':1,'clip_value':1e-3", &r);
    assert_int_equal(a.best_epoch, 1);
    size_t cut = 0;
    for (size_t i = 0; i < ALL; i++) {
        const double d = fabs((double)a.weights[i] - (double)first.weights[i]);
        assert_true(d < 1.001e-3);
        cut += d > 0.999e-3;
    }
    assert_true(cut > ALL / 2);
    cb_free(first.weights);
    cb_free(a.weights);
}

/* Noise needs an input of numbers. */
static void test_index_input(void **state) {
    (void)state;
    cb_task *order =
        open_task("temporal_order", "{\"length\":30,\"train\":9,\"valid\":9,\"test\":9}");
    if (cb_task_data(order)->input == CB_INPUT_INDEX)
        refuse_trial(order,
                     "{'task':{'name':'temporal_order'},'hidden':4," RNN
                     ",'train':{'input_noise':0.1}}",
                     CB_EARG, "input_noise: expected 0");
    else
        fail_msg("no task with index input");
    cb_task_close(order);
}

static cb_status train_once(void *task) {
    return attempt_trial(
        task, "{'task':{'name':'adding'},'hidden':3,'depth':2," RNN
              ",'train':{'optimiser':'rmsprop-graves','epochs':2,'schedule':'linear','dropout':0.1,"
              "'weight_noise':0.1,'input_noise':0.1,'average':'mean','average_epochs':2,'l2':0.1,"
              "'operations':50000}}");
}

static void test_every_allocation(void **state) {
    (void)state;
    cb_task *task = open_task("adding", "{\"length\":4,\"train\":6,\"valid\":3,\"test\":3}");
    assert_true(faults_run(train_once, task) > 50);
    cb_task_close(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),   cmocka_unit_test(test_noise_is_of_training),
        cmocka_unit_test(test_zoneout),     cmocka_unit_test(test_penalties),
        cmocka_unit_test(test_schedules),   cmocka_unit_test(test_averages),
        cmocka_unit_test(test_budgets),     cmocka_unit_test(test_clip_value),
        cmocka_unit_test(test_index_input), cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
