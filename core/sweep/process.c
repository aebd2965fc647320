/* SPDX-License-Identifier: MIT */
/*
 * Worker processes. They are forked and exec'd rather than spawned by posix_spawn, because only so
 * can the child ask for the signal that ends it with its parent before the program starts. Between
 * fork and exec only async-signal-safe functions are called: the host may have threads.
 */
#include "sweep/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sweep/stopwatch.h"
#include "sweep/worker.h"

static const char own_program[] = "/proc/self/exe";

/* Closes everything above the worker's socket. Descriptors of ours are close-on-exec anyway; those
 * of the host (files opened by a Lua script) need not be. */
static void close_above(unsigned first) {
    if (close_range(first, ~0U, 0) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = (int)first; fd < (most > 0 && most < 65536 ? (int)most : 65536); fd++)
        close(fd);
}

static _Noreturn void become_worker(const char *program, int socket, pid_t parent) {
    /* What a terminal or a batch system sends to every process of a group: the coordinator gets it
     * too and decides; a worker that obeyed at once would lose what it is at. */
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
    char name[] = "cellbench", word[] = "worker";
    char *const arguments[] = {name, word, NULL};
    sigset_t none;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    signal(cbi_stopwatch_signal(), SIG_IGN); /* until the worker listens to it */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    /* Out of the way of the numbers that are given out next. */
    if (socket <= CBI_WORKER_SOCKET && (socket = fcntl(socket, F_DUPFD, CBI_WORKER_SOCKET + 1)) < 0)
        _exit(127);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 ||
        dup2(socket, CBI_WORKER_SOCKET) < 0)
        _exit(127);
    close_above(CBI_WORKER_SOCKET + 1);
    execv(program, arguments);
    _exit(127);
}

cb_status cbi_process_start(cbi_process *out, const char *program, cb_err *err) {
    int pair[2];
    pid_t parent = getpid();
    *out = (cbi_process){.socket = -1};
    if (program == NULL)
        program = own_program;
    if (access(program, X_OK) != 0)
        return cb_fail(err, CB_EIO, "worker: cannot execute '%s': %s", program, strerror(errno));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return cb_fail(err, CB_EBUSY, "worker: no socket: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become_worker(program, pair[1], parent);
    int why = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return cb_fail(err, CB_EBUSY, "worker: cannot fork: %s", strerror(why));
    }
    *out = (cbi_process){.pid = pid, .socket = pair[0]};
    return CB_OK;
}

void cbi_process_dismiss(const cbi_process *process) {
    if (process->socket >= 0)
        shutdown(process->socket, SHUT_WR);
}

void cbi_process_hang_up(cbi_process *process) {
    if (process->socket >= 0)
        close(process->socket);
    process->socket = -1;
}

void cbi_process_pause(const cbi_process *process) {
    if (process->pid > 0)
        kill(process->pid, SIGSTOP);
}

/* The word first: it is pending when the process wakes, and taken before anything else. */
void cbi_process_resume(const cbi_process *process, int64_t paused_ms) {
    if (process->pid <= 0)
        return;
    const union sigval value = {.sival_int = paused_ms < INT_MAX ? (int)paused_ms : INT_MAX};
    sigqueue(process->pid, cbi_stopwatch_signal(), value);
    kill(process->pid, SIGCONT);
}

void cbi_process_end(cbi_process *process, int grace_ms, cbi_fate *fate) {
    const struct timespec pause = {.tv_nsec = 2000000};
    int status = 0, waited_ms = 0, forced = 0;
    pid_t got;
    cbi_process_hang_up(process);
    if (process->pid <= 0)
        return;
    while ((got = waitpid(process->pid, &status, WNOHANG)) == 0 && waited_ms < grace_ms) {
        nanosleep(&pause, NULL);
        waited_ms += 2;
    }
    if (got == 0) {
        forced = 1;
        kill(process->pid, SIGKILL);
        while ((got = waitpid(process->pid, &status, 0)) < 0 && errno == EINTR)
            ;
    }
    if (fate != NULL) {
        *fate = (cbi_fate){.known = got == process->pid, .forced = forced};
        if (fate->known && WIFSIGNALED(status))
            fate->signal = WTERMSIG(status);
        else if (fate->known)
            fate->status = WEXITSTATUS(status);
    }
    *process = (cbi_process){.socket = -1};
}

void cbi_fate_text(const cbi_fate *fate, char text[CBI_FATE_TEXT]) {
    if (!fate->known)
        snprintf(text, CBI_FATE_TEXT, "ended");
    else if (fate->forced)
        snprintf(text, CBI_FATE_TEXT, "left its socket but did not end, and was killed");
    else if (fate->signal != 0)
        snprintf(text, CBI_FATE_TEXT, "was killed by signal %d (%s)", fate->signal,
                 strsignal(fate->signal));
    else
        snprintf(text, CBI_FATE_TEXT, "ended with status %d", fate->status);
}

int cbi_fate_is_outside(const cbi_fate *fate) {
    /* The processor and the C library send all others to a program that is at fault. */
    static const int outside[] = {SIGKILL, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                  SIGXCPU, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM};
    if (!fate->known || fate->forced)
        return 0;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (fate->signal == outside[i])
            return 1;
    return 0;
}
