/* SPDX-License-Identifier: MIT */
/*
 * The clock of a worker. A stopped process cannot see for how long it stood; the coordinator, which
 * stops and continues it, tells by the value of a signal. A handler has no other way to leave the
 * sum than a variable of the process.
 */
#include "sweep/stopwatch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static _Atomic int64_t paused_ms;

int cbi_stopwatch_signal(void) {
    return SIGRTMIN;
}

static void on_continued(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    if (info->si_code == SI_QUEUE && info->si_value.sival_int > 0)
        atomic_fetch_add(&paused_ms, info->si_value.sival_int);
}

void cbi_stopwatch_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_continued;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(cbi_stopwatch_signal(), &action, NULL);
}

double cbi_stopwatch_seconds(void *context) {
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - 1e-3 * (double)atomic_load(&paused_ms);
}
