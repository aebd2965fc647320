/* SPDX-License-Identifier: MIT */
/*
 * Messages between a coordinator and its workers: JSON objects over a stream socket, each behind
 * its length (4 bytes, most significant first). Either side treats what it reads as untrusted.
 */
#ifndef CB_SWEEP_MESSAGE_H
#define CB_SWEEP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum { CBI_MESSAGE_MOST = 16 << 20 }; /* bytes of one message's JSON */

/* One end of a connection. Starts as {.fd = ...}; the descriptor stays the caller's. */
typedef struct cbi_channel {
    int fd;
    int ended; /* the other side is gone: nothing more will come, nothing more is sent */
    char *in;  /* bytes [in_start, in_end) are read but not yet taken */
    size_t in_start, in_end, in_capacity;
    char *out; /* bytes [out_start, out_end) are queued but not yet sent */
    size_t out_start, out_end, out_capacity;
} cbi_channel;

void cbi_channel_fini(cbi_channel *channel);

/* Queues a message; nothing is sent yet. CB_EARG if it is longer than CBI_MESSAGE_MOST. */
CB_MUST_USE cb_status cbi_channel_queue(cbi_channel *channel, const json_t *message, cb_err *err);
/* Sends what is queued; wait = 0: only as much as the socket takes now. */
CB_MUST_USE cb_status cbi_channel_flush(cbi_channel *channel, int wait, cb_err *err);
int cbi_channel_unsent(const cbi_channel *channel);

/* Reads some bytes, or notes the end; wait = 0: returns at once if there is neither. */
CB_MUST_USE cb_status cbi_channel_read(cbi_channel *channel, int wait, cb_err *err);
/* Takes the next whole message; *out = NULL if there is none yet. A length above
 * CBI_MESSAGE_MOST, or anything but an object, is CB_EDATA; what is no JSON is CB_EPARSE. After an
 * error the channel is of no more use. Caller: json_decref. */
CB_MUST_USE cb_status cbi_channel_next(cbi_channel *channel, json_t **out, cb_err *err);

/* Fields of a message; CB_EDATA if one is missing or of another type. Texts are borrowed from the
 * message. A real may be null, which stands for NaN. */
CB_MUST_USE cb_status cbi_message_text(const json_t *message, const char *key, const char **out,
                                       cb_err *err);
CB_MUST_USE cb_status cbi_message_integer(const json_t *message, const char *key, int64_t *out,
                                          cb_err *err);
CB_MUST_USE cb_status cbi_message_real(const json_t *message, const char *key, double *out,
                                       cb_err *err);

/* New JSON values: a real (null if it is not finite), and a text, in which bytes that are not
 * UTF-8 become '?'. NULL: out of memory. */
json_t *cbi_message_from_real(double value);
json_t *cbi_message_from_text(const char *text);

#endif
