/* SPDX-License-Identifier: MIT */
/* Signals become wishes, which the run asks about: a handler has no other way to say so than
 * variables of the process. */
#include "cli/wish.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* A terminal, and a program between it and us (timeout, make), may both send on the one Ctrl-C. */
enum { SAME_MS = 200 };

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOPPING = sizeof stopping / sizeof stopping[0] };

static _Atomic int64_t stop_ms; /* when the first of them came; 0: none yet */
static volatile sig_atomic_t pause_wished;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
}

static void on_stop(int number) {
    const int saved = errno;
    const int64_t first = atomic_load(&stop_ms), now = now_ms();
    if (first == 0) {
        atomic_store(&stop_ms, now);
    } else if (now - first > SAME_MS) {
        /* The second wish ends the program as if it had never been caught. The database is safe at
         * any moment; the trials under way go on from their checkpoints next time. */
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = saved;
}

static void on_pause(int number) {
    (void)number;
    pause_wished = 1;
}

static void handle(int number, void (*handler)(int)) {
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void cbi_wish_listen(void) {
    for (size_t i = 0; i < STOPPING; i++)
        handle(stopping[i], on_stop);
    handle(SIGTSTP, on_pause);
}

void cbi_wish_end(void) {
    for (size_t i = 0; i < STOPPING; i++)
        handle(stopping[i], SIG_DFL);
    handle(SIGTSTP, SIG_DFL);
    atomic_store(&stop_ms, 0);
    pause_wished = 0;
}

int cbi_wish_to_stop(void) {
    return atomic_load(&stop_ms) != 0;
}

int cbi_wish_to_pause(void) {
    return pause_wished;
}

/* SIGSTOP, not SIGTSTP: that has no effect on a process whose group has no terminal. */
void cbi_wish_suspend(void) {
    raise(SIGSTOP);
    pause_wished = 0;
}
