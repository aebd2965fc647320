/* SPDX-License-Identifier: MIT */
/* Worker processes: started with a socket, stopped and continued, ended without leaving a zombie.
 */
#ifndef CB_SWEEP_PROCESS_H
#define CB_SWEEP_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cellbench/status.h"

typedef struct cbi_process {
    pid_t pid;  /* 0: none */
    int socket; /* our end; -1: closed */
} cbi_process;

/* How a process ended. */
typedef struct cbi_fate {
    int known;  /* 0: not told to us (a host that ignores SIGCHLD) */
    int forced; /* killed by cbi_process_end, because it did not end in time */
    int signal; /* that killed it; 0: it ended by itself, with `status` */
    int status;
} cbi_fate;

/* Executes `program worker`; NULL: this program. Descriptor CBI_WORKER_SOCKET of the child is the
 * other end of `socket`; it holds no other descriptor of ours but standard error, ignores what a
 * terminal or a shell sends to a whole group (the coordinator decides), and is killed when the
 * calling thread ends. CB_EIO if there is no such program, CB_EBUSY if the system has no room for
 * another process or descriptor. */
CB_MUST_USE cb_status cbi_process_start(cbi_process *out, const char *program, cb_err *err);

/* Says through the socket that nothing more will be asked: a worker ends its trial early, reports
 * that, and ends. What it sends can still be read. */
void cbi_process_dismiss(const cbi_process *process);
/* Closes the socket, at which a worker ends by itself. */
void cbi_process_hang_up(cbi_process *process);

/* SIGSTOP; and SIGCONT, with word of how long it was stopped (cbi_stopwatch_seconds). */
void cbi_process_pause(const cbi_process *process);
void cbi_process_resume(const cbi_process *process, int64_t paused_ms);

/* Hangs up, waits at most grace_ms for the process to end, then kills it; reaps it. fate may be
 * NULL. */
void cbi_process_end(cbi_process *process, int grace_ms, cbi_fate *fate);

enum { CBI_FATE_TEXT = 96 };
/* "was killed by signal 9 (Killed)" */
void cbi_fate_text(const cbi_fate *fate, char text[CBI_FATE_TEXT]);
/* 1: by a signal that people, limits and the memory killer send; 0: it crashed or gave up. */
int cbi_fate_is_outside(const cbi_fate *fate);

#endif
