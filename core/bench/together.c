/* SPDX-License-Identifier: MIT */
/* Several subjects at the same time: threads that wait at a gate, and the time from its opening to
 * when the last of them is done. */
#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "bench/subject.h"

typedef struct gate {
    pthread_mutex_t mutex; /* held while it is shut */
    int called_off;        /* not all threads could be made */
} gate;

typedef struct worker {
    pthread_t thread;
    gate *gate;
    cbi_subject *subject;
    uint64_t repeats;
    cb_status status;
    cb_err error;
} worker;

static uint64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void execute(worker *w) {
    for (uint64_t i = 0; w->status == CB_OK && i < w->repeats; i++)
        w->status = cbi_subject_execute(w->subject, &w->error);
}

static void *work(void *context) {
    worker *w = context;
    const unsigned denormals = cb_engine_denormals_flush();
    pthread_mutex_lock(&w->gate->mutex);
    const int called_off = w->gate->called_off;
    pthread_mutex_unlock(&w->gate->mutex);
    if (!called_off)
        execute(w);
    cb_engine_denormals_restore(denormals);
    return NULL;
}

cb_status cbi_subjects_together(cbi_subject *subjects, size_t n, uint64_t repeats,
                                uint64_t *duration_ns, cb_err *err) {
    gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    cb_status st = CB_OK;
    size_t made = 1;
    worker *workers = cbi_calloc(n, sizeof *workers);
    if (workers == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu jobs", n);
    pthread_mutex_lock(&g.mutex);
    for (size_t i = 0; i < n; i++)
        workers[i] = (worker){.gate = &g, .subject = &subjects[i], .repeats = repeats};
    while (made < n && pthread_create(&workers[made].thread, NULL, work, &workers[made]) == 0)
        made++;
    g.called_off = made < n;
    const uint64_t from = wall_ns();
    pthread_mutex_unlock(&g.mutex);
    if (!g.called_off)
        execute(&workers[0]);
    for (size_t i = 1; i < made; i++)
        pthread_join(workers[i].thread, NULL);
    *duration_ns = wall_ns() - from;
    if (made < n)
        st = cb_fail(err, CB_EIO, "bench: %zu threads cannot be started", n);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        if ((st = workers[i].status) != CB_OK && err != NULL)
            *err = workers[i].error;
    cbi_free(workers);
    return st;
}
