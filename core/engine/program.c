/* SPDX-License-Identifier: MIT */
/* The strip interpreter. */
#include "engine/program.h"

#include <string.h>

#include "base/alloc.h"

/* Columns from ... to - 1. */
static void fill_clock(const cbi_step *s, float *d, size_t rows, const int32_t *step_of_row,
                       size_t from, size_t to) {
    const size_t group = s->dim / s->list->count;
    to = to < s->dim ? to : s->dim;
    for (size_t r = 0; r < rows; r++, d += s->ld)
        for (size_t j = from, k = from / group, end = (k + 1) * group; j < to; k++, end += group) {
            const float on = (uint32_t)step_of_row[r] % s->list->values[k] == 0 ? 1.0f : 0.0f;
            for (const size_t stop = end < to ? end : to; j < stop; j++)
                d[j - from] = on;
        }
}

static void broadcast(const cbi_step *s, float *d, const float *a, size_t lda, size_t rows) {
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < s->ld; j++)
            d[r * s->ld + j] = a[r * lda];
}

static void spread(const cbi_step *s, float *d, const float *a, size_t lda, size_t rows) {
    size_t times = s->dim / s->arg_dim;
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < s->dim; j++)
            d[r * s->ld + j] = a[r * lda + j / times];
}

static void fold(const cbi_step *s, float *d, const float *a, size_t lda, size_t rows) {
    size_t times = s->arg_dim / s->dim;
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < s->dim; j++) {
            float sum = 0;
            for (size_t i = 0; i < times; i++)
                sum += a[r * lda + j * times + i];
            d[r * s->ld + j] = sum;
        }
}

/* width: columns of the one row at hand, from `column` on; 0: whole rows. */
static void run_step(const cbi_kernels *k, const cbi_step *s, float **at, size_t rows,
                     size_t column, size_t width, const int32_t *step_of_row) {
    size_t lda = cbi_padded(s->arg_dim);
    switch (s->kind) {
    case CBI_SUM:
        k->row_sum(rows, s->arg_dim, at[s->a], lda, at[s->d], s->ld);
        break;
    case CBI_BROADCAST:
        broadcast(s, at[s->d], at[s->a], lda, rows);
        break;
    case CBI_SPREAD:
        spread(s, at[s->d], at[s->a], lda, rows);
        break;
    case CBI_FOLD:
        fold(s, at[s->d], at[s->a], lda, rows);
        break;
    case CBI_CLOCK:
        fill_clock(s, at[s->d], rows, step_of_row, column, width ? column + width : s->dim);
        break;
    default:
        s->run(at[s->d], at[s->a], at[s->b], at[s->c], width ? width : rows * s->ld);
    }
}

static void place_slots(const cbi_program *p, size_t row, size_t column,
                        const size_t base[CBI_ROW_BASES]) {
    for (size_t i = 0; i < p->slots; i++) {
        const cbi_slot *s = &p->slot[i];
        if (s->plane)
            p->at[i] = *s->plane + (base[s->base] + row) * s->ld + column;
        else
            p->at[i] = s->fixed + (s->columns ? column : 0);
    }
}

void cbi_program_run(const cbi_program *p, const cbi_kernels *kernels, size_t rows,
                     const size_t base[CBI_ROW_BASES], const int32_t *step_of_row) {
    if (p->steps == 0)
        return;
    size_t width = p->step[0].ld;
    for (size_t row = 0; row < rows; row += p->strip_rows) {
        size_t n = rows - row < p->strip_rows ? rows - row : p->strip_rows;
        for (size_t column = 0; column < (p->chunk ? width : 1);
             column += p->chunk ? p->chunk : 1) {
            size_t chunk = p->chunk && width - column < p->chunk ? width - column : p->chunk;
            place_slots(p, row, column, base);
            for (size_t i = 0; i < p->steps; i++)
                run_step(kernels, &p->step[i], p->at, n, column, chunk, step_of_row + row);
        }
    }
}

void cbi_program_run_columns(const cbi_program *p, const cbi_kernels *kernels, size_t rows,
                             const size_t base[CBI_ROW_BASES], const int32_t *step_of_row,
                             size_t from, size_t to) {
    for (size_t row = 0; row < rows; row++)
        for (size_t column = from; column < to; column += CBI_STRIP) {
            const size_t width = to - column < CBI_STRIP ? to - column : CBI_STRIP;
            place_slots(p, row, column, base);
            for (size_t i = 0; i < p->steps; i++)
                run_step(kernels, &p->step[i], p->at, 1, column, width, step_of_row + row);
        }
}

void cbi_program_fini(cbi_program *p) {
    cbi_free(p->slot);
    cbi_free(p->at);
    cbi_free(p->step);
    memset(p, 0, sizeof *p);
}
