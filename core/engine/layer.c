/* SPDX-License-Identifier: MIT */
/* One layer: where its values live, its making, its packed weights. Its programs are compiled in
 * compile.c, its room is made in layer_room.c. */
#include "engine/layer.h"

#include <string.h>

#include "base/alloc.h"

cb_status cbi_engine_no_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "engine: out of memory");
}

/* ---- where values live ---- */

static cbi_plane *leaf_plane(cbi_layer *y, int phase, const cbi_node *n, cbi_row_base *base) {
    *base = CBI_ROW_FRAME;
    switch (n->kind) {
    case CBI_INPUT:
        return &y->x;
    case CBI_STATE:
        *base = phase == CBI_LOOP ? CBI_ROW_OLD : CBI_ROW_ZERO;
        return phase == CBI_LOOP ? &y->begin[n->index] : &y->old[n->index];
    case CBI_LOWER: {
        cbi_row_base unused;
        cbi_ref ref = y->below->cell->exports[n->index].ref;
        cbi_plane *plane =
            cbi_layer_plane(y->below, 0, CBI_LOOP, y->below->cell->forward.map[ref], &unused);
        return plane;
    }
    case CBI_MASK:
        return &y->masks[n->index].plane;
    case CBI_D_OUTPUT:
        return &y->dy;
    case CBI_D_STATE:
        *base = CBI_ROW_ZERO;
        return &y->carry_in[n->index];
    case CBI_D_UPPER: {
        cbi_row_base unused;
        cbi_ref ref = y->above->cell->d_lower[n->index];
        if (ref == CBI_NONE)
            return NULL;
        return cbi_layer_plane(y->above, 1, CBI_LOOP, y->above->cell->backward.map[ref], &unused);
    }
    default:
        return NULL;
    }
}

cbi_plane *cbi_layer_plane(cbi_layer *y, int backward, int phase, cbi_ref node,
                           cbi_row_base *base) {
    const cb_cell *cell = y->cell;
    const cbi_pass *pass = cbi_pass_of(cell, backward);
    const cbi_pass_node *n = &pass->node[node];
    if (n->home == CBI_HOME_LEAF) {
        if (n->n.kind == CBI_KEPT)
            return cbi_layer_plane(y, 0, phase, n->n.index, base);
        return leaf_plane(y, phase, &n->n, base);
    }
    *base = n->home == CBI_HOME_SEQUENCE ? CBI_ROW_FRAME
            : n->home == CBI_HOME_BLOCK  ? CBI_ROW_BLOCK
                                         : CBI_ROW_ZERO;
    for (size_t s = 0; s < cell->state_count; s++) {
        if (!backward && node == cell->forward.map[cell->states[s].next])
            return &y->state[s];
        if (backward && cell->d_state[s] != CBI_NONE && node == pass->map[cell->d_state[s]])
            return &y->carry_out[s];
    }
    return backward ? &y->backward[n->storage] : &y->forward[n->storage];
}

/* ---- creation ---- */

/* Which columns each group of rows of a structured matrix has anything in. */
static cb_status find_rows_reach(const cb_param *p, cbi_weight *m, cb_err *err) {
    if (cbi_groups(p->rows) == 1)
        return CB_OK;
    m->reach = cbi_calloc(cbi_groups(p->rows), sizeof *m->reach);
    if (m->reach == NULL)
        return cbi_engine_no_memory(err);
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++)
            if (m->map[i * p->cols + j] != 0)
                cbi_reach_add(&m->reach[i / CBI_LANES], j);
    return CB_OK;
}

static cb_status init_weights(cbi_layer *y, const cb_stack *stack, size_t index, cb_err *err) {
    const cb_cell *cell = y->cell;
    for (uint32_t k = 0; k < cell->param_count; k++) {
        const cb_param *p = &cell->params[k];
        cbi_weight *m = &y->weight[k];
        y->offset[k] = cbi_stack_offset(stack, index, k);
        m->on_index = cbi_is_on_index(cell, k);
        if (p->cols == 0) {
            y->vector[k] = cbi_aligned_calloc(y->strip_floats, sizeof(float));
            if (y->vector[k] == NULL)
                return cbi_engine_no_memory(err);
            continue;
        }
        size_t n = p->rows * p->cols, ld = cbi_padded(p->rows);
        if (p->structure != CB_STRUCTURE_FULL) {
            m->own = cbi_aligned_calloc(n, sizeof(float));
            m->map = cbi_calloc(n, sizeof(int32_t));
            m->run_count = cbi_structure_run_count(p);
            m->runs = cbi_calloc(m->run_count + 1, sizeof *m->runs);
            if (!m->own || !m->map || !m->runs)
                return cbi_engine_no_memory(err);
            cbi_structure_map(p, m->map);
            cbi_structure_runs(p, m->map, m->runs);
            cb_status st = find_rows_reach(p, m, err);
            if (st != CB_OK)
                return st;
        }
        if (m->on_index) {
            m->by_symbol = cbi_aligned_calloc(p->cols * ld, sizeof(float));
            m->d_rows = cbi_aligned_calloc(p->cols * ld, sizeof(float));
            if (!m->by_symbol || !m->d_rows)
                return cbi_engine_no_memory(err);
            continue;
        }
        m->gradient = cbi_aligned_calloc(p->rows * cbi_padded(p->cols), sizeof(float));
        if (!m->gradient)
            return cbi_engine_no_memory(err);
    }
    return CB_OK;
}

static cb_status init_stage(cbi_layer *y, int backward, int phase, size_t stage, size_t most[2],
                            const cbi_kernels *kernels, cb_err *err) {
    cbi_bundles *bundles = &y->run[backward][phase].bundles[stage];
    cb_status st = cbi_bundles_make(bundles, y->cell, backward, phase, stage, err);
    for (size_t i = 0; st == CB_OK && i < bundles->count; i++) {
        cbi_bundle *b = &bundles->bundle[i];
        b->panels = cbi_aligned_calloc(cbi_panels_size(kernels, b->k, b->groups), sizeof(float));
        if (b->panels == NULL)
            return cbi_engine_no_memory(err);
        if ((st = cbi_bundle_find_reach(y, backward, b, kernels, err)) != CB_OK)
            return st;
        most[0] = b->groups > most[0] ? b->groups : most[0];
        most[1] = b->operands > most[1] ? b->operands : most[1];
    }
    return st;
}

static cb_status init_bundles(cbi_layer *y, const cbi_kernels *kernels, cb_err *err) {
    size_t most[2] = {1, 1}; /* groups, operands */
    cb_status st = CB_OK;
    for (int b = 0; b < 2; b++)
        for (int phase = 0; phase < CBI_PHASES; phase++) {
            const size_t stages = cbi_pass_of(y->cell, b)->stages[phase];
            y->run[b][phase].bundles = cbi_calloc(stages + 1, sizeof(cbi_bundles));
            if (y->run[b][phase].bundles == NULL)
                return cbi_engine_no_memory(err);
            for (size_t s = 0; st == CB_OK && s < stages; s++)
                st = init_stage(y, b, phase, s, most, kernels, err);
        }
    if (st != CB_OK)
        return st;
    y->columns = cbi_calloc(2 * most[0], sizeof *y->columns);
    y->operands = cbi_calloc(most[1], sizeof *y->operands);
    y->most_pieces = cbi_most_pieces(y->cell, most[1]);
    y->pieces = cbi_calloc(2 * y->most_pieces, sizeof *y->pieces);
    return y->columns && y->operands && y->pieces ? CB_OK : cbi_engine_no_memory(err);
}

/* By operand, each in the order of its first sink. */
static void order_sinks(cbi_layer *y) {
    const cb_cell *cell = y->cell;
    size_t n = 0;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        int seen = 0;
        for (size_t k = 0; k < i; k++)
            seen |= cell->matrix_sinks[k].operand == cell->matrix_sinks[i].operand;
        for (size_t k = i; !seen && k < cell->matrix_sink_count; k++)
            if (cell->matrix_sinks[k].operand == cell->matrix_sinks[i].operand)
                y->sink_order[n++] = k;
    }
}

/* Gradients and operands in the order in which the sinks come to them. */
static void number_operands(cbi_layer *y) {
    const cbi_matrix_sink *sinks = y->cell->matrix_sinks;
    size_t gradients = 0, operands = 0;
    for (size_t i = 0; i < y->cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = &sinks[y->sink_order[i]];
        size_t *gradient = &y->gather.gradient_of[i], *operand = &y->gather.operand_of[i];
        *gradient = gradients;
        *operand = operands;
        for (size_t k = 0; k < i; k++) {
            const cbi_matrix_sink *before = &sinks[y->sink_order[k]];
            *gradient = before->gradient == s->gradient ? y->gather.gradient_of[k] : *gradient;
            *operand = before->operand == s->operand ? y->gather.operand_of[k] : *operand;
        }
        gradients += *gradient == gradients;
        operands += *operand == operands;
    }
}

static void set_dims(cbi_layer *y) {
    const cb_cell *cell = y->cell;
    for (size_t i = 0; i < cell->forward.count; i++)
        y->forward[i].ld = cbi_padded(y->forward[i].dim = cell->forward.node[i].n.dim);
    for (size_t i = 0; i < cell->backward.count; i++)
        y->backward[i].ld = cbi_padded(y->backward[i].dim = cell->backward.node[i].n.dim);
    for (size_t s = 0; s < cell->state_count; s++) {
        size_t dim = cell->states[s].dim;
        cbi_plane plane = {NULL, NULL, cbi_padded(dim), dim, 0};
        y->state[s] = y->begin[s] = y->old[s] = y->carry_in[s] = y->carry_out[s] = plane;
    }
    for (size_t k = 0; k < cell->mask_count; k++) {
        y->masks[k].plane.dim = cell->masks[k].dim;
        y->masks[k].plane.ld = cbi_padded(cell->masks[k].dim);
    }
    y->x = (cbi_plane){NULL, NULL, cbi_padded(cell->I), cell->I, 0};
    size_t out = cb_cell_output_dim(cell);
    y->dy = (cbi_plane){NULL, NULL, cbi_padded(out), out, 0};
}

cb_status cbi_layer_init(cbi_layer *y, const cb_stack *stack, size_t index, cbi_layer *below,
                         const cbi_kernels *kernels, cb_err *err) {
    const cb_cell *cell = stack->cells[index];
    size_t P = cell->param_count + 1, S = cell->state_count;
    y->cell = cell;
    y->below = below;
    if (below != NULL)
        below->above = y;
    y->offset = cbi_calloc(P, sizeof *y->offset);
    y->weight = cbi_calloc(P, sizeof *y->weight);
    y->vector = cbi_calloc(P, sizeof *y->vector);
    y->sum = cbi_calloc(cell->vector_sink_count + 1, sizeof *y->sum);
    y->sink_order = cbi_calloc(cell->matrix_sink_count + 1, sizeof *y->sink_order);
    y->gather.gradient_of = cbi_calloc(cell->matrix_sink_count + 1, sizeof(size_t));
    y->gather.operand_of = cbi_calloc(cell->matrix_sink_count + 1, sizeof(size_t));
    y->forward = cbi_calloc(cell->forward.count + 1, sizeof *y->forward);
    y->backward = cbi_calloc(cell->backward.count + 1, sizeof *y->backward);
    y->state = cbi_calloc(S, sizeof *y->state);
    y->begin = cbi_calloc(S, sizeof *y->begin);
    y->old = cbi_calloc(S, sizeof *y->old);
    y->carry_in = cbi_calloc(S, sizeof *y->carry_in);
    y->carry_out = cbi_calloc(S, sizeof *y->carry_out);
    y->handed = cbi_calloc(S, sizeof *y->handed);
    y->masks = cbi_calloc(cell->mask_count + 1, sizeof *y->masks);
    if (!y->masks || !y->offset || !y->weight || !y->vector || !y->sum || !y->sink_order ||
        !y->forward || !y->backward || !y->state || !y->begin || !y->old || !y->carry_in ||
        !y->carry_out || !y->handed || !y->gather.gradient_of || !y->gather.operand_of)
        return cbi_engine_no_memory(err);
    for (size_t s = 0; s < S; s++)
        y->delayed |= !cell->states[s].recurrent;
    y->strip_rows = cbi_strip_shape(cell, &y->strip_floats);
    set_dims(y);
    for (size_t i = 0; i < cell->vector_sink_count; i++)
        if ((y->sum[i] = cbi_aligned_calloc(y->strip_floats, sizeof(float))) == NULL)
            return cbi_engine_no_memory(err);
    order_sinks(y);
    number_operands(y);
    cb_status st = init_weights(y, stack, index, err);
    if (st == CB_OK)
        st = cbi_activity_init(&y->activity, cell, CBI_BLOCK_ROWS, err);
    if (st == CB_OK)
        st = init_bundles(y, kernels, err);
    for (size_t k = 0; k < cell->param_count; k++) {
        cbi_free(y->weight[k].map);
        y->weight[k].map = NULL;
    }
    return st;
}

void cbi_layer_fini(cbi_layer *y) {
    const cb_cell *cell = y->cell;
    if (cell == NULL)
        return;
    for (size_t k = 0; k < cell->param_count; k++) {
        if (y->weight) {
            cbi_aligned_free(y->weight[k].own);
            cbi_aligned_free(y->weight[k].gradient);
            cbi_free(y->weight[k].map);
            cbi_free(y->weight[k].runs);
            cbi_free(y->weight[k].reach);
            cbi_aligned_free(y->weight[k].by_symbol);
            cbi_aligned_free(y->weight[k].d_rows);
        }
        if (y->vector)
            cbi_aligned_free(y->vector[k]);
    }
    for (size_t i = 0; y->sum && i < cell->vector_sink_count; i++)
        cbi_aligned_free(y->sum[i]);
    for (size_t i = 0; y->forward && i < cell->forward.count; i++)
        cbi_aligned_free(y->forward[i].memory);
    for (size_t i = 0; y->backward && i < cell->backward.count; i++)
        cbi_aligned_free(y->backward[i].memory);
    for (size_t s = 0; s < cell->state_count; s++) {
        cbi_plane *planes[] = {y->state, y->old, y->carry_in, y->carry_out};
        for (size_t k = 0; k < 4; k++)
            if (planes[k])
                cbi_aligned_free(planes[k][s].memory);
        if (y->handed)
            cbi_handed_fini(&y->handed[s]);
    }
    for (int b = 0; b < 2; b++)
        for (int phase = 0; phase < CBI_PHASES; phase++) {
            size_t stages = cbi_pass_of(cell, b)->stages[phase];
            for (size_t s = 0; y->run[b][phase].program && s < stages; s++)
                cbi_program_fini(&y->run[b][phase].program[s]);
            for (size_t s = 0; y->run[b][phase].idle && s < stages; s++)
                cbi_program_fini(&y->run[b][phase].idle[s]);
            for (size_t s = 0; y->run[b][phase].bundles && s < stages; s++)
                cbi_bundles_fini(&y->run[b][phase].bundles[s]);
            cbi_free(y->run[b][phase].program);
            cbi_free(y->run[b][phase].idle);
            cbi_free(y->run[b][phase].bundles);
        }
    for (size_t i = 0; i < y->numbers; i++)
        cbi_aligned_free(y->number[i]);
    cbi_free(y->number);
    cbi_free(y->number_value);
    cbi_aligned_free(y->x.memory);
    cbi_aligned_free(y->dy.memory);
    cbi_aligned_free(y->scratch);
    cbi_free(y->offset);
    cbi_free(y->weight);
    cbi_free(y->vector);
    cbi_free(y->sum);
    cbi_free(y->sink_order);
    cbi_aligned_free(y->panels);
    cbi_aligned_free(y->turned);
    cbi_free(y->gather.gradient_of);
    cbi_free(y->gather.operand_of);
    cbi_free(y->columns);
    cbi_free(y->operands);
    cbi_free(y->pieces);
    cbi_free(y->kept);
    cbi_free(y->ahead);
    cbi_activity_fini(&y->activity);
    cbi_free(y->forward);
    cbi_free(y->backward);
    cbi_free(y->state);
    cbi_free(y->begin);
    cbi_free(y->old);
    cbi_free(y->carry_in);
    cbi_free(y->carry_out);
    cbi_free(y->handed);
    cbi_aligned_free(y->mask.memory);
    for (size_t k = 0; y->masks && k < cell->mask_count; k++)
        cbi_aligned_free(y->masks[k].plane.memory);
    cbi_free(y->masks);
}

/* ---- weights ---- */

/* A matrix, [rows][cols], from the weights w. */
static const float *dense(const cbi_layer *y, uint32_t param, const float *w) {
    return y->weight[param].own ? y->weight[param].own : w + y->offset[param];
}

static void pack_phase(cbi_layer *y, int backward, int phase, const cbi_kernels *kernels,
                       const float *w) {
    const cbi_pass *pass = cbi_pass_of(y->cell, backward);
    for (size_t s = 0; s < pass->stages[phase]; s++) {
        const cbi_bundles *bundles = &y->run[backward][phase].bundles[s];
        for (size_t i = 0; i < bundles->count; i++) {
            const cbi_bundle *b = &bundles->bundle[i];
            for (size_t k = 0; k < b->values * b->operands; k++)
                cbi_bundle_put(b, y->cell, backward, kernels, k / b->operands, k % b->operands,
                               dense(y, pass->product[b->call[k]].matrix, w));
        }
    }
}

static void apply_run(const cbi_run *run, const float *w, float *to) {
    if (run->count > 0)
        memcpy(to, w + run->from, (size_t)run->count * sizeof *to);
    else
        *to = -w[run->from];
}

void cbi_layer_set_weights(cbi_layer *y, const cbi_kernels *kernels, const float *w) {
    const cb_cell *cell = y->cell;
    for (uint32_t k = 0; k < cell->param_count; k++) {
        const cb_param *p = &cell->params[k];
        cbi_weight *m = &y->weight[k];
        const float *from = w + y->offset[k];
        if (p->cols == 0) {
            size_t ld = p->rows == 1 ? 1 : cbi_padded(p->rows);
            for (size_t i = 0; i + ld <= y->strip_floats; i += ld)
                memcpy(y->vector[k] + i, from, p->rows * sizeof(float));
            continue;
        }
        for (size_t i = 0; i < m->run_count; i++)
            apply_run(&m->runs[i], from, m->own + m->runs[i].row * p->cols + m->runs[i].column);
        size_t ld = cbi_padded(p->rows);
        for (size_t i = 0; m->on_index && i < p->rows; i++)
            for (size_t j = 0; j < p->cols; j++)
                m->by_symbol[j * ld + i] = dense(y, k, w)[i * p->cols + j];
    }
    for (int b = 0; b < 2; b++)
        for (int phase = 0; phase < CBI_PHASES; phase++)
            pack_phase(y, b, phase, kernels, w);
}
