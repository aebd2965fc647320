/* SPDX-License-Identifier: MIT */
/*
 * Claims: the list is registered a little ahead of them, a claim is held until there is memory for
 * it, and then handed to a worker.
 */
#include "sweep/coordinator.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "sweep/clock.h"
#include "sweep/confirm.h"

enum {
    CLAIM_MS = 500,     /* between claims while others hold what is left */
    CONFIRM_SHARE = 20, /* looking for what to confirm may take this share (1/n) of the time */
    AHEAD = 1000,       /* places of the list that are registered ahead of the claims */
    /* A window takes no longer than this: while nobody waits, and while workers wait for a trial.
     */
    WINDOW_MS = 50,
    FIRST_WINDOW_MS = 5,
    WHY_SIZE = 256
};

/* ---- the list ---- */

cb_status cbi_refuse_mixed(const cbi_coordinator *c, int64_t other, cb_err *err) {
    if (other == 0 || c->options->mix == CB_MIX_ALLOW)
        return CB_OK;
    return cb_fail(err, CB_EARG,
                   "%lld of the %lld trials of study '%s' have results of other numerics or of "
                   "another instruction set than this program's on this machine, and their "
                   "bits may differ: either mix them (each result says what it is of), or do "
                   "them again",
                   (long long)other, (long long)c->study->count, c->study->info.name);
}

static cb_status extend(cbi_coordinator *c, int budget_ms, cb_err *err) {
    cb_added added;
    const int is_first = c->list.next == 0;
    const int was_broken = c->list.broken, was_superseded = c->list.superseded;
    cb_status st = cbi_list_extend(&c->list, CBI_WINDOW_MOST, budget_ms, &added, err);
    if (st != CB_OK)
        return st;
    if (is_first) /* nothing was known of what a trial costs */
        c->tracker.refreshed_us = -1;
    if (c->list.broken && !was_broken)
        cbi_say(c, "%s; the trials before it are run first", c->list.error.text);
    if (c->list.superseded && !was_superseded)
        cbi_say(c,
                "study '%s' has got another list of trials since, from another process; this "
                "run goes on with what that has registered",
                c->study->info.name);
    if (added.requeued > 0)
        cbi_say(c, "%lld trials that other runs left as failed are tried again",
                (long long)added.requeued);
    return cbi_refuse_mixed(c, added.other_numerics, err);
}

/* The list is short of what the claims will ask for. */
static int is_due(const cbi_coordinator *c) {
    return cbi_list_open(&c->list) && c->list.next - c->claimed < AHEAD;
}

/* ---- confirmation ---- */

cb_status cbi_claim_confirm(cbi_coordinator *c, int force, int64_t *count, cb_err *err) {
    const int64_t begun_ms = cbi_now_ms();
    cb_added added;
    *count = 0;
    if (cbi_list_open(&c->list) || (!force && begun_ms < c->next_confirm_ms))
        return CB_OK;
    cb_status st = cbi_confirm(&c->list, &c->tracker, &added, err);
    if (st != CB_OK)
        return st;
    c->next_confirm_ms = cbi_now_ms() + CONFIRM_SHARE * (cbi_now_ms() - begun_ms);
    *count = added.linked;
    return cbi_refuse_mixed(c, added.other_numerics, err); /* known from another run */
}

/* ---- memory ---- */

static int64_t memory_at_work(const cbi_coordinator *c) {
    int64_t sum = 0;
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i].state == CBI_SLOT_WORKING)
            sum += c->slots[i].claim.memory_bytes;
    return sum;
}

/* *fits: it may be handed out now; *why is not "": it never will, in this run. */
static void look_for_room(const cbi_coordinator *c, const cb_claim *claim, int *fits,
                          char why[WHY_SIZE]) {
    const double mega = 1e6, needs = (double)claim->memory_bytes;
    *fits = claim->memory_bytes <= c->memory_bytes - memory_at_work(c);
    why[0] = '\0';
    if (claim->memory_bytes > c->memory_bytes)
        snprintf(why, WHY_SIZE, "it would take about %.0f MB of memory; this run may use %.0f MB",
                 needs / mega, (double)c->memory_bytes / mega);
    else if (claim->memory_bytes > c->memory_each_bytes)
        snprintf(why, WHY_SIZE,
                 "it would take about %.0f MB of memory; the limit of a process (ulimit -v) leaves "
                 "%.0f MB",
                 needs / mega, (double)c->memory_each_bytes / mega);
}

/* ---- handing out ---- */

/* Where to open the claim's task: for the study's own as the study says, else (another process has
 * registered another edition meanwhile) as its record says. *spec keeps *name alive. */
static cb_status claim_task(const cbi_coordinator *c, const cb_claim *claim, const char **name,
                            const char **settings, json_t **spec, cb_err *err) {
    *spec = NULL;
    *name = cb_task_get_def(c->study->task)->name;
    *settings = cb_task_settings(c->study->task);
    /* Both texts are canonical; within a string the quotes would be escaped. */
    if (strstr(claim->spec, c->own_task) != NULL)
        return CB_OK;
    cb_status st = cbi_json_parse(spec, claim->spec, strlen(claim->spec), "specification", err);
    if (st != CB_OK)
        return st;
    *name = json_string_value(json_object_get(json_object_get(*spec, "task"), "name"));
    *settings = claim->task_open;
    return *name != NULL ? CB_OK
                         : cb_fail(err, CB_EDATA, "specification: the task's name is missing");
}

static cb_status assign(cbi_coordinator *c, cbi_slot *slot, cb_err *err) {
    const cb_claim *claim = &slot->claim;
    char *checkpoint = NULL;
    json_t *spec = NULL;
    cbi_job job = {.trial = claim->trial_id,
                   .spec = claim->spec,
                   .checkpoint_seconds = c->options->checkpoint_seconds,
                   .memory_bytes = claim->memory_bytes};
    cb_status st = claim_task(c, claim, &job.task, &job.settings, &spec, err);
    if (st == CB_OK)
        st = cbi_files_weights(&c->files, claim->key, &slot->weights, err);
    if (st == CB_OK)
        st = cbi_files_checkpoint(&c->files, claim->key, &checkpoint, err);
    job.weights = slot->weights;
    job.checkpoint = checkpoint;
    if (st == CB_OK)
        st = cbi_slot_assign(slot, &job, err);
    json_decref(spec);
    cbi_free(checkpoint);
    return st;
}

/* The system has no room for another process: the run goes on with those that it has. */
static cb_status close_slot(cbi_coordinator *c, cbi_slot *slot, const cb_err *why, cb_err *err) {
    size_t alive = 0;
    for (size_t i = 0; i < c->slot_count; i++)
        alive += c->slots[i].process.pid != 0;
    if (alive == 0)
        return cb_fail(err, CB_EIO, "%s", why->text);
    cbi_say(c, "%s; going on with %zu jobs", why->text, alive);
    cb_status st = cbi_end_returned(c, slot, err);
    slot->state = CBI_SLOT_CLOSED;
    return st;
}

/* A claim that had to wait for memory may have got a slot without a worker, while another slot's is
 * idle now. */
static cb_status find_worker(cbi_coordinator *c, cbi_slot *slot, cb_err *err) {
    for (size_t i = 0; i < c->slot_count; i++) {
        cbi_slot *other = &c->slots[i];
        if (other->state == CBI_SLOT_IDLE && other->process.pid != 0) {
            cbi_slot_move(slot, other);
            return CB_OK;
        }
    }
    return cbi_slot_start(slot, c->options->program, err);
}

/* The slot holds a claim: starts a worker if there is none, and gives it the trial. What is wrong
 * with the claim itself makes the trial fail, not the run. */
static cb_status hand_out(cbi_coordinator *c, cbi_slot *slot, cb_err *err) {
    cb_err why;
    cb_status st = CB_OK;
    if (slot->process.pid == 0)
        st = find_worker(c, slot, &why);
    if (st == CB_EBUSY)
        return close_slot(c, slot, &why, err);
    if (st != CB_OK)
        return cb_fail(err, st, "%s", why.text);
    slot->begun_ms = slot->heard_ms = cbi_clock(c);
    slot->state = CBI_SLOT_WORKING;
    if ((st = assign(c, slot, &why)) == CB_OK)
        return CB_OK;
    return cbi_end_refused(c, slot, st == CB_ENOMEM ? CB_CAUSE_MACHINE : CB_CAUSE_TRIAL, why.text,
                           err);
}

/* A claim that there is no memory for now keeps its slot; none is taken after it, so that a large
 * trial is not passed by small ones for ever. */
static cb_status hand_out_if_room(cbi_coordinator *c, cbi_slot *slot, int *waits, cb_err *err) {
    char why[WHY_SIZE];
    int fits;
    look_for_room(c, &slot->claim, &fits, why);
    *waits = 0;
    /* No fault of the trial: another machine, or another --memory, may have room for it, and the
     * next run looks by itself. */
    if (why[0] != '\0')
        return cbi_end_refused(c, slot, CB_CAUSE_MACHINE, why, err);
    if (fits)
        return hand_out(c, slot, err);
    *waits = 1;
    return CB_OK;
}

/* ---- claiming ---- */

/* There is nothing to claim: more of the list, or what follows behind it. */
static cb_status find_more(cbi_coordinator *c, cb_err *err) {
    int64_t added;
    cb_status st;
    if (cbi_list_open(&c->list)) {
        c->next_claim_ms = 0;
        return extend(c, WINDOW_MS, err);
    }
    st = cbi_claim_confirm(c, 0, &added, err);
    c->next_claim_ms = added > 0 ? 0 : cbi_now_ms() + CLAIM_MS;
    return st;
}

static cb_status claim(cbi_coordinator *c, cbi_slot *slot, int *got, cb_err *err) {
    cb_status st = cb_store_claim(c->store, c->study_id, &slot->claim, got, err);
    if (st != CB_OK || !*got)
        return st;
    slot->state = CBI_SLOT_CLAIMED;
    cbi_tracker_claimed(&c->tracker, &slot->claim);
    if (slot->claim.position >= c->claimed && slot->claim.position < (int64_t)c->study->count)
        c->claimed = slot->claim.position + 1;
    return CB_OK;
}

static cb_status claim_all(cbi_coordinator *c, cb_err *err) {
    cb_status st;
    for (size_t i = 0; i < c->slot_count; i++) {
        cbi_slot *slot = &c->slots[i];
        int waits = 0, got = 0;
        if (slot->state == CBI_SLOT_IDLE && cbi_now_ms() >= c->next_claim_ms) {
            if ((st = claim(c, slot, &got, err)) != CB_OK)
                return st;
            if (!got)
                return find_more(c, err);
        }
        if (slot->state == CBI_SLOT_CLAIMED &&
            ((st = hand_out_if_room(c, slot, &waits, err)) != CB_OK || waits))
            return st;
    }
    return CB_OK;
}

cb_status cbi_claim_for_idle(cbi_coordinator *c, cb_err *err) {
    cb_status st = CB_OK;
    if (is_due(c))
        st = extend(c, c->list.next == 0 ? FIRST_WINDOW_MS : WINDOW_MS, err);
    if (st == CB_OK)
        st = claim_all(c, err);
    if (st == CB_EBUSY)
        c->next_claim_ms = cbi_now_ms() + CLAIM_MS;
    return cbi_is_fatal(c, st, err) ? st : CB_OK;
}
