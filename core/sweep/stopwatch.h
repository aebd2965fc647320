/* SPDX-License-Identifier: MIT */
/*
 * A worker's clock. It stands still while the process is stopped by its coordinator, so that a
 * pause of the run does not count as time of a trial.
 */
#ifndef CB_SWEEP_STOPWATCH_H
#define CB_SWEEP_STOPWATCH_H

#include "cellbench/status.h"

/* The number of the signal whose value says, in milliseconds, how long the process was stopped.
 * Real-time signals are queued: none is lost, and it is taken before anything else runs. */
int cbi_stopwatch_signal(void);
/* Begins to listen to it; until then the process must ignore it. */
void cbi_stopwatch_install(void);
/* Seconds from an arbitrary origin, pauses left out. context is not read: it is the type that
 * cb_train_events.clock wants. */
double cbi_stopwatch_seconds(void *context);

#endif
