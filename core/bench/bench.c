/* SPDX-License-Identifier: MIT */
/* Rounds of samples, and their summaries; the method stands in cellbench/bench.h. */
#include "cellbench/bench.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "bench/subject.h"
#include "cellbench/random.h"
#include "kernels/kernels.h"

enum { MOST_REPEATS = 1 << 24, PEAK_CHUNK = 1 << 15 };
static const double peak_seconds = 0.001;

typedef struct series {
    cbi_subject *subjects; /* [jobs] */
    size_t jobs;
    uint64_t repeats;            /* executions of each job in a sample */
    double part[CB_BENCH_PARTS]; /* seconds, in the shortest sample that took them apart */
    uint64_t part_ns;            /* that sample; 0: none */
} series;

struct cb_bench {
    cb_bench_options options;
    const cbi_kernels *kernels;
    series *series; /* [cases] */
    cb_bench_result *results;
    cb_bench_sample *samples; /* [cases][rounds] */
    uint32_t *order;
    double *scratch; /* [rounds] */
    size_t count, done;
};

const char *cb_bench_phase_name(cb_bench_phase phase) {
    static const char *const names[] = {"forward", "train", "first"};
    return names[phase];
}

const char *cb_bench_part_name(cb_bench_part part) {
    static const char *const names[] = {"all",       "products", "gradients",
                                        "pointwise", "packing",  "rest"};
    return names[part];
}

static uint64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the peak ---- */

/* By the thread's own time: what other processes take away from it does not count. */
static double measure_peak(const cbi_kernels *kernels) {
    const clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
    double best = 0;
    const uint64_t end = now_ns(clock) + (uint64_t)(1e9 * peak_seconds);
    for (uint64_t from = now_ns(clock); from < end; from = now_ns(clock)) {
        const double flop = kernels->multiply_adds(PEAK_CHUNK);
        const double speed = flop / (1e-9 * (double)(now_ns(clock) - from));
        best = speed > best ? speed : best;
    }
    return best;
}

cb_status cb_bench_peak(double *peak, cb_err *err) {
    const cbi_kernels *kernels;
    cb_status st = cbi_kernels_get(&kernels, err);
    *peak = st == CB_OK ? measure_peak(kernels) : 0;
    return st;
}

/* ---- samples ---- */

static cb_status execute(const series *s, clockid_t clock, uint64_t *duration_ns, cb_err *err) {
    const uint64_t from = now_ns(clock);
    cb_status st = CB_OK;
    for (uint64_t i = 0; st == CB_OK && i < s->repeats; i++)
        st = cbi_subject_execute(s->subjects, err);
    *duration_ns = now_ns(clock) - from;
    return st;
}

static cb_status take_sample(const cb_bench *b, const series *s, uint64_t *duration_ns,
                             cb_err *err) {
    if (s->jobs > 1)
        return cbi_subjects_together(s->subjects, s->jobs, s->repeats, duration_ns, err);
    return execute(s, b->options.wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, duration_ns,
                   err);
}

/* How many executions a sample takes. */
static cb_status calibrate(const cb_bench *b, series *s, cb_err *err) {
    uint64_t ns = 0;
    s->repeats = 1;
    cb_status st = take_sample(b, s, &ns, err); /* makes room, touches memory */
    for (; st == CB_OK; s->repeats *= 2) {
        st = take_sample(b, s, &ns, err);
        if (1e-9 * (double)ns >= b->options.sample_seconds || s->repeats >= MOST_REPEATS)
            break;
    }
    return st;
}

static cb_status tell(const cb_bench *b, size_t i, size_t round, cb_bench_part part,
                      const cb_bench_sample *sample, cb_err *err) {
    const cb_bench_options *o = &b->options;
    return o->sample != NULL ? o->sample(o->context, b, i, round, part, sample, err) : CB_OK;
}

/* One more sample, with clocks around every part of an execution. They are those of the wall: that
 * of the thread costs ten times as much to read. */
static cb_status take_parts(cb_bench *b, size_t i, size_t round, cb_err *err) {
    series *s = &b->series[i];
    cb_engine_times times = {0};
    uint64_t ns = 0;
    cb_engine_set_times(s->subjects->engine, &times);
    cb_status st = execute(s, CLOCK_MONOTONIC, &ns, err);
    cb_engine_set_times(s->subjects->engine, NULL);
    const double known = times.products + times.gradients + times.pointwise + times.packing;
    const double seconds[CB_BENCH_PARTS] = {[CB_BENCH_PRODUCTS] = times.products,
                                            [CB_BENCH_GRADIENTS] = times.gradients,
                                            [CB_BENCH_POINTWISE] = times.pointwise,
                                            [CB_BENCH_PACKING] = times.packing,
                                            [CB_BENCH_REST] = fmax(0, 1e-9 * (double)ns - known)};
    if (st == CB_OK && (s->part_ns == 0 || ns < s->part_ns)) {
        memcpy(s->part, seconds, sizeof seconds);
        s->part_ns = ns;
    }
    for (int part = CB_BENCH_PRODUCTS; st == CB_OK && part < CB_BENCH_PARTS; part++) {
        const cb_bench_sample sample = {(uint64_t)(1e9 * seconds[part]), s->repeats, NAN};
        st = tell(b, i, round, (cb_bench_part)part, &sample, err);
    }
    return st;
}

static int has_parts(const series *s) {
    return s->jobs == 1 && s->subjects->what->phase != CB_BENCH_FIRST;
}

static cb_status run_case(cb_bench *b, size_t i, size_t round, double *peak, cb_err *err) {
    const cb_bench_options *o = &b->options;
    series *s = &b->series[i];
    cb_bench_sample *sample = &b->samples[i * o->rounds + round];
    sample->repeats = s->repeats * s->jobs;
    cb_status st = take_sample(b, s, &sample->duration_ns, err);
    if (st != CB_OK)
        return st;
    const double before = *peak;
    *peak = measure_peak(b->kernels);
    sample->peak = fmax(before, *peak);
    if ((st = tell(b, i, round, CB_BENCH_ALL, sample, err)) == CB_OK &&
        round < CB_BENCH_PART_ROUNDS && has_parts(s))
        st = take_parts(b, i, round, err);
    b->done++;
    if (o->progress != NULL)
        o->progress(o->context, b->done, b->count * o->rounds);
    if (st == CB_OK && o->stop != NULL && o->stop(o->context))
        st = cb_fail(err, CB_ECANCEL, "stopped on request");
    return st;
}

static cb_status run_round(cb_bench *b, size_t round, cb_err *err) {
    const cb_bench_options *o = &b->options;
    cb_random stream = cb_random_stream(o->seed, "bench/order", round);
    cb_random_permutation(&stream, b->count, b->order);
    double peak = measure_peak(b->kernels);
    cb_status st = CB_OK;
    for (size_t k = 0; st == CB_OK && k < b->count; k++)
        st = run_case(b, b->order[k], round, &peak, err);
    return st == CB_OK && o->round != NULL ? o->round(o->context, b, round, err) : st;
}

/* ---- summaries ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(const double *sorted, size_t n, double p) {
    const double at = p * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static cb_bench_spread spread_of(double *values, size_t n) {
    qsort(values, n, sizeof *values, by_value);
    return (cb_bench_spread){quantile(values, n, 0.25), quantile(values, n, 0.5),
                             quantile(values, n, 0.75)};
}

static void summarise(cb_bench *b, size_t i) {
    const size_t n = b->options.rounds;
    const series *s = &b->series[i];
    cb_bench_result *r = &b->results[i];
    double whole = 0;
    r->sample = b->samples + i * n;
    r->samples = n;
    for (size_t k = 0; k < n; k++)
        b->scratch[k] = 1e-9 * (double)r->sample[k].duration_ns / (double)r->sample[k].repeats;
    r->seconds = spread_of(b->scratch, n);
    r->speed = (cb_bench_spread){r->flop / r->seconds.high, r->flop / r->seconds.median,
                                 r->flop / r->seconds.low};
    for (size_t k = 0; k < n; k++)
        b->scratch[k] = r->flop * (double)r->sample[k].repeats * 1e9 /
                        ((double)r->sample[k].duration_ns * r->sample[k].peak);
    r->share = spread_of(b->scratch, n);
    for (int part = 0; part < CB_BENCH_PARTS; part++)
        whole += s->part[part];
    for (int part = 0; whole > 0 && part < CB_BENCH_PARTS; part++)
        r->part[part] = s->part[part] / whole;
}

/* ---- all of it ---- */

static cb_status bind_to(int core, cb_err *err) {
    cpu_set_t set;
    if (core < 0)
        return CB_OK;
    CPU_ZERO(&set);
    if (core < CPU_SETSIZE)
        CPU_SET((size_t)core, &set);
    if (core >= CPU_SETSIZE || sched_setaffinity(0, sizeof set, &set) != 0)
        return cb_fail(err, CB_EARG, "bench: cannot run on processor %d", core);
    return CB_OK;
}

static cb_status make_case(cb_bench *b, size_t i, const cb_bench_case *what, cb_err *err) {
    series *s = &b->series[i];
    const size_t jobs = what->jobs > 0 ? what->jobs : 1;
    cb_status st = CB_OK;
    if (jobs > 1 && (!b->options.wall || b->options.core >= 0))
        return cb_fail(err, CB_EARG,
                       "bench: several jobs are timed by the wall, on all processors");
    if ((s->subjects = cbi_calloc(jobs, sizeof *s->subjects)) == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu jobs", jobs);
    for (s->jobs = 0; st == CB_OK && s->jobs < jobs; s->jobs++)
        st = cbi_subject_init(&s->subjects[s->jobs], what, b->options.seed, err);
    if (st != CB_OK)
        return st;
    const cbi_subject *one = s->subjects;
    const size_t top = cb_stack_layer_count(one->stack) - 1;
    b->results[i] = (cb_bench_result){.text = cb_cell_text(cb_stack_cell(one->stack, top)),
                                      .frames = one->steps.frames,
                                      .param_count = cb_stack_param_count(one->stack),
                                      .step_flop = one->step_flop,
                                      .flop = one->flop};
    return calibrate(b, s, err);
}

static cb_status make(cb_bench *b, const cb_bench_case *cases, size_t n, cb_err *err) {
    size_t total;
    if (cb_size_mul(n, b->options.rounds, &total) != CB_OK)
        return cb_fail(err, CB_EARG, "bench: too many samples");
    b->series = cbi_calloc(n, sizeof *b->series);
    b->results = cbi_calloc(n, sizeof *b->results);
    b->samples = cbi_calloc(total, sizeof *b->samples);
    b->order = cbi_calloc(n, sizeof *b->order);
    b->scratch = cbi_calloc(b->options.rounds, sizeof *b->scratch);
    if (!b->series || !b->results || !b->samples || !b->order || !b->scratch)
        return cb_fail(err, CB_ENOMEM, "bench: %zu cases", n);
    b->count = n;
    for (size_t i = 0; i < n; i++) {
        cb_status st = make_case(b, i, &cases[i], err);
        if (st != CB_OK)
            return cb_fail_prefix(err, st, "cell '%s': ", cases[i].cell);
    }
    return CB_OK;
}

cb_status cb_bench_run(cb_bench **out, const cb_bench_case *cases, size_t n,
                       const cb_bench_options *options, cb_err *err) {
    *out = NULL;
    if (n == 0 || options->rounds == 0 || !(options->sample_seconds > 0))
        return cb_fail(err, CB_EARG, "bench: expected cases, rounds and time for a sample");
    cb_bench *b = cbi_calloc(1, sizeof *b);
    if (b == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: no memory");
    b->options = *options;
    const unsigned denormals = cb_engine_denormals_flush();
    cb_status st = cbi_kernels_get(&b->kernels, err);
    if (st == CB_OK && (st = bind_to(options->core, err)) == CB_OK)
        st = make(b, cases, n, err);
    for (size_t round = 0; st == CB_OK && round < options->rounds; round++)
        st = run_round(b, round, err);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        summarise(b, i);
    cb_engine_denormals_restore(denormals);
    if (st == CB_OK)
        *out = b;
    else
        cb_bench_destroy(b);
    return st;
}

const cb_bench_result *cb_bench_get(const cb_bench *b, size_t i) {
    return &b->results[i];
}

void cb_bench_destroy(cb_bench *b) {
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++) {
        for (size_t k = 0; k < b->series[i].jobs; k++)
            cbi_subject_fini(&b->series[i].subjects[k]);
        cbi_free(b->series[i].subjects);
    }
    cbi_free(b->series);
    cbi_free(b->results);
    cbi_free(b->samples);
    cbi_free(b->order);
    cbi_free(b->scratch);
    cbi_free(b);
}
