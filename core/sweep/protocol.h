/* SPDX-License-Identifier: MIT */
/*
 * What a coordinator and its workers say to each other:
 *
 *   worker       ready { protocol, numerics, pid }  once, when it is up
 *   coordinator  trial { trial, spec, ... }         one trial to run: cbi_job
 *   worker       alive { trial }                    at most once a second, while it computes
 *   worker       row { trial, epoch, split, metric, value, seconds }
 *   worker       end { trial, ... }                 the result; then it is idle again
 *
 * A worker that is no longer wanted reads the end of the stream: it breaks off its trial, with a
 * checkpoint, says `end`, and ends itself. Packing and unpacking of each message stand side by side
 * here.
 */
#ifndef CB_SWEEP_PROTOCOL_H
#define CB_SWEEP_PROTOCOL_H

#include "base/hash.h"
#include "cellbench/store.h"
#include "cellbench/train.h"
#include "sweep/message.h"

enum { CBI_PROTOCOL = 2, CBI_METRIC_MOST = 31 };

/* Type of a message; "" if it has none. Borrowed. */
const char *cbi_message_type(const json_t *message);

CB_MUST_USE cb_status cbi_pack_ready(json_t **out, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_ready(const json_t *message, cb_err *err);

/* One trial as a worker gets it; texts are borrowed from the message. */
typedef struct cbi_job {
    int64_t trial;
    const char *spec;          /* resolved specification */
    const char *task;          /* name */
    const char *settings;      /* of the task, JSON, paths included */
    const char *weights;       /* file to write the best weights to; "" if they are not kept */
    const char *checkpoint;    /* file to go on from, and to write; "": none */
    double checkpoint_seconds; /* between two of them */
    int64_t memory_bytes;      /* that it is expected to need; 0: not known */
} cbi_job;
CB_MUST_USE cb_status cbi_pack_job(json_t **out, const cbi_job *job, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_job(const json_t *message, cbi_job *out, cb_err *err);

CB_MUST_USE cb_status cbi_pack_alive(json_t **out, int64_t trial, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_alive(const json_t *message, int64_t trial, cb_err *err);

CB_MUST_USE cb_status cbi_pack_row(json_t **out, int64_t trial, const cb_epoch_row *row,
                                   cb_err *err);
/* Texts are borrowed from the message. */
CB_MUST_USE cb_status cbi_unpack_row(const json_t *message, int64_t trial, cb_epoch_record *out,
                                     cb_err *err);

/* The end of a trial. weights_file does not travel: the coordinator knows it. */
typedef struct cbi_end {
    cb_attempt_result result; /* texts are borrowed, when unpacked from the message */
    const char *note;         /* what a person should know though the trial went well; "" if none */
} cbi_end;
CB_MUST_USE cb_status cbi_pack_end(json_t **out, int64_t trial, const cbi_end *end, cb_err *err);
CB_MUST_USE cb_status cbi_unpack_end(const json_t *message, int64_t trial, cbi_end *out,
                                     cb_err *err);

#endif
