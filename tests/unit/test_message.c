/* SPDX-License-Identifier: MIT */
/*
 * Messages between coordinator and workers: framing that survives any cutting, limits, garbage, and
 * the worker's loop against a coordinator played by the test.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "sweep/protocol.h"
#include "sweep/worker.h"
#include "faults.h"

static void open_pair(int pair[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void send_bytes(int fd, const void *bytes, size_t n) {
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static json_t *wait_message(cbi_channel *channel) {
    json_t *message = NULL;
    while (message == NULL) {
        assert_int_equal(cbi_channel_next(channel, &message, NULL), CB_OK);
        if (message == NULL) {
            assert_false(channel->ended);
            assert_int_equal(cbi_channel_read(channel, 1, NULL), CB_OK);
        }
    }
    return message;
}

/* ---- framing ---- */

static void test_byte_by_byte(void **state) {
    (void)state;
    static const char frames[] = "\0\0\0\7{\"a\":1}\0\0\0\2{}";
    size_t n = sizeof frames - 1, got = 0;
    int pair[2];
    open_pair(pair);
    cbi_channel channel = {.fd = pair[0]};
    for (size_t i = 0; i < n; i++) {
        json_t *message = NULL;
        send_bytes(pair[1], frames + i, 1);
        assert_int_equal(cbi_channel_read(&channel, 0, NULL), CB_OK);
        assert_int_equal(cbi_channel_next(&channel, &message, NULL), CB_OK);
        assert_int_equal(message != NULL, i == 10 || i == n - 1);
        got += message != NULL;
        json_decref(message);
    }
    assert_int_equal(got, 2);
    /* Nothing there: returns at once; then the end. */
    assert_int_equal(cbi_channel_read(&channel, 0, NULL), CB_OK);
    assert_false(channel.ended);
    close(pair[1]);
    assert_int_equal(cbi_channel_read(&channel, 0, NULL), CB_OK);
    assert_true(channel.ended);
    cbi_channel_fini(&channel);
    close(pair[0]);
}

/* More than a socket holds: the sender is left with a rest, and nothing is lost or mixed up. */
static void test_partial_writes(void **state) {
    (void)state;
    enum { COUNT = 40, LENGTH = 50000 };
    int pair[2], blocked = 0;
    open_pair(pair);
    cbi_channel from = {.fd = pair[0]}, to = {.fd = pair[1]};
    char *text = cbi_calloc(LENGTH + 1, 1);
    assert_non_null(text);
    for (int i = 0; i < COUNT; i++) {
        memset(text, 'a' + i % 26, LENGTH);
        json_t *message = json_pack("{s:i,s:s}", "i", i, "text", text);
        assert_int_equal(cbi_channel_queue(&from, message, NULL), CB_OK);
        assert_int_equal(cbi_channel_flush(&from, 0, NULL), CB_OK);
        blocked += cbi_channel_unsent(&from);
        json_decref(message);
    }
    assert_true(blocked > 0);
    for (int i = 0; i < COUNT; i++) {
        json_t *message = NULL;
        while (message == NULL) {
            assert_int_equal(cbi_channel_flush(&from, 0, NULL), CB_OK);
            assert_int_equal(cbi_channel_read(&to, 0, NULL), CB_OK);
            assert_int_equal(cbi_channel_next(&to, &message, NULL), CB_OK);
        }
        const char *got = json_string_value(json_object_get(message, "text"));
        assert_int_equal(json_integer_value(json_object_get(message, "i")), i);
        assert_int_equal(strlen(got), LENGTH);
        assert_int_equal(got[0], 'a' + i % 26);
        assert_int_equal(got[LENGTH - 1], 'a' + i % 26);
        json_decref(message);
    }
    assert_false(cbi_channel_unsent(&from));
    cbi_free(text);
    cbi_channel_fini(&from);
    cbi_channel_fini(&to);
    close(pair[0]);
    close(pair[1]);
}

static void assert_refused(const char *bytes, size_t n, cb_status expected) {
    int pair[2];
    json_t *message = NULL;
    cb_err err = {0};
    open_pair(pair);
    cbi_channel channel = {.fd = pair[0]};
    send_bytes(pair[1], bytes, n);
    assert_int_equal(cbi_channel_read(&channel, 0, NULL), CB_OK);
    assert_int_equal(cbi_channel_next(&channel, &message, &err), expected);
    assert_null(message);
    assert_string_not_equal(err.text, "");
    cbi_channel_fini(&channel);
    close(pair[0]);
    close(pair[1]);
}

static void test_garbage(void **state) {
    (void)state;
    assert_refused("\xff\xff\xff\xff", 4, CB_EDATA);
    assert_refused("\x01\x00\x00\x01", 4, CB_EDATA); /* one byte above 16 MiB */
    assert_refused("GET / HTTP/1.1\r\n", 16, CB_EDATA);
    assert_refused("\0\0\0\0", 4, CB_EPARSE);
    assert_refused("\0\0\0\3abc", 7, CB_EPARSE);
    assert_refused("\0\0\0\3{}x", 7, CB_EPARSE);
    assert_refused("\0\0\0\2[]", 6, CB_EDATA);
    assert_refused("\0\0\0\4null", 8, CB_EDATA);
}

static void test_oversize_is_not_sent(void **state) {
    (void)state;
    size_t n = CBI_MESSAGE_MOST;
    char *text = cbi_malloc(n + 1);
    assert_non_null(text);
    memset(text, 'x', n);
    text[n] = '\0';
    json_t *message = json_pack("{s:s}", "text", text);
    cbi_channel channel = {.fd = -1};
    assert_non_null(message);
    assert_int_equal(cbi_channel_queue(&channel, message, NULL), CB_EARG);
    assert_false(cbi_channel_unsent(&channel));
    json_decref(message);
    cbi_free(text);
    cbi_channel_fini(&channel);
}

static void test_peer_is_gone(void **state) {
    (void)state;
    int pair[2];
    open_pair(pair);
    cbi_channel channel = {.fd = pair[0]};
    json_t *message = json_pack("{s:i}", "a", 1);
    close(pair[1]);
    assert_int_equal(cbi_channel_queue(&channel, message, NULL), CB_OK);
    assert_int_equal(cbi_channel_flush(&channel, 1, NULL), CB_OK); /* and no SIGPIPE */
    assert_true(channel.ended);
    json_decref(message);
    cbi_channel_fini(&channel);
    close(pair[0]);
}

/* ---- shortage of memory ---- */

static cb_status pack_and_back(void *context) {
    int *pair = context;
    cbi_channel from = {.fd = pair[0]}, to = {.fd = pair[1]};
    const cb_epoch_row row = {1, CB_TEST, "nats", 0.5, 1};
    cb_epoch_record record;
    json_t *message = NULL, *got = NULL;
    cb_status st = cbi_pack_row(&message, 1, &row, NULL);
    if (st == CB_OK && (st = cbi_channel_queue(&from, message, NULL)) == CB_OK &&
        (st = cbi_channel_flush(&from, 1, NULL)) == CB_OK &&
        (st = cbi_channel_read(&to, 0, NULL)) == CB_OK &&
        (st = cbi_channel_next(&to, &got, NULL)) == CB_OK)
        st = cbi_unpack_row(got, 1, &record, NULL);
    /* Whatever is left in the socket belongs to this try. */
    char rest[256];
    while (recv(pair[1], rest, sizeof rest, MSG_DONTWAIT) > 0)
        ;
    json_decref(message);
    json_decref(got);
    cbi_channel_fini(&from);
    cbi_channel_fini(&to);
    return st;
}

/* Each message of the protocol, there and back. */
static cb_status pack_all_and_back(void *context) {
    const cbi_job job = {.trial = 1,
                         .spec = "{}",
                         .task = "adding",
                         .settings = "{}",
                         .weights = "w",
                         .checkpoint = "c"};
    const cbi_end told = {.result = {.end = CB_ATTEMPT_FAILED,
                                     .error_text = "why: \xff",
                                     .weights_sha256 = "",
                                     .train = NAN,
                                     .valid = 1},
                          .note = ""};
    cbi_job got_job;
    cbi_end got_end;
    json_t *ready = NULL, *trial = NULL, *alive = NULL, *end = NULL;
    cb_status st = cbi_pack_ready(&ready, NULL);
    (void)context;
    if (st == CB_OK && (st = cbi_unpack_ready(ready, NULL)) == CB_OK &&
        (st = cbi_pack_job(&trial, &job, NULL)) == CB_OK &&
        (st = cbi_unpack_job(trial, &got_job, NULL)) == CB_OK &&
        (st = cbi_pack_alive(&alive, 1, NULL)) == CB_OK &&
        (st = cbi_unpack_alive(alive, 1, NULL)) == CB_OK &&
        (st = cbi_pack_end(&end, 1, &told, NULL)) == CB_OK)
        st = cbi_unpack_end(end, 1, &got_end, NULL);
    json_decref(alive);
    json_decref(ready);
    json_decref(trial);
    json_decref(end);
    return st;
}

static void test_no_memory(void **state) {
    (void)state;
    int pair[2];
    assert_true(faults_run(pack_all_and_back, NULL) > 20);
    open_pair(pair);
    assert_true(faults_run(pack_and_back, pair) >= 3);
    close(pair[0]);
    close(pair[1]);
}

/* ---- packing ---- */

/* Through text and back: every bit of every number. */
static json_t *through_text(json_t *message) {
    char *text;
    json_t *copy;
    assert_int_equal(cbi_json_canonical(&text, message, NULL), CB_OK);
    assert_int_equal(cbi_json_parse(&copy, text, strlen(text), "copy", NULL), CB_OK);
    cbi_free(text);
    json_decref(message);
    return copy;
}

static void test_row(void **state) {
    (void)state;
    const cb_epoch_row row = {7, CB_VALID, "nats", 0.1 + 0.2, 1e-300};
    cb_epoch_record got;
    json_t *message;
    assert_int_equal(cbi_pack_row(&message, 42, &row, NULL), CB_OK);
    message = through_text(message);
    assert_int_equal(cbi_unpack_row(message, 42, &got, NULL), CB_OK);
    assert_int_equal(got.epoch, 7);
    assert_string_equal(got.split, "valid");
    assert_string_equal(got.metric, "nats");
    assert_true(got.value == 0.1 + 0.2 && got.seconds == 1e-300);
    assert_int_equal(cbi_unpack_row(message, 43, &got, NULL), CB_EDATA);
    json_object_set_new(message, "split", json_string("nowhere"));
    assert_int_equal(cbi_unpack_row(message, 42, &got, NULL), CB_EDATA);
    json_object_set_new(message, "split", json_string("test"));
    json_object_set_new(message, "epoch", json_integer(-1));
    assert_int_equal(cbi_unpack_row(message, 42, &got, NULL), CB_EDATA);
    json_object_set_new(message, "epoch", json_string("1"));
    assert_int_equal(cbi_unpack_row(message, 42, &got, NULL), CB_EDATA);
    json_decref(message);
}

static void test_end(void **state) {
    (void)state;
    cbi_end end = {.note = "disk full",
                   .result = {.end = CB_ATTEMPT_DIVERGED,
                              .cause = CB_CAUSE_MACHINE,
                              .resumed_epochs = 2,
                              .epochs = 3,
                              .best_epoch = 2,
                              .updates = INT64_C(9007199254740993),
                              .train = NAN,
                              .valid = 1.0 / 3,
                              .test = INFINITY,
                              .valid_error = 0.25,
                              .test_error = 0,
                              .wall_seconds = 5,
                              .cpu_seconds = 4,
                              .flop = 1e12,
                              .weights_sha256 = "",
                              .error_text = "caf\xe9"}}; /* not UTF-8 */
    cbi_end unpacked;
    json_t *message;
    assert_int_equal(cbi_pack_end(&message, 5, &end, NULL), CB_OK);
    message = through_text(message);
    assert_int_equal(cbi_unpack_end(message, 5, &unpacked, NULL), CB_OK);
    const cb_attempt_result got = unpacked.result;
    assert_string_equal(unpacked.note, "disk full");
    assert_int_equal(got.cause, CB_CAUSE_MACHINE);
    assert_int_equal(got.resumed_epochs, 2);
    assert_int_equal(got.end, CB_ATTEMPT_DIVERGED);
    assert_int_equal(got.epochs, 3);
    assert_int_equal(got.best_epoch, 2);
    assert_true(got.updates == INT64_C(9007199254740993));
    assert_true(isnan(got.train) && isnan(got.test));
    assert_true(got.valid == 1.0 / 3 && got.valid_error == 0.25 && got.test_error == 0.0);
    assert_true(got.wall_seconds == 5.0 && got.cpu_seconds == 4.0 && got.flop == 1e12);
    assert_string_equal(got.error_text, "caf?");
    json_object_set_new(message, "weights_sha256", json_string("abc"));
    assert_int_equal(cbi_unpack_end(message, 5, &unpacked, NULL), CB_EDATA);
    json_object_set_new(message, "weights_sha256", json_string(""));
    json_object_set_new(message, "end", json_string("perhaps"));
    assert_int_equal(cbi_unpack_end(message, 5, &unpacked, NULL), CB_EDATA);
    json_object_set_new(message, "end", json_string("failed"));
    json_object_set_new(message, "cause", json_string("weather"));
    assert_int_equal(cbi_unpack_end(message, 5, &unpacked, NULL), CB_EDATA);
    json_decref(message);
}

/* ---- the worker's loop ---- */

typedef struct played {
    int socket, jobs, waits; /* waits: jobs run until they are told to stop */
    int fails;               /* with this status; 0: they do not */
    cb_status ended;
    cb_err err;
} played;

static cb_status play_job(void *context, const cbi_job *job, const cb_train_events *events,
                          cbi_outcome *out, cb_err *err) {
    played *self = context;
    const cb_epoch_row row = {1, CB_TRAIN, "mse", 0.5, 0};
    self->jobs++;
    if (strcmp(job->spec, "bad") == 0)
        return cb_fail(err, self->fails ? (cb_status)self->fails : CB_EARG, "no such cell");
    cb_status st = events->row(events->context, &row, err);
    while (self->waits && st == CB_OK && !events->stop(events->context))
        usleep(1000);
    out->end.result.end = self->waits ? CB_ATTEMPT_RETURNED : CB_ATTEMPT_DONE;
    out->end.result.valid = (double)job->trial;
    return st;
}

static void *play_worker(void *context) {
    played *self = context;
    self->ended = cbi_worker_loop(self->socket, play_job, self, &self->err);
    return NULL;
}

static void send_job(cbi_channel *channel, int64_t trial, const char *spec) {
    const cbi_job job = {.trial = trial,
                         .spec = spec,
                         .task = "adding",
                         .settings = "{}",
                         .weights = "",
                         .checkpoint = ""};
    json_t *message;
    assert_int_equal(cbi_pack_job(&message, &job, NULL), CB_OK);
    assert_int_equal(cbi_channel_queue(channel, message, NULL), CB_OK);
    assert_int_equal(cbi_channel_flush(channel, 1, NULL), CB_OK);
    json_decref(message);
}

static void expect_end(cbi_channel *channel, int64_t trial, cb_attempt_end end, cb_cause cause,
                       const char *error) {
    cbi_end got;
    json_t *message = wait_message(channel);
    if (strcmp(cbi_message_type(message), "row") == 0) {
        json_decref(message);
        message = wait_message(channel);
    }
    assert_string_equal(cbi_message_type(message), "end");
    assert_int_equal(cbi_unpack_end(message, trial, &got, NULL), CB_OK);
    assert_int_equal(got.result.end, end);
    assert_int_equal(got.result.cause, cause);
    assert_string_equal(got.result.error_text, error);
    json_decref(message);
}

static void begin_play(played *self, int waits, cbi_channel *channel, int pair[2],
                       pthread_t *thread) {
    open_pair(pair);
    *self = (played){.socket = pair[1], .waits = waits, .ended = CB_EINTERNAL};
    *channel = (cbi_channel){.fd = pair[0]};
    assert_int_equal(pthread_create(thread, NULL, play_worker, self), 0);
    json_t *message = wait_message(channel);
    assert_int_equal(cbi_unpack_ready(message, NULL), CB_OK);
    json_decref(message);
}

static void test_worker(void **state) {
    (void)state;
    played self;
    cbi_channel channel;
    pthread_t thread;
    int pair[2];
    begin_play(&self, 0, &channel, pair, &thread);
    send_job(&channel, 1, "good");
    send_job(&channel, 2, "bad");
    send_job(&channel, 3, "good");
    expect_end(&channel, 1, CB_ATTEMPT_DONE, CB_CAUSE_NONE, "");
    expect_end(&channel, 2, CB_ATTEMPT_FAILED, CB_CAUSE_TRIAL, "no such cell");
    expect_end(&channel, 3, CB_ATTEMPT_DONE, CB_CAUSE_NONE, "");
    self.fails = CB_EIO; /* the worker waits for its next job */
    send_job(&channel, 4, "bad");
    expect_end(&channel, 4, CB_ATTEMPT_FAILED, CB_CAUSE_MACHINE, "no such cell");
    close(pair[0]);
    pthread_join(thread, NULL);
    assert_int_equal(self.ended, CB_OK);
    assert_int_equal(self.jobs, 4);
    cbi_channel_fini(&channel);
    close(pair[1]);
}

/* The coordinator says that nothing more will be asked: the trial is broken off, and that is
 * told. Until then the worker says that it is alive. */
static void test_worker_is_dismissed(void **state) {
    (void)state;
    played self;
    cbi_channel channel;
    pthread_t thread;
    int pair[2];
    begin_play(&self, 1, &channel, pair, &thread);
    send_job(&channel, 1, "good");
    json_decref(wait_message(&channel)); /* the row: it is at work */
    json_t *message = wait_message(&channel);
    assert_string_equal(cbi_message_type(message), "alive");
    assert_int_equal(cbi_unpack_alive(message, 1, NULL), CB_OK);
    assert_int_equal(cbi_unpack_alive(message, 2, NULL), CB_EDATA);
    json_decref(message);
    shutdown(pair[0], SHUT_WR);
    expect_end(&channel, 1, CB_ATTEMPT_RETURNED, CB_CAUSE_NONE, "");
    pthread_join(thread, NULL);
    assert_int_equal(self.ended, CB_OK);
    cbi_channel_fini(&channel);
    close(pair[0]);
    close(pair[1]);
}

/* The coordinator's end closes in the middle of a trial: the worker stops without being asked. */
static void test_worker_ends_with_its_coordinator(void **state) {
    (void)state;
    played self;
    cbi_channel channel;
    pthread_t thread;
    int pair[2];
    begin_play(&self, 1, &channel, pair, &thread);
    send_job(&channel, 1, "good");
    json_decref(wait_message(&channel)); /* the row: it is at work */
    close(pair[0]);
    pthread_join(thread, NULL);
    assert_int_equal(self.ended, CB_OK);
    assert_int_equal(self.jobs, 1);
    cbi_channel_fini(&channel);
    close(pair[1]);
}

static void test_worker_refuses(void **state) {
    (void)state;
    static const char *const messages[] = {
        "{\"type\":\"dance\"}", "{}", "{\"type\":\"trial\",\"trial\":\"1\"}",
        "{\"type\":\"trial\",\"trial\":1,\"spec\":{},\"task\":\"a\",\"settings\":\"{}\","
        "\"weights\":\"\"}"};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        played self;
        cbi_channel channel;
        pthread_t thread;
        int pair[2];
        char head[4] = {0, 0, 0, (char)strlen(messages[i])};
        begin_play(&self, 0, &channel, pair, &thread);
        send_bytes(pair[0], head, 4);
        send_bytes(pair[0], messages[i], strlen(messages[i]));
        pthread_join(thread, NULL);
        assert_int_equal(self.ended, CB_EDATA);
        assert_int_equal(self.jobs, 0);
        cbi_channel_fini(&channel);
        close(pair[0]);
        close(pair[1]);
    }
}

static void test_worker_needs_a_socket(void **state) {
    (void)state;
    cb_err err;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(cbi_worker_loop(fd, play_job, NULL, &err), CB_EARG);
    assert_non_null(strstr(err.text, "by hand"));
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_oversize_is_not_sent),
        cmocka_unit_test(test_peer_is_gone),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_worker),
        cmocka_unit_test(test_worker_is_dismissed),
        cmocka_unit_test(test_worker_ends_with_its_coordinator),
        cmocka_unit_test(test_worker_refuses),
        cmocka_unit_test(test_worker_needs_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
