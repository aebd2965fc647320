/* SPDX-License-Identifier: MIT */
/*
 * The parts of a comparison, in the order in which they are made: cells read from the database,
 * pairs tested, words and warnings written, ranks over tasks.
 */
#ifndef CB_REPORT_COMPARE_INTERNAL_H
#define CB_REPORT_COMPARE_INTERNAL_H

#include "base/text.h"
#include "cellbench/compare.h"

/* What the warnings of a task speak of, beside what cb_compare_task holds. */
typedef struct cbi_compare_facts {
    size_t arithmetics; /* different numerics and instruction sets */
    char *arithmetic_list;
    size_t machines;
    cbi_text edges; /* "gru: rate, hidden; " settings whose best value is the last one tried */
} cbi_compare_facts;

typedef struct cbi_compare_draft {
    cb_compare *compare;
    const cb_compare_options *options; /* with defaults filled in */
    cb_store *store;
    cbi_compare_facts *facts; /* [task_count] */
} cbi_compare_draft;

/* What stands around the values of the tasks: facts, settings in words, notes. */
CB_MUST_USE cb_status cbi_compare_facts_read(cbi_compare_draft *d, const cb_value *study,
                                             int64_t version, cb_err *err);
/* Tasks with their cells, and all around them. */
CB_MUST_USE cb_status cbi_compare_read(cbi_compare_draft *d, cb_err *err);
/* All pairs of one task, with words. */
CB_MUST_USE cb_status cbi_compare_pairs(const cbi_compare_draft *d, cb_compare_task *task,
                                        cb_err *err);
/* Words of a pair. */
CB_MUST_USE cb_status cbi_compare_say(const cbi_compare_draft *d, const cb_compare_task *task,
                                      cb_compare_pair *pair, cb_err *err);
/* The answer and the warnings of one task. */
CB_MUST_USE cb_status cbi_compare_answer(const cbi_compare_draft *d, cb_compare_task *task,
                                         cb_err *err);
CB_MUST_USE cb_status cbi_compare_warn(const cbi_compare_draft *d, cb_compare_task *task,
                                       const cbi_compare_facts *facts, cb_err *err);
CB_MUST_USE cb_status cbi_compare_ranks(const cbi_compare_draft *d, cb_err *err);

/* 1 if the two have the same seeds, or nearly so: then they are paired over the common ones, of
 * which there are *common. */
int cbi_compare_is_paired(const cb_compare_cell *a, const cb_compare_cell *b, size_t *common);

/* ---- numbers in sentences ---- */

enum { CBI_COMPARE_NUMBER = 96 };
/* Each returns buffer, which holds CBI_COMPARE_NUMBER. "0.042 [0.021, 0.063]": digits by the width
 * of the interval, two of its half; just the number if there is none. */
const char *cbi_compare_interval(char *buffer, double value, double low, double high);
/* "p = 0.012", "p < 0.0001". */
const char *cbi_compare_p(char *buffer, double p);
/* " nats", or "" for a metric without a name. */
const char *cbi_compare_unit(char *buffer, const char *metric);

/* "0.042 [0.021, 0.063] nats", or "0.6 [0.5, 0.7] times" where ratios are compared; turned: as seen
 * from the second cell. */
void cbi_compare_by(cbi_text *text, const cb_compare_pair *pair, int turned, const char *unit);

#endif
