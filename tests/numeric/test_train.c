/* SPDX-License-Identifier: MIT */
/*
 * Trials that run: they learn, repeat their bits, stop early, diverge, stop on request, keep fixed
 * and limited tensors, and leave their weights in a file.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "trial_run.h"

#define ADDING "{'task':{'name':'adding'},'seed':3,"

static cb_task *adding;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{\"length\":10,\"train\":230,\"valid\":70,\"test\":70}");
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    return 0;
}

static const char learning[] = ADDING LSTM ",'hidden':8,'train':{'rate':0.02,'epochs':12,"
                                           "'batch':20,'clip':1,'forget_bias':1}}";

static void test_learns(void **state) {
    (void)state;
    record r;
    cb_trial_result out = run_spec(adding, learning, &r);
    assert_int_equal(out.state, CB_TRIAL_DONE);
    assert_int_equal(out.epochs, 12);
    assert_int_equal(out.updates, 12 * 12);
    assert_int_equal(r.asked, 12 * 12 + 13 * 2 + 2);
    assert_int_equal(r.count, 12 + 13 + 1);
    double best = value_of(&r, 0, CB_VALID, "mse");
    size_t best_epoch = 0;
    for (size_t epoch = 1; epoch <= 12; epoch++) {
        const double valid = value_of(&r, epoch, CB_VALID, "mse");
        assert_true(isfinite(value_of(&r, epoch, CB_TRAIN, "mse")));
        best_epoch = valid < best ? epoch : best_epoch;
        best = valid < best ? valid : best;
    }
    assert_true(best_epoch > 0);
    assert_int_equal(out.best_epoch, best_epoch);
    assert_true(out.valid == best);
    assert_true(out.train == value_of(&r, best_epoch, CB_TRAIN, "mse"));
    assert_true(out.test == value_of(&r, best_epoch, CB_TEST, "mse"));
    assert_true(out.valid < 0.3 * value_of(&r, 0, CB_VALID, "mse"));
    assert_true(out.test < 2 * out.valid && out.valid < 2 * out.test);
    assert_true(isnan(out.valid_error) && isnan(out.test_error));
    assert_true(out.flop > 0 && out.cpu_seconds > 0 && out.wall_seconds > 0);
    assert_int_equal(out.weight_count, 4 * 8 * (2 + 8 + 1) + 8 + 1);
    cb_free(out.weights);
}

static void test_same_bits_again(void **state) {
    (void)state;
    static record a, b;
    cb_trial_result first = run_spec(adding, learning, &a);
    cb_trial_result second = run_spec(adding, learning, &b);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++)
        assert_memory_equal(&a.rows[i].value, &b.rows[i].value, sizeof(double));
    assert_int_equal(first.weight_count, second.weight_count);
    assert_memory_equal(first.weights, second.weights, first.weight_count * sizeof(float));
    assert_true(first.flop == second.flop);
    cb_free(first.weights);
    cb_free(second.weights);
}

/* One run of whole-split updates by plain gradient descent, without any change of order. */
static cb_trial_result descend(const cb_task *task, double rate, int epochs, record *r) {
    char spec[2048];
    snprintf(spec, sizeof spec,
             "{'task':{'name':'%s'}," LSTM ",'hidden':6,'depth':2,'train':{'optimiser':'sgd',"
             "'batch':230,'order':'sequential','readout_init':'normal(2)','rate':%.17g,"
             "'epochs':%d}}",
             cb_task_get_def(task)->name, rate, epochs);
    return run_spec(task, spec, r);
}

/* One update with a small rate lowers the loss by rate * |gradient|^2, in first order: loss,
 * readout, engine and update agree, and so do their scales. */
static void check_first_order(const cb_task *task) {
    const char *metric = cb_task_data(task)->metric;
    const double rate = 0.001;
    double square = 0;
    static record r;
    cb_trial_result still = descend(task, 0, 1, &r);
    cb_trial_result out = descend(task, rate, 1, &r);
    const double before = value_of(&r, 1, CB_TRAIN, metric);
    assert_int_equal(out.best_epoch, 1);
    assert_int_equal(still.best_epoch, 0);
    assert_true(isnan(still.train));
    for (size_t i = 0; i < out.weight_count; i++) {
        const double d = (double)out.weights[i] - (double)still.weights[i];
        square += d * d;
    }
    cb_free(out.weights);
    cb_free(still.weights);
    out = descend(task, rate, 2, &r);
    cb_free(out.weights);
    const double fell = before - value_of(&r, 2, CB_TRAIN, metric), expected = square / rate;
    assert_true(expected > 1e-5);
    if (!(fabs(fell - expected) < 0.02 * expected))
        fail_msg("%s: expected a fall of %g, got %g", cb_task_get_def(task)->name, expected, fell);
}

static void test_first_order(void **state) {
    (void)state;
    static const char *const tasks[][2] = {
        {"adding", "{\"length\":10,\"train\":230,\"valid\":230,\"test\":10}"},
        {"adding", "{\"form\":\"1997\",\"length\":40,\"train\":50,\"valid\":50,\"test\":10}"},
        {"temporal_order", "{\"length\":30,\"train\":90,\"valid\":400,\"test\":10}"},
        {"copy", "{\"length\":5,\"train\":90,\"valid\":90,\"test\":10}"},
    };
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        cb_task *task = open_task(tasks[i][0], tasks[i][1]);
        check_first_order(task);
        cb_task_close(task);
    }
}

/* Sum, sequence and frame differ by constant factors when batch and length are constant. */
static void test_loss_scale(void **state) {
    (void)state;
    cb_task *task =
        open_task("copy", "{\"length\":3,\"digits\":2,\"train\":64,\"valid\":32,\"test\":32}");
    const cb_split *split = &cb_task_data(task)->split[CB_TRAIN];
    const double length = (double)(split->frames / split->sequences);
    const struct {
        const char *name;
        double factor;
    } scales[] = {{"sum", 1}, {"sequence", 32}, {"frame", 32 * length}};
    double train[3];
    for (size_t i = 0; i < 3; i++) {
        char spec[2048];
        record r;
        snprintf(spec, sizeof spec,
                 "{'task':{'name':'copy'}," RNN ",'hidden':8,'train':{'optimiser':'sgd','batch':32,"
                 "'epochs':3,'loss_scale':'%s','rate':%.17g}}",
                 scales[i].name, 0.001 * scales[i].factor);
        cb_trial_result out = run_spec(task, spec, &r);
        train[i] = value_of(&r, 3, CB_TRAIN, "nats");
        assert_true(train[i] < 0.99 * value_of(&r, 1, CB_TRAIN, "nats"));
        assert_true(fabs(train[i] - train[0]) < 1e-4 * train[0]);
        cb_free(out.weights);
    }
    cb_task_close(task);
}

static void test_diverges(void **state) {
    (void)state;
    record r;
    cb_trial_result out = run_spec(
        adding, ADDING LSTM ",'hidden':8,'train':{'optimiser':'sgd','rate':1e6,'epochs':50}}", &r);
    assert_int_equal(out.state, CB_TRIAL_DIVERGED);
    assert_in_range(out.epochs, 1, 49);
    assert_null(out.weights);
    assert_true(isnan(out.test) && isnan(out.valid));
    for (size_t i = 0; i < r.count; i++) {
        assert_true(isfinite(r.rows[i].value));
        assert_true(r.rows[i].split != CB_TEST);
    }
}

static void test_patience(void **state) {
    (void)state;
    record r;
    cb_trial_result out = run_spec(
        adding, ADDING LSTM ",'hidden':8,'train':{'rate':0,'epochs':50,'patience':4}}", &r);
    assert_int_equal(out.state, CB_TRIAL_DONE);
    assert_int_equal(out.epochs, 4);
    assert_int_equal(out.best_epoch, 0);
    assert_true(value_of(&r, 0, CB_VALID, "mse") == value_of(&r, 4, CB_VALID, "mse"));
    cb_free(out.weights);
}

static void test_stop_and_failing_receiver(void **state) {
    (void)state;
    cb_trial *trial = make_trial(adding, learning);
    record r = {.stop_at = 36};
    cb_trial_result out = run(trial, &r);
    assert_int_equal(out.state, CB_TRIAL_STOPPED);
    assert_int_equal(out.updates, 29);
    assert_int_equal(out.epochs, 3);
    assert_null(out.weights);
    cb_err err = {0};
    r = (record){.fail_at = 4};
    const cb_train_events events = {&r, keep_row, NULL};
    assert_int_equal(cb_trial_run(trial, &events, &out, &err), CB_EIO);
    assert_string_equal(err.text, "no more rows");
    assert_int_equal(r.count, 4);
    assert_null(out.weights);
    cb_trial_destroy(trial);
}

static void test_classes(void **state) {
    (void)state;
    static const char *const names[] = {"copy", "temporal_order"};
    for (size_t i = 0; i < 2; i++) {
        cb_task *task =
            open_task(names[i], "{\"length\":12,\"train\":50,\"valid\":70,\"test\":30}");
        const double chance = log((double)cb_task_data(task)->target_dim);
        char spec[1024];
        record r;
        snprintf(spec, sizeof spec,
                 "{'task':{'name':'%s'}," LSTM ",'hidden':6,'train':{'epochs':2,'batch':7,"
                 "'readout_init':'zero','optimiser':'nesterov','rate':0.01}}",
                 names[i]);
        cb_trial_result out = run_spec(task, spec, &r);
        assert_true(fabs(value_of(&r, 0, CB_VALID, "nats") - chance) < 1e-5);
        assert_true(value_of(&r, 2, CB_TRAIN, "nats") < chance);
        assert_true(out.valid_error == value_of(&r, out.best_epoch, CB_VALID, "error"));
        assert_true(out.test_error == value_of(&r, out.best_epoch, CB_TEST, "error"));
        assert_true(out.valid_error >= 0 && out.valid_error <= 1);
        value_of(&r, 1, CB_TRAIN, "error");
        cb_free(out.weights);
        cb_task_close(task);
    }
}

/* Index of a tensor's first weight. */
static const cb_stack_param *tensor(const cb_trial *trial, const char *name) {
    size_t n;
    const cb_stack_param *p = cb_stack_params(cb_trial_stack(trial), &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void test_fixed_and_limited(void **state) {
    (void)state;
    cb_trial *trial = make_trial(
        adding, ADDING "'hidden':6,'layers':[{'text':\"state h\\nfixed b\\ninit b = constant(0.25)"
                       "\\nlimit p_h = 0.5\\ninit p = constant(0.5)\\nh' = tanh(W x + p*h + b)\\n"
                       "\"}],'train':{'rate':0.1,'epochs':3}}");
    record r = {0};
    cb_trial_result out = run(trial, &r);
    const float *b = out.weights + tensor(trial, "1.b_h")->offset;
    const float *p = out.weights + tensor(trial, "1.p_h")->offset;
    size_t at_limit = 0, below = 0;
    assert_true(out.best_epoch > 0);
    for (size_t i = 0; i < 6; i++) {
        assert_true(b[i] == 0.25F);
        assert_true(fabsf(p[i]) <= 0.5F);
        at_limit += fabsf(p[i]) == 0.5F;
        below += fabsf(p[i]) < 0.5F;
    }
    assert_true(at_limit + below == 6 && below > 0);
    cb_free(out.weights);
    cb_trial_destroy(trial);
}

/* With rate 0 the best weights are the first ones. */
static void test_initial_weights(void **state) {
    (void)state;
    record r = {0};
    cb_trial *trial = make_trial(adding, ADDING LSTM
                                 ",'hidden':6,'train':{'rate':0,'epochs':1,'forget_bias':1.5,"
                                 "'init':{'b_i':'constant(-2)'},'readout_init':'uniform(0.125)'}}");
    cb_trial_result out = run(trial, &r);
    const float *f = out.weights + tensor(trial, "1.b_f")->offset;
    const float *i = out.weights + tensor(trial, "1.b_i")->offset;
    const float *o = out.weights + tensor(trial, "1.b_o")->offset;
    const float *V = out.weights + out.weight_count - 7;
    int differ = 0;
    for (size_t k = 0; k < 6; k++) {
        assert_true(f[k] == 1.5F && i[k] == -2 && o[k] == 0);
        assert_true(fabsf(V[k]) <= 0.125F);
        differ += V[k] != V[0];
    }
    assert_true(V[6] == 0 && differ > 0);
    cb_free(out.weights);
    cb_trial_destroy(trial);
}

/* Checks one entry of a safetensors header; returns its bytes. */
static size_t check_entry(const json_t *entry, size_t data_bytes) {
    size_t elements = 1;
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    assert_string_equal(json_string_value(json_object_get(entry, "dtype")), "F32");
    assert_in_range(json_array_size(shape), 1, 2);
    for (size_t i = 0; i < json_array_size(shape); i++)
        elements *= (size_t)json_integer_value(json_array_get(shape, i));
    const size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    const size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    assert_true(begin < end && end <= data_bytes);
    assert_int_equal(end - begin, elements * sizeof(float));
    return end - begin;
}

static void test_save(void **state) {
    (void)state;
    char path[] = "/tmp/cellbench-weights-XXXXXX", hash[65], expected[65];
    const int fd = mkstemp(path);
    record r = {0};
    cb_err err = {0};
    assert_true(fd >= 0);
    close(fd);
    cb_trial *trial =
        make_trial(adding, ADDING CLOCKWORK ",'hidden':8,'train':{'rate':0.01,'epochs':1}}");
    cb_trial_result out = run(trial, &r);
    if (cb_trial_save(trial, &out, path, hash, &err) != CB_OK)
        fail_msg("%s", err.text);
    char *file = NULL;
    size_t length;
    uint64_t header_length;
    assert_int_equal(cbi_file_read(&file, &length, path, 1 << 24, &err), CB_OK);
    cbi_sha256_hex(file, length, expected);
    assert_string_equal(hash, expected);
    memcpy(&header_length, file, sizeof header_length);
    assert_true(header_length % 8 == 0 && header_length + 8 < length);
    json_t *header = NULL;
    if (cbi_json_parse(&header, file + 8, (size_t)header_length, "header", &err) != CB_OK)
        fail_msg("%s", err.text);
    const size_t data_bytes = length - 8 - (size_t)header_length;
    size_t bytes = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            assert_string_equal(json_string_value(json_object_get(entry, "trial")),
                                cb_trial_key(trial));
        else
            bytes += check_entry(entry, data_bytes);
    }
    assert_int_equal(bytes, data_bytes);
    assert_int_equal(data_bytes, out.weight_count * sizeof(float));
    assert_memory_equal(file + 8 + header_length, out.weights, data_bytes);
    assert_non_null(json_object_get(header, "1.W_h"));
    assert_non_null(json_object_get(header, "1.R_h"));
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(header, "readout.V"), "shape")), 2);
    json_decref(header);
    cb_free(file);
    unlink(path);
    cb_trial_result none = {0};
    assert_int_equal(cb_trial_save(trial, &none, path, hash, &err), CB_EARG);
    assert_string_equal(hash, "");
    assert_int_equal(cb_trial_save(trial, &out, "/no/such/folder/w", hash, &err), CB_EIO);
    cb_free(out.weights);
    cb_trial_destroy(trial);
}

static cb_status train_once(void *task) {
    return attempt_trial(task, ADDING LSTM ",'params':100,'train':{'epochs':2,'batch':4,"
                                           "'init':{'R':'normal(0.1)'},'forget_bias':1}}");
}

/* Each allocation in turn is refused: reported as such, and nothing is left behind. */
static void test_every_allocation(void **state) {
    (void)state;
    cb_task *task = open_task("adding", "{\"length\":4,\"train\":6,\"valid\":3,\"test\":3}");
    assert_true(faults_run(train_once, task) > 50);
    cb_task_close(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_same_bits_again),
        cmocka_unit_test(test_first_order),
        cmocka_unit_test(test_loss_scale),
        cmocka_unit_test(test_diverges),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_stop_and_failing_receiver),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_fixed_and_limited),
        cmocka_unit_test(test_initial_weights),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
