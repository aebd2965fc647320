/* SPDX-License-Identifier: MIT */
/*
 * Comparison of cells: what `cellbench compare` and the first screen of the report say.
 *
 * For each study and task: the cells, each at its best setting, with the test values of that
 * setting over seeds; pairs of cells, each with a difference, its interval, a test and a verdict;
 * warnings about what the numbers do not support; and the answer in a few sentences. Over several
 * tasks: the average ranks of the cells. Lower is better in every measure.
 *
 * What is decided here, and why:
 *
 * - The setting of a cell is the first of the view `ranking`: chosen by the mean validation value
 *   over the study's own seeds. What is told of it comes from confirmation seeds where there are
 *   any, for they chose nothing (`over`).
 * - The unit is the seed: several trials of one seed are averaged first, and counted once.
 * - The pairs are those of one cell, the baseline, with each other cell; the baseline is the one
 *   asked for, or the cell that stands first by validation, which the test values did not choose.
 *   All pairs on request. Their p values are corrected by Holm's method within a study and task.
 * - Two cells with the same seeds are paired: a seed fixes the order of the data and the streams of
 *   the initialisation, so the seed is a block of the design, and the analysis follows the design
 *   whatever the correlation turned out to be. The main statement is then the paired t interval and
 *   test of the mean difference; without common seeds it is Welch's. These have an interval in the
 *   units of the metric and reach any level at the few seeds that people can pay for, at the price
 *   of taking the differences as normal. That is checked by the permutation test that goes with it
 *   (signs, or labels; exact where it can be), which takes nothing for granted but cannot get below
 *   2/2^n with n pairs: 0.0625 with five. Where the check could have reached the level and does
 *   not, the words say so.
 * - The interval of a difference is not corrected for the number of pairs; the p value is. Words
 *   follow the corrected p.
 * - Squared errors (metric mse) are compared by their logarithms: they are positive, range over
 *   orders of magnitude, and scatter in proportion to their size, so that what there is to say of
 *   two is a ratio. Everything else (nats, error rates) is compared as it is. The rule looks at the
 *   metric and not at the values, but for zeros, which have no logarithm.
 *
 * All texts are UTF-8 as in the database, with whatever characters names have: escape them for the
 * place where they go. Numbers that are not known are NaN.
 */
#ifndef CELLBENCH_COMPARE_H
#define CELLBENCH_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"
#include "cellbench/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is asked ---- */

typedef enum cb_compare_test {
    CB_COMPARE_TEST_AUTO = 0, /* paired t with common seeds, else Welch */
    CB_COMPARE_TEST_PAIRED_T = 1,
    CB_COMPARE_TEST_WELCH = 2,
    CB_COMPARE_TEST_WILCOXON = 3,     /* signed rank, paired */
    CB_COMPARE_TEST_MANN_WHITNEY = 4, /* not paired */
    CB_COMPARE_TEST_SIGNS = 5,        /* permutation of the signs of paired differences */
    CB_COMPARE_TEST_LABELS = 6        /* permutation of the labels of two samples */
} cb_compare_test;

/* "paired-t", "welch", ...: the word of --test; NULL for a number that is none. */
CB_API const char *cb_compare_test_name(cb_compare_test test);
/* "paired t test": for a sentence. */
CB_API const char *cb_compare_test_title(cb_compare_test test);

typedef enum cb_compare_scale {
    CB_COMPARE_SCALE_AUTO = 0, /* ratios for mse, unless an equivalence is asked for; else plain */
    CB_COMPARE_SCALE_PLAIN = 1,
    CB_COMPARE_SCALE_LOG = 2
} cb_compare_scale;

typedef struct cb_compare_options {
    const char *study;    /* NULL: all studies */
    const char *baseline; /* a cell's name; NULL: the first by validation, of each study and task */
    const char *measure;  /* test (NULL), valid, train, test_error, valid_error: what is compared */
    int all_pairs;        /* 1: each cell with each; 0: the baseline with each */
    cb_compare_test test; /* of pairs */
    cb_compare_scale scale; /* CB_EARG: LOG with an equivalence, which is in units of the metric */
    double level;           /* of intervals, and 1 - the error allowed of tests; 0: 0.95 */
    double equivalence;     /* differences up to this size count as none; 0: not asked */
} cb_compare_options;

/* ---- what is known ---- */

/* Where the values of a cell come from. */
typedef enum cb_compare_over {
    CB_COMPARE_OVER_NONE = 0,   /* there are none */
    CB_COMPARE_OVER_STUDY = 1,  /* the study's seeds, which chose the setting too */
    CB_COMPARE_OVER_CONFIRM = 2 /* fresh seeds */
} cb_compare_over;
CB_API const char *cb_compare_over_name(cb_compare_over over); /* "none", "study", "confirm" */

typedef struct cb_compare_value {
    int64_t seed;
    int64_t trial_id; /* of several with this seed, the first */
    double value;
} cb_compare_value;

/* What a cell's place was bought with: everything tried for it, confirmation not counted. */
typedef struct cb_compare_budget {
    size_t settings;                  /* different ones in the list */
    int64_t trials;                   /* in the list */
    int64_t done, diverged, failed;   /* of these */
    int64_t open;                     /* pending or running, confirmation included */
    double cpu_seconds, wall_seconds; /* of done and diverged ones */
    double flop;                      /* floating-point operations of their products */
} cb_compare_budget;

typedef struct cb_compare_cell {
    char *name;
    char *text_sha256; /* of its equations */
    char *setting; /* "hidden=32 rate=0.01": what the study varied, to four digits; "" if nothing */
    int64_t cell_id, config;
    size_t place; /* by validation, from 1 */
    double valid; /* mean validation value of the setting over the study's seeds */
    cb_compare_over over;
    cb_compare_value *values; /* by seed; finite ones only */
    size_t n;
    size_t asked;                  /* seeds that the values should be over */
    size_t diverged, failed, open; /* of these seeds: why there is no value */
    size_t not_finite;             /* finished, with a value that is no number */
    size_t repeated;               /* seeds that have several trials */
    double mean, sd;               /* sd: NaN with one value */
    double low, high;              /* t interval of the mean; NaN with one value */
    int64_t hidden, params;
    double epoch_seconds; /* by the clock, mean of the values' trials */
    cb_compare_budget budget;
    double *tried;        /* validation means of all settings that have one, ascending */
    size_t tried_count;   /* budget.settings - tried_count gave none: diverged, failed or open */
    double *expected;     /* [budget.settings] the best validation value to expect of n of the
                             settings is expected[n - 1] (cb_stats_expected_best); one that gave no
                             value counts as the worst that did; NULL if none did */
    double expected_best; /* of `common_settings` of the task */
} cb_compare_cell;

typedef enum cb_compare_verdict {
    CB_COMPARE_VERDICT_NONE = 0, /* not tested: the words say why */
    CB_COMPARE_VERDICT_A_BETTER = 1,
    CB_COMPARE_VERDICT_B_BETTER = 2,
    CB_COMPARE_VERDICT_NOT_APART = 3, /* which is not: equal */
    CB_COMPARE_VERDICT_EQUIVALENT = 4 /* within options.equivalence, shown by two one-sided tests */
} cb_compare_verdict;
/* "none", "a_better", "b_better", "not_apart", "equivalent" */
CB_API const char *cb_compare_verdict_name(cb_compare_verdict verdict);

typedef struct cb_compare_pair {
    size_t a, b; /* cells, by their index in the task; a stands before b by validation */
    cb_compare_verdict verdict;
    int paired;        /* over common seeds */
    size_t n_a, n_b;   /* values that went in; equal if paired */
    int is_log;        /* a and b are the logarithms of the values: differences are of ratios */
    double difference; /* mean of a - b: negative, if a is better */
    double low, high;  /* its interval: paired t or Welch, whatever the test is */
    double ratio, ratio_low, ratio_high; /* if is_log, of the geometric means a/b; else NaN */
    double relative;       /* difference / mean of b; NaN if that is 0, or if is_log */
    cb_compare_test test;  /* never AUTO */
    double statistic;      /* t, W, U, or the mean difference of a permutation */
    double dof;            /* NaN if the test has none */
    double p, p_holm;      /* two-sided; corrected over the tested pairs of the task */
    double p_least;        /* the smallest p that the test could give with this n; 0 for t tests */
    cb_compare_test check; /* the permutation test beside a t test; AUTO: none */
    double check_p, check_least;         /* not corrected; the smallest that it could give */
    double cliff, cliff_low, cliff_high; /* Cliff's delta: share of pairs of values with a > b less
                             that with a < b; -1: a is always better; its interval; not paired */
    double p_equivalence; /* two one-sided tests against options.equivalence, corrected likewise;
                             NaN: not asked */
    double detectable;    /* smallest true difference that n would show in 4 of 5 studies, and */
    double seeds_needed;  /* the seeds to show the one measured in 4 of 5; both by the t test at the
                             error allowed divided by the number of tested pairs; NaN: unknown */
    char *why;            /* "the same 5 seeds: paired" */
    char *words;          /* "gru is better than rnn by 0.12 [0.09, 0.15] nats (...)" */
} cb_compare_pair;

/* Append-only: the words are what programs read. */
typedef enum cb_compare_warning_kind {
    CB_COMPARE_WARN_NOTHING = 0,     /* a cell has no value at all */
    CB_COMPARE_WARN_OPEN = 1,        /* trials still to be finished */
    CB_COMPARE_WARN_SINGLE = 2,      /* one seed: no interval */
    CB_COMPARE_WARN_FEW = 3,         /* few seeds: what intervals then rest on */
    CB_COMPARE_WARN_UNREACHABLE = 4, /* no outcome of the test could have reached the level */
    CB_COMPARE_WARN_CHOSEN = 5,      /* chosen by the seeds that are reported */
    CB_COMPARE_WARN_OVER = 6,        /* some cells have fresh seeds, some not */
    CB_COMPARE_WARN_DIVERGED = 7,    /* seeds left out: diverged or failed */
    CB_COMPARE_WARN_NOT_FINITE = 8,  /* seeds left out: the value is not finite */
    CB_COMPARE_WARN_REPEATED = 9,    /* several trials of a seed, averaged */
    CB_COMPARE_WARN_SEEDS = 10,      /* a pair has only some seeds in common */
    CB_COMPARE_WARN_BUDGET = 11,     /* unequal budgets of search */
    CB_COMPARE_WARN_PARAMS = 12,     /* very different numbers of parameters */
    CB_COMPARE_WARN_MIXED = 13,      /* several numerics or instruction sets */
    CB_COMPARE_WARN_MACHINES = 14,   /* several machines: times do not compare */
    CB_COMPARE_WARN_CONSTANT = 15,   /* values without spread */
    CB_COMPARE_WARN_EDGE = 16        /* the best setting is at the edge of what was tried */
} cb_compare_warning_kind;
CB_API const char *cb_compare_warning_name(cb_compare_warning_kind kind); /* "few", "open", ... */

typedef struct cb_compare_warning {
    cb_compare_warning_kind kind;
    char *words; /* a whole sentence, with the cells it is about */
} cb_compare_warning;

typedef struct cb_compare_task {
    char *study, *task, *metric; /* metric: of the measure, e.g. "nats" */
    int64_t study_id, task_id;
    size_t trials, done, diverged, failed, open; /* all, confirmation included */
    int running;                                 /* 1: a run works on the file now */
    cb_compare_cell *cells;                      /* by place */
    size_t cell_count;
    cb_compare_pair *pairs;
    size_t pair_count;
    size_t baseline; /* the cell whose pairs these are; cell_count: this task has not got it */
    size_t tested;   /* pairs with a p value: what Holm's correction is over */
    size_t common_settings; /* the smallest number of settings that a cell was given */
    char *answer;           /* some sentences, never a winner without its uncertainty */
    cb_compare_warning *warnings;
    size_t warning_count;
} cb_compare_task;

/* Cells over tasks: Friedman's test (p is chi-square's) on the ranks of the means, and Nemenyi's
 * critical difference (Demsar 2006). A block is a task, of several studies on it the last; cells
 * are the same if name and equations are, and only those that all blocks have are in it. */
typedef struct cb_compare_ranks {
    size_t block_count, cell_count; /* 0 cells: there is nothing to rank */
    char **names;                   /* cells, best average rank first */
    double *rank;                   /* average ranks: 1 is best */
    double *block_rank;             /* [cell][block]; ties share the mean of their ranks */
    size_t *block;                  /* [block]: index of a cb_compare_task */
    double chi2, f, p;              /* NaN with fewer than 2 blocks, or 2 cells */
    double critical;                /* difference of average ranks at the level; NaN likewise */
    char *words;                    /* "" if there is nothing to rank */
} cb_compare_ranks;

typedef struct cb_compare {
    cb_compare_task *tasks; /* by study number, then task */
    size_t task_count;
    cb_compare_ranks ranks;
    char **notes; /* of the file as a whole: "study 'x' has no trials yet" */
    size_t note_count;
    char *measure; /* as asked */
    double level, equivalence;
} cb_compare;

/*
 * Reads a database and draws the comparison. The database must have the present schema (CB_ESTORE
 * names the command that brings it there). Names that it does not know are CB_EARG with the
 * nearest; so are a level outside 0.5 to 0.9999 and an equivalence that is negative or not finite.
 * A study without trials or without results is no error: notes and answers say what there is.
 * Deterministic: permutations that are sampled come from a fixed stream.
 *
 * Cost: two queries over the trials; no epoch rows are read. 20,000 trials take well below 1 s.
 */
CB_API CB_MUST_USE cb_status cb_compare_read(cb_compare **out, cb_store *store,
                                             const cb_compare_options *options, cb_err *err);
/* NULL is allowed. */
CB_API void cb_compare_destroy(cb_compare *compare);

#ifdef __cplusplus
}
#endif
#endif
