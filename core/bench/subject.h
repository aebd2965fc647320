/* SPDX-License-Identifier: MIT */
/* One case of a benchmark, ready to be executed: its stack, engine, weights and inputs. */
#ifndef CB_BENCH_SUBJECT_H
#define CB_BENCH_SUBJECT_H

#include "cellbench/bench.h"

typedef struct cbi_subject {
    const cb_bench_case *what; /* borrowed */
    cb_stack *stack;
    cb_engine *engine;
    cb_steps steps;
    uint32_t *rows;      /* [T] */
    float *w, *gradient; /* [weights] */
    float *x, *dx, *dy;  /* [frames][ldx], the same, [frames][output dim] */
    const float *given;  /* where the engine has dy already */
    size_t ldx, step_flop;
    double flop;
} cbi_subject;

/* Starts as {0}; cbi_subject_fini in any case. */
CB_MUST_USE cb_status cbi_subject_init(cbi_subject *subject, const cb_bench_case *what,
                                       uint64_t seed, cb_err *err);
void cbi_subject_fini(cbi_subject *subject);
CB_MUST_USE cb_status cbi_subject_execute(cbi_subject *subject, cb_err *err);
/* One execution of `train` on the subject's engine, whatever its phase; *y is borrowed until the
 * next. */
CB_MUST_USE cb_status cbi_subject_train(cbi_subject *subject, cb_rows *y, cb_err *err);

/* `repeats` executions of each of n subjects at the same time, each in a thread of its own, the
 * first in the caller's: *duration_ns by the wall, from when all are ready to when the last is
 * done.
 */
CB_MUST_USE cb_status cbi_subjects_together(cbi_subject *subjects, size_t n, uint64_t repeats,
                                            uint64_t *duration_ns, cb_err *err);

#endif
