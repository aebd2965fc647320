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

struct cb_bench {
    cb_bench_options options;
    const cbi_kernels *kernels;
    cbi_subject *subjects;
    cb_bench_result *results;
    cb_bench_sample *samples; /* [cases][rounds] */
    uint64_t *repeats;        /* [cases] */
    uint32_t *order;
    double *scratch; /* [rounds] */
    size_t count, done;
};

const char *cb_bench_phase_name(cb_bench_phase phase) {
    return phase == CB_BENCH_TRAIN ? "train" : "forward";
}

/* Of this thread alone: what other processes take away from it does not count. */
static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the peak ---- */

static double measure_peak(const cbi_kernels *kernels) {
    double best = 0;
    const uint64_t end = now_ns() + (uint64_t)(1e9 * peak_seconds);
    for (uint64_t from = now_ns(); from < end; from = now_ns()) {
        const double flop = kernels->multiply_adds(PEAK_CHUNK);
        const double speed = flop / (1e-9 * (double)(now_ns() - from));
        best = speed > best ? speed : best;
    }
    return best;
}

/* ---- samples ---- */

static cb_status take_sample(cbi_subject *s, uint64_t repeats, uint64_t *duration_ns, cb_err *err) {
    const uint64_t from = now_ns();
    cb_status st = CB_OK;
    for (uint64_t i = 0; st == CB_OK && i < repeats; i++)
        st = cbi_subject_execute(s, err);
    *duration_ns = now_ns() - from;
    return st;
}

/* How many executions a sample takes. */
static cb_status calibrate(cb_bench *b, size_t i, cb_err *err) {
    uint64_t ns = 0, repeats = 1;
    cb_status st = take_sample(&b->subjects[i], 1, &ns, err); /* makes room, touches memory */
    for (; st == CB_OK; repeats *= 2) {
        st = take_sample(&b->subjects[i], repeats, &ns, err);
        if (1e-9 * (double)ns >= b->options.sample_seconds || repeats >= MOST_REPEATS)
            break;
    }
    b->repeats[i] = repeats;
    return st;
}

static cb_status run_round(cb_bench *b, size_t round, cb_err *err) {
    const cb_bench_options *o = &b->options;
    cb_random stream = cb_random_stream(o->seed, "bench/order", round);
    cb_random_permutation(&stream, b->count, b->order);
    double before = measure_peak(b->kernels);
    for (size_t k = 0; k < b->count; k++) {
        const size_t i = b->order[k];
        cb_bench_sample *s = &b->samples[i * o->rounds + round];
        s->repeats = b->repeats[i];
        cb_status st = take_sample(&b->subjects[i], s->repeats, &s->duration_ns, err);
        if (st != CB_OK)
            return st;
        const double after = measure_peak(b->kernels);
        s->peak = after > before ? after : before;
        before = after;
        b->done++;
        if (o->progress != NULL)
            o->progress(o->context, b->done, b->count * o->rounds);
        if (o->stop != NULL && o->stop(o->context))
            return cb_fail(err, CB_ECANCEL, "stopped on request");
    }
    return CB_OK;
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

static cb_status measure_parts(cb_bench *b, size_t i, cb_err *err) {
    cb_bench_result *r = &b->results[i];
    cbi_subject *s = &b->subjects[i];
    uint64_t ns = 0;
    cb_engine_set_times(s->engine, &r->parts);
    cb_status st = take_sample(s, b->repeats[i], &ns, err);
    cb_engine_set_times(s->engine, NULL);
    const double n = (double)b->repeats[i];
    r->parts.products /= n;
    r->parts.gradients /= n;
    r->parts.pointwise /= n;
    r->parts.packing /= n;
    r->rest = 1e-9 * (double)ns / n - r->parts.products - r->parts.gradients - r->parts.pointwise -
              r->parts.packing;
    return st;
}

static void summarise(cb_bench *b, size_t i) {
    const size_t n = b->options.rounds;
    cb_bench_result *r = &b->results[i];
    r->sample = b->samples + i * n;
    r->samples = n;
    r->flop = b->subjects[i].flop;
    r->param_count = cb_stack_param_count(b->subjects[i].stack);
    for (size_t k = 0; k < n; k++)
        b->scratch[k] = 1e-9 * (double)r->sample[k].duration_ns / (double)r->sample[k].repeats;
    r->seconds = spread_of(b->scratch, n);
    r->speed = (cb_bench_spread){r->flop / r->seconds.high, r->flop / r->seconds.median,
                                 r->flop / r->seconds.low};
    for (size_t k = 0; k < n; k++)
        b->scratch[k] = r->flop * (double)r->sample[k].repeats * 1e9 /
                        ((double)r->sample[k].duration_ns * r->sample[k].peak);
    r->share = spread_of(b->scratch, n);
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

static cb_status make(cb_bench *b, const cb_bench_case *cases, size_t n, cb_err *err) {
    size_t total;
    if (cb_size_mul(n, b->options.rounds, &total) != CB_OK)
        return cb_fail(err, CB_EARG, "bench: too many samples");
    b->subjects = cbi_calloc(n, sizeof *b->subjects);
    b->results = cbi_calloc(n, sizeof *b->results);
    b->samples = cbi_calloc(total, sizeof *b->samples);
    b->repeats = cbi_calloc(n, sizeof *b->repeats);
    b->order = cbi_calloc(n, sizeof *b->order);
    b->scratch = cbi_calloc(b->options.rounds, sizeof *b->scratch);
    if (!b->subjects || !b->results || !b->samples || !b->repeats || !b->order || !b->scratch)
        return cb_fail(err, CB_ENOMEM, "bench: %zu cases", n);
    b->count = n;
    for (size_t i = 0; i < n; i++) {
        cb_status st = cbi_subject_init(&b->subjects[i], &cases[i], b->options.seed, err);
        if (st == CB_OK)
            st = calibrate(b, i, err);
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
    for (size_t i = 0; st == CB_OK && i < n; i++) {
        summarise(b, i);
        st = measure_parts(b, i, err);
    }
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
    for (size_t i = 0; i < b->count; i++)
        cbi_subject_fini(&b->subjects[i]);
    cbi_free(b->subjects);
    cbi_free(b->results);
    cbi_free(b->samples);
    cbi_free(b->repeats);
    cbi_free(b->order);
    cbi_free(b->scratch);
    cbi_free(b);
}
