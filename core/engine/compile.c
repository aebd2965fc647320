/* SPDX-License-Identifier: MIT */
/*
 * From the schedule's operations to programs of a layer: each value gets a slot, each operation its
 * kernel; values that live in strips share scratch strips as they come and go.
 */
#include <string.h>

#include "base/alloc.h"
#include "engine/layer.h"

typedef struct compiler {
    cbi_layer *y;
    const cbi_kernels *kernels;
    int backward, phase;
    int idle; /* a list for units that stand still */
    const cbi_pass *pass;
    cbi_program *program;
    uint32_t *slot_of;    /* [pass nodes] + 1; 0: none yet */
    uint32_t *wide_of;    /* [pass nodes] + 1: slot of the value spread over a row */
    size_t *last_use;     /* [pass nodes] instruction that reads it last, + 1 */
    uint32_t *free_strip; /* scratch strips not in use */
    size_t free_count, strips;
    int failed;
} compiler;

static uint32_t add_slot(compiler *c, cbi_slot slot) {
    cbi_program *p = c->program;
    if (cbi_grow((void **)&p->slot, &p->slot_capacity, p->slots + 1, sizeof *p->slot) != CB_OK) {
        c->failed = 1;
        return 0;
    }
    p->slot[p->slots] = slot;
    return (uint32_t)p->slots++;
}

static void add_step(compiler *c, cbi_step step) {
    cbi_program *p = c->program;
    if (cbi_grow((void **)&p->step, &p->step_capacity, p->steps + 1, sizeof *p->step) != CB_OK)
        c->failed = 1;
    else
        p->step[p->steps++] = step;
}

/* A strip of one number. */
static float *number_strip(compiler *c, double value) {
    cbi_layer *y = c->y;
    for (size_t i = 0; i < y->numbers; i++)
        if (memcmp(&y->number_value[i], &value, sizeof value) == 0)
            return y->number[i];
    size_t capacity = y->number_capacity;
    if (cbi_grow((void **)&y->number, &capacity, y->numbers + 1, sizeof *y->number) != CB_OK ||
        cbi_grow((void **)&y->number_value, &y->number_capacity, y->numbers + 1,
                 sizeof *y->number_value) != CB_OK) {
        c->failed = 1;
        return NULL;
    }
    float *strip = cbi_aligned_calloc(y->strip_floats, sizeof *strip);
    if (strip == NULL) {
        c->failed = 1;
        return NULL;
    }
    for (size_t i = 0; i < y->strip_floats; i++)
        strip[i] = (float)value;
    y->number[y->numbers] = strip;
    y->number_value[y->numbers++] = value;
    return strip;
}

/* Scratch strips are numbered while compiling; their addresses come when all are counted: fixed
 * holds the number. */
static uint32_t scratch_slot(compiler *c, size_t ld) {
    uint32_t strip = c->free_count ? c->free_strip[--c->free_count] : (uint32_t)c->strips++;
    uint32_t slot = add_slot(c, (cbi_slot){NULL, NULL, ld, CBI_ROW_ZERO, 0});
    if (!c->failed)
        c->program->slot[slot].fixed = (float *)(uintptr_t)(strip + 1);
    return slot;
}

static void release_scratch(compiler *c, uint32_t slot) {
    cbi_slot *s = &c->program->slot[slot];
    if (s->plane == NULL && !s->columns && (uintptr_t)s->fixed <= c->strips)
        c->free_strip[c->free_count++] = (uint32_t)((uintptr_t)s->fixed - 1);
}

static uint32_t value_slot(compiler *c, cbi_ref ref) {
    const cbi_pass_node *n = &c->pass->node[ref];
    cbi_slot slot = {NULL, NULL, cbi_padded(n->n.dim), CBI_ROW_ZERO, 0};
    if (c->slot_of[ref])
        return c->slot_of[ref] - 1;
    if (n->home == CBI_HOME_LEAF && n->n.kind == CBI_NUMBER) {
        slot.fixed = number_strip(c, n->n.number);
    } else if (n->home == CBI_HOME_LEAF && n->n.kind == CBI_VECTOR) {
        slot.fixed = c->y->vector[n->n.index];
        slot.columns = c->y->cell->params[n->n.index].rows > 1;
    } else if (n->home == CBI_HOME_STRIP) {
        uint32_t made = scratch_slot(c, slot.ld);
        c->slot_of[ref] = made + 1;
        return made;
    } else {
        cbi_plane *plane = cbi_layer_plane(c->y, c->backward, c->phase, ref, &slot.base);
        if (plane == NULL) /* a gradient that nobody sends */
            slot.fixed = number_strip(c, 0);
        else
            slot.plane = &plane->data;
        if (plane != NULL)
            slot.ld = plane->ld ? plane->ld : slot.ld;
    }
    uint32_t made = add_slot(c, slot);
    c->slot_of[ref] = made + 1;
    return made;
}

/* Where an operation reads a value: for units that stand still it may be a number. */
static uint32_t source_slot(compiler *c, cbi_ref ref) {
    const cbi_pass_node *n = &c->pass->node[ref];
    if (!c->idle || n->idle != CBI_IDLE_NUMBER)
        return value_slot(c, ref);
    return add_slot(c, (cbi_slot){NULL, number_strip(c, n->idle_number), cbi_padded(n->n.dim),
                                  CBI_ROW_ZERO, 0});
}

/* A value of dimension 1, where an element-wise operation over `dim` reads it. Numbers and scalar
 * parameters are strips of equal values already. */
static uint32_t wide_slot(compiler *c, cbi_ref ref, size_t dim) {
    const cbi_node *n = &c->pass->node[ref].n;
    uint32_t narrow = source_slot(c, ref);
    if (n->dim == dim || n->kind == CBI_NUMBER || n->kind == CBI_VECTOR || c->failed)
        return narrow;
    if (c->wide_of[ref] && c->program->slot[c->wide_of[ref] - 1].ld == cbi_padded(dim))
        return c->wide_of[ref] - 1;
    uint32_t wide = scratch_slot(c, cbi_padded(dim));
    add_step(c, (cbi_step){CBI_BROADCAST, NULL, wide, narrow, narrow, narrow, dim, cbi_padded(dim),
                           1, NULL});
    c->wide_of[ref] = wide + 1;
    return wide;
}

static void compile_instr(compiler *c, const cbi_instr *in) {
    const cbi_pass_node *node = c->pass->node;
    size_t dim = in->sink ? c->y->cell->params[c->y->cell->vector_sinks[in->dst].param].rows
                          : node[in->dst].n.dim;
    size_t arg_dim = in->src[0] != CBI_NONE ? node[in->src[0]].n.dim : dim;
    uint32_t arg[3] = {0, 0, 0};
    int pointwise = in->kind == CBI_POINTWISE;
    for (int k = 0; k < 3 && in->src[k] != CBI_NONE; k++)
        arg[k] = pointwise ? wide_slot(c, in->src[k], dim) : value_slot(c, in->src[k]);
    uint32_t dst;
    if (in->sink) {
        dst = add_slot(c, (cbi_slot){NULL, c->y->sum[in->dst], cbi_padded(dim), CBI_ROW_ZERO, 1});
        arg[in->sink == 1 ? 1 : 2] = dst;
    } else {
        dst = value_slot(c, in->dst);
    }
    for (int k = 0; k < 3; k++) /* unused arguments point somewhere readable */
        if (k > 0 && arg[k] == 0 && (in->src[k] == CBI_NONE) && !(in->sink && k == in->sink))
            arg[k] = arg[0];
    if (in->src[0] == CBI_NONE)
        arg[0] = arg[1] = arg[2] = dst;
    cbi_step step = {in->kind,        NULL,    dst, arg[0], arg[1], arg[2], dim,
                     cbi_padded(dim), arg_dim, NULL};
    if (pointwise && (step.run = cbi_pointwise_find(c->kernels, in->op)) == NULL)
        c->failed = 2;
    if (in->kind == CBI_CLOCK)
        step.list = &c->y->cell->lists[node[in->dst].n.index];
    add_step(c, step);
}

/* Strips are given back after the last instruction that reads them. */
static void release_after(compiler *c, size_t i) {
    for (size_t k = 0; k < c->pass->count; k++) {
        if (c->last_use[k] != i + 1)
            continue;
        if (c->pass->node[k].home == CBI_HOME_STRIP && c->slot_of[k])
            release_scratch(c, c->slot_of[k] - 1);
        if (c->wide_of[k])
            release_scratch(c, c->wide_of[k] - 1);
        c->wide_of[k] = 0;
    }
}

/* A program in which every operation is element-wise over one dimension can cut long rows. */
static size_t chunk_of(const compiler *c) {
    const cbi_program *p = c->program;
    if (c->y->strip_rows > 1 || p->steps == 0 || p->step[0].ld <= CBI_STRIP)
        return 0;
    for (size_t i = 0; i < p->steps; i++)
        if (p->step[i].kind != CBI_POINTWISE || p->step[i].ld != p->step[0].ld)
            return 0;
    return CBI_STRIP;
}

static cb_status compile_list(compiler *c, const cbi_instr *list, size_t count, cb_err *err) {
    size_t n = c->pass->count;
    memset(c->slot_of, 0, n * sizeof *c->slot_of);
    memset(c->wide_of, 0, n * sizeof *c->wide_of);
    memset(c->last_use, 0, n * sizeof *c->last_use);
    c->free_count = c->strips = 0;
    for (size_t i = 0; i < count; i++) {
        const cbi_instr *in = &list[i];
        for (int k = 0; k < 3 && in->src[k] != CBI_NONE; k++)
            c->last_use[in->src[k]] = i + 1;
        if (!in->sink && c->last_use[in->dst] == 0)
            c->last_use[in->dst] = i + 1;
    }
    for (size_t i = 0; i < count && !c->failed; i++) {
        compile_instr(c, &list[i]);
        if (!c->failed)
            release_after(c, i);
    }
    c->program->strip_rows = c->y->strip_rows;
    c->program->chunk = chunk_of(c);
    c->program->at = cbi_calloc(c->program->slots + 1, sizeof *c->program->at);
    if (c->failed == 2)
        return cb_fail(err, CB_EINTERNAL, "engine: an operation has no kernel");
    if (c->failed || c->program->at == NULL)
        return cbi_engine_no_memory(err);
    if (c->strips > c->y->scratch_strips)
        c->y->scratch_strips = c->strips;
    return CB_OK;
}

static cb_status compile_stage(compiler *c, cbi_phase_run *run, size_t s, cb_err *err) {
    const cbi_stage *stage = &c->pass->stage[c->phase][s];
    c->idle = 0;
    c->program = &run->program[s];
    cb_status st = compile_list(c, &c->pass->instr[stage->first_instr], stage->instrs, err);
    if (st != CB_OK || !stage->has_idle)
        return st;
    if (run->idle == NULL) {
        run->idle = cbi_calloc(c->pass->stages[c->phase], sizeof *run->idle);
        if (run->idle == NULL)
            return cbi_engine_no_memory(err);
    }
    c->idle = 1;
    c->program = &run->idle[s];
    return compile_list(c, &c->pass->instr[stage->first_idle], stage->idles, err);
}

static cb_status compile_pass(cbi_layer *y, int backward, const cbi_kernels *kernels, cb_err *err) {
    const cbi_pass *pass = cbi_pass_of(y->cell, backward);
    compiler c = {.y = y, .kernels = kernels, .backward = backward, .pass = pass};
    cb_status st = CB_OK;
    size_t n = pass->count + 1;
    c.slot_of = cbi_calloc(n, sizeof *c.slot_of);
    c.wide_of = cbi_calloc(n, sizeof *c.wide_of);
    c.last_use = cbi_calloc(n, sizeof *c.last_use);
    c.free_strip = cbi_calloc(2 * n, sizeof *c.free_strip);
    if (!c.slot_of || !c.wide_of || !c.last_use || !c.free_strip)
        st = cbi_engine_no_memory(err);
    for (c.phase = 0; st == CB_OK && c.phase < CBI_PHASES; c.phase++) {
        cbi_phase_run *run = &y->run[backward][c.phase];
        run->program = cbi_calloc(pass->stages[c.phase] + 1, sizeof *run->program);
        if (run->program == NULL)
            st = cbi_engine_no_memory(err);
        for (size_t s = 0; st == CB_OK && s < pass->stages[c.phase]; s++)
            st = compile_stage(&c, run, s, err);
    }
    cbi_free(c.slot_of);
    cbi_free(c.wide_of);
    cbi_free(c.last_use);
    cbi_free(c.free_strip);
    return st;
}

/* Numbers of scratch strips become addresses. */
static void bind_program(const cbi_layer *y, cbi_program *p) {
    for (size_t i = 0; i < p->slots; i++) {
        uintptr_t strip = (uintptr_t)p->slot[i].fixed;
        if (p->slot[i].plane == NULL && strip >= 1 && strip <= y->scratch_strips)
            p->slot[i].fixed = y->scratch + (strip - 1) * y->strip_floats;
    }
}

static void bind_scratch(cbi_layer *y) {
    for (int b = 0; b < 2; b++)
        for (int phase = 0; phase < CBI_PHASES; phase++) {
            size_t stages = cbi_pass_of(y->cell, b)->stages[phase];
            for (size_t s = 0; s < stages; s++) {
                bind_program(y, &y->run[b][phase].program[s]);
                if (y->run[b][phase].idle)
                    bind_program(y, &y->run[b][phase].idle[s]);
            }
        }
}

static int is_known(const cbi_layer *y, const cbi_slot *slot) {
    for (size_t i = 0; i < y->kept_count; i++)
        if (y->kept[i]->plane == slot->plane && y->kept[i]->base == slot->base)
            return 1;
    return 0;
}

static cb_status find_kept(cbi_layer *y, cb_err *err) {
    const cbi_program *program = y->run[1][CBI_LOOP].program;
    const size_t stages = y->cell->backward.stages[CBI_LOOP];
    size_t most = 0;
    for (size_t s = 0; s < stages; s++)
        most += program[s].slots;
    y->kept = cbi_calloc(most + 1, sizeof *y->kept);
    y->ahead = cbi_calloc(most + 1, sizeof *y->ahead);
    if (y->kept == NULL || y->ahead == NULL)
        return cbi_engine_no_memory(err);
    for (size_t s = 0; s < stages; s++)
        for (size_t i = 0; i < program[s].slots; i++) {
            const cbi_slot *slot = &program[s].slot[i];
            const int is_kept = slot->base == CBI_ROW_FRAME || slot->base == CBI_ROW_OLD;
            if (slot->plane == NULL || !is_kept || is_known(y, slot))
                continue;
            y->kept[y->kept_count++] = slot;
            y->kept_floats += slot->ld;
        }
    return CB_OK;
}

cb_status cbi_layer_compile(cbi_layer *y, const cbi_kernels *kernels, cb_err *err) {
    cb_status st;
    if ((st = compile_pass(y, 0, kernels, err)) != CB_OK ||
        (st = compile_pass(y, 1, kernels, err)) != CB_OK)
        return st;
    y->scratch = cbi_aligned_calloc((y->scratch_strips + 1) * y->strip_floats, sizeof(float));
    if (y->scratch == NULL)
        return cbi_engine_no_memory(err);
    bind_scratch(y);
    return find_kept(y, err);
}
