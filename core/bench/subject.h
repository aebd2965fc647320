/* SPDX-License-Identifier: MIT */
/* One case of a benchmark, ready to be executed: its stack, engine, weights and inputs. */
#ifndef CB_BENCH_SUBJECT_H
#define CB_BENCH_SUBJECT_H

#include "cellbench/bench.h"

typedef struct cbi_subject {
    cb_stack *stack;
    cb_engine *engine;
    cb_steps steps;
    cb_bench_phase phase;
    uint32_t *rows;      /* [T] */
    float *w, *gradient; /* [weights] */
    float *x, *dx, *dy;  /* [frames][ldx], the same, [frames][output dim] */
    size_t ldx;
    double flop;
} cbi_subject;

/* Starts as {0}; cbi_subject_fini in any case. */
CB_MUST_USE cb_status cbi_subject_init(cbi_subject *subject, const cb_bench_case *what,
                                       uint64_t seed, cb_err *err);
void cbi_subject_fini(cbi_subject *subject);
CB_MUST_USE cb_status cbi_subject_execute(cbi_subject *subject, cb_err *err);

#endif
