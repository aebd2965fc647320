/* SPDX-License-Identifier: MIT */
/*
 * Tests of a difference between two sets of values, a and b, paired (by seed) or not.
 *
 * Every test gives three probabilities of a result as extreme as this one if there is no
 * difference: p (in either direction), p_less (towards a lower than b) and p_greater. Pairs need
 * a[i] and b[i] of the same seed. Which to take:
 *
 *   means, about normal, any spread         cb_stats_welch           cb_stats_paired
 *   ranks: outliers, diverged trials, n > 5 cb_stats_mann_whitney    cb_stats_wilcoxon
 *   means, n small, any distribution        cb_stats_permutation     cb_stats_sign_flip
 *
 * With few values no outcome can be significant by ranks: `p_least` says what the smallest p is
 * (0.0625 for five pairs, 0.0079 for five against five). Several tests at once: stats_many.h.
 *
 * Measured: the share of 10,000 data sets without a difference in which p <= 0.05 (n_a = n_b,
 * normal; tests/unit/test_stats_size.c): Welch 0.034 (n = 3), 0.042 (5), 0.053 (30); paired t 0.048
 * (5); Mann- Whitney 0.031 (5); Wilcoxon 0.027 (6), 0.049 (30); permutation 0.048 (5); sign flip
 * 0.045 (8).
 */
#ifndef CELLBENCH_STATS_TEST_H
#define CELLBENCH_STATS_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- by means ---- */

typedef struct cb_stats_difference {
    size_t n_a, n_b;       /* finite values; pairs in both, if paired */
    double mean_a, mean_b; /* NaN if there are none */
    double difference;     /* mean_a - mean_b; negative: a is lower */
    double sd;             /* paired: of the differences; else of a value, sqrt((va + vb)/2) */
    double standard_error; /* of the difference */
    double t, dof;         /* statistic and degrees of freedom */
    double p, p_less, p_greater;
    double low, high; /* interval of the difference */
} cb_stats_difference;

/*
 * Welch's t test (1947): t = (mean_a - mean_b)/s, s^2 = va/n_a + vb/n_b, on dof = s^4/((va/n_a)^2/
 * (n_a - 1) + (vb/n_b)^2/(n_b - 1)) degrees of freedom (Welch-Satterthwaite). Assumes independent
 * values, normal or n large; the variances may differ. Approximate. n_a or n_b < 2, or no spread in
 * either: t, p and the interval are NaN, for then nothing tells how much chance there is.
 */
CB_API cb_stats_difference cb_stats_welch(const double *a, size_t n_a, const double *b, size_t n_b,
                                          double level);

/* The t test of the n differences a[i] - b[i], dof = n - 1. Exact if they are normal. NaN as above
 * for n < 2 or differences that are all the same. */
CB_API cb_stats_difference cb_stats_paired(const double *a, const double *b, size_t n,
                                           double level);

/* ---- equivalence ---- */

typedef struct cb_stats_equivalence {
    double p_low;     /* of a difference of at most -margin */
    double p_high;    /* of one of at least margin */
    double p;         /* the larger: below alpha, the difference is within the margin */
    double low, high; /* interval at 1 - 2 alpha: within the margins exactly when p <= alpha */
} cb_stats_equivalence;

/*
 * Two one-sided t tests (Schuirmann 1987) of a difference that was tested by either function above:
 * is it between -margin and margin, margin > 0? 0 < alpha < 0.5. A large p of the test for a
 * difference shows nothing; a small p of this one shows that there is none that matters. NaN where
 * the difference's t is.
 */
CB_API cb_stats_equivalence cb_stats_equivalent(const cb_stats_difference *difference,
                                                double margin, double alpha);

/* ---- by ranks, and by permutations ---- */

typedef enum cb_stats_method {
    CB_STATS_NONE = 0,       /* nothing to test: n too small */
    CB_STATS_EXACT = 1,      /* all arrangements were counted */
    CB_STATS_NORMAL = 2,     /* normal approximation, corrected for ties and continuity */
    CB_STATS_MONTE_CARLO = 3 /* some arrangements were drawn */
} cb_stats_method;

/* "exact", "normal approximation", "Monte Carlo", "none". */
CB_API const char *cb_stats_method_name(cb_stats_method method);

typedef struct cb_stats_test {
    size_t n_a, n_b;  /* values used; pairs in both, if paired */
    size_t zeros;     /* pairs of equal values (paired tests) */
    int has_ties;     /* equal values among those ranked */
    double statistic; /* U, W+ or the difference of means, see there */
    double p, p_less, p_greater;
    double p_least; /* no outcome of these n (and ties) has a smaller p; 0: not known */
    cb_stats_method method;
} cb_stats_test;

/*
 * Mann-Whitney U (1947), the Wilcoxon rank sum test. statistic: U of a, the number of pairs (a[i],
 * b[j]) with a[i] > b[j], and half of those with a[i] = b[j]; R's W. Assumes independent values; if
 * a and b have the same distribution, every order is as likely. Rejects where a tends to be lower
 * or higher, not only where medians differ.
 *
 * Exact, with ties too, by the distribution of the sum of midranks over all arrangements (the shift
 * algorithm of Streitberg and Roehmel 1986), up to n_a + n_b = 100 and as far beyond as 2^26
 * additions reach; p is twice the smaller tail, at most 1. Then by the normal distribution with
 * the variance corrected for ties and the continuity correction 1/2. Relative error of the exact
 * probabilities below 1e-12. All values equal: p = 1.
 */
CB_API CB_MUST_USE cb_status cb_stats_mann_whitney(const double *a, size_t n_a, const double *b,
                                                   size_t n_b, cb_stats_test *out, cb_err *err);

/* What Wilcoxon's test does with differences of 0: */
typedef enum cb_stats_zeros {
    CB_STATS_ZEROS_DROP = 0, /* left out before ranking (Wilcoxon 1945; the default of R, scipy) */
    CB_STATS_ZEROS_PRATT = 1 /* ranked with the others, then left out (Pratt 1959) */
} cb_stats_zeros;

/*
 * Wilcoxon's signed rank test of a[i] - b[i]. statistic: W+, the sum of the midranks of |a[i] -
 * b[i]| over the positive differences; R's V. Assumes independent differences, symmetric around
 * their median. Two infinities of one sign differ by 0. n_a counts the pairs with zeros.
 *
 * Exact, with ties and zeros too, up to 200 differences other than 0 (shift algorithm; with Pratt's
 * ranks over many thousands of zeros, less); then by the normal distribution with the variance of
 * these very ranks and the continuity correction 1/2. No difference other than 0: p = 1.
 */
CB_API CB_MUST_USE cb_status cb_stats_wilcoxon(const double *a, const double *b, size_t n,
                                               cb_stats_zeros zeros, cb_stats_test *out,
                                               cb_err *err);

/*
 * Permutation test of the difference of means (statistic: mean_a - mean_b), for values that are
 * independent and, without a difference, of one distribution; no other assumption. Exact if there
 * are at most `draws` ways to choose n_a of the n_a + n_b values; else `draws` >= 1 of them are
 * drawn from the Philox stream (seed, "stats/permutation"), and p = (1 + as extreme)/(1 + draws)
 * (Davison, Hinkley 1997, 4.2.1): then never 0. As extreme: by more than rounding errors. p counts
 * |difference|. Infinite values are left out. CB_EARG: draws is 0.
 */
CB_API CB_MUST_USE cb_status cb_stats_permutation(const double *a, size_t n_a, const double *b,
                                                  size_t n_b, uint32_t draws, uint64_t seed,
                                                  cb_stats_test *out, cb_err *err);

/* The same for pairs: the signs of the differences are flipped, all 2^n ways if those are at most
 * `draws`, else drawn from (seed, "stats/sign-flip"). statistic: mean of the differences. Assumes
 * that they are symmetric around 0 without a difference. */
CB_API CB_MUST_USE cb_status cb_stats_sign_flip(const double *a, const double *b, size_t n,
                                                uint32_t draws, uint64_t seed, cb_stats_test *out,
                                                cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
