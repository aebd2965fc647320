/* SPDX-License-Identifier: MIT */
/*
 * Statistics of results: plain functions of numbers, which know no database and print nothing.
 *
 *   how large, how scattered?               stats_summary.h       mean, median, quantile, mad
 *   the best of a search, fairly compared?  stats_summary.h       best tenth, expected best after n
 *   is a lower than b?                      stats_test.h          Welch, paired t, Mann-Whitney,
 *                                                                 Wilcoxon, permutation
 *   are they the same, within a margin?     stats_test.h          two one-sided t tests
 *   by how much?                            stats_effect.h        Cliff's delta, Hedges' g
 *   how many seeds does that take?          stats_power.h         noncentral t
 *   an interval of any statistic?           stats_bootstrap.h     percentile, BCa
 *   several comparisons, several tasks?     stats_many.h          Holm, Benjamini-Hochberg,
 * Friedman which probability is that?              stats_distribution.h  normal, t, chi-square, F,
 * ...
 *
 * Everywhere:
 *   NaN is a value that is missing: it is left out, and n counts what is left. A pair is left out
 *   with either of its values. An infinite value (a trial that diverged) is left out by what works
 *   with means, and is the largest or smallest of all, equal to its like, by what works with ranks.
 *   What is not defined (no values, no spread) is NaN, never an invented number.
 *   Order of the values does not matter, but for the last bits of a sum.
 *   level is the probability that an interval covers, 0.95 say; 0 < level < 1, else the interval is
 *   NaN.
 *   A function that returns cb_status allocates: CB_ENOMEM, and CB_EARG where it says so. The
 * others cannot fail. The accuracy promised is held against R 4.2, scipy 1.17 and mpmath by
 * tests/unit/test_stats*.c.
 */
#ifndef CELLBENCH_STATS_H
#define CELLBENCH_STATS_H

#include "cellbench/stats_bootstrap.h"
#include "cellbench/stats_distribution.h"
#include "cellbench/stats_effect.h"
#include "cellbench/stats_many.h"
#include "cellbench/stats_power.h"
#include "cellbench/stats_summary.h"
#include "cellbench/stats_test.h"

#endif
