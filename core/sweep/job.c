/* SPDX-License-Identifier: MIT */
/* Training as a worker does it. */
#include "sweep/job.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/sweep.h"
#include "sweep/room.h"
#include "sweep/stopwatch.h"

void cbi_task_cache_clear(cbi_task_cache *cache) {
    cb_task_close(cache->task);
    cbi_free(cache->name);
    cbi_free(cache->settings);
    *cache = (cbi_task_cache){0};
}

static cb_status task_cache_get(cbi_task_cache *cache, const char *name, const char *settings,
                                const cb_task **out, cb_err *err) {
    cb_status st;
    if (cache->task == NULL || strcmp(name, cache->name) != 0 ||
        strcmp(settings, cache->settings) != 0) {
        cbi_task_cache_clear(cache);
        if ((st = cb_task_open(&cache->task, name, settings, err)) != CB_OK)
            return st;
        cache->name = cbi_strdup(name);
        cache->settings = cbi_strdup(settings);
        if (cache->name == NULL || cache->settings == NULL) {
            cbi_task_cache_clear(cache);
            return cb_fail(err, CB_ENOMEM, "worker: no memory");
        }
    }
    *out = cache->task;
    return CB_OK;
}

static void fill_outcome(cbi_outcome *out, const cb_trial_result *from) {
    out->end.result = (cb_attempt_result){
        .end = from->state == CB_TRIAL_DONE       ? CB_ATTEMPT_DONE
               : from->state == CB_TRIAL_DIVERGED ? CB_ATTEMPT_DIVERGED
                                                  : CB_ATTEMPT_RETURNED,
        .epochs = (int64_t)from->epochs,
        .best_epoch = (int64_t)from->best_epoch,
        .updates = (int64_t)from->updates,
        .resumed_epochs = (int64_t)from->resumed_epochs,
        .train = from->train,
        .valid = from->valid,
        .test = from->test,
        .valid_error = from->valid_error,
        .test_error = from->test_error,
        .wall_seconds = from->wall_seconds,
        .cpu_seconds = from->cpu_seconds,
        .flop = from->flop,
        .weights_sha256 = out->sha256,
        .error_text = "",
    };
    if (from->checkpoint_error[0] != '\0')
        snprintf(out->note, sizeof out->note, "%s", from->checkpoint_error);
    out->end.note = out->note;
}

static cb_status train(cbi_task_cache *cache, const cbi_job *job, const cb_train_events *given,
                       cbi_outcome *out, cb_err *err) {
    cb_train_events events = *given;
    cb_trial *trial = NULL;
    cb_trial_result result = {0};
    const cb_task *task = NULL;
    events.clock = cbi_stopwatch_seconds;
    events.checkpoint = job->checkpoint[0] != '\0' ? job->checkpoint : NULL;
    events.checkpoint_seconds = job->checkpoint_seconds;
    cb_status st = task_cache_get(cache, job->task, job->settings, &task, err);
    if (st != CB_OK || (st = cb_trial_create(&trial, job->spec, task, err)) != CB_OK ||
        (st = cb_trial_run(trial, &events, &result, err)) != CB_OK)
        goto out;
    if (job->weights[0] != '\0' && result.weights != NULL &&
        (st = cb_trial_save(trial, &result, job->weights, out->sha256, err)) != CB_OK)
        goto out;
    fill_outcome(out, &result);
out:
    cb_free(result.weights);
    cb_trial_destroy(trial);
    return st;
}

cb_status cbi_job_train(void *context, const cbi_job *job, const cb_train_events *events,
                        cbi_outcome *out, cb_err *err) {
    const rlim_t before = cbi_room_fence(job->memory_bytes);
    cb_status st = train(context, job, events, out, err);
    cbi_room_unfence(before);
    return st;
}

cb_status cb_worker_run(int socket, cb_err *err) {
    cbi_task_cache cache = {0};
    cbi_stopwatch_install();
    cb_status st = cbi_worker_loop(socket, cbi_job_train, &cache, err);
    cbi_task_cache_clear(&cache);
    return st;
}
