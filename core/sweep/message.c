/* SPDX-License-Identifier: MIT */
/*
 * Messages: framing, buffering, and access to fields. Calls on the socket never block by
 * themselves (MSG_DONTWAIT); a side that may wait does so in poll. So neither side depends on the
 * flags of a descriptor that it shares with nobody but did not make.
 */
#include "sweep/message.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

enum { HEAD = 4, CHUNK = 1 << 16 };

void cbi_channel_fini(cbi_channel *channel) {
    cbi_free(channel->in);
    cbi_free(channel->out);
    *channel = (cbi_channel){.fd = -1, .ended = 1};
}

/* Moves the live bytes to the front, so that the buffer grows only with what is in flight. */
static void compact(char *buffer, size_t *start, size_t *end) {
    if (*start == 0)
        return;
    memmove(buffer, buffer + *start, *end - *start);
    *end -= *start;
    *start = 0;
}

/* ---- sending ---- */

cb_status cbi_channel_queue(cbi_channel *channel, const json_t *message, cb_err *err) {
    char *text = NULL;
    cb_status st = cbi_json_canonical(&text, message, err);
    if (st != CB_OK)
        return st;
    size_t length = strlen(text);
    if (length > CBI_MESSAGE_MOST) {
        st = cb_fail(err, CB_EARG, "message: %zu bytes, expected at most %d", length,
                     CBI_MESSAGE_MOST);
        goto out;
    }
    if (channel->out_start > 0)
        compact(channel->out, &channel->out_start, &channel->out_end);
    st = cbi_grow((void **)&channel->out, &channel->out_capacity, channel->out_end + HEAD + length,
                  1);
    if (st != CB_OK) {
        st = cb_fail(err, st, "message: no memory for %zu bytes", length);
        goto out;
    }
    char *to = channel->out + channel->out_end;
    for (int i = 0; i < HEAD; i++)
        to[i] = (char)((length >> (8 * (HEAD - 1 - i))) & 0xff);
    memcpy(to + HEAD, text, length);
    channel->out_end += HEAD + length;
out:
    cbi_free(text);
    return st;
}

int cbi_channel_unsent(const cbi_channel *channel) {
    return channel->out_end > channel->out_start;
}

static cb_status wait_for(int fd, short events, cb_err *err) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    while (poll(&poll_fd, 1, -1) < 0)
        if (errno != EINTR)
            return cb_fail(err, CB_EIO, "poll: %s", strerror(errno));
    return CB_OK;
}

cb_status cbi_channel_flush(cbi_channel *channel, int wait, cb_err *err) {
    while (cbi_channel_unsent(channel) && !channel->ended) {
        ssize_t n = send(channel->fd, channel->out + channel->out_start,
                         channel->out_end - channel->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            channel->out_start += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait)
                return CB_OK;
            cb_status st = wait_for(channel->fd, POLLOUT, err);
            if (st != CB_OK)
                return st;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            channel->ended = 1;
        } else if (errno != EINTR) {
            return cb_fail(err, CB_EIO, "message: sending: %s", strerror(errno));
        }
    }
    channel->out_start = channel->out_end = 0;
    return CB_OK;
}

/* ---- receiving ---- */

cb_status cbi_channel_read(cbi_channel *channel, int wait, cb_err *err) {
    cb_status st;
    if (channel->ended)
        return CB_OK;
    compact(channel->in, &channel->in_start, &channel->in_end);
    st = cbi_grow((void **)&channel->in, &channel->in_capacity, channel->in_end + CHUNK, 1);
    if (st != CB_OK)
        return cb_fail(err, st, "message: no memory to read");
    for (;;) {
        ssize_t n = recv(channel->fd, channel->in + channel->in_end, CHUNK, MSG_DONTWAIT);
        if (n > 0) {
            channel->in_end += (size_t)n;
            return CB_OK;
        }
        /* A peer that dies with something unread resets the connection. */
        if (n == 0 || errno == ECONNRESET) {
            channel->ended = 1;
            return CB_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait)
                return CB_OK;
            if ((st = wait_for(channel->fd, POLLIN, err)) != CB_OK)
                return st;
        } else if (errno != EINTR) {
            return cb_fail(err, CB_EIO, "message: receiving: %s", strerror(errno));
        }
    }
}

cb_status cbi_channel_next(cbi_channel *channel, json_t **out, cb_err *err) {
    size_t held = channel->in_end - channel->in_start, length = 0;
    *out = NULL;
    if (held < HEAD)
        return CB_OK;
    const char *from = channel->in + channel->in_start;
    for (int i = 0; i < HEAD; i++)
        length = length << 8 | (unsigned char)from[i];
    if (length > CBI_MESSAGE_MOST)
        return cb_fail(err, CB_EDATA, "message: announced with %zu bytes, expected at most %d",
                       length, CBI_MESSAGE_MOST);
    if (held - HEAD < length)
        return CB_OK;
    channel->in_start += HEAD + length;
    cb_status st = cbi_json_parse(out, from + HEAD, length, "message", err);
    if (st != CB_OK)
        return st;
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return cb_fail(err, CB_EDATA, "message: expected a JSON object");
    }
    return CB_OK;
}

/* ---- fields ---- */

static cb_status wrong_field(const json_t *value, const char *key, const char *expected,
                             cb_err *err) {
    return cb_fail(err, CB_EDATA, "message: '%s' %s, expected %s", key,
                   value ? "is of another type" : "is missing", expected);
}

cb_status cbi_message_text(const json_t *message, const char *key, const char **out, cb_err *err) {
    const json_t *value = json_object_get(message, key);
    *out = NULL;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return wrong_field(value, key, "a text", err);
    *out = json_string_value(value);
    return CB_OK;
}

cb_status cbi_message_integer(const json_t *message, const char *key, int64_t *out, cb_err *err) {
    const json_t *value = json_object_get(message, key);
    *out = 0;
    if (!json_is_integer(value))
        return wrong_field(value, key, "an integer", err);
    *out = json_integer_value(value);
    return CB_OK;
}

cb_status cbi_message_real(const json_t *message, const char *key, double *out, cb_err *err) {
    const json_t *value = json_object_get(message, key);
    *out = NAN;
    if (json_is_null(value))
        return CB_OK;
    if (!json_is_number(value))
        return wrong_field(value, key, "a number or null", err);
    *out = json_number_value(value);
    return CB_OK;
}

json_t *cbi_message_from_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cbi_message_from_text(const char *text) {
    json_t *value = json_string(text);
    const char *foreign = text;
    while (*foreign != '\0' && (unsigned char)*foreign < 0x80)
        foreign++;
    if (value != NULL || *foreign == '\0') /* out of memory, then: nothing could be wrong with it */
        return value;
    char *copy = cbi_strdup(text);
    if (copy == NULL)
        return NULL;
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    value = json_string(copy);
    cbi_free(copy);
    return value;
}
