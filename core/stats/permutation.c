/* SPDX-License-Identifier: MIT */
/*
 * Permutation tests of means. The values are centred, so that the statistic of an arrangement is
 * one sum, whose mean over all arrangements is 0; all arrangements are gone through where there are
 * few, and some drawn otherwise. Sums that differ by less than what rounding the values themselves
 * may have made are equal.
 */
#include "cellbench/stats_test.h"

#include <float.h>
#include <math.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "stats/sample.h"

/* How many arrangements were seen, and how many as extreme as the one observed. */
typedef struct tally {
    long double observed, tolerance;
    long double farthest; /* largest absolute value seen */
    uint64_t at_farthest, seen, lower, higher, farther;
} tally;

static void count_one(tally *t, long double sum) {
    const long double size = fabsl(sum);
    t->seen++;
    t->lower += sum <= t->observed + t->tolerance;
    t->higher += sum >= t->observed - t->tolerance;
    t->farther += size >= fabsl(t->observed) - t->tolerance;
    if (size > t->farthest + t->tolerance) {
        t->farthest = size;
        t->at_farthest = 0;
    }
    t->at_farthest += size >= t->farthest - t->tolerance;
}

/* Shares of what was seen; of a sample the observed arrangement is one more. */
static void read_tally(const tally *t, int is_sample, cb_stats_test *out) {
    const double more = is_sample ? 1.0 : 0.0, seen = (double)t->seen + more;
    out->p = ((double)t->farther + more) / seen;
    out->p_less = ((double)t->lower + more) / seen;
    out->p_greater = ((double)t->higher + more) / seen;
    out->p_least = is_sample ? 1.0 / seen : (double)t->at_farthest / seen;
    out->method = is_sample ? CB_STATS_MONTE_CARLO : CB_STATS_EXACT;
}

static cb_stats_test nothing(size_t n_a, size_t n_b) {
    return (cb_stats_test){.n_a = n_a,
                           .n_b = n_b,
                           .statistic = (double)NAN,
                           .p = (double)NAN,
                           .p_less = (double)NAN,
                           .p_greater = (double)NAN};
}

static cb_status check_draws(const char *test, uint32_t draws, cb_err *err) {
    if (draws >= 1)
        return CB_OK;
    return cb_fail(err, CB_EARG, "%s test: expected at least 1 draw, got 0", test);
}

/* ---- two samples ---- */

/* Ways to choose k of n, or more than `most`. */
static double choices(size_t n, size_t k, double most) {
    double ways = 1.0;
    for (size_t i = 1; i <= k && ways <= most; i++)
        ways = ways * (double)(n - k + i) / (double)i;
    return ways;
}

static long double sum_of(const double *pool, const size_t *chosen, size_t k) {
    long double sum = 0.0L;
    for (size_t i = 0; i < k; i++)
        sum += (long double)pool[chosen[i]];
    return sum;
}

/* All k-subsets of n in lexicographic order. */
static void all_choices(tally *t, const double *pool, size_t n, size_t k, size_t *chosen) {
    for (size_t i = 0; i < k; i++)
        chosen[i] = i;
    for (;;) {
        count_one(t, sum_of(pool, chosen, k));
        size_t i = k;
        while (i > 0 && chosen[i - 1] == n - k + i - 1)
            i--;
        if (i == 0)
            return;
        chosen[i - 1]++;
        for (; i < k; i++)
            chosen[i] = chosen[i - 1] + 1;
    }
}

/* The first k of a shuffle, each time of the order that the last one left. */
static void some_choices(tally *t, const double *pool, size_t n, size_t k, size_t *order,
                         uint32_t draws, uint64_t seed) {
    cb_random stream = cb_random_stream(seed, "stats/permutation", 0);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t d = 0; d < draws; d++) {
        for (size_t i = 0; i < k; i++) {
            const size_t j = i + (size_t)cb_random_below(&stream, n - i);
            const size_t kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
        count_one(t, sum_of(pool, order, k));
    }
}

/* Takes the mean off the values, which are halved first so that this cannot overflow; returns what
 * rounding may have made of a sum of them. */
static long double centre(double *pool, size_t n) {
    const double mean = 0.5 * cbi_moments_of(pool, n).mean;
    long double size = 0.0L;
    for (size_t i = 0; i < n; i++) {
        pool[i] *= 0.5;
        size += fabsl((long double)pool[i]);
        pool[i] -= mean;
    }
    return 2.0L * (long double)DBL_EPSILON * size;
}

static cb_status permute(double *pool, uint32_t draws, uint64_t seed, cb_stats_test *out,
                         cb_err *err) {
    const size_t n_a = out->n_a, n_b = out->n_b, n = n_a + n_b;
    const int is_b = n_b < n_a; /* the smaller set is chosen; what b loses, a wins */
    const size_t k = is_b ? n_b : n_a;
    out->statistic = cbi_moments_of(pool, n_a).mean - cbi_moments_of(pool + n_a, n_b).mean;
    size_t *order = cbi_calloc(n, sizeof *order);
    if (order == NULL)
        return cb_fail(err, CB_ENOMEM, "permutation test: no memory for %zu values", n);
    tally t = {.tolerance = centre(pool, n)};
    for (size_t i = 0; i < k; i++)
        order[i] = is_b ? n_a + i : i;
    t.observed = sum_of(pool, order, k);
    const int is_sample = choices(n, k, (double)draws) > (double)draws;
    if (is_sample)
        some_choices(&t, pool, n, k, order, draws, seed);
    else
        all_choices(&t, pool, n, k, order);
    read_tally(&t, is_sample, out);
    if (is_b) {
        const double less = out->p_less;
        out->p_less = out->p_greater;
        out->p_greater = less;
    }
    cbi_free(order);
    return CB_OK;
}

cb_status cb_stats_permutation(const double *a, size_t n_a, const double *b, size_t n_b,
                               uint32_t draws, uint64_t seed, cb_stats_test *out, cb_err *err) {
    double *pool = NULL;
    *out = nothing(0, 0);
    cb_status st = check_draws("permutation", draws, err);
    if (st == CB_OK)
        st = cbi_pool(a, &n_a, b, &n_b, 1, &pool, err);
    if (st == CB_OK) {
        *out = nothing(n_a, n_b);
        if (n_a > 0 && n_b > 0)
            st = permute(pool, draws, seed, out, err);
    }
    cbi_free(pool);
    return st;
}

/* ---- pairs ---- */

static void all_signs(tally *t, const double *d, size_t n) {
    for (uint64_t signs = 0; signs >> n == 0; signs++) {
        long double sum = 0.0L;
        for (size_t i = 0; i < n; i++)
            sum += signs >> i & 1 ? -(long double)d[i] : (long double)d[i];
        count_one(t, sum);
    }
}

static void some_signs(tally *t, const double *d, size_t n, uint32_t draws, uint64_t seed) {
    cb_random stream = cb_random_stream(seed, "stats/sign-flip", 0);
    for (uint32_t draw = 0; draw < draws; draw++) {
        long double sum = 0.0L;
        uint32_t word = 0;
        for (size_t i = 0; i < n; i++) {
            word = i % 32 == 0 ? cb_random_u32(&stream) : word >> 1;
            sum += word & 1 ? -(long double)d[i] : (long double)d[i];
        }
        count_one(t, sum);
    }
}

cb_status cb_stats_sign_flip(const double *a, const double *b, size_t n, uint32_t draws,
                             uint64_t seed, cb_stats_test *out, cb_err *err) {
    double *d = NULL;
    size_t count = 0;
    *out = nothing(0, 0);
    cb_status st = check_draws("sign-flip", draws, err);
    if (st == CB_OK)
        st = cbi_differences(a, b, n, 1, &d, &count, err);
    if (st == CB_OK && count > 0) {
        tally t = {0};
        *out = nothing(count, count);
        for (size_t i = 0; i < count; i++) {
            t.observed += (long double)d[i];
            t.tolerance += 2.0L * (long double)DBL_EPSILON * fabsl((long double)d[i]);
            out->zeros += d[i] == 0.0;
        }
        out->statistic = (double)(t.observed / (long double)count);
        const int is_sample = count >= 32 || (uint64_t)1 << count > draws;
        if (is_sample)
            some_signs(&t, d, count, draws, seed);
        else
            all_signs(&t, d, count);
        read_tally(&t, is_sample, out);
    }
    cbi_free(d);
    return st;
}
