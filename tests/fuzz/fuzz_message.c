/* SPDX-License-Identifier: MIT */
/*
 * What a coordinator or a worker may be sent: bytes as they would come from the socket, taken apart
 * into messages, and each message unpacked as every kind there is. What is accepted must keep the
 * promises of protocol.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sweep/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static void unpack(const json_t *message) {
    cb_err err;
    cbi_job job;
    cb_epoch_record row;
    cbi_end end;
    check(json_is_object(message));
    if (cbi_unpack_ready(message, &err) == CB_OK)
        check(strcmp(cbi_message_type(message), "ready") == 0);
    if (cbi_unpack_job(message, &job, &err) == CB_OK)
        check(job.spec && job.task && job.settings && job.weights && job.checkpoint);
    if (cbi_unpack_row(message, 7, &row, &err) == CB_OK) {
        check(row.epoch >= 0 && row.metric[0] != '\0' && strlen(row.metric) <= CBI_METRIC_MOST);
        check(strcmp(row.split, "train") == 0 || strcmp(row.split, "valid") == 0 ||
              strcmp(row.split, "test") == 0);
    }
    if (cbi_unpack_end(message, 7, &end, &err) == CB_OK) {
        size_t digits = strlen(end.result.weights_sha256);
        check(end.result.error_text && end.note && (digits == 0 || digits == CBI_SHA256_HEX - 1));
        check(end.result.end <= CB_ATTEMPT_RETURNED && end.result.cause <= CB_CAUSE_MACHINE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err;
    cbi_channel channel = {.fd = -1, .in = cbi_malloc(size), .in_capacity = size, .in_end = size};
    json_t *message = NULL;
    check(channel.in != NULL);
    memcpy(channel.in, bytes, size);
    while (cbi_channel_next(&channel, &message, &err) == CB_OK && message != NULL) {
        unpack(message);
        json_decref(message);
    }
    cbi_channel_fini(&channel);
    return 0;
}
