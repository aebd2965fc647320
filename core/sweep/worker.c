/* SPDX-License-Identifier: MIT */
/*
 * The worker: reads trials from its socket, one after another, runs each on this thread, and sends
 * rows and results back. It lives as long as the other end of the socket: between updates it looks
 * whether that is still there.
 */
#include "sweep/worker.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "cellbench/sweep.h"

typedef struct worker {
    cbi_channel channel;
    int64_t trial; /* the one at work */
    cbi_job_run run;
    void *context;
} worker;

/* ---- what training tells ---- */

static cb_status send_message(worker *self, json_t *message, cb_err *err) {
    cb_status st = cbi_channel_queue(&self->channel, message, err);
    json_decref(message);
    return st == CB_OK ? cbi_channel_flush(&self->channel, 1, err) : st;
}

static cb_status on_row(void *context, const cb_epoch_row *row, cb_err *err) {
    worker *self = context;
    json_t *message;
    cb_status st = cbi_pack_row(&message, self->trial, row, err);
    if (st == CB_OK)
        st = send_message(self, message, err);
    if (st == CB_OK && self->channel.ended)
        st = cb_fail(err, CB_ECANCEL, "the coordinator is gone");
    return st;
}

static int on_stop(void *context) {
    worker *self = context;
    struct pollfd socket = {.fd = self->channel.fd, .events = POLLRDHUP};
    if (poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)))
        self->channel.ended = 1;
    return self->channel.ended;
}

/* ---- the loop ---- */

static cb_status do_job(worker *self, const json_t *message, cb_err *err) {
    const cb_train_events events = {.context = self, .row = on_row, .stop = on_stop};
    cb_attempt_result result = {.weights_file = "", .weights_sha256 = "", .error_text = ""};
    char sha256[CBI_SHA256_HEX] = "";
    cb_err why = {0};
    cbi_job job;
    json_t *end;
    cb_status st = cbi_unpack_job(message, &job, err);
    if (st != CB_OK)
        return st;
    self->trial = job.trial;
    st = self->run(self->context, &job, &events, &result, sha256, &why);
    if (self->channel.ended)
        return CB_OK;
    if (st != CB_OK)
        result = (cb_attempt_result){.end = CB_ATTEMPT_FAILED,
                                     .train = NAN,
                                     .valid = NAN,
                                     .test = NAN,
                                     .valid_error = NAN,
                                     .test_error = NAN,
                                     .weights_sha256 = "",
                                     .error_text = why.text[0] ? why.text : cb_status_name(st)};
    st = cbi_pack_end(&end, job.trial, &result, err);
    return st == CB_OK ? send_message(self, end, err) : st;
}

static cb_status handle(worker *self, const json_t *message, cb_err *err) {
    if (strcmp(cbi_message_type(message), "trial") == 0)
        return do_job(self, message, err);
    return cb_fail(err, CB_EDATA, "worker: unknown message '%.40s'", cbi_message_type(message));
}

static cb_status check_socket(int socket, cb_err *err) {
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM)
        return cb_fail(err, CB_EARG,
                       "worker: descriptor %d is no stream socket; workers are started by a run, "
                       "not by hand",
                       socket);
    return CB_OK;
}

cb_status cbi_worker_loop(int socket, cbi_job_run run, void *context, cb_err *err) {
    worker self = {.channel = {.fd = socket}, .run = run, .context = context};
    json_t *message = NULL;
    cb_status st = check_socket(socket, err);
    if (st != CB_OK || (st = cbi_pack_ready(&message, err)) != CB_OK ||
        (st = send_message(&self, message, err)) != CB_OK)
        goto out;
    while (!self.channel.ended) {
        if ((st = cbi_channel_read(&self.channel, 1, err)) != CB_OK)
            goto out;
        for (;;) {
            if ((st = cbi_channel_next(&self.channel, &message, err)) != CB_OK)
                goto out;
            if (message == NULL || self.channel.ended) {
                json_decref(message);
                break;
            }
            st = handle(&self, message, err);
            json_decref(message);
            if (st != CB_OK)
                goto out;
        }
    }
out:
    cbi_channel_fini(&self.channel);
    return st;
}

/* ---- training ---- */

void cbi_task_cache_clear(cbi_task_cache *cache) {
    cb_task_close(cache->task);
    cbi_free(cache->name);
    cbi_free(cache->settings);
    *cache = (cbi_task_cache){0};
}

static cb_status task_cache_get(cbi_task_cache *cache, const char *name, const char *settings,
                                const cb_task **out, cb_err *err) {
    cb_status st;
    if (cache->task == NULL || strcmp(name, cache->name) != 0 ||
        strcmp(settings, cache->settings) != 0) {
        cbi_task_cache_clear(cache);
        if ((st = cb_task_open(&cache->task, name, settings, err)) != CB_OK)
            return st;
        cache->name = cbi_strdup(name);
        cache->settings = cbi_strdup(settings);
        if (cache->name == NULL || cache->settings == NULL) {
            cbi_task_cache_clear(cache);
            return cb_fail(err, CB_ENOMEM, "worker: no memory");
        }
    }
    *out = cache->task;
    return CB_OK;
}

static void fill_result(cb_attempt_result *out, const cb_trial_result *from) {
    out->end = from->state == CB_TRIAL_DONE       ? CB_ATTEMPT_DONE
               : from->state == CB_TRIAL_DIVERGED ? CB_ATTEMPT_DIVERGED
                                                  : CB_ATTEMPT_RETURNED;
    out->epochs = (int64_t)from->epochs;
    out->best_epoch = (int64_t)from->best_epoch;
    out->updates = (int64_t)from->updates;
    out->train = from->train;
    out->valid = from->valid;
    out->test = from->test;
    out->valid_error = from->valid_error;
    out->test_error = from->test_error;
    out->wall_seconds = from->wall_seconds;
    out->cpu_seconds = from->cpu_seconds;
    out->flop = from->flop;
}

cb_status cbi_worker_train(void *context, const cbi_job *job, const cb_train_events *events,
                           cb_attempt_result *out, char sha256[CBI_SHA256_HEX], cb_err *err) {
    cb_trial *trial = NULL;
    cb_trial_result result = {0};
    const cb_task *task = NULL;
    cb_status st = task_cache_get(context, job->task, job->settings, &task, err);
    if (st != CB_OK || (st = cb_trial_create(&trial, job->spec, task, err)) != CB_OK ||
        (st = cb_trial_run(trial, events, &result, err)) != CB_OK)
        goto out;
    if (job->weights[0] != '\0' && result.weights != NULL &&
        (st = cb_trial_save(trial, &result, job->weights, sha256, err)) != CB_OK)
        goto out;
    fill_result(out, &result);
    out->weights_sha256 = sha256;
out:
    cb_free(result.weights);
    cb_trial_destroy(trial);
    return st;
}

cb_status cb_worker_run(int socket, cb_err *err) {
    cbi_task_cache cache = {0};
    cb_status st = cbi_worker_loop(socket, cbi_worker_train, &cache, err);
    cbi_task_cache_clear(&cache);
    return st;
}
