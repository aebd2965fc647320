/* SPDX-License-Identifier: MIT */
/* Memory: how much there is for a run, how much a worker takes, and a fence around one trial. */
#ifndef CB_SWEEP_ROOM_H
#define CB_SWEEP_ROOM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "cellbench/task.h"

/* Bytes that the system and the control groups (version 1 and 2) of this process leave to it and
 * its children, page cache counted as free. INT64_MAX if nothing says so. root: "" (tests: a folder
 * with proc/ and sys/). */
int64_t cbi_room_free(const char *root);

/* What this process may map at most (`ulimit -v`), less what it has mapped; INT64_MAX: no limit.
 * Each worker has the same limit for itself. */
int64_t cbi_room_mappable(void);

/* What a worker takes besides the trial: the program, its libraries, and the data. */
int64_t cbi_room_worker(const cb_data *data);

/* Until cbi_room_unfence, with the value that this returns, the process may not map much more than
 * it has, plus several times `bytes`: a prediction that was wrong then ends as a failed allocation,
 * not in the hands of the kernel's memory killer. 0 bytes: not known, no fence. */
rlim_t cbi_room_fence(int64_t bytes);
void cbi_room_unfence(rlim_t before);

#endif
