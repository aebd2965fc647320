/* SPDX-License-Identifier: MIT */
/*
 * The worker: reads trials from its socket, one after another, runs each on this thread, and sends
 * rows and results back. It lives as long as it is wanted: between batches it looks whether the
 * stream has ended, and says now and then that it is alive.
 */
#include "sweep/worker.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "sweep/stopwatch.h"

static const double alive_seconds = 1.0;

typedef struct worker {
    cbi_channel channel;
    int64_t trial; /* the one at work */
    double said;   /* when something was sent last */
    int dismissed; /* nothing more will come: the trial at work is broken off */
    cbi_job_run run;
    void *context;
} worker;

/* ---- what training tells ---- */

static cb_status send_message(worker *self, json_t *message, int wait, cb_err *err) {
    cb_status st = cbi_channel_queue(&self->channel, message, err);
    json_decref(message);
    self->said = cbi_stopwatch_seconds(NULL);
    return st == CB_OK ? cbi_channel_flush(&self->channel, wait, err) : st;
}

static cb_status on_row(void *context, const cb_epoch_row *row, cb_err *err) {
    worker *self = context;
    json_t *message;
    cb_status st = cbi_pack_row(&message, self->trial, row, err);
    if (st == CB_OK)
        st = send_message(self, message, 1, err);
    if (st == CB_OK && self->channel.ended)
        st = cb_fail(err, CB_ECANCEL, "the coordinator is gone");
    return st;
}

/* A coordinator that does not read (somebody stopped it) is not waited for. What goes wrong here
 * goes wrong again at the next row, where it can be told. */
static void say_alive(worker *self) {
    json_t *message;
    if (cbi_stopwatch_seconds(NULL) - self->said < alive_seconds ||
        cbi_channel_unsent(&self->channel) || cbi_pack_alive(&message, self->trial, NULL) != CB_OK)
        return;
    if (send_message(self, message, 0, NULL) != CB_OK)
        self->dismissed = 1;
}

static int on_stop(void *context) {
    worker *self = context;
    struct pollfd socket = {.fd = self->channel.fd, .events = POLLRDHUP};
    if (poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)))
        self->dismissed = 1;
    else
        say_alive(self);
    return self->dismissed;
}

/* ---- the loop ---- */

static void fill_failure(cbi_outcome *out, cb_status st, const char *why) {
    out->end = (cbi_end){
        .result = {.end = CB_ATTEMPT_FAILED,
                   .cause = st == CB_ENOMEM || st == CB_EIO ? CB_CAUSE_MACHINE : CB_CAUSE_TRIAL,
                   .train = NAN,
                   .valid = NAN,
                   .test = NAN,
                   .valid_error = NAN,
                   .test_error = NAN,
                   .weights_sha256 = "",
                   .error_text = why},
        .note = ""};
}

static cb_status do_job(worker *self, const json_t *message, cb_err *err) {
    const cb_train_events events = {.context = self, .row = on_row, .stop = on_stop};
    cbi_outcome outcome = {.end = {.result = {.weights_sha256 = "", .error_text = ""}, .note = ""}};
    cb_err why = {0};
    cbi_job job;
    json_t *end;
    cb_status st = cbi_unpack_job(message, &job, err);
    if (st != CB_OK)
        return st;
    self->trial = job.trial;
    st = self->run(self->context, &job, &events, &outcome, &why);
    if (self->channel.ended)
        return CB_OK;
    if (st != CB_OK)
        fill_failure(&outcome, st, why.text[0] ? why.text : cb_status_name(st));
    st = cbi_pack_end(&end, job.trial, &outcome.end, err);
    return st == CB_OK ? send_message(self, end, 1, err) : st;
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
        (st = send_message(&self, message, 1, err)) != CB_OK)
        goto out;
    while (!self.channel.ended && !self.dismissed) {
        if ((st = cbi_channel_read(&self.channel, 1, err)) != CB_OK)
            goto out;
        for (;;) {
            if ((st = cbi_channel_next(&self.channel, &message, err)) != CB_OK)
                goto out;
            if (message == NULL || self.dismissed) {
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
