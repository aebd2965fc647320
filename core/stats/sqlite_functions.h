/* SPDX-License-Identifier: MIT */
/*
 * Statistics as functions of SQL, in our own connections and, as the loadable extension
 * cellbench_stats.so, in any other: `.load cellbench_stats` in the sqlite3 shell. All are
 * aggregates:
 *
 *   median(x)  quantile(x, p)  mad(x)  stddev(x)  geometric_mean(x)
 *   mean_low(x), mean_high(x)            95 % interval of the mean by Student's t
 *   bootstrap_low(x), bootstrap_high(x)  the same by the bootstrap: BCa, expanded for small n, 9999
 *                                        resamples, the same ones whenever the values are the same
 *   welch_t(x, g)  welch_p(x, g)  mann_whitney_p(x, g)  cliffs_delta(x, g)
 *                                        x of one group against x of the other, by g, of which
 * there are two: the lesser first, so that a negative t or delta says that x is lower there
 *   paired_p(a, b)  wilcoxon_p(a, b)     of pairs in one row; Wilcoxon leaves out differences of 0
 *
 * Those of an interval take a level as another argument: mean_low(x, 0.99). p and level are those
 * of the first row. stddev is with n - 1; cellbench/stats*.h has the definitions of all.
 *
 * NULL is left out; so is a row whose group, or one of whose pair, is NULL. A text that is a number
 * is one; another text, or a blob, is an error; so is a third group. What is not defined (no rows,
 * one value, one group) is NULL. Values are kept until the end of the group: 8 bytes each.
 */
#ifndef CB_STATS_SQLITE_FUNCTIONS_H
#define CB_STATS_SQLITE_FUNCTIONS_H

struct sqlite3;

/* Adds the functions to a connection; returns SQLite's result code. */
int cbi_sqlite_functions(struct sqlite3 *db);

#endif
