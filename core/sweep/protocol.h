/* SPDX-License-Identifier: MIT */
/*
 * What a coordinator and its workers say to each other:
 *
 *   worker       ready { protocol, pid }                         once, when it is up
 *   coordinator  trial { trial, spec, task, settings, weights }  one trial to run
 *   worker       row { trial, epoch, split, metric, value, seconds }
 *   worker       end { trial, ... }                              the result; then it is idle again
 *
 * A worker that is no longer wanted sees its socket closed. Packing and unpacking of each message
 * stand side by side here.
 */
#ifndef CB_SWEEP_PROTOCOL_H
#define CB_SWEEP_PROTOCOL_H

#include "base/hash.h"
#include "cellbench/store.h"
#include "cellbench/train.h"
#include "sweep/message.h"

enum { CBI_PROTOCOL = 1, CBI_METRIC_MOST = 31 };

/* Type of a message; "" if it has none. Borrowed. */
const char *cbi_message_type(const json_t *message);

CB_MUST_USE cb_status cbi_pack_ready(json_t **out, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_ready(const json_t *message, cb_err *err);

/* One trial as a worker gets it; texts are borrowed from the message. */
typedef struct cbi_job {
    int64_t trial;
    const char *spec;     /* resolved specification */
    const char *task;     /* name */
    const char *settings; /* of the task, JSON, paths included */
    const char *weights;  /* file to write the best weights to; "" if they are not kept */
} cbi_job;
CB_MUST_USE cb_status cbi_pack_job(json_t **out, const cbi_job *job, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_job(const json_t *message, cbi_job *out, cb_err *err);

CB_MUST_USE cb_status cbi_pack_row(json_t **out, int64_t trial, const cb_epoch_row *row,
                                   cb_err *err);
/* Texts are borrowed from the message. */
CB_MUST_USE cb_status cbi_unpack_row(const json_t *message, int64_t trial, cb_epoch_record *out,
                                     cb_err *err);

/* weights_file does not travel: the coordinator knows it. error_text and weights_sha256 are
 * borrowed from the message. */
CB_MUST_USE cb_status cbi_pack_end(json_t **out, int64_t trial, const cb_attempt_result *result,
                                   cb_err *err);
CB_MUST_USE cb_status cbi_unpack_end(const json_t *message, int64_t trial, cb_attempt_result *out,
                                     cb_err *err);

#endif
