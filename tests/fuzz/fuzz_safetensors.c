/* SPDX-License-Identifier: MIT */
/*
 * Files of weights and checkpoints. An even first byte: the rest is a file, read as tensors and as
 * weights. An odd one: the rest are edits of a checkpoint that was just written, each of an offset
 * (two bytes) and a byte, or of a length; its hash is made right again, so that what lies behind it
 * is met. A trial goes on from there, or begins anew: it ends in any case, without a row that is
 * not finite.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "cellbench/train.h"
#include "train/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

/* ---- one trial, one file in memory; both stay to the end ---- */

static cb_task *task;
static cb_trial *trial;
static char *valid; /* a checkpoint of the trial */
static size_t valid_size;
static int fd = -1;
static char path[64];

static const char spec[] =
    "{\"task\":{\"name\":\"copy\"},\"layers\":[{\"text\":\"state h\\nh' = tanh(W x + R h + "
    "b)\\n\"}],"
    "\"hidden\":2,\"train\":{\"epochs\":3,\"batch\":3,\"unroll\":3,\"average\":\"mean\","
    "\"average_epochs\":2,\"schedule\":\"plateau\",\"schedule_epochs\":1}}";

static int stop_late(void *context) {
    int *asked = context;
    return ++*asked > 12;
}

static void make_checkpoint(void) {
    char name[] = "/tmp/cellbench-fuzz-XXXXXX";
    int file = mkstemp(name), asked = 0;
    cb_trial_result result;
    const cb_train_events events = {.context = &asked, .stop = stop_late, .checkpoint = name};
    check(file >= 0);
    check(cb_trial_run(trial, &events, &result, NULL) == CB_OK);
    check(result.state == CB_TRIAL_STOPPED && result.checkpoints == 1);
    check(cbi_file_read(&valid, &valid_size, name, 1 << 20, NULL) == CB_OK);
    check(unlink(name) == 0 && close(file) == 0);
}

static void set_up(void) {
    const char *settings = "{\"length\":1,\"digits\":2,\"train\":7,\"valid\":5,\"test\":5}";
    check(cb_task_open(&task, "copy", settings, NULL) == CB_OK);
    check(cb_trial_create(&trial, spec, task, NULL) == CB_OK);
    make_checkpoint();
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    check(fd >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
}

static void put(const void *bytes, size_t size) {
    check(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

/* ---- weights ---- */

static void read_all(const cbi_tensor *list, size_t n, cbi_tensor_file *file) {
    for (size_t i = 0; i < n; i++) {
        cbi_tensor_place place = {.tensor = list[i]};
        size_t bytes = cbi_dtype_size(list[i].dtype);
        for (size_t k = 0; k < list[i].rank; k++)
            bytes *= list[i].shape[k];
        check((place.into = cbi_malloc(bytes)) != NULL);
        const cb_status st = cbi_tensors_read(file, &place, 1, NULL);
        check(st == (n == 1 ? CB_OK : CB_EDATA)); /* the others are unknown to it */
        cbi_free(place.into);
    }
}

static void read_weights(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    cbi_tensor_file *file;
    float *weights;
    size_t n;
    put(bytes, size);
    cb_status st = cbi_tensors_open(&file, path, &err);
    check(st == CB_OK || (st == CB_EDATA && err.text[0] != '\0' && file == NULL));
    if (st == CB_OK) {
        const cbi_tensor *list = cbi_tensors_list(file, &n);
        read_all(list, n, file);
        st = cbi_tensors_check_hash(file, &err);
        check(st == CB_OK || st == CB_EDATA);
    }
    cbi_tensors_close(file);
    st = cb_trial_load(trial, path, &weights, &n, &err);
    check(st == CB_OK ? weights != NULL : st == CB_EDATA && weights == NULL);
    cb_free(weights);
}

/* ---- checkpoints ---- */

static void fix_hash(char *file, size_t size) {
    static const char mark[] = "\"sha256\":\"";
    char hex[CBI_SHA256_HEX];
    char *at = memmem(file, size, mark, sizeof mark - 1);
    if (at == NULL || (size_t)(file + size - at) < sizeof mark + 64)
        return;
    at += sizeof mark - 1;
    memset(at, '0', 64);
    cbi_sha256_hex(file, size, hex);
    memcpy(at, hex, 64);
}

static cb_status finite_row(void *context, const cb_epoch_row *row, cb_err *err) {
    (void)context;
    (void)err;
    check(isfinite(row->value));
    return CB_OK;
}

static void go_on(const uint8_t *edits, size_t size) {
    cb_err err = {0};
    cb_trial_result result;
    const cb_train_events events = {.row = finite_row, .checkpoint = path};
    size_t length = valid_size;
    char *file = cbi_malloc(valid_size);
    check(file != NULL);
    memcpy(file, valid, valid_size);
    for (; size >= 3; edits += 3, size -= 3) {
        const size_t at = ((size_t)edits[0] << 8 | edits[1]) % valid_size;
        if (edits[0] == 255)
            length = at;
        else
            file[at] = (char)edits[2];
    }
    fix_hash(file, length);
    put(file, length);
    cbi_free(file);
    check(cb_trial_run(trial, &events, &result, &err) == CB_OK);
    check(result.state != CB_TRIAL_STOPPED);
    check((result.weights != NULL) == (result.state == CB_TRIAL_DONE));
    cb_free(result.weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (task == NULL)
        set_up();
    if (size == 0)
        return 0;
    if (bytes[0] % 2)
        go_on(bytes + 1, size - 1);
    else
        read_weights(bytes + 1, size - 1);
    return 0;
}
