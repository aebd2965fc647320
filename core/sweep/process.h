/* SPDX-License-Identifier: MIT */
/* Worker processes: started with a socket, ended without leaving a zombie. */
#ifndef CB_SWEEP_PROCESS_H
#define CB_SWEEP_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "cellbench/status.h"

typedef struct cbi_process {
    pid_t pid;  /* 0: none */
    int socket; /* our end; -1: closed */
} cbi_process;

/* Executes `program worker`; NULL: this program. Descriptor CBI_WORKER_SOCKET of the child is the
 * other end of `socket`; it holds no other descriptor of ours but standard error, ignores SIGINT,
 * and is killed when the calling thread ends. CB_EIO if there is no such program. */
CB_MUST_USE cb_status cbi_process_start(cbi_process *out, const char *program, cb_err *err);

/* Closes the socket, at which a worker ends by itself. */
void cbi_process_hang_up(cbi_process *process);

/* Hangs up, waits at most grace_ms for the process to end, then kills it; reaps it. how receives
 * what became of it, e.g. "was killed by signal 9 (Killed)"; NULL is allowed. */
void cbi_process_end(cbi_process *process, int grace_ms, char *how, size_t how_size);

#endif
