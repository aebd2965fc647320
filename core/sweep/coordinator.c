/* SPDX-License-Identifier: MIT */
/*
 * The coordinator: one poll loop that claims trials, hands them to workers, collects what they
 * send, and writes results in group commits. It is the only one here that opens the database.
 *
 * Nothing is kept only in memory that could not be done again: until an attempt's end is
 * committed, its claim stands in the store, and goes back to pending when this process dies.
 * Results may come in any order; no order decides any value.
 */
#include "cellbench/sweep.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/text.h"
#include "sweep/confirm.h"
#include "sweep/progress.h"
#include "sweep/slot.h"

enum {
    JOBS_MOST = 1024,
    PROGRESS_MS = 250,  /* between calls of options.progress */
    CLAIM_MS = 500,     /* between claims while others hold what is left */
    CONFIRM_SHARE = 20, /* looking for what to confirm may take this share (1/n) of the time */
    GRACE_MS = 1000,    /* for workers to end by themselves */
    DEATHS_MOST = 2,    /* of workers at one trial, then it is at fault */
    STILLBORN_MOST = 3, /* workers in a row that ended before they were up */
    WHY_SIZE = 512,
    NOTE_SIZE = CB_ERR_TEXT + 256
};

typedef struct death {
    int64_t trial_id;
    int count;
} death;

typedef struct coordinator {
    cb_store *store;
    const cb_study *study;
    const cb_sweep_options *options;
    int64_t study_id;
    cbi_plan plan;
    cbi_tracker tracker;
    cbi_slot *slots; /* options->jobs of them */
    struct pollfd *polls;
    death *deaths;
    size_t death_count, death_capacity;
    int stillborn;
    int64_t next_claim_ms, next_progress_ms, next_confirm_ms;
    char *weights_folder; /* path; NULL: weights are not kept */
    char note[NOTE_SIZE];
} coordinator;

/* ---- telling ---- */

static cb_status tell(coordinator *c, int force, cb_err *err) {
    cb_status st;
    c->next_progress_ms = cbi_now_ms() + PROGRESS_MS;
    if (c->options->progress == NULL && !force)
        return CB_OK;
    c->tracker.partial_flop = 0;
    for (size_t i = 0; i < c->options->jobs; i++) {
        const cbi_slot *slot = &c->slots[i];
        if (slot->busy && slot->item != NULL && slot->item->epochs > 0 &&
            slot->epoch <= (int64_t)slot->item->epochs)
            c->tracker.partial_flop +=
                slot->item->flop * (double)slot->epoch / (double)slot->item->epochs;
    }
    c->tracker.shown.awaited = (int64_t)cbi_plan_awaited(&c->plan, c->study);
    if ((st = cbi_tracker_update(&c->tracker, force, err)) != CB_OK)
        return st;
    c->tracker.shown.note = c->note[0] != '\0' ? c->note : NULL;
    if (c->options->progress != NULL)
        c->options->progress(c->options->context, &c->tracker.shown);
    c->note[0] = '\0';
    return CB_OK;
}

/* Says something once, at once: no later note may take its place unseen. */
static cb_status tell_note(coordinator *c, cb_err *err) {
    return c->note[0] != '\0' ? tell(c, 0, err) : CB_OK;
}

/* ---- weights ---- */

/* "results/quick.db" -> "results/quick.weights" */
static cb_status weights_begin(coordinator *c, cb_err *err) {
    const char *path = cb_store_path(c->store);
    size_t length = strlen(path);
    cbi_text folder = {0};
    json_t *as_json;
    cb_status st;
    if (length > 3 && strcmp(path + length - 3, ".db") == 0)
        length -= 3;
    cbi_text_add_n(&folder, path, length);
    cbi_text_add(&folder, ".weights");
    if ((st = cbi_text_take(&folder, &c->weights_folder, err)) != CB_OK)
        return st;
    /* It travels as JSON. */
    if ((as_json = json_string(c->weights_folder)) == NULL)
        return cb_fail(err, CB_EARG, "the path '%s', for weights, is not UTF-8", c->weights_folder);
    json_decref(as_json);
    if (mkdir(c->weights_folder, 0777) != 0 && errno != EEXIST)
        return cb_fail(err, CB_EIO, "cannot make the folder '%s' for weights: %s",
                       c->weights_folder, strerror(errno));
    return CB_OK;
}

/* *path: where the worker writes; slot->weights: the same, as the records name it. */
static cb_status weights_name(const coordinator *c, cbi_slot *slot, char **path, cb_err *err) {
    cbi_text text = {0};
    cb_status st;
    *path = NULL;
    if (c->weights_folder != NULL)
        cbi_text_addf(&text, "%s/%s.safetensors", c->weights_folder, slot->claim.key);
    if ((st = cbi_text_take(&text, path, err)) != CB_OK || c->weights_folder == NULL)
        return st;
    const char *name = strrchr(c->weights_folder, '/');
    slot->weights = cbi_strdup(*path + (name != NULL ? name + 1 - c->weights_folder : 0));
    return slot->weights != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "no memory");
}

/* ---- ends of attempts ---- */

static cb_status finish(coordinator *c, cbi_slot *slot, cb_attempt_result *result, cb_err *err) {
    cbi_plan_item *item = slot->item;
    cb_status st;
    if (result->weights_sha256[0] != '\0' && slot->weights != NULL)
        result->weights_file = slot->weights;
    if (result->end == CB_ATTEMPT_FAILED)
        snprintf(c->note, sizeof c->note, "trial %lld (%.64s) failed: %s",
                 (long long)slot->claim.trial_id, slot->claim.cell, result->error_text);
    if ((st = cbi_slot_finish(slot, c->store, result, err)) != CB_OK)
        return st;
    if (result->end == CB_ATTEMPT_RETURNED) {
        c->next_claim_ms = 0;
        return cb_store_commit(c->store, 1, err);
    }
    cbi_tracker_settle(&c->tracker, item);
    return CB_OK;
}

/* An attempt that has no result: because it is returned or failed. */
static cb_attempt_result no_result(cb_attempt_end end, const char *why) {
    return (cb_attempt_result){.end = end,
                               .train = NAN,
                               .valid = NAN,
                               .test = NAN,
                               .valid_error = NAN,
                               .test_error = NAN,
                               .weights_file = "",
                               .weights_sha256 = "",
                               .error_text = why};
}

static cb_status count_death(coordinator *c, int64_t trial_id, int *count, cb_err *err) {
    size_t i = 0;
    while (i < c->death_count && c->deaths[i].trial_id != trial_id)
        i++;
    if (i == c->death_count) {
        cb_status st = cbi_grow((void **)&c->deaths, &c->death_capacity, i + 1, sizeof *c->deaths);
        if (st != CB_OK)
            return cb_fail(err, st, "no memory");
        c->deaths[c->death_count++] = (death){.trial_id = trial_id};
    }
    *count = ++c->deaths[i].count;
    return CB_OK;
}

/* A worker is gone, or `fault` (not NULL) says what is wrong with it. Its trial is tried again by
 * another, once. */
static cb_status worker_lost(coordinator *c, cbi_slot *slot, const char *fault, cb_err *err) {
    char how[128] = "", why[WHY_SIZE];
    int pid = (int)slot->process.pid, was_ready = slot->ready, deaths = 0;
    cb_attempt_result result;
    cb_status st;
    cbi_slot_stop(slot, fault != NULL ? 0 : GRACE_MS, how, sizeof how);
    snprintf(why, sizeof why, fault != NULL ? "worker %d: %s" : "worker %d %s", pid,
             fault != NULL ? fault : how);
    if (!was_ready && ++c->stillborn >= STILLBORN_MOST)
        return cb_fail(err, CB_EIO, "%s, before it was ready; %d in a row: is '%s' a cellbench?",
                       why, c->stillborn,
                       c->options->program ? c->options->program : "/proc/self/exe");
    if (!slot->busy)
        return CB_OK;
    if (was_ready && (st = count_death(c, slot->claim.trial_id, &deaths, err)) != CB_OK)
        return st;
    if (deaths >= DEATHS_MOST) {
        result = no_result(CB_ATTEMPT_FAILED, why);
    } else {
        result = no_result(CB_ATTEMPT_RETURNED, why);
        snprintf(c->note, sizeof c->note, "%.200s at trial %lld (%.64s); the trial is tried again",
                 why, (long long)slot->claim.trial_id, slot->claim.cell);
    }
    st = finish(c, slot, &result, err);
    return st == CB_OK ? tell_note(c, err) : st;
}

/* ---- claims ---- */

/* Where to open the claim's task: for a trial of this study as the study says, else (another
 * process has registered another edition meanwhile) as its record says. *spec keeps *name alive. */
static cb_status claim_task(const coordinator *c, const cbi_slot *slot, const char **name,
                            const char **settings, json_t **spec, cb_err *err) {
    *spec = NULL;
    *name = cb_task_get_def(c->study->task)->name;
    *settings = cb_task_settings(c->study->task);
    if (slot->item != NULL)
        return CB_OK;
    cb_status st =
        cbi_json_parse(spec, slot->claim.spec, strlen(slot->claim.spec), "specification", err);
    if (st != CB_OK)
        return st;
    *name = json_string_value(json_object_get(json_object_get(*spec, "task"), "name"));
    *settings = slot->claim.task_open;
    return *name != NULL ? CB_OK
                         : cb_fail(err, CB_EDATA, "specification: the task's name is missing");
}

/* The slot holds a claim: starts a worker if there is none, and gives it the trial. What is wrong
 * with the claim itself makes the trial fail, not the run. */
static cb_status hand_out(coordinator *c, cbi_slot *slot, cb_err *err) {
    const char *name, *settings;
    char *weights = NULL;
    json_t *spec = NULL;
    cb_err why;
    cb_status st;
    if (slot->process.pid == 0 && (st = cbi_slot_start(slot, c->options->program, err)) != CB_OK)
        return st;
    if ((st = claim_task(c, slot, &name, &settings, &spec, &why)) == CB_OK &&
        (st = weights_name(c, slot, &weights, &why)) == CB_OK)
        st = cbi_slot_assign(slot, name, settings, weights, &why);
    json_decref(spec);
    cbi_free(weights);
    if (st == CB_OK)
        return CB_OK;
    cb_attempt_result result = no_result(CB_ATTEMPT_FAILED, why.text);
    if ((st = finish(c, slot, &result, err)) == CB_OK)
        st = tell_note(c, err);
    return st;
}

/* Results of another arithmetic are not mixed in silence. */
static cb_status refuse_mixed(coordinator *c, cb_err *err) {
    cb_study_counts counts;
    if (c->options->mix == CB_MIX_ALLOW)
        return CB_OK;
    cb_status st = cb_store_study_count(c->store, c->study_id, &counts, err);
    if (st != CB_OK || counts.other_numerics == 0)
        return st;
    return cb_fail(err, CB_EARG,
                   "%lld of the %lld trials of study '%s' have results of other numerics or of "
                   "another instruction set than this program's on this machine, and their "
                   "bits may differ: either mix them (each result says what it is of), or do "
                   "them again",
                   (long long)counts.other_numerics, (long long)counts.total, c->study->info.name);
}

/* Confirmation trials stand behind all others: looked for when there is nothing else to claim, or,
 * if `force`, before the study is called complete. */
static cb_status confirm(coordinator *c, int force, int64_t *added, cb_err *err) {
    const cb_again again = c->options->mix == CB_MIX_REDO ? CB_AGAIN_OTHER
                           : c->options->retry_failed     ? CB_AGAIN_FAILED
                                                          : CB_AGAIN_NONE;
    int64_t begun_ms = cbi_now_ms();
    *added = 0;
    if (!force && begun_ms < c->next_confirm_ms)
        return CB_OK;
    cb_status st = cbi_confirm(&c->plan, c->store, c->study, c->study_id, again, added, err);
    if (st != CB_OK)
        return st;
    c->next_confirm_ms = cbi_now_ms() + CONFIRM_SHARE * (cbi_now_ms() - begun_ms);
    for (size_t i = 0; i < c->options->jobs; i++)
        if (c->slots[i].busy)
            c->slots[i].item = cbi_plan_find(&c->plan, c->slots[i].claim.key);
    if (*added == 0)
        return CB_OK;
    st = refuse_mixed(c, err); /* they may be known from another run */
    return st == CB_OK ? cbi_tracker_read(&c->tracker, err) : st;
}

static cb_status claim_for_idle(coordinator *c, cb_err *err) {
    cb_status st;
    if (cbi_now_ms() < c->next_claim_ms)
        return CB_OK;
    for (size_t i = 0; i < c->options->jobs; i++) {
        cbi_slot *slot = &c->slots[i];
        int got = 0;
        if (slot->busy)
            continue;
        if ((st = cb_store_claim(c->store, c->study_id, &slot->claim, &got, err)) != CB_OK)
            return st;
        if (!got) {
            int64_t added;
            st = confirm(c, 0, &added, err);
            c->next_claim_ms = added > 0 ? 0 : cbi_now_ms() + CLAIM_MS;
            return st;
        }
        slot->busy = 1;
        slot->item = cbi_plan_find(&c->plan, slot->claim.key);
        if ((st = hand_out(c, slot, err)) != CB_OK)
            return st;
    }
    return CB_OK;
}

/* ---- the loop ---- */

/* All that a worker has sent. */
static cb_status drain(coordinator *c, cbi_slot *slot, cb_err *err) {
    cb_attempt_result result;
    json_t *message;
    cb_err fault;
    int end;
    cb_status st = cbi_channel_read(&slot->channel, 0, &fault);
    while (st == CB_OK) {
        if ((st = cbi_slot_take(slot, &message, &end, &result, &fault)) != CB_OK || message == NULL)
            break;
        if (slot->ready)
            c->stillborn = 0;
        cb_status ended = end ? finish(c, slot, &result, err) : CB_OK;
        json_decref(message);
        if (ended == CB_OK && end)
            ended = tell(c, 0, err);
        if (ended != CB_OK)
            return ended;
    }
    if (st != CB_OK)
        return worker_lost(c, slot, fault.text, err);
    return slot->channel.ended ? worker_lost(c, slot, NULL, err) : CB_OK;
}

static cb_status serve(coordinator *c, cb_err *err) {
    for (size_t i = 0; i < c->options->jobs; i++) {
        cbi_slot *slot = &c->slots[i];
        cb_err fault;
        cb_status st = CB_OK;
        if (slot->process.pid == 0 || c->polls[i].revents == 0)
            continue;
        if ((c->polls[i].revents & POLLOUT) &&
            cbi_channel_flush(&slot->channel, 0, &fault) != CB_OK)
            st = worker_lost(c, slot, fault.text, err);
        else if (c->polls[i].revents & ~POLLOUT)
            st = drain(c, slot, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

static void sooner(int64_t *timeout_ms, int64_t other_ms) {
    if (other_ms < *timeout_ms)
        *timeout_ms = other_ms > 0 ? other_ms : 0;
}

static cb_status wait_for_workers(coordinator *c, cb_err *err) {
    int64_t now = cbi_now_ms(), timeout_ms = c->next_progress_ms - now;
    int due_ms = cb_store_commit_due_ms(c->store);
    /* `stop` is asked as often as progress is told. */
    timeout_ms = timeout_ms < PROGRESS_MS ? (timeout_ms > 0 ? timeout_ms : 0) : PROGRESS_MS;
    if (due_ms >= 0)
        sooner(&timeout_ms, due_ms);
    for (size_t i = 0; i < c->options->jobs; i++) {
        const cbi_slot *slot = &c->slots[i];
        int alive = slot->process.pid != 0;
        c->polls[i] = (struct pollfd){.fd = alive ? slot->process.socket : -1, .events = POLLIN};
        if (alive && cbi_channel_unsent(&slot->channel))
            c->polls[i].events |= POLLOUT;
        if (!slot->busy)
            sooner(&timeout_ms, c->next_claim_ms - now);
    }
    if (poll(c->polls, c->options->jobs, (int)timeout_ms) < 0) {
        for (size_t i = 0; i < c->options->jobs; i++)
            c->polls[i].revents = 0;
        if (errno != EINTR)
            return cb_fail(err, CB_EIO, "poll: %s", strerror(errno));
    }
    return CB_OK;
}

/* Nothing at work here, and nothing left anywhere. Others' running trials are waited for: they may
 * come back to be claimed. */
static cb_status check_complete(coordinator *c, int *complete, cb_err *err) {
    cb_study_counts counts;
    int64_t added;
    cb_status st;
    *complete = 0;
    for (size_t i = 0; i < c->options->jobs; i++)
        if (c->slots[i].busy)
            return CB_OK;
    if ((st = cb_store_commit(c->store, 1, err)) == CB_OK)
        st = cb_store_study_count(c->store, c->study_id, &counts, err);
    if (st != CB_OK || counts.pending > 0 || counts.running > 0)
        return st;
    st = confirm(c, 1, &added, err);
    *complete = st == CB_OK && added == 0;
    if (added > 0)
        c->next_claim_ms = 0;
    return st;
}

static cb_status loop(coordinator *c, cb_err *err) {
    int complete = 0;
    cb_status st;
    for (;;) {
        if (c->options->stop != NULL && c->options->stop(c->options->context))
            return cb_fail(err, CB_ECANCEL, "stopped on request");
        if ((st = claim_for_idle(c, err)) != CB_OK ||
            (st = cb_store_commit(c->store, 0, err)) != CB_OK)
            return st;
        if (cbi_now_ms() >= c->next_progress_ms && (st = tell(c, 0, err)) != CB_OK)
            return st;
        if ((st = check_complete(c, &complete, err)) != CB_OK || complete)
            return st;
        if ((st = wait_for_workers(c, err)) != CB_OK || (st = serve(c, err)) != CB_OK)
            return st;
    }
}

/* ---- begin and end ---- */

static cb_status check_mix(coordinator *c, cb_err *err) {
    int64_t requeued;
    cb_status st = CB_OK;
    if (c->options->mix == CB_MIX_REDO)
        st = cb_store_study_requeue(c->store, c->study_id, CB_AGAIN_OTHER, &requeued, err);
    else if (c->options->retry_failed)
        st = cb_store_study_requeue(c->store, c->study_id, CB_AGAIN_FAILED, &requeued, err);
    return st == CB_OK ? refuse_mixed(c, err) : st;
}

static cb_status begin(coordinator *c, cb_err *err) {
    cb_run_info info;
    cb_status st;
    c->slots = cbi_calloc(c->options->jobs, sizeof *c->slots);
    c->polls = cbi_calloc(c->options->jobs, sizeof *c->polls);
    if (c->slots == NULL || c->polls == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for %zu workers", c->options->jobs);
    cb_run_info_fill(&info);
    info.command = c->options->command ? c->options->command : "";
    info.jobs = (int64_t)c->options->jobs;
    if ((st = cb_store_run_begin(c->store, &info, err)) != CB_OK ||
        (st = cbi_plan_register(&c->plan, c->store, c->study, c->options->stop, c->options->context,
                                &c->study_id, err)) != CB_OK ||
        (st = check_mix(c, err)) != CB_OK)
        return st;
    if (c->study->keep_best && (st = weights_begin(c, err)) != CB_OK)
        return st;
    return cbi_tracker_init(&c->tracker, c->store, c->study_id, &c->plan,
                            cb_task_data(c->study->task)->metric, err);
}

/* Gives back what is at work and ends the workers. `err` is for what goes wrong here only. */
static cb_status end(coordinator *c, cb_err *err) {
    cb_status st = CB_OK, first = CB_OK;
    for (size_t i = 0; c->slots != NULL && i < c->options->jobs; i++) {
        cb_attempt_result result = no_result(CB_ATTEMPT_RETURNED, "the run was stopped");
        if (c->slots[i].busy)
            st = cbi_slot_finish(&c->slots[i], c->store, &result, first == CB_OK ? err : NULL);
        first = first == CB_OK ? st : first;
        cbi_process_hang_up(&c->slots[i].process);
    }
    st = cb_store_commit(c->store, 1, first == CB_OK ? err : NULL);
    first = first == CB_OK ? st : first;
    /* All have been hung up on: they end at the same time, and the grace is for all together. */
    int64_t until = cbi_now_ms() + GRACE_MS;
    for (size_t i = 0; c->slots != NULL && i < c->options->jobs; i++) {
        int64_t left = until - cbi_now_ms();
        cbi_slot_stop(&c->slots[i], left > 0 ? (int)left : 0, NULL, 0);
    }
    return first;
}

cb_status cb_sweep_run(cb_store *store, const cb_study *study, const cb_sweep_options *options,
                       int64_t *study_id, int64_t *failed, cb_err *err) {
    coordinator c = {.store = store, .study = study, .options = options};
    cb_err end_err = {0};
    cb_status st, end_st;
    *study_id = 0;
    *failed = 0;
    if (options->jobs < 1 || options->jobs > JOBS_MOST)
        return cb_fail(err, CB_EARG, "jobs: expected 1 to %d, got %zu", JOBS_MOST, options->jobs);
    if ((st = begin(&c, err)) == CB_OK)
        st = loop(&c, err);
    end_st = end(&c, &end_err);
    if (st == CB_OK && end_st != CB_OK)
        st = cb_fail(err, end_st, "%s", end_err.text);
    if (c.tracker.store != NULL && (st == CB_OK || st == CB_ECANCEL)) {
        cb_status told = tell(&c, 1, &end_err);
        if (told == CB_OK)
            *failed = c.tracker.shown.counts.failed;
        else if (st == CB_OK)
            st = cb_fail(err, told, "%s", end_err.text);
    }
    *study_id = c.study_id;
    cbi_tracker_fini(&c.tracker);
    cbi_plan_fini(&c.plan);
    cbi_free(c.deaths);
    cbi_free(c.weights_folder);
    cbi_free(c.slots);
    cbi_free(c.polls);
    return st;
}
