/* SPDX-License-Identifier: MIT */
/*
 * Ends of attempts: whose fault it is when there is no result, and what follows from that.
 *
 *   trial    its own error: it has failed, until somebody asks for it again
 *   worker   its worker crashed: tried again by another worker, once over all runs; a trial that
 *            takes a second one with it is set aside as failed
 *   machine  killed from outside, no memory, no disk: tried once more in this run; then it has
 *            failed for this run, and the next one begins with putting it back
 */
#include "sweep/coordinator.h"

#include <math.h>
#include <stdio.h>

#include "sweep/clock.h"

enum {
    GRACE_MS = 1000,    /* for a worker that has left its socket */
    ATTEMPTS = 2,       /* at a trial, before it counts as failed */
    FAILURES_TOLD = 50, /* one by one: a study may have a million trials of one mistake */
    STILLBORN_MOST = 3, /* workers in a row that ended before they were up */
    WHY_SIZE = CB_ERR_TEXT + 128
};

static cb_attempt_result no_result(cb_attempt_end end, cb_cause cause, const char *why) {
    return (cb_attempt_result){.end = end,
                               .cause = cause,
                               .train = NAN,
                               .valid = NAN,
                               .test = NAN,
                               .valid_error = NAN,
                               .test_error = NAN,
                               .weights_file = "",
                               .weights_sha256 = "",
                               .error_text = why};
}

cb_status cbi_commit(cbi_coordinator *c, int force, cb_err *err) {
    const int queued = cb_store_commit_due_ms(c->store) >= 0;
    cb_status st = cb_store_commit(c->store, force, err);
    const int empty = cb_store_commit_due_ms(c->store) < 0;
    /* A result was dropped: somebody has taken our claim, which a run that lives is safe from. */
    if (st == CB_EBUSY && queued && empty)
        return cb_fail_prefix(err, CB_ESTORE, "this run was taken for dead: ");
    if (st == CB_OK && empty) {
        c->said_locked = 0;
        cbi_files_committed(&c->files);
    }
    return st;
}

/* A checkpoint is of use to another attempt only; and where a worker crashed, it may be what made
 * it crash. */
static int drops_checkpoint(const cb_attempt_result *result) {
    if (result->end == CB_ATTEMPT_DONE || result->end == CB_ATTEMPT_DIVERGED)
        return 1;
    return result->cause == CB_CAUSE_TRIAL || result->cause == CB_CAUSE_WORKER;
}

static cb_status finish(cbi_coordinator *c, cbi_slot *slot, cb_attempt_result *result,
                        cb_err *err) {
    cb_status st = CB_OK;
    if (result->weights_sha256[0] != '\0' && slot->weights != NULL)
        result->weights_file = cbi_files_name(&c->files, slot->weights);
    if (drops_checkpoint(result) &&
        (st = cbi_files_ended(&c->files, slot->claim.key, err)) != CB_OK)
        return st;
    cbi_tracker_ended(&c->tracker, &slot->claim, result->end, cbi_slot_own(slot, cbi_clock(c)));
    if ((st = cbi_slot_finish(slot, c->store, result, err)) != CB_OK)
        return st;
    if (result->end == CB_ATTEMPT_RETURNED) {
        c->next_claim_ms = 0;
        st = cbi_commit(c, 1, err);
        return cbi_is_fatal(c, st, err) ? st : CB_OK;
    }
    return CB_OK;
}

cb_status cbi_end_refused(cbi_coordinator *c, cbi_slot *slot, cb_cause cause, const char *why,
                          cb_err *err) {
    cb_attempt_result result = no_result(CB_ATTEMPT_FAILED, cause, why);
    if (c->said_failed < FAILURES_TOLD)
        cbi_say(c, "trial %lld (%.64s) failed: %s", (long long)slot->claim.trial_id,
                slot->claim.cell, why);
    if (++c->said_failed == FAILURES_TOLD)
        cbi_say(c, "further failures are not told one by one: see `cellbench status --failed`");
    return finish(c, slot, &result, err);
}

cb_status cbi_end_failed(cbi_coordinator *c, cbi_slot *slot, cb_cause cause, const char *why,
                         cb_err *err) {
    const cb_claim *claim = &slot->claim;
    const int64_t earlier = cause == CB_CAUSE_WORKER    ? claim->worker_crashes
                            : cause == CB_CAUSE_MACHINE ? claim->machine_failures
                                                        : ATTEMPTS;
    if (earlier + 1 >= ATTEMPTS) {
        char text[WHY_SIZE];
        snprintf(text, sizeof text, "%s%s",
                 cause == CB_CAUSE_WORKER ? "set aside, for the second "
                                            "time: "
                                          : "",
                 why);
        return cbi_end_refused(c, slot, cause, text, err);
    }
    cb_attempt_result result = no_result(CB_ATTEMPT_RETURNED, cause, why);
    cbi_say(c, "trial %lld (%.64s): %s; it is tried again", (long long)claim->trial_id, claim->cell,
            why);
    return finish(c, slot, &result, err);
}

cb_status cbi_end_returned(cbi_coordinator *c, cbi_slot *slot, cb_err *err) {
    cb_attempt_result result = no_result(CB_ATTEMPT_RETURNED, CB_CAUSE_NONE, "the run was stopped");
    return finish(c, slot, &result, err);
}

/* A disk that is full, or a file that has gone, meets every trial alike: better the run ends than
 * that it trains them all for nothing. */
static cb_status count_refusals(cbi_coordinator *c, const cb_attempt_result *result, cb_err *err) {
    if (result->end == CB_ATTEMPT_DONE || result->end == CB_ATTEMPT_DIVERGED)
        c->refused = 0;
    if (result->cause != CB_CAUSE_MACHINE || ++c->refused <= ATTEMPTS * (int)c->slot_count)
        return CB_OK;
    return cb_fail(err, CB_EIO, "%d trials in a row came to nothing, the last one by this: %s",
                   c->refused, result->error_text);
}

cb_status cbi_end_told(cbi_coordinator *c, cbi_slot *slot, cbi_end *end, cb_err *err) {
    cb_attempt_result *result = &end->result;
    cb_status counted, st;
    cb_err why = {0};
    if (end->note[0] != '\0' && !c->said_checkpoint) {
        c->said_checkpoint = 1;
        cbi_say(c, "trial %lld (%.64s): no checkpoint: %s", (long long)slot->claim.trial_id,
                slot->claim.cell, end->note);
    }
    counted = count_refusals(c, result, &why);
    if (result->end == CB_ATTEMPT_FAILED)
        st = cbi_end_failed(c, slot, result->cause, result->error_text, err);
    else
        st = finish(c, slot, result, err);
    return st == CB_OK && counted != CB_OK ? cb_fail(err, counted, "%s", why.text) : st;
}

cb_status cbi_end_worker(cbi_coordinator *c, cbi_slot *slot, const char *fault, cb_err *err) {
    char how[CBI_FATE_TEXT], why[WHY_SIZE];
    const int pid = (int)slot->process.pid, was_ready = slot->ready;
    cbi_fate fate = {0};
    cbi_slot_stop(slot, fault != NULL ? 0 : GRACE_MS, &fate);
    cbi_fate_text(&fate, how);
    snprintf(why, sizeof why, fault != NULL ? "worker %d: %s" : "worker %d %s", pid,
             fault != NULL ? fault : how);
    if (!was_ready && ++c->stillborn >= STILLBORN_MOST)
        return cb_fail(err, CB_EIO, "%s, before it was ready; %d in a row: is '%s' a cellbench?",
                       why, c->stillborn,
                       c->options->program ? c->options->program : "/proc/self/exe");
    if (slot->state != CBI_SLOT_WORKING)
        return CB_OK;
    /* A worker that was not up yet did not die of its trial. */
    if (!was_ready)
        return cbi_end_returned(c, slot, err);
    return cbi_end_failed(
        c, slot, fault == NULL && cbi_fate_is_outside(&fate) ? CB_CAUSE_MACHINE : CB_CAUSE_WORKER,
        why, err);
}
