/* SPDX-License-Identifier: MIT */
/* Average ranks of the cells over several tasks. */
#include "report/compare_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/stats.h"

enum { TASKS_ENOUGH = 10 }; /* for the approximations, as Demsar says */

/* The cell of a task that has the name and equations of another one, and a value. */
static const cb_compare_cell *same_cell(const cb_compare_task *task, const cb_compare_cell *cell) {
    for (size_t i = 0; i < task->cell_count; i++) {
        const cb_compare_cell *other = &task->cells[i];
        if (other->n > 0 && strcmp(other->name, cell->name) == 0 && other->text_sha256 != NULL &&
            cell->text_sha256 != NULL && strcmp(other->text_sha256, cell->text_sha256) == 0)
            return other;
    }
    return NULL;
}

static int is_block(const cb_compare_task *task) {
    size_t with_values = 0;
    for (size_t i = 0; i < task->cell_count; i++)
        with_values += task->cells[i].n > 0;
    return with_values >= 2;
}

/* Tasks with values are blocks; of several studies on one task the last: two answers to the same
 * question are no two questions. Returns how many. */
static size_t find_blocks(const cb_compare *c, size_t *block) {
    size_t n = 0;
    for (size_t t = 0; t < c->task_count; t++) {
        size_t at = 0;
        if (!is_block(&c->tasks[t]))
            continue;
        while (at < n && c->tasks[block[at]].task_id != c->tasks[t].task_id)
            at++;
        block[at] = t;
        n += at == n;
    }
    return n;
}

/* Cells of the first block that all blocks have. Returns how many. */
static size_t find_cells(const cb_compare *c, const size_t *block, size_t blocks, size_t *cell) {
    const cb_compare_task *first = &c->tasks[block[0]];
    size_t n = 0;
    for (size_t i = 0; i < first->cell_count; i++) {
        int everywhere = first->cells[i].n > 0;
        for (size_t b = 0; b < blocks && everywhere; b++)
            everywhere = same_cell(&c->tasks[block[b]], &first->cells[i]) != NULL;
        if (everywhere)
            cell[n++] = i;
    }
    return n;
}

/* Ranks of the means within a block; equal ones share theirs. */
static void rank_block(const double *value, size_t n, double *rank) {
    for (size_t i = 0; i < n; i++) {
        double below = 0.0, equal = 0.0;
        for (size_t k = 0; k < n; k++) {
            below += value[k] < value[i];
            equal += value[k] == value[i];
        }
        rank[i] = below + 0.5 * (equal + 1.0);
    }
}

static cb_status say(const cbi_compare_draft *d, cb_compare_ranks *r, cb_err *err) {
    cbi_text text = {0};
    char p[CBI_COMPARE_NUMBER];
    cbi_text_addf(&text, "Average ranks of the means over %zu tasks: ", r->block_count);
    for (size_t i = 0; i < r->cell_count; i++)
        cbi_text_addf(&text, "%s%s %.3g", i > 0 ? ", " : "", r->names[i], r->rank[i]);
    cbi_text_addf(&text, ". Friedman's test: %s", cbi_compare_p(p, r->p));
    if (isfinite(r->critical)) {
        const double gap = r->rank[r->cell_count - 1] - r->rank[0];
        cbi_text_addf(&text,
                      "; by Nemenyi's test at %.3g %% ranks that differ by more than %.3g "
                      "are told apart%s",
                      100.0 * d->options->level, r->critical,
                      gap > r->critical ? "" : ": none here are");
    }
    cbi_text_add(&text, ".");
    if (r->block_count <= TASKS_ENOUGH)
        cbi_text_addf(&text, " With %zu tasks both are rough: more than 10 are recommended.",
                      r->block_count);
    cbi_free(r->words);
    r->words = NULL;
    cb_status st = cbi_text_take(&text, &r->words, err);
    cbi_text_fini(&text);
    return st;
}

/* Cells by their average rank, the better first; ties stay in their order. */
static void order_of(const double *mean, size_t n, size_t *order) {
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        for (; k > 0 && mean[order[k - 1]] > mean[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

typedef struct table {
    size_t *block, *cell, *order;
    double *value; /* [block][cell] */
    double *mean, *rank;
} table;

static cb_status fill(const cbi_compare_draft *d, table *t, size_t blocks, size_t cells,
                      cb_err *err) {
    const cb_compare *c = d->compare;
    cb_compare_ranks *r = &d->compare->ranks;
    cb_stats_friedman friedman;
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < cells; i++)
            t->value[b * cells + i] =
                same_cell(&c->tasks[t->block[b]], &c->tasks[t->block[0]].cells[t->cell[i]])->mean;
    cb_status st = cb_stats_friedman_test(t->value, blocks, cells, 1.0 - d->options->level, t->mean,
                                          NULL, &friedman, err);
    if (st != CB_OK)
        return st;
    order_of(t->mean, cells, t->order);
    r->block_count = blocks;
    r->chi2 = friedman.chi_square;
    r->f = friedman.f;
    r->p = friedman.p;
    r->critical = friedman.critical_difference;
    for (size_t b = 0; b < blocks; b++) {
        r->block[b] = t->block[b];
        rank_block(t->value + b * cells, cells, t->rank);
        for (size_t i = 0; i < cells; i++)
            r->block_rank[i * blocks + b] = t->rank[t->order[i]];
    }
    for (size_t i = 0; i < cells; i++) {
        r->rank[i] = t->mean[t->order[i]];
        r->names[i] = cbi_strdup(c->tasks[t->block[0]].cells[t->cell[t->order[i]]].name);
        if (r->names[i] == NULL)
            return cb_fail(err, CB_ENOMEM, "the name of a cell");
        r->cell_count++;
    }
    return say(d, r, err);
}

cb_status cbi_compare_ranks(const cbi_compare_draft *d, cb_err *err) {
    const cb_compare *c = d->compare;
    cb_compare_ranks *r = &d->compare->ranks;
    size_t blocks = 0, cells = 0, most = 0;
    table t = {.block = cbi_calloc(c->task_count + 1, sizeof *t.block)};
    cb_status st = CB_OK;
    r->chi2 = r->f = r->p = r->critical = (double)NAN;
    r->words = cbi_strdup("");
    if (t.block == NULL || r->words == NULL)
        goto no_memory;
    blocks = find_blocks(c, t.block);
    if (blocks < 2)
        goto out;
    most = c->tasks[t.block[0]].cell_count;
    if ((t.cell = cbi_calloc(most + 1, sizeof *t.cell)) == NULL)
        goto no_memory;
    cells = find_cells(c, t.block, blocks, t.cell);
    if (cells < 2)
        goto out;
    t.order = cbi_calloc(cells, sizeof *t.order);
    t.value = cbi_calloc(blocks * cells, sizeof *t.value);
    t.mean = cbi_calloc(cells, sizeof *t.mean);
    t.rank = cbi_calloc(cells, sizeof *t.rank);
    r->names = cbi_calloc(cells, sizeof *r->names);
    r->rank = cbi_calloc(cells, sizeof *r->rank);
    r->block = cbi_calloc(blocks, sizeof *r->block);
    r->block_rank = cbi_calloc(blocks * cells, sizeof *r->block_rank);
    if (t.order == NULL || t.value == NULL || t.mean == NULL || t.rank == NULL ||
        r->names == NULL || r->rank == NULL || r->block == NULL || r->block_rank == NULL)
        goto no_memory;
    st = fill(d, &t, blocks, cells, err);
    goto out;
no_memory:
    st = cb_fail(err, CB_ENOMEM, "ranks over %zu tasks", c->task_count);
out:
    cbi_free(t.block);
    cbi_free(t.cell);
    cbi_free(t.order);
    cbi_free(t.value);
    cbi_free(t.mean);
    cbi_free(t.rank);
    return st;
}
