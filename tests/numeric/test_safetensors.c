/* SPDX-License-Identifier: MIT */
/*
 * Safetensors: what is written is read back; every way in which a file can be wrong is said, with
 * the tensor; weights go into the trial whose names and shapes they have, and into no other.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "train/safetensors.h"
#include "trial_run.h"
#include "unit/task_file.h"

static char path[128];

static int open_folder(void **state) {
    snprintf(path, sizeof path, "%s", "");
    if (set_up(state) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

/* A file of this header and so many bytes of data, all of them 1. */
static void put(const char *header, size_t data) {
    char text[2048], file[4096];
    cb_err err = {0};
    quote(text, sizeof text, header);
    const uint64_t length = strlen(text);
    memcpy(file, &length, sizeof length);
    memcpy(file + sizeof length, text, (size_t)length);
    memset(file + sizeof length + length, 1, data);
    assert_int_equal(cbi_file_write(path, file, sizeof length + (size_t)length + data, &err),
                     CB_OK);
}

static void refuse(cb_status status, const char *piece) {
    cb_err err = {0};
    cbi_tensor_file *file = (cbi_tensor_file *)&err;
    const cb_status st = cbi_tensors_open(&file, path, &err);
    assert_null(file);
    if (st != status || strstr(err.text, path) == NULL || strstr(err.text, piece) == NULL)
        fail_msg("expected %s with '%s', got %s: %s", cb_status_name(status), piece,
                 cb_status_name(st), err.text);
}

static void test_wrong_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *piece;
    } cases[] = {
        {"", 0, "not an object"},
        {"[]", 0, "not an object"},
        {"{", 0, "its header: line 1"},
        {"{'a':{},'a':{}}", 0, "duplicate"},
        {"{'a':3}", 0, "'a': expected dtype, shape and data_offsets"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'more':1}}", 4, "'a': expected"},
        {"{'a':{'dtype':'F16','shape':[1],'data_offsets':[0,2]}}", 2, "F32 or F64, got F16"},
        {"{'a':{'dtype':4,'shape':[1],'data_offsets':[0,2]}}", 2, "F32 or F64, got none"},
        {"{'a':{'dtype':'F32','shape':1,'data_offsets':[0,4]}}", 4, "'a': shape"},
        {"{'a':{'dtype':'F32','shape':[-1],'data_offsets':[0,4]}}", 4, "'a': shape"},
        {"{'a':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}}", 4, "'a': shape"},
        {"{'a':{'dtype':'F32','shape':[1,1,1,1,1,1,1,1,1],'data_offsets':[0,4]}}", 4, "at most 8"},
        {"{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,4]}}", 4, "big"},
        {"{'a':{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,0]}}", 0,
         "does not fill"},
        {"{'a':{'dtype':'F32','shape':[9223372036854775807,2,2],'data_offsets':[0,4]}}", 4,
         "does not fill"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,4]}}", 4, "does not fill the 4 bytes"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,0]}}", 4, "'a': data_offsets"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[0]}}", 4, "'a': data_offsets"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}", 7, "within 7 bytes"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[2,6]}}", 6, "not aligned"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},"
         "'b':{'dtype':'F64','shape':[1],'data_offsets':[4,12]}}",
         12, "'b': data_offsets: not aligned"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}", 8, "'a': there is a gap"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
         "'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}",
         8, "'b': its data overlap"},
        {"{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}", 9, "5 bytes behind"},
        {"{'__metadata__':[]}", 0, "metadata are not an object"},
        {"{'__metadata__':{'a':1}}", 0, "metadata are not texts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].header, cases[i].data);
        refuse(CB_EDATA, cases[i].piece);
    }
}

static void test_no_headers(void **state) {
    (void)state;
    static const struct {
        uint64_t length;
        size_t size;
        const char *piece;
    } cases[] = {{2, 7, "shorter than the length"},
                 {1, 8, "a header of 1 bytes in a file of 8"},
                 {UINT64_MAX, 16, "a header of 18446744073709551615 bytes"},
                 {(uint64_t)1 << 40, 16, "a header of"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[16] = "        {}";
        memcpy(file, &cases[i].length, sizeof cases[i].length);
        assert_int_equal(cbi_file_write(path, file, cases[i].size, NULL), CB_OK);
        refuse(CB_EDATA, cases[i].piece);
    }
    assert_int_equal(unlink(path), 0);
    refuse(CB_EIO, "cannot open: No such file");
    assert_int_equal(mkdir(path, 0700), 0);
    refuse(CB_EIO, "expected a regular file");
    assert_int_equal(rmdir(path), 0);
}

/* ---- what is written is read ---- */

static const float small[6] = {1, -2, 0.5F, 1e-40F, -0.0F, 3e38F};
static const double large[2] = {1e308, -5e-324};

static void write_some(char *sha256) {
    const cbi_tensor tensors[] = {
        {.name = "large", .dtype = CBI_F64, .rank = 1, .shape = {2}, .data = large},
        {.name = "small", .dtype = CBI_F32, .rank = 2, .shape = {2, 3}, .data = small},
        {.name = "empty", .dtype = CBI_F32, .rank = 2, .shape = {0, 7}},
        {.name = "one", .dtype = CBI_F32, .data = small},
    };
    cb_err err = {0};
    json_t *metadata = json_pack("{s:s, s:s}", "name", "a \"quoted\" \n text", "sha256", "");
    if (cbi_tensors_write(path, metadata, tensors, 4, sha256, &err) != CB_OK)
        fail_msg("%s", err.text);
    json_decref(metadata);
}

static void test_round_trip(void **state) {
    (void)state;
    char sha256[65], now[65], *bytes;
    size_t length, n;
    float a[6] = {0}, one = 0;
    double b[2] = {0};
    cbi_tensor_file *file;
    cb_err err = {0};
    write_some(sha256);
    assert_int_equal(cbi_file_read(&bytes, &length, path, 1 << 20, NULL), CB_OK);
    cbi_sha256_hex(bytes, length, now);
    assert_string_equal(sha256, now);
    if (cbi_tensors_open(&file, path, &err) != CB_OK || cbi_tensors_check_hash(file, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_string_equal(cbi_tensors_text(file, "name"), "a \"quoted\" \n text");
    assert_null(cbi_tensors_text(file, "other"));
    const cbi_tensor *list = cbi_tensors_list(file, &n);
    assert_int_equal(n, 4);
    cbi_tensor_place places[4];
    for (size_t i = 0; i < n; i++) {
        places[i] = (cbi_tensor_place){.tensor = list[i]};
        const char c = list[i].name[0];
        places[i].into = c == 'l'   ? (void *)b
                         : c == 's' ? (void *)a
                         : c == 'o' ? (void *)&one
                                    : NULL;
    }
    if (cbi_tensors_read(file, places, n, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_memory_equal(a, small, sizeof a);
    assert_memory_equal(b, large, sizeof b);
    assert_true(one == 1);
    cbi_tensors_close(file);
    /* any byte that changes is seen, by the header's check or by the hash */
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        assert_int_equal(cbi_file_write(path, bytes, length, NULL), CB_OK);
        bytes[i] ^= 1;
        cb_status st = cbi_tensors_open(&file, path, NULL);
        if (st == CB_OK)
            st = cbi_tensors_check_hash(file, NULL);
        if (st != CB_EDATA)
            fail_msg("byte %zu changed: %s", i, cb_status_name(st));
        cbi_tensors_close(file);
    }
    cbi_free(bytes);
}

/* ---- weights ---- */

#define ADDING "{'task':{'name':'adding'},'seed':3,"
#define TRAIN ",'train':{'epochs':1}}"

static void refuse_weights(const cb_trial *trial, const char *piece) {
    cb_err err = {0};
    float *weights = (float *)&err;
    size_t n;
    assert_int_equal(cb_trial_load(trial, path, &weights, &n, &err), CB_EDATA);
    assert_null(weights);
    if (strstr(err.text, path) == NULL || strstr(err.text, piece) == NULL)
        fail_msg("expected '%s' in: %s", piece, err.text);
}

static void test_weights(void **state) {
    (void)state;
    cb_task *adding = open_task("adding", "{\"length\":4,\"train\":9,\"valid\":5,\"test\":5}");
    cb_trial *trial = make_trial(adding, ADDING LSTM ",'hidden':3" TRAIN);
    cb_trial *wider = make_trial(adding, ADDING LSTM ",'hidden':4" TRAIN);
    cb_trial *deeper = make_trial(adding, ADDING LSTM ",'hidden':3,'depth':2" TRAIN);
    cb_trial *simpler = make_trial(adding, ADDING RNN ",'hidden':3" TRAIN);
    record r = {0};
    char sha256[65];
    float *loaded;
    size_t n;
    cb_err err = {0};
    cb_trial_result out = run(trial, &r);
    assert_int_equal(cb_trial_save(trial, &out, path, sha256, &err), CB_OK);
    if (cb_trial_load(trial, path, &loaded, &n, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(n, out.weight_count);
    assert_memory_equal(loaded, out.weights, n * sizeof *loaded);
    refuse_weights(wider, "tensor '1.W_z': expected F32 [4, 2], got F32 [3, 2]");
    refuse_weights(deeper, "tensor '2.W_z' is missing");
    refuse_weights(simpler, "tensor '1.W_h' is missing");

    /* the stack alone: the readout is passed over, and nothing else */
    const cb_stack *stack = cb_trial_stack(trial);
    memset(loaded, 0, n * sizeof *loaded);
    assert_int_equal(cb_weights_load(stack, path, loaded, &err), CB_OK);
    const size_t own = cb_stack_weight_count(stack);
    assert_memory_equal(loaded, out.weights, own * sizeof *loaded);
    assert_int_equal(cb_weights_load(cb_trial_stack(wider), path, loaded, &err), CB_EDATA);
    assert_int_equal(cb_weights_save(stack, out.weights, path, &err), CB_OK);
    memset(loaded, 0, n * sizeof *loaded);
    assert_int_equal(cb_weights_load(stack, path, loaded, &err), CB_OK);
    assert_memory_equal(loaded, out.weights, own * sizeof *loaded);
    refuse_weights(trial, "tensor 'readout.V' is missing");
    put("{'1.W_z':{'dtype':'F64','shape':[3,2],'data_offsets':[0,48]}}", 48);
    refuse_weights(trial, "tensor '1.W_z': expected F32 [3, 2], got F64 [3, 2]");
    cb_free(loaded);
    cb_free(out.weights);
    cb_trial_destroy(trial);
    cb_trial_destroy(wider);
    cb_trial_destroy(deeper);
    cb_trial_destroy(simpler);
    cb_task_close(adding);
}

/* One tensor too many: named, with what may have been meant. */
static void test_unknown_tensor(void **state) {
    (void)state;
    cb_err err = {0};
    cbi_tensor_file *file;
    char sha256[65];
    write_some(sha256);
    assert_int_equal(cbi_tensors_open(&file, path, &err), CB_OK);
    const cbi_tensor_place places[] = {
        {.tensor = {.name = "large", .dtype = CBI_F64, .rank = 1, .shape = {2}}},
        {.tensor = {.name = "small", .dtype = CBI_F32, .rank = 2, .shape = {2, 3}}},
        {.tensor = {.name = "one", .dtype = CBI_F32}},
    };
    assert_int_equal(cbi_tensors_read(file, places, 3, &err), CB_EDATA);
    assert_non_null(strstr(err.text, "unknown tensor 'empty'"));
    cbi_tensors_close(file);
}

/* ---- refused allocations ---- */

static cb_status read_and_write(void *context) {
    cbi_tensor_file *file = NULL;
    double b[2];
    const cbi_tensor tensor = {
        .name = "a", .dtype = CBI_F64, .rank = 1, .shape = {2}, .data = large};
    const cbi_tensor_place place = {tensor, b};
    (void)context;
    json_t *metadata = json_pack("{s:s}", "sha256", "");
    cb_status st = metadata ? cbi_tensors_write(path, metadata, &tensor, 1, NULL, NULL) : CB_ENOMEM;
    json_decref(metadata);
    if (st == CB_OK && (st = cbi_tensors_open(&file, path, NULL)) == CB_OK &&
        (st = cbi_tensors_check_hash(file, NULL)) == CB_OK)
        st = cbi_tensors_read(file, &place, 1, NULL);
    cbi_tensors_close(file);
    return st;
}

typedef struct kept {
    const cb_trial *trial;
    const cb_trial_result *result;
} kept;

static cb_status save_and_load(void *context) {
    const kept *k = context;
    char sha256[65];
    float *weights = NULL;
    size_t n;
    cb_status st = cb_trial_save(k->trial, k->result, path, sha256, NULL);
    if (st == CB_OK)
        st = cb_trial_load(k->trial, path, &weights, &n, NULL);
    if (st != CB_OK)
        assert_null(weights);
    cb_free(weights);
    return st;
}

static void test_every_allocation_of_weights(void **state) {
    (void)state;
    cb_task *adding = open_task("adding", "{\"length\":4,\"train\":9,\"valid\":5,\"test\":5}");
    cb_trial *trial = make_trial(adding, ADDING RNN ",'hidden':3" TRAIN);
    record r = {0};
    cb_trial_result out = run(trial, &r);
    kept k = {trial, &out};
    assert_true(faults_run(save_and_load, &k) > 20);
    cb_free(out.weights);
    cb_trial_destroy(trial);
    cb_task_close(adding);
}

static void test_every_allocation(void **state) {
    (void)state;
    assert_true(faults_run(read_and_write, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_headers),
        cmocka_unit_test(test_no_headers),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_unknown_tensor),
        cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_every_allocation_of_weights),
    };
    return cmocka_run_group_tests(tests, open_folder, tear_down);
}
