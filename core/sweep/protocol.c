/* SPDX-License-Identifier: MIT */
/*
 * The messages of protocol.h. The numbers of a result go through one table in both
 * directions.
 */
#include "sweep/protocol.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const char *const split_names[CB_SPLITS] = {"train", "valid", "test"};

static const struct {
    const char *name;
    cb_attempt_end end;
} ends[] = {
    {"done", CB_ATTEMPT_DONE},
    {"diverged", CB_ATTEMPT_DIVERGED},
    {"failed", CB_ATTEMPT_FAILED},
    {"returned", CB_ATTEMPT_RETURNED},
};
enum { END_COUNT = sizeof ends / sizeof ends[0] };

static const char *const causes[] = {
    [CB_CAUSE_NONE] = "",
    [CB_CAUSE_TRIAL] = "trial",
    [CB_CAUSE_WORKER] = "worker",
    [CB_CAUSE_MACHINE] = "machine",
};
enum { CAUSE_COUNT = sizeof causes / sizeof causes[0] };

/* clang-format off */
static const struct {
    const char *name;
    size_t offset;
    int real;
} result_fields[] = {
    {"epochs",       offsetof(cb_attempt_result, epochs),       0},
    {"best_epoch",   offsetof(cb_attempt_result, best_epoch),   0},
    {"updates",      offsetof(cb_attempt_result, updates),      0},
    {"resumed",      offsetof(cb_attempt_result, resumed_epochs), 0},
    {"train",        offsetof(cb_attempt_result, train),        1},
    {"valid",        offsetof(cb_attempt_result, valid),        1},
    {"test",         offsetof(cb_attempt_result, test),         1},
    {"valid_error",  offsetof(cb_attempt_result, valid_error),  1},
    {"test_error",   offsetof(cb_attempt_result, test_error),   1},
    {"wall_seconds", offsetof(cb_attempt_result, wall_seconds), 1},
    {"cpu_seconds",  offsetof(cb_attempt_result, cpu_seconds),  1},
    {"flop",         offsetof(cb_attempt_result, flop),         1},
};
/* clang-format on */
enum { RESULT_FIELD_COUNT = sizeof result_fields / sizeof result_fields[0] };

const char *cbi_message_type(const json_t *message) {
    const char *type = json_string_value(json_object_get(message, "type"));
    return type ? type : "";
}

/* Puts a new value; *failed collects what went wrong, so that a message is built without a check
 * after each field. */
static void put(json_t *message, const char *key, json_t *value, int *failed) {
    if (value == NULL || json_object_set_new(message, key, value) != 0)
        *failed = 1;
}

static json_t *begin(const char *type, int *failed) {
    json_t *message = json_object();
    *failed = message == NULL;
    if (message != NULL)
        put(message, "type", json_string(type), failed);
    return message;
}

static cb_status finish(json_t **out, json_t *message, int failed, cb_err *err) {
    *out = NULL;
    if (failed) {
        json_decref(message);
        return cb_fail(err, CB_ENOMEM, "message: no memory, or a text that is not UTF-8");
    }
    *out = message;
    return CB_OK;
}

cb_status cbi_pack_ready(json_t **out, cb_err *err) {
    int failed;
    json_t *message = begin("ready", &failed);
    put(message, "protocol", json_integer(CBI_PROTOCOL), &failed);
    put(message, "numerics", json_integer(CB_NUMERICS), &failed);
    put(message, "pid", json_integer(getpid()), &failed);
    return finish(out, message, failed, err);
}

cb_status cbi_unpack_ready(const json_t *message, cb_err *err) {
    int64_t protocol, numerics;
    cb_status st;
    if (strcmp(cbi_message_type(message), "ready") != 0)
        return cb_fail(err, CB_EDATA, "message: expected 'ready', got '%.40s'",
                       cbi_message_type(message));
    if ((st = cbi_message_integer(message, "protocol", &protocol, err)) != CB_OK ||
        (st = cbi_message_integer(message, "numerics", &numerics, err)) != CB_OK)
        return st;
    if (protocol != CBI_PROTOCOL || numerics != CB_NUMERICS)
        return cb_fail(err, CB_EDATA,
                       "the worker is of another build (protocol %lld, numerics %lld; expected %d "
                       "and %d)",
                       (long long)protocol, (long long)numerics, CBI_PROTOCOL, CB_NUMERICS);
    return CB_OK;
}

cb_status cbi_pack_job(json_t **out, const cbi_job *job, cb_err *err) {
    int failed;
    json_t *message = begin("trial", &failed);
    put(message, "trial", json_integer(job->trial), &failed);
    put(message, "spec", json_string(job->spec), &failed);
    put(message, "task", json_string(job->task), &failed);
    put(message, "settings", json_string(job->settings), &failed);
    put(message, "weights", json_string(job->weights), &failed);
    put(message, "checkpoint", json_string(job->checkpoint), &failed);
    put(message, "checkpoint_seconds", cbi_message_from_real(job->checkpoint_seconds), &failed);
    put(message, "memory", json_integer(job->memory_bytes), &failed);
    return finish(out, message, failed, err);
}

cb_status cbi_unpack_job(const json_t *message, cbi_job *out, cb_err *err) {
    cb_status st;
    *out = (cbi_job){0};
    if ((st = cbi_message_integer(message, "trial", &out->trial, err)) != CB_OK ||
        (st = cbi_message_text(message, "spec", &out->spec, err)) != CB_OK ||
        (st = cbi_message_text(message, "task", &out->task, err)) != CB_OK ||
        (st = cbi_message_text(message, "settings", &out->settings, err)) != CB_OK ||
        (st = cbi_message_text(message, "weights", &out->weights, err)) != CB_OK ||
        (st = cbi_message_text(message, "checkpoint", &out->checkpoint, err)) != CB_OK ||
        (st = cbi_message_real(message, "checkpoint_seconds", &out->checkpoint_seconds, err)) !=
            CB_OK ||
        (st = cbi_message_integer(message, "memory", &out->memory_bytes, err)) != CB_OK)
        return st;
    return CB_OK;
}

static cb_status check_trial(const json_t *message, int64_t trial, cb_err *err) {
    int64_t got;
    cb_status st = cbi_message_integer(message, "trial", &got, err);
    if (st == CB_OK && got != trial)
        st = cb_fail(err, CB_EDATA, "message: is about trial %lld, expected %lld", (long long)got,
                     (long long)trial);
    return st;
}

cb_status cbi_pack_alive(json_t **out, int64_t trial, cb_err *err) {
    int failed;
    json_t *message = begin("alive", &failed);
    put(message, "trial", json_integer(trial), &failed);
    return finish(out, message, failed, err);
}

cb_status cbi_unpack_alive(const json_t *message, int64_t trial, cb_err *err) {
    return check_trial(message, trial, err);
}

cb_status cbi_pack_row(json_t **out, int64_t trial, const cb_epoch_row *row, cb_err *err) {
    int failed;
    json_t *message = begin("row", &failed);
    put(message, "trial", json_integer(trial), &failed);
    put(message, "epoch", json_integer((json_int_t)row->epoch), &failed);
    put(message, "split", json_string(split_names[row->split]), &failed);
    put(message, "metric", json_string(row->metric), &failed);
    put(message, "value", cbi_message_from_real(row->value), &failed);
    put(message, "seconds", cbi_message_from_real(row->seconds), &failed);
    return finish(out, message, failed, err);
}

cb_status cbi_unpack_row(const json_t *message, int64_t trial, cb_epoch_record *out, cb_err *err) {
    cb_status st;
    size_t split = 0;
    *out = (cb_epoch_record){0};
    if ((st = check_trial(message, trial, err)) != CB_OK ||
        (st = cbi_message_integer(message, "epoch", &out->epoch, err)) != CB_OK ||
        (st = cbi_message_text(message, "split", &out->split, err)) != CB_OK ||
        (st = cbi_message_text(message, "metric", &out->metric, err)) != CB_OK ||
        (st = cbi_message_real(message, "value", &out->value, err)) != CB_OK ||
        (st = cbi_message_real(message, "seconds", &out->seconds, err)) != CB_OK)
        return st;
    while (split < CB_SPLITS && strcmp(out->split, split_names[split]) != 0)
        split++;
    if (split == CB_SPLITS)
        return cb_fail(err, CB_EDATA, "message: unknown split '%.40s'", out->split);
    if (out->metric[0] == '\0' || strlen(out->metric) > CBI_METRIC_MOST)
        return cb_fail(err, CB_EDATA, "message: metric '%.40s': expected 1 to %d bytes",
                       out->metric, CBI_METRIC_MOST);
    if (out->epoch < 0)
        return cb_fail(err, CB_EDATA, "message: epoch %lld", (long long)out->epoch);
    return CB_OK;
}

cb_status cbi_pack_end(json_t **out, int64_t trial, const cbi_end *end, cb_err *err) {
    const cb_attempt_result *result = &end->result;
    int failed;
    json_t *message = begin("end", &failed);
    put(message, "trial", json_integer(trial), &failed);
    for (size_t i = 0; i < END_COUNT; i++)
        if (ends[i].end == result->end)
            put(message, "end", json_string(ends[i].name), &failed);
    put(message, "cause", json_string(causes[result->cause]), &failed);
    for (size_t i = 0; i < RESULT_FIELD_COUNT; i++) {
        const char *field = (const char *)result + result_fields[i].offset;
        put(message, result_fields[i].name,
            result_fields[i].real ? cbi_message_from_real(*(const double *)(const void *)field)
                                  : json_integer(*(const int64_t *)(const void *)field),
            &failed);
    }
    put(message, "weights_sha256", json_string(result->weights_sha256), &failed);
    put(message, "error", cbi_message_from_text(result->error_text), &failed);
    put(message, "note", cbi_message_from_text(end->note), &failed);
    return finish(out, message, failed, err);
}

static cb_status unpack_end_name(const char *name, cb_attempt_end *out, cb_err *err) {
    for (size_t i = 0; i < END_COUNT; i++)
        if (strcmp(name, ends[i].name) == 0) {
            *out = ends[i].end;
            return CB_OK;
        }
    return cb_fail(err, CB_EDATA, "message: unknown end '%.40s'", name);
}

static cb_status unpack_cause(const char *name, cb_cause *out, cb_err *err) {
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        if (strcmp(name, causes[i]) == 0) {
            *out = (cb_cause)i;
            return CB_OK;
        }
    return cb_fail(err, CB_EDATA, "message: unknown cause '%.40s'", name);
}

static cb_status unpack_numbers(const json_t *message, cb_attempt_result *out, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < RESULT_FIELD_COUNT; i++) {
        char *field = (char *)out + result_fields[i].offset;
        st = result_fields[i].real
                 ? cbi_message_real(message, result_fields[i].name, (double *)(void *)field, err)
                 : cbi_message_integer(message, result_fields[i].name, (int64_t *)(void *)field,
                                       err);
    }
    return st;
}

cb_status cbi_unpack_end(const json_t *message, int64_t trial, cbi_end *out, cb_err *err) {
    cb_attempt_result *result = &out->result;
    const char *end, *cause;
    cb_status st;
    *out = (cbi_end){.result = {.weights_file = ""}, .note = ""};
    if ((st = check_trial(message, trial, err)) != CB_OK ||
        (st = cbi_message_text(message, "end", &end, err)) != CB_OK ||
        (st = cbi_message_text(message, "cause", &cause, err)) != CB_OK ||
        (st = cbi_message_text(message, "weights_sha256", &result->weights_sha256, err)) != CB_OK ||
        (st = cbi_message_text(message, "error", &result->error_text, err)) != CB_OK ||
        (st = cbi_message_text(message, "note", &out->note, err)) != CB_OK ||
        (st = unpack_end_name(end, &result->end, err)) != CB_OK ||
        (st = unpack_cause(cause, &result->cause, err)) != CB_OK ||
        (st = unpack_numbers(message, result, err)) != CB_OK)
        return st;
    if (result->weights_sha256[0] != '\0' && strlen(result->weights_sha256) != CBI_SHA256_HEX - 1)
        return cb_fail(err, CB_EDATA, "message: a hash of %zu digits, expected %d",
                       strlen(result->weights_sha256), CBI_SHA256_HEX - 1);
    return CB_OK;
}
