/* SPDX-License-Identifier: MIT */
/* Slots: from a claim to what is written of it. Rows are kept as the messages they came in. */
#include "sweep/slot.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Epoch, split (at most 5 bytes) and metric, with spaces between. */
enum { ROW_KEY_SIZE = 20 + 1 + 5 + 1 + CBI_METRIC_MOST + 1 };

/* Seconds by which two clocks may differ. */
static const double clock_slack = 0.01;

void cbi_slot_stop(cbi_slot *slot, int grace_ms, cbi_fate *fate) {
    cbi_process_end(&slot->process, grace_ms, fate);
    cbi_channel_fini(&slot->channel);
    slot->ready = 0;
}

cb_status cbi_slot_start(cbi_slot *slot, const char *program, cb_err *err) {
    cb_status st = cbi_process_start(&slot->process, program, err);
    if (st == CB_OK)
        slot->channel = (cbi_channel){.fd = slot->process.socket};
    return st;
}

void cbi_slot_move(cbi_slot *to, cbi_slot *from) {
    to->process = from->process;
    to->channel = from->channel;
    to->ready = from->ready;
    from->process = (cbi_process){.socket = -1};
    from->channel = (cbi_channel){.fd = -1, .ended = 1};
    from->ready = 0;
}

cb_status cbi_slot_assign(cbi_slot *slot, const cbi_job *job, cb_err *err) {
    json_t *message = NULL;
    cb_status st = cbi_pack_job(&message, job, err);
    slot->epoch = 0;
    slot->row_seconds = 0;
    if (st == CB_OK && (slot->rows = json_object()) == NULL)
        st = cb_fail(err, CB_ENOMEM, "no memory");
    if (st == CB_OK && (st = cbi_channel_queue(&slot->channel, message, err)) == CB_OK)
        st = cbi_channel_flush(&slot->channel, 0, err);
    json_decref(message);
    return st;
}

static cb_status take_row(cbi_slot *slot, json_t *message, cb_err *err) {
    cb_epoch_record row;
    char key[ROW_KEY_SIZE];
    cb_status st = cbi_unpack_row(message, slot->claim.trial_id, &row, err);
    if (st != CB_OK)
        return st;
    snprintf(key, sizeof key, "%lld %s %s", (long long)row.epoch, row.split, row.metric);
    if (json_object_get(slot->rows, key) != NULL)
        return cb_fail(err, CB_EDATA, "message: a second row '%s'", key);
    if (json_object_set(slot->rows, key, message) != 0)
        return cb_fail(err, CB_ENOMEM, "no memory for rows");
    slot->epoch = row.epoch;
    slot->row_seconds += row.seconds > 0 ? row.seconds : 0;
    return CB_OK;
}

cb_status cbi_slot_take(cbi_slot *slot, json_t **message, int *is_end, cbi_end *end, cb_err *err) {
    cb_status st = cbi_channel_next(&slot->channel, message, err);
    const int working = slot->state == CBI_SLOT_WORKING;
    *is_end = 0;
    if (st != CB_OK || *message == NULL)
        return st;
    const char *type = cbi_message_type(*message);
    if (!slot->ready) {
        st = cbi_unpack_ready(*message, err);
        slot->ready = st == CB_OK;
    } else if (working && strcmp(type, "row") == 0) {
        st = take_row(slot, *message, err);
    } else if (working && strcmp(type, "alive") == 0) {
        st = cbi_unpack_alive(*message, slot->claim.trial_id, err);
    } else if (working && strcmp(type, "end") == 0) {
        st = cbi_unpack_end(*message, slot->claim.trial_id, end, err);
        *is_end = st == CB_OK;
    } else {
        st = cb_fail(err, CB_EDATA, "message: unexpected '%.40s'", type);
    }
    if (st != CB_OK) {
        json_decref(*message);
        *message = NULL;
    }
    return st;
}

static void slot_idle(cbi_slot *slot) {
    cb_claim_fini(&slot->claim);
    json_decref(slot->rows);
    cbi_free(slot->weights);
    slot->rows = NULL;
    slot->weights = NULL;
    slot->state = CBI_SLOT_IDLE;
}

cb_status cbi_slot_finish(cbi_slot *slot, cb_store *store, const cb_attempt_result *result,
                          cb_err *err) {
    size_t count = result->end == CB_ATTEMPT_RETURNED ? 0 : json_object_size(slot->rows);
    size_t used = 0;
    cb_epoch_record *rows = cbi_calloc(count + 1, sizeof *rows);
    cb_status st = CB_OK;
    if (rows == NULL) {
        st = cb_fail(err, CB_ENOMEM, "no memory for %zu rows", count);
        goto out;
    }
    for (void *at = json_object_iter(slot->rows); used < count && st == CB_OK;
         at = json_object_iter_next(slot->rows, at))
        st = cbi_unpack_row(json_object_iter_value(at), slot->claim.trial_id, &rows[used++], err);
    if (st == CB_OK)
        st = cb_store_finish(store, &slot->claim, result, rows, count, err);
out:
    cbi_free(rows);
    slot_idle(slot);
    return st;
}

double cbi_slot_own(const cbi_slot *slot, int64_t now_ms) {
    const double here = (double)(now_ms - slot->begun_ms) / 1e3 + clock_slack;
    if (slot->state != CBI_SLOT_WORKING)
        return 0;
    return slot->row_seconds > here ? here / slot->row_seconds : 1;
}

double cbi_slot_share(const cbi_slot *slot, int64_t now_ms) {
    const int64_t most = slot->claim.epochs_most;
    if (most < 1 || slot->epoch > most)
        return 0;
    return cbi_slot_own(slot, now_ms) * (double)slot->epoch / (double)most;
}
