/* SPDX-License-Identifier: MIT */
/*
 * A paper's comparison, done again: what a study found beside what its paper published, each claim
 * with a verdict. What was published stands in the study's script (`reproduces`, see MODULE.md) and
 * with the study in the database (study.reproduces), so that a page of results comes from the
 * database alone.
 *
 * What is compared. Of each cell the trials 1..n of its search, n being as many as have come to an
 * end of every cell: so all cells have equally many, and none is judged by those that end first.
 * Of these the best tenth (`best`, rounded up) by the validation value; the test values of that
 * tenth against those of the baseline's, by Welch's test (Greff et al. 2017, section IV.C). p is
 * corrected by Holm's method over all cells. A trial that diverged has no value: it is in n, never
 * among the best, and worse than every other in the quartiles.
 *
 * Verdicts on a cell, alpha = 0.05. d: the mean of the cell's best tenth minus that of the
 * baseline's; lower is better; [low, high]: its 95 % interval by Welch; margin: the smallest
 * difference that matters, which the study states with its reason. "Shown" is p after Holm < alpha.
 *
 *   published       agrees                       disagrees
 *   worse           shown, d > 0                 high < margin: not by as much as matters
 *   better          shown, d < 0                 low > -margin
 *   not worse       high < margin                shown, d > 0, and not the former
 *   not better      low > -margin                shown, d < 0, and not the former
 *   no difference   -margin < low, high < margin shown, and not the former
 *
 * Everything else cannot be told at this size: that no difference was shown says nothing by itself.
 * [low, high] within the margins is an equivalence test at 0.025 a side, stricter than the usual.
 *
 * Verdicts on a setting, by its share of the variance of the validation value among the baseline's
 * trials (fANOVA, importance.h) with its 95 % interval: `above` x agrees if the interval lies above
 * x and disagrees if below; `below` likewise; `more_than` others agrees if its interval lies above
 * all of theirs and disagrees if it lies below one of them. (Over all cells together the shares
 * would be those of the cells: one cell that fails everywhere has all of the variance.)
 */
#ifndef CELLBENCH_REPRODUCTION_H
#define CELLBENCH_REPRODUCTION_H

#include <stddef.h>

#include "cellbench/fanova.h"
#include "cellbench/stats.h"
#include "cellbench/status.h"
#include "cellbench/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cb_expected {
    CB_EXPECTED_WORSE = 0,
    CB_EXPECTED_BETTER = 1,
    CB_EXPECTED_NOT_WORSE = 2,
    CB_EXPECTED_NOT_BETTER = 3,
    CB_EXPECTED_NO_DIFFERENCE = 4
} cb_expected;

typedef enum cb_verdict {
    CB_VERDICT_OPEN = 0, /* cannot be told at this size */
    CB_VERDICT_AGREES = 1,
    CB_VERDICT_DISAGREES = 2
} cb_verdict;

/* "agrees", "disagrees", "cannot be told". */
CB_API const char *cb_verdict_name(cb_verdict verdict);

/* As above. difference: of the cell (a) minus the baseline (b), with its interval at 1 - alpha; p:
 * corrected. NaN among them: open. */
CB_API cb_verdict cb_verdict_of_difference(cb_expected expected,
                                           const cb_stats_difference *difference, double p,
                                           double margin, double alpha);
/* NaN for the bound that is not asked for. */
CB_API cb_verdict cb_verdict_of_share(const cb_fanova_share *share, double above, double below);
CB_API cb_verdict cb_verdict_of_order(const cb_fanova_share *share, const cb_fanova_share *others,
                                      size_t count);

typedef struct cb_reproduction_options {
    const char *study;   /* NULL: the only one that reproduces something */
    const char *path;    /* of the page, in Markdown */
    const char *command; /* command line that makes the page again */
    const char *version; /* of the program */
} cb_reproduction_options;

/* What came out, for who reads no page. */
typedef struct cb_reproduction_made {
    size_t trials;      /* n: of each cell */
    size_t verdicts[3]; /* claims, by cb_verdict */
} cb_reproduction_made;

/*
 * Reads the database and writes the page, whole or not at all. CB_EARG if no study, or more than
 * one, reproduces something and none is named, or if the one named does not; CB_ESTORE if what is
 * stored with the study is no description of a reproduction, or the database is too old; CB_EIO if
 * the page cannot be written. Nothing in it depends on when it is made: the same database gives the
 * same page.
 */
CB_API CB_MUST_USE cb_status cb_reproduction_write(cb_store *store,
                                                   const cb_reproduction_options *options,
                                                   cb_reproduction_made *made, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
