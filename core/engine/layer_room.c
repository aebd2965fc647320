/* SPDX-License-Identifier: MIT */
/* The memory of one layer: made for a batch, and foretold. */
#include <string.h>

#include "base/alloc.h"
#include "engine/layer.h"

/* ---- shapes ---- */

/* Rows of a strip, and floats of the widest value in it. */
size_t cbi_strip_shape(const cb_cell *cell, size_t *floats) {
    size_t widest = CBI_LANES;
    for (size_t i = 0; i < cell->graph.count; i++)
        if (cbi_padded(cell->graph.node[i].dim) > widest)
            widest = cbi_padded(cell->graph.node[i].dim);
    size_t rows = widest >= CBI_STRIP ? 1 : CBI_STRIP / widest;
    *floats = rows * widest;
    return rows;
}

/* Room for what is left of `operands`: every second group of columns of each, or every second step
 * of a block, and what follows the last. */
size_t cbi_most_pieces(const cb_cell *cell, size_t operands) {
    if (cell->clock == NULL)
        return operands + 1;
    const size_t of_product = operands * (cbi_groups(cell->clock_dim) / 2 + 1) + 1;
    const size_t of_gradient = CBI_BLOCK_ROWS / 2 + 1;
    return of_product > of_gradient ? of_product : of_gradient;
}

/* ---- memory for a batch ---- */

cb_status cbi_plane_reserve(cbi_plane *p, size_t rows, size_t before, cb_err *err) {
    size_t floats, bytes;
    if (cb_size_mul(rows + 1, p->ld, &floats) != CB_OK ||
        cb_size_mul(floats, sizeof(float), &bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "engine: %zu rows of %zu floats overflow", rows, p->ld);
    if (p->memory == NULL || p->capacity < rows) {
        cbi_aligned_free(p->memory);
        p->data = NULL;
        p->capacity = 0;
        p->memory = cbi_aligned_calloc(floats, sizeof(float));
        if (p->memory == NULL)
            return cb_fail(err, CB_ENOMEM, "engine: out of memory: %zu bytes for %zu rows", bytes,
                           rows);
        p->capacity = rows;
    }
    p->data = p->memory + before * p->ld;
    return CB_OK;
}

/* Rows that a node's own plane needs; 0: it has none. */
static size_t plane_rows(const cb_cell *cell, int backward, cbi_ref node, size_t B, size_t frames,
                         size_t block) {
    const cbi_pass *pass = cbi_pass_of(cell, backward);
    const cbi_pass_node *n = &pass->node[node];
    if (n->storage != node)
        return 0;
    for (size_t s = 0; s < cell->state_count; s++)
        if (!backward && node == pass->map[cell->states[s].next])
            return 0;
    return n->home == CBI_HOME_STEP       ? B
           : n->home == CBI_HOME_BLOCK    ? block
           : n->home == CBI_HOME_SEQUENCE ? frames
                                          : 0;
}

/* Whether sums over several blocks pay: the gradients of one, in floats, are more than stays near.
 * Measured at 2 MiB of second-level cache: 6 % of a step at H = 1024, a loss at 650. Not where it
 * would change an order of summation, nor where parts are left out. */
enum { BROAD = 1 << 18, GATHERED = 1024 };

static size_t gathered_rows(const cb_cell *cell, size_t broadest, size_t frames, size_t block,
                            const cbi_kernels *kernels) {
    if (cell->clock != NULL || broadest * block < BROAD || frames <= block)
        return 0;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const uint32_t param = cell->matrix_sinks[i].param;
        const cb_param *p = &cell->params[param];
        if (cbi_is_on_index(cell, param) || p->rows * p->cols >= kernels->blis_from)
            return 0;
        for (size_t k = 0; k < i; k++)
            if (cell->matrix_sinks[k].param == param)
                return 0;
    }
    const size_t rows = frames < GATHERED ? cbi_padded(frames) : GATHERED;
    return rows < block ? cbi_padded(block) : rows;
}

static void count_operands(cbi_gather *t, const cb_cell *cell) {
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = &cell->matrix_sinks[i];
        int new_gradient = 1, new_operand = 1;
        for (size_t k = 0; k < i; k++) {
            new_gradient &= cell->matrix_sinks[k].gradient != s->gradient;
            new_operand &= cell->matrix_sinks[k].operand != s->operand;
        }
        t->gradients += (size_t)new_gradient;
        t->operands += (size_t)new_operand;
    }
}

/* How the operands of weight gradients are laid out for such a batch: before each pass, so that
 * only what is laid up is counted. */
static void shape_gather(cbi_gather *t, const cb_cell *cell, size_t frames, size_t block,
                         const cbi_kernels *kernels) {
    size_t broadest = 0, widest = 0;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cb_param *p = &cell->params[cell->matrix_sinks[i].param];
        broadest = p->rows > broadest ? p->rows : broadest;
        widest = p->cols > widest ? p->cols : widest;
    }
    t->most = gathered_rows(cell, broadest, frames, block, kernels);
    t->gradients = t->operands = 0;
    if (t->most > 0)
        count_operands(t, cell);
    else
        t->operands = 1;
    t->gradient_floats = broadest * t->most;
    t->operand_floats = cbi_panels_size(kernels, t->most ? t->most : block, cbi_groups(widest));
}

static cb_status reserve_floats(float **floats, size_t *count, size_t need, cb_err *err) {
    if (need <= *count)
        return CB_OK;
    cbi_aligned_free(*floats);
    *count = 0;
    if ((*floats = cbi_aligned_calloc(need, sizeof **floats)) == NULL)
        return cbi_engine_no_memory(err);
    *count = need;
    return CB_OK;
}

static cb_status reserve_gather(cbi_layer *y, size_t frames, size_t block,
                                const cbi_kernels *kernels, cb_err *err) {
    cbi_gather *t = &y->gather;
    shape_gather(t, y->cell, y->is_whole ? 0 : frames, block, kernels);
    t->rows = 0;
    const cb_status st =
        reserve_floats(&y->panels, &y->panel_floats, t->operands * t->operand_floats, err);
    return st != CB_OK ? st
                       : reserve_floats(&y->turned, &y->turned_floats,
                                        t->gradients * t->gradient_floats, err);
}

cb_status cbi_layer_reserve(cbi_layer *y, size_t B, size_t frames, size_t block, int keep,
                            const cbi_kernels *kernels, cb_err *err) {
    const cb_cell *cell = y->cell;
    cb_status st = CB_OK;
    for (cbi_ref i = 0; st == CB_OK && i < cell->forward.count; i++) {
        size_t rows = plane_rows(cell, 0, i, B, frames, block);
        if (rows)
            st = cbi_plane_reserve(&y->forward[i], rows, 0, err);
    }
    for (cbi_ref i = 0; st == CB_OK && keep && i < cell->backward.count; i++) {
        size_t rows = plane_rows(cell, 1, i, B, frames, block);
        if (rows)
            st = cbi_plane_reserve(&y->backward[i], rows, 0, err);
    }
    for (size_t s = 0; st == CB_OK && s < cell->state_count; s++) {
        st = cbi_plane_reserve(&y->state[s], B + frames, B, err);
        y->begin[s].data = y->state[s].memory;
        if (st == CB_OK)
            st = cbi_plane_reserve(&y->old[s], block, 0, err);
        if (st == CB_OK && keep)
            st = cbi_plane_reserve(&y->carry_in[s], B, 0, err);
        if (st == CB_OK && keep)
            st = cbi_plane_reserve(&y->carry_out[s], B, 0, err);
    }
    if (st == CB_OK && y->below == NULL && cell->kind == CB_INPUT_DENSE)
        st = cbi_plane_reserve(&y->x, frames, 0, err);
    if (st == CB_OK && y->above == NULL && keep)
        st = cbi_plane_reserve(&y->dy, frames, 0, err);
    if (st == CB_OK && keep)
        st = reserve_gather(y, frames, block, kernels, err);
    return st;
}

/* What an aligned block costs beside its content. */
enum { BLOCK_BYTES = 80 };

static double param_floats(const cb_param *p, size_t strip_floats) {
    if (p->cols == 0)
        return (double)strip_floats;
    const int structured = p->structure != CB_STRUCTURE_FULL;
    const double reach = (double)cbi_groups(p->rows) * sizeof(cbi_reach) / sizeof(float);
    const double own = (double)p->rows * (double)p->cols;
    const double runs = (double)cbi_structure_run_count(p) * sizeof(cbi_run) / sizeof(float);
    return structured * (own + runs + reach) + (double)p->rows * (double)cbi_padded(p->cols);
}

/* Programs and their strips: at most one for each number and each value that never leaves one. */
static double pass_bytes(const cbi_pass *pass, size_t strip_floats) {
    double strips = 1;
    for (size_t i = 0; i < pass->count; i++)
        strips += pass->node[i].home == CBI_HOME_STRIP ||
                  (pass->node[i].home == CBI_HOME_LEAF && pass->node[i].n.kind == CBI_NUMBER);
    return strips * (double)strip_floats * sizeof(float) +
           (double)pass->count * (sizeof(cbi_plane) + BLOCK_BYTES) +
           (double)pass->instr_count * 2 * (sizeof(cbi_step) + 2 * sizeof(cbi_slot));
}

cb_status cbi_layer_bytes(const cb_cell *cell, size_t B, size_t frames, size_t block, int keep,
                          const cbi_kernels *kernels, size_t *out, cb_err *err) {
    size_t strip_floats, packed;
    cbi_gather gather;
    /* An engine packs for both passes, whatever it is asked for. */
    cb_status st = cbi_bundles_floats(cell, 1, kernels, &packed, err);
    if (st != CB_OK)
        return st;
    double floats = (double)packed;
    const size_t operands = cell->forward.product_count + cell->backward.product_count;
    cbi_strip_shape(cell, &strip_floats);
    shape_gather(&gather, cell, frames, block, kernels);
    for (int backward = 0; backward <= (keep != 0); backward++) {
        const cbi_pass *pass = cbi_pass_of(cell, backward);
        for (cbi_ref i = 0; i < pass->count; i++) {
            size_t rows = plane_rows(cell, backward, i, B, frames, block);
            floats += (double)(rows ? rows + 1 : 0) * (double)cbi_padded(pass->node[i].n.dim);
        }
    }
    for (size_t s = 0; s < cell->state_count; s++)
        floats += (double)(B + frames + block + (keep ? 2 * B : 0) + 4) *
                  (double)cbi_padded(cell->states[s].dim);
    for (size_t k = 0; k < cell->param_count; k++)
        floats += param_floats(&cell->params[k], strip_floats);
    floats += (double)cell->vector_sink_count * (double)strip_floats;
    if (keep)
        floats += (double)gather.gradients * (double)gather.gradient_floats +
                  (double)gather.operands * (double)gather.operand_floats;
    double bytes = floats * sizeof(float) + pass_bytes(&cell->forward, strip_floats) +
                   pass_bytes(&cell->backward, strip_floats) +
                   (double)cell->param_count * (sizeof(cbi_weight) + 5 * BLOCK_BYTES) +
                   (double)(2 * cbi_most_pieces(cell, operands) * sizeof(cbi_operand)) +
                   (double)cbi_activity_bytes(cell, CBI_BLOCK_ROWS);
    *out = bytes < 4e18 ? (size_t)bytes : SIZE_MAX;
    return CB_OK;
}
