/* SPDX-License-Identifier: MIT */
/*
 * Golden bits: a small trial's weights and metrics, hashed, for each set of kernels that this
 * machine can run. When a change of the program moves them on purpose, raise CB_NUMERICS and put in
 * the hashes that the failing test prints. Sets of kernels are chosen once in a process: so each
 * trial runs in a child. The trial uses no function of the C library's that may differ by machine.
 */
#include "base/hash.h"
#include "each_set.h"
#include "kernels/kernels.h"
#include "trial_check.h"

static const struct {
    const char *kernels; /* name of the set, then BLIS's version and kernel */
    int numerics;
    const char *hash;
} golden[] = {
    {"avx512; 0.9.0, kernel haswell", 1,
     "25c35b23942a7f2e4ccb6246d3be0d449accfdab8af338121f1574f6f44c165d"},
    {"avx2; 0.9.0, kernel haswell", 1,
     "0adcf6f0030e7fa48030847c3434e2b6c7da966505d2af36c184c661bfe7cbeb"},
    {"portable; 0.9.0, kernel haswell", 1,
     "aca22b8acbf898cb0f0d9782bff2a7c217d30933199419d64e9bfe1b200a91d2"},
};

static const char spec[] =
    "{'task':{'name':'adding'},'seed':5,'hidden':11,'depth':2," LSTM ",'train':{'epochs':3,"
    "'batch':9,'rate':0.01,'clip':0.5,'init':{'R':'uniform(0.3)'},'forget_bias':1}}";

typedef struct outcome {
    char kernels[96], hash[65];
} outcome;

static void run_here(void *result) {
    outcome *out = result;
    cb_err err = {0};
    cb_trial_result r;
    cb_task *task = open_task("adding", "{\"length\":13,\"train\":40,\"valid\":20,\"test\":20}");
    cb_trial *trial = make_trial(task, spec);
    if (cb_trial_run(trial, NULL, &r, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(r.state, CB_TRIAL_DONE);
    const size_t bytes = r.weight_count * sizeof *r.weights;
    char *all = calloc(1, bytes + 2 * sizeof(double));
    memcpy(all, r.weights, bytes);
    memcpy(all + bytes, &r.valid, sizeof(double));
    memcpy(all + bytes + sizeof(double), &r.test, sizeof(double));
    cbi_sha256_hex(all, bytes + 2 * sizeof(double), out->hash);
    snprintf(out->kernels, sizeof out->kernels, "%s; %s", cb_engine_kernel_name(),
             cb_engine_blis_version());
    free(all);
    cb_free(r.weights);
    cb_trial_destroy(trial);
    cb_task_close(task);
}

static void test_bits(void **state) {
    (void)state;
    size_t wrong = 0, checked = 0;
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        outcome o = {0};
        size_t i = 0;
        run_with_set((*set)->name, run_here, &o, sizeof o);
        while (i < sizeof golden / sizeof *golden && strcmp(golden[i].kernels, o.kernels) != 0)
            i++;
        if (i == sizeof golden / sizeof *golden) {
            print_message("skipped: no golden bits for '%s', got %s\n", o.kernels, o.hash);
            continue;
        }
        checked++;
        if (golden[i].numerics == CB_NUMERICS && strcmp(golden[i].hash, o.hash) == 0)
            continue;
        wrong++;
        print_error("bits of '%s' with CB_NUMERICS = %d: expected %s (%d), got %s\n", o.kernels,
                    CB_NUMERICS, golden[i].hash, golden[i].numerics, o.hash);
    }
    assert_int_equal(wrong, 0);
    if (checked == 0) {
        print_message("skipped: no golden bits for any set of kernels of this machine\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
