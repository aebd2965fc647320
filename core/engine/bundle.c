/* SPDX-License-Identifier: MIT */
/* Which products go together, and where their matrices stand in the panels. */
#include "engine/bundle.h"

#include <string.h>

#include "base/alloc.h"

int cbi_is_on_index(const cb_cell *cell, uint32_t param) {
    if (cell->kind != CB_INPUT_INDEX)
        return 0;
    for (size_t i = 0; i < cell->forward_count; i++) {
        const cbi_node *n = &cell->graph.node[i];
        if (n->kind == CBI_PRODUCT && n->index == param &&
            cell->graph.node[n->arg[0]].kind == CBI_INPUT)
            return 1;
    }
    return 0;
}

/* Length of what a call gives, and of what it multiplies. */
static size_t out_dim(const cb_cell *cell, const cbi_product_call *call) {
    const cb_param *p = &cell->params[call->matrix];
    return call->transposed ? p->cols : p->rows;
}

static size_t in_dim(const cb_cell *cell, const cbi_product_call *call) {
    const cb_param *p = &cell->params[call->matrix];
    return call->transposed ? p->rows : p->cols;
}

/* ---- making them ---- */

typedef struct maker {
    const cb_cell *cell;
    const cbi_pass *pass;
    size_t from, to; /* calls of the stage */
} maker;

/* The calls that give the value of call `i`, in order, without those on an index. */
static size_t calls_of(const maker *m, size_t i, size_t *out) {
    size_t n = 0;
    for (size_t k = m->from; k < m->to; k++)
        if (m->pass->product[k].dst == m->pass->product[i].dst &&
            !cbi_is_on_index(m->cell, m->pass->product[k].matrix))
            out[n++] = k;
    return n;
}

static int same_operands(const maker *m, const cbi_bundle *b, const size_t *calls, size_t n) {
    if (b->operands != n)
        return 0;
    for (size_t s = 0; s < n; s++)
        if (m->pass->product[b->call[s]].operand != m->pass->product[calls[s]].operand)
            return 0;
    return 1;
}

/* A row more, in the bundle that has these operands or in a new one. */
static cb_status add_value(const maker *m, cbi_bundles *out, const size_t *calls, size_t n,
                           cb_err *err) {
    cbi_bundle *b = out->bundle;
    while (b < out->bundle + out->count && !same_operands(m, b, calls, n))
        b++;
    if (b == out->bundle + out->count) {
        out->count++;
        b->operands = n;
        /* As many rows as there can be. */
        b->call = cbi_calloc(n * (m->to - m->from), sizeof *b->call);
        if (b->call == NULL)
            return cb_fail(err, CB_ENOMEM, "engine: out of memory");
        for (size_t s = 0; s < n; s++)
            b->k += in_dim(m->cell, &m->pass->product[calls[s]]);
    }
    memcpy(b->call + b->values++ * n, calls, n * sizeof *calls);
    b->groups += cbi_groups(out_dim(m->cell, &m->pass->product[calls[0]]));
    return CB_OK;
}

static cb_status add_call(const maker *m, cbi_bundles *out, size_t i, size_t *scratch,
                          cb_err *err) {
    const cbi_product_call *call = &m->pass->product[i];
    if (cbi_is_on_index(m->cell, call->matrix)) {
        if (call->first)
            out->first_index[out->first_indexes++] = i;
        else
            out->later_index[out->later_indexes++] = i;
        return CB_OK;
    }
    const size_t n = calls_of(m, i, scratch);
    return scratch[0] == i ? add_value(m, out, scratch, n, err) : CB_OK;
}

cb_status cbi_bundles_make(cbi_bundles *out, const cb_cell *cell, int backward, int phase,
                           size_t stage, cb_err *err) {
    const cbi_pass *pass = cbi_pass_of(cell, backward);
    const cbi_stage *s = &pass->stage[phase][stage];
    const maker m = {cell, pass, s->first_product, s->first_product + s->products};
    cb_status st = CB_OK;
    size_t *scratch = cbi_calloc(s->products + 1, sizeof *scratch);
    out->bundle = cbi_calloc(s->products + 1, sizeof *out->bundle);
    out->first_index = cbi_calloc(s->products + 1, sizeof *out->first_index);
    out->later_index = cbi_calloc(s->products + 1, sizeof *out->later_index);
    if (!scratch || !out->bundle || !out->first_index || !out->later_index)
        st = cb_fail(err, CB_ENOMEM, "engine: out of memory");
    for (size_t i = m.from; st == CB_OK && i < m.to; i++)
        st = add_call(&m, out, i, scratch, err);
    cbi_free(scratch);
    return st;
}

void cbi_bundles_fini(cbi_bundles *b) {
    for (size_t i = 0; i < b->count; i++) {
        cbi_free(b->bundle[i].call);
        cbi_aligned_free(b->bundle[i].panels);
        cbi_free(b->bundle[i].reach);
    }
    cbi_free(b->bundle);
    cbi_free(b->first_index);
    cbi_free(b->later_index);
    *b = (cbi_bundles){0};
}

cb_status cbi_bundles_floats(const cb_cell *cell, int keep, const cbi_kernels *kernels,
                             size_t *floats, cb_err *err) {
    cb_status st = CB_OK;
    *floats = 0;
    for (int backward = 0; backward <= (keep != 0); backward++)
        for (int phase = 0; phase < CBI_PHASES; phase++)
            for (size_t s = 0; st == CB_OK && s < cbi_pass_of(cell, backward)->stages[phase]; s++) {
                cbi_bundles b = {0};
                st = cbi_bundles_make(&b, cell, backward, phase, s, err);
                for (size_t i = 0; st == CB_OK && i < b.count; i++) {
                    const cbi_bundle *one = &b.bundle[i];
                    *floats += cbi_panels_size(kernels, one->k, one->groups);
                    *floats += one->groups * one->operands * sizeof(cbi_reach) / sizeof(float);
                }
                cbi_bundles_fini(&b);
            }
    return st;
}

/* ---- their matrices ---- */

void cbi_bundle_put(const cbi_bundle *b, const cb_cell *cell, int backward,
                    const cbi_kernels *kernels, size_t value, size_t operand, const float *dense) {
    const cbi_product_call *product = cbi_pass_of(cell, backward)->product;
    const cbi_product_call *call = &product[b->call[value * b->operands + operand]];
    const size_t cols = cell->params[call->matrix].cols;
    size_t from = 0, group = 0;
    for (size_t s = 0; s < operand; s++)
        from += in_dim(cell, &product[b->call[s]]);
    for (size_t v = 0; v < value; v++)
        group += cbi_groups(out_dim(cell, &product[b->call[v * b->operands]]));
    cbi_panels_put(kernels, b->k, from, group, in_dim(cell, call), out_dim(cell, call), dense,
                   call->transposed ? cols : 1, call->transposed ? 1 : cols, b->panels);
}
