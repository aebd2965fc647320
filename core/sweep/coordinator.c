/* SPDX-License-Identifier: MIT */
/*
 * The coordinator: one poll loop that claims trials, hands them to workers, collects what they
 * send, and writes results in group commits. It is the only one here that opens the database.
 */
#include "sweep/coordinator.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/text.h"
#include "sweep/clock.h"
#include "sweep/room.h"

enum {
    JOBS_MOST = 1024,
    PROGRESS_MS = 250, /* between calls of options.progress */
    STOP_MS = 10000,   /* for workers to write their checkpoints when the run is stopped */
    LEAVE_MS = 1000,   /* for idle workers to end */
    STEP_MS = 40000,   /* the longest step of the loop: waiting for a locked database, and more */
    FILES_OPEN = 16    /* descriptors that the database, its log and its lock may need further */
};

/* Of what is there, the rest is left to others; and predictions are not exact. */
static const double memory_share = 0.9;

/* ---- telling ---- */

void cbi_say(cbi_coordinator *c, const char *format, ...) {
    char note[CB_ERR_TEXT + 256];
    va_list arguments;
    if (c->options->progress == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
    c->tracker.shown.note = note;
    c->options->progress(c->options->context, &c->tracker.shown);
    c->tracker.shown.note = NULL;
}

cb_status cbi_tell(cbi_coordinator *c, int force, cb_err *err) {
    cb_status st;
    c->next_progress_ms = cbi_now_ms() + PROGRESS_MS;
    cbi_files_keep(&c->files);
    if (c->options->progress == NULL && !force)
        return CB_OK;
    c->tracker.partial_flop = 0;
    for (size_t i = 0; i < c->slot_count; i++)
        c->tracker.partial_flop +=
            cbi_slot_share(&c->slots[i], cbi_clock(c)) * c->slots[i].claim.cost_flop;
    if ((st = cbi_tracker_update(&c->tracker, force, err)) != CB_OK)
        return cbi_is_fatal(c, st, err) ? st : CB_OK;
    if (c->options->progress != NULL)
        c->options->progress(c->options->context, &c->tracker.shown);
    return CB_OK;
}

int cbi_is_fatal(cbi_coordinator *c, cb_status st, const cb_err *err) {
    if (st != CB_EBUSY)
        return st != CB_OK;
    if (!c->said_locked)
        cbi_say(c, "%s; it is tried again until it works",
                err != NULL ? err->text : "the database is locked");
    c->said_locked = 1;
    return 0;
}

int64_t cbi_clock(cbi_coordinator *c) {
    const int64_t now = cbi_now_ms(), step = now - c->looked_ms;
    c->clock_ms += step < STEP_MS ? step : 0;
    c->looked_ms = now;
    return c->clock_ms;
}

/* ---- the loop ---- */

/* All that a worker has sent. */
static cb_status drain(cbi_coordinator *c, cbi_slot *slot, cb_err *err) {
    json_t *message;
    cbi_end end;
    cb_err fault;
    int is_end;
    cb_status st = cbi_channel_read(&slot->channel, 0, &fault);
    while (st == CB_OK) {
        if ((st = cbi_slot_take(slot, &message, &is_end, &end, &fault)) != CB_OK || message == NULL)
            break;
        slot->heard_ms = cbi_clock(c);
        c->stillborn = 0;
        cb_status ended = is_end ? cbi_end_told(c, slot, &end, err) : CB_OK;
        json_decref(message);
        if (ended == CB_OK && is_end)
            ended = cbi_tell(c, 0, err);
        if (ended != CB_OK)
            return ended;
    }
    if (st != CB_OK)
        return cbi_end_worker(c, slot, fault.text, err);
    return slot->channel.ended ? cbi_end_worker(c, slot, NULL, err) : CB_OK;
}

static cb_status serve(cbi_coordinator *c, cb_err *err) {
    for (size_t i = 0; i < c->slot_count; i++) {
        cbi_slot *slot = &c->slots[i];
        cb_err fault;
        cb_status st = CB_OK;
        if (slot->process.pid == 0 || c->polls[i].revents == 0)
            continue;
        if ((c->polls[i].revents & POLLOUT) &&
            cbi_channel_flush(&slot->channel, 0, &fault) != CB_OK)
            st = cbi_end_worker(c, slot, fault.text, err);
        else if (c->polls[i].revents & ~POLLOUT)
            st = drain(c, slot, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

/* Workers that have not said a word for very long. What they have sent was read just now. */
static cb_status look_for_hung(cbi_coordinator *c, cb_err *err) {
    const double most = c->options->hang_seconds;
    for (size_t i = 0; most > 0 && i < c->slot_count; i++) {
        cbi_slot *slot = &c->slots[i];
        char fault[96];
        if (slot->state != CBI_SLOT_WORKING || (double)(cbi_clock(c) - slot->heard_ms) < most * 1e3)
            continue;
        snprintf(fault, sizeof fault, "no sign of life for %.0f seconds", most);
        cb_status st = cbi_end_worker(c, slot, fault, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

static void sooner(int64_t *timeout_ms, int64_t other_ms) {
    if (other_ms < *timeout_ms)
        *timeout_ms = other_ms > 0 ? other_ms : 0;
}

static cb_status wait_for_workers(cbi_coordinator *c, int64_t timeout_ms, cb_err *err) {
    for (size_t i = 0; i < c->slot_count; i++) {
        const cbi_slot *slot = &c->slots[i];
        const int alive = slot->process.pid != 0;
        c->polls[i] = (struct pollfd){.fd = alive ? slot->process.socket : -1, .events = POLLIN};
        if (alive && cbi_channel_unsent(&slot->channel))
            c->polls[i].events |= POLLOUT;
    }
    if (poll(c->polls, c->slot_count, (int)timeout_ms) < 0) {
        for (size_t i = 0; i < c->slot_count; i++)
            c->polls[i].revents = 0;
        if (errno != EINTR)
            return cb_fail(err, CB_EIO, "poll: %s", strerror(errno));
    }
    return CB_OK;
}

/* `stop` is asked as often as progress is told. */
static int64_t next_event_ms(const cbi_coordinator *c) {
    const int64_t now = cbi_now_ms();
    const int due_ms = cb_store_commit_due_ms(c->store);
    int64_t timeout_ms = PROGRESS_MS;
    sooner(&timeout_ms, c->next_progress_ms - now);
    if (due_ms >= 0)
        sooner(&timeout_ms, due_ms);
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i].state == CBI_SLOT_IDLE)
            sooner(&timeout_ms, c->next_claim_ms - now);
    return timeout_ms;
}

static int any_busy(const cbi_coordinator *c) {
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i].state == CBI_SLOT_CLAIMED || c->slots[i].state == CBI_SLOT_WORKING)
            return 1;
    return 0;
}

/* Nothing at work here, and nothing left anywhere. Others' running trials are waited for: they may
 * come back to be claimed. */
static cb_status check_complete(cbi_coordinator *c, int *complete, cb_err *err) {
    cb_study_counts counts;
    int64_t added = 0;
    cb_status st;
    *complete = 0;
    if (any_busy(c) || cbi_list_open(&c->list))
        return CB_OK;
    if ((st = cbi_commit(c, 1, err)) == CB_OK)
        st = cb_store_study_count(c->store, c->study_id, &counts, err);
    if (st != CB_OK)
        return cbi_is_fatal(c, st, err) ? st : CB_OK;
    /* What can never be registered counts as pending; it is not waited for. */
    const int64_t missing = c->list.broken || c->list.superseded ? counts.unregistered : 0;
    if (counts.pending > missing || counts.running > 0)
        return CB_OK;
    st = cbi_claim_confirm(c, 1, &added, err);
    *complete = st == CB_OK && added == 0;
    if (added > 0)
        c->next_claim_ms = 0;
    return st;
}

/* The run stands still, with nothing half done that others would wait for, until it is continued.
 */
static cb_status stand_still(cbi_coordinator *c, cb_err *err) {
    cb_status st = cbi_commit(c, 1, err);
    if (cbi_is_fatal(c, st, err))
        return st;
    const int64_t begun_ms = cbi_now_ms();
    for (size_t i = 0; i < c->slot_count; i++)
        cbi_process_pause(&c->slots[i].process);
    cb_store_run_pause(c->store, 1);
    c->tracker.shown.paused = 1;
    if ((st = cbi_tell(c, 0, err)) == CB_OK)
        c->options->suspend(c->options->context);
    c->tracker.shown.paused = 0;
    cb_store_run_pause(c->store, 0);
    const int64_t paused_ms = cbi_now_ms() - begun_ms;
    for (size_t i = 0; i < c->slot_count; i++)
        cbi_process_resume(&c->slots[i].process, paused_ms);
    c->tracker.paused_ms += paused_ms;
    c->looked_ms = cbi_now_ms();
    c->next_progress_ms = 0;
    return st;
}

static cb_status loop(cbi_coordinator *c, cb_err *err) {
    const cb_sweep_options *o = c->options;
    int complete = 0;
    cb_status st;
    for (;;) {
        if (o->stop != NULL && o->stop(o->context))
            return cb_fail(err, CB_ECANCEL, "stopped on request");
        if (o->pause != NULL && o->suspend != NULL && o->pause(o->context) &&
            (st = stand_still(c, err)) != CB_OK)
            return st;
        if ((st = cbi_claim_for_idle(c, err)) != CB_OK)
            return st;
        if ((st = cbi_commit(c, 0, err)) != CB_OK && cbi_is_fatal(c, st, err))
            return st;
        if (cbi_now_ms() >= c->next_progress_ms && (st = cbi_tell(c, 0, err)) != CB_OK)
            return st;
        if ((st = check_complete(c, &complete, err)) != CB_OK || complete)
            return st;
        if ((st = wait_for_workers(c, next_event_ms(c), err)) != CB_OK ||
            (st = serve(c, err)) != CB_OK || (st = look_for_hung(c, err)) != CB_OK)
            return st;
    }
}

/* ---- begin ---- */

static size_t open_descriptors(void) {
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return FILES_OPEN;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 3; /* ".", "..", and the folder itself */
}

/* Better to know before the first trial than in the middle of the night. A worker takes one
 * descriptor, and another while it starts. */
static cb_status check_descriptors(const cbi_coordinator *c, cb_err *err) {
    struct rlimit limit;
    const size_t needed = open_descriptors() + FILES_OPEN + 1;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed + c->slot_count)
        return CB_OK;
    const size_t room = limit.rlim_cur > needed ? (size_t)limit.rlim_cur - needed : 0;
    return cb_fail(err, CB_EARG,
                   "jobs: the limit of open files (ulimit -n) is %llu: it is enough for %zu jobs, "
                   "not for %zu",
                   (unsigned long long)limit.rlim_cur, room, c->slot_count);
}

static void measure_memory(cbi_coordinator *c) {
    const int64_t free_bytes = cbi_room_free(""), mappable = cbi_room_mappable();
    c->memory_bytes = c->options->memory_bytes;
    if (c->memory_bytes <= 0)
        c->memory_bytes = (int64_t)(memory_share * (double)free_bytes);
    c->memory_each_bytes = mappable;
}

/* {"name":...,"settings":...,"sha256":...} as cb_trial_spec writes it. */
static cb_status find_own_task(cbi_coordinator *c, cb_err *err) {
    const cb_task *task = c->study->task;
    const char *identity = cb_task_identity(task);
    json_t *settings = NULL, *whole = NULL;
    char *text = NULL;
    cbi_text out = {0};
    cb_status st = cbi_json_parse(&settings, identity, strlen(identity), "task identity", err);
    if (st != CB_OK)
        return st;
    whole = json_pack("{s:s, s:o, s:s}", "name", cb_task_get_def(task)->name, "settings", settings,
                      "sha256", cb_task_data(task)->sha256);
    st = whole != NULL ? cbi_json_canonical(&text, whole, err)
                       : cb_fail(err, CB_ENOMEM, "no memory");
    if (st == CB_OK) {
        cbi_text_addf(&out, "\"task\":%s", text);
        st = cbi_text_take(&out, &c->own_task, err);
    }
    cbi_free(text);
    json_decref(whole);
    return st;
}

static cb_status begin_run(cbi_coordinator *c, cb_err *err) {
    cb_run_info info;
    cb_run_info_fill(&info);
    info.command = c->options->command ? c->options->command : "";
    info.jobs = (int64_t)c->options->jobs;
    return cb_store_run_begin(c->store, &info, err);
}

/* What earlier runs left as failed by fault of the machine is tried again without asking. */
static cb_status put_back(cbi_coordinator *c, cb_again again, cb_err *err) {
    int64_t count;
    cb_status st = cb_store_study_requeue(c->store, c->study_id, again, &count, err);
    if (st == CB_OK)
        st = cbi_tracker_init(&c->tracker, c->store, c->study, c->study_id, err);
    if (st == CB_OK)
        st = cbi_refuse_mixed(c, c->tracker.counts.other_numerics, err);
    if (st == CB_OK && count > 0 && again == CB_AGAIN_MACHINE)
        cbi_say(c, "%lld trial%s that failed by fault of the machine %s tried again",
                (long long)count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
    return st;
}

static cb_status begin(cbi_coordinator *c, cb_err *err) {
    const cb_sweep_options *o = c->options;
    const cb_again again = o->mix == CB_MIX_REDO ? CB_AGAIN_OTHER
                           : o->retry_failed     ? CB_AGAIN_FAILED
                                                 : CB_AGAIN_MACHINE;
    cb_status st;
    c->slots = cbi_calloc(o->jobs, sizeof *c->slots);
    c->polls = cbi_calloc(o->jobs, sizeof *c->polls);
    if (c->slots == NULL || c->polls == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for %zu workers", o->jobs);
    c->slot_count = o->jobs;
    if ((st = check_descriptors(c, err)) != CB_OK || (st = find_own_task(c, err)) != CB_OK ||
        (st = begin_run(c, err)) != CB_OK ||
        (st = cbi_list_init(&c->list, c->store, c->study, again, err)) != CB_OK)
        return st;
    c->study_id = c->list.study_id;
    c->looked_ms = cbi_now_ms();
    measure_memory(c);
    if ((st = put_back(c, again, err)) != CB_OK ||
        (st = cbi_files_init(&c->files, cb_store_path(c->store), c->study->keep_best,
                             o->checkpoint_seconds > 0, err)) != CB_OK)
        return st;
    return cbi_files_sweep(&c->files, c->store, err);
}

/* ---- end ---- */

/* Workers have been asked to break off: what they still have to say is a checkpoint's worth of
 * work, or a result. */
static cb_status let_finish(cbi_coordinator *c, cb_err *err) {
    const int64_t until = cbi_now_ms() + STOP_MS;
    cb_status st = CB_OK;
    while (st == CB_OK && cbi_now_ms() < until) {
        int working = 0;
        for (size_t i = 0; i < c->slot_count; i++)
            working |= c->slots[i].state == CBI_SLOT_WORKING && c->slots[i].process.pid != 0;
        if (!working)
            break;
        if ((st = wait_for_workers(c, PROGRESS_MS, err)) == CB_OK)
            st = serve(c, err);
        if (st == CB_OK && cbi_now_ms() >= c->next_progress_ms)
            st = cbi_tell(c, 0, err);
    }
    return st;
}

/* Gives back what is at work and ends the workers. Returns the first of what goes wrong here. */
static cb_status end(cbi_coordinator *c, cb_err *err) {
    cb_status st, first = CB_OK;
    for (size_t i = 0; i < c->slot_count; i++)
        cbi_process_dismiss(&c->slots[i].process);
    first = let_finish(c, err);
    for (size_t i = 0; i < c->slot_count; i++) {
        cbi_slot *slot = &c->slots[i];
        cbi_process_hang_up(&slot->process);
        if (slot->state == CBI_SLOT_CLAIMED || slot->state == CBI_SLOT_WORKING) {
            st = cbi_end_returned(c, slot, first == CB_OK ? err : NULL);
            first = first == CB_OK ? st : first;
        }
    }
    st = cbi_commit(c, 1, first == CB_OK ? err : NULL);
    first = first == CB_OK ? st : first;
    /* All have been hung up on: they end at the same time, and the grace is for all together. */
    const int64_t until = cbi_now_ms() + LEAVE_MS;
    for (size_t i = 0; i < c->slot_count; i++) {
        const int64_t left = until - cbi_now_ms();
        cbi_slot_stop(&c->slots[i], left > 0 ? (int)left : 0, NULL);
    }
    return first;
}

static void coordinator_fini(cbi_coordinator *c) {
    cbi_tracker_fini(&c->tracker);
    cbi_list_fini(&c->list);
    cbi_files_fini(&c->files);
    cbi_free(c->own_task);
    cbi_free(c->slots);
    cbi_free(c->polls);
}

cb_status cb_sweep_run(cb_store *store, const cb_study *study, const cb_sweep_options *options,
                       int64_t *study_id, int64_t *failed, cb_err *err) {
    cbi_coordinator c = {.store = store, .study = study, .options = options};
    cb_err end_err = {0};
    cb_status st, end_st;
    *study_id = 0;
    *failed = 0;
    if (options->jobs < 1 || options->jobs > JOBS_MOST)
        return cb_fail(err, CB_EARG, "jobs: expected 1 to %d, got %zu", JOBS_MOST, options->jobs);
    if ((st = begin(&c, err)) == CB_OK)
        st = loop(&c, err);
    end_st = end(&c, &end_err);
    if ((st == CB_OK || st == CB_ECANCEL) && end_st != CB_OK)
        st = cb_fail(err, end_st, "%s", end_err.text);
    if (c.tracker.store != NULL && (st == CB_OK || st == CB_ECANCEL)) {
        cb_status told = cbi_tell(&c, 1, &end_err);
        if (told == CB_OK)
            *failed = c.tracker.shown.counts.failed;
        else if (st == CB_OK)
            st = cb_fail(err, told, "%s", end_err.text);
    }
    if (st == CB_OK && c.list.broken)
        st = cb_fail(err, c.list.error.code, "%s", c.list.error.text);
    *study_id = c.study_id;
    coordinator_fini(&c);
    return st;
}
