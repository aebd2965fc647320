/* SPDX-License-Identifier: MIT */
/*
 * The products and pointwise operations of a pass in running order. Here several nodes may become
 * one operation of the kernels: a*b + c, 1 - y, and the derivatives of sigmoid and tanh.
 */
#include "cell/planner.h"

#include <string.h>
#include "base/alloc.h"

static void emit(cbi_planner *p, const cbi_instr *instr) {
    cbi_pass *pass = p->pass;
    if (cbi_grow((void **)&pass->instr, &pass->instr_capacity, pass->instr_count + 1,
                 sizeof *pass->instr) != CB_OK)
        pass->failed = 1;
    else
        pass->instr[pass->instr_count++] = *instr;
}

/* A node that can be done inside its only reader. */
static int can_join(const cbi_planner *p, cbi_ref reader, cbi_ref ref, const char *op) {
    const cbi_pass_node *n = &p->pass->node[ref], *r = &p->pass->node[reader];
    return n->home == CBI_HOME_STRIP && p->bound[ref] == 1 && !p->outside[ref] &&
           n->n.kind == CBI_POINTWISE && strcmp(n->n.op->name, op) == 0 && n->phase == r->phase &&
           n->stage == r->stage && n->n.dim == r->n.dim;
}

static int is_one(const cbi_pass *pass, cbi_ref ref) {
    return pass->node[ref].n.kind == CBI_NUMBER && pass->node[ref].n.number == 1;
}

/* 1 - y with its argument of the reader's dimension. */
static int is_one_minus(const cbi_planner *p, cbi_ref reader, cbi_ref ref, cbi_ref *y) {
    if (!can_join(p, reader, ref, "sub") || !is_one(p->pass, p->pass->node[ref].n.arg[0]))
        return 0;
    *y = p->pass->node[ref].n.arg[1];
    return 1;
}

static int same_dim(const cbi_pass *pass, cbi_ref a, size_t dim) {
    return pass->node[a].n.dim == dim;
}

/* An operation found to stand for several nodes; `inner` are done inside it. */
typedef struct joined {
    cbi_instr instr;
    cbi_ref inner[2];
} joined;

/* g * (y * (1 - y)) and g * (1 - y*y). */
static int find_derivative(const cbi_planner *p, cbi_ref ref, joined *out) {
    const cbi_pass *pass = p->pass;
    const cbi_node *n = &pass->node[ref].n;
    if (n->kind != CBI_POINTWISE || strcmp(n->op->name, "mul") != 0)
        return 0;
    for (unsigned k = 0; k < 2; k++) {
        cbi_ref g = n->arg[1 - k], part = n->arg[k], y;
        if (!same_dim(pass, g, n->dim))
            continue;
        const cbi_node *m = &pass->node[part].n;
        for (unsigned j = 0; j < 2 && can_join(p, ref, part, "mul"); j++)
            /* y is read twice, by the product and by 1 - y. */
            if (is_one_minus(p, part, m->arg[j], &y) && y == m->arg[1 - j] &&
                same_dim(pass, y, n->dim)) {
                *out = (joined){{CBI_POINTWISE, "d_sigmoid", ref, {g, y, CBI_NONE}, 0},
                                {part, m->arg[j]}};
                return 1;
            }
        if (is_one_minus(p, ref, part, &y) && can_join(p, part, y, "mul")) {
            m = &pass->node[y].n;
            if (m->arg[0] == m->arg[1] && same_dim(pass, m->arg[0], n->dim)) {
                *out = (joined){{CBI_POINTWISE, "d_tanh", ref, {g, m->arg[0], CBI_NONE}, 0},
                                {part, y}};
                return 1;
            }
        }
    }
    return 0;
}

/* a*b + c, and c - a*b; a product that is a derivative is left to find_derivative. */
static int find_fma(const cbi_planner *p, cbi_ref ref, int subtract, joined *out) {
    const cbi_node *n = &p->pass->node[ref].n;
    for (unsigned k = subtract ? 1 : 0; k < 2; k++) {
        cbi_ref product = n->arg[k], c = n->arg[1 - k];
        joined other;
        if (!can_join(p, ref, product, "mul") || find_derivative(p, product, &other))
            continue;
        const cbi_node *m = &p->pass->node[product].n;
        *out =
            (joined){{CBI_POINTWISE, subtract ? "fnma" : "fma", ref, {m->arg[0], m->arg[1], c}, 0},
                     {product, product}};
        return 1;
    }
    return 0;
}

static cbi_instr select_instr(cbi_planner *p, cbi_ref ref) {
    cbi_pass *pass = p->pass;
    const cbi_node *n = &pass->node[ref].n;
    cbi_instr instr = {n->kind, NULL, ref, {CBI_NONE, CBI_NONE, CBI_NONE}, 0};
    for (unsigned k = 0; k < cbi_node_arity(n); k++)
        instr.src[k] = n->arg[k];
    if (n->kind != CBI_POINTWISE)
        return instr;
    instr.op = strcmp(n->op->name, "stop") == 0 ? "copy" : n->op->name;
    joined found;
    int is_sub = strcmp(instr.op, "sub") == 0;
    if (is_sub && is_one(pass, n->arg[0])) {
        instr.op = "one_minus";
        instr.src[0] = n->arg[1];
        instr.src[1] = CBI_NONE;
    } else if (find_derivative(p, ref, &found) ||
               ((is_sub || strcmp(instr.op, "add") == 0) && find_fma(p, ref, is_sub, &found))) {
        pass->node[found.inner[0]].home = pass->node[found.inner[1]].home = CBI_HOME_NONE;
        instr = found.instr;
    }
    return instr;
}

static int stage_order(const cbi_pass *pass, const cbi_product_call *c, int phase, int stage) {
    return pass->node[c->dst].phase == phase && pass->node[c->dst].stage == stage;
}

/* Products move to their place in running order, by a stable pass for each stage. */
static cb_status order_products(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    cbi_product_call *ordered = cbi_calloc(pass->product_count + 1, sizeof *ordered);
    size_t n = 0;
    if (ordered == NULL)
        return cbi_plan_no_memory(p);
    for (int phase = 0; phase < CBI_PHASES; phase++)
        for (size_t s = 0; s < pass->stages[phase]; s++) {
            cbi_stage *stage = &pass->stage[phase][s];
            stage->first_product = n;
            for (size_t i = 0; i < pass->product_count; i++)
                if (stage_order(pass, &pass->product[i], phase, (int)s))
                    ordered[n++] = pass->product[i];
            stage->products = n - stage->first_product;
        }
    cbi_free(pass->product);
    pass->product = ordered;
    return CB_OK;
}

static void emit_sinks(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (uint32_t i = 0; i < cell->vector_sink_count; i++) {
        cbi_ref ref = pass->map[cell->vector_sinks[i].gradient];
        cbi_pass_node *n = &pass->node[ref];
        cbi_instr instr = {CBI_POINTWISE, "add", i, {ref, CBI_NONE, CBI_NONE}, 1};
        /* A product that nobody else reads is added as it is formed. */
        if (n->home == CBI_HOME_STRIP && p->bound[ref] == 0 && n->n.kind == CBI_POINTWISE &&
            strcmp(n->n.op->name, "mul") == 0 && p->uses[cell->vector_sinks[i].gradient] == 0) {
            int shared = 0;
            for (size_t k = 0; k < cell->vector_sink_count; k++)
                shared += cell->vector_sinks[k].gradient == cell->vector_sinks[i].gradient;
            if (shared == 1) {
                n->home = CBI_HOME_NONE;
                instr =
                    (cbi_instr){CBI_POINTWISE, "fma", i, {n->n.arg[0], n->n.arg[1], CBI_NONE}, 2};
            }
        }
        emit(p, &instr);
    }
}

/* The second list of a stage: for units that stand still. */
static void emit_idle(cbi_planner *p, cbi_stage *stage) {
    cbi_pass *pass = p->pass;
    stage->first_idle = pass->instr_count;
    for (size_t i = 0; i < stage->instrs && !pass->failed; i++) {
        cbi_instr left;
        if (cbi_idle_instr(pass, &pass->instr[stage->first_instr + i], &left))
            emit(p, &left);
    }
    stage->idles = pass->instr_count - stage->first_idle;
}

static cb_status emit_phase(cbi_planner *p, int phase) {
    cbi_pass *pass = p->pass;
    cbi_instr *chosen = cbi_calloc(pass->count + 1, sizeof *chosen);
    if (chosen == NULL)
        return cbi_plan_no_memory(p);
    for (size_t s = 0; s < pass->stages[phase]; s++) {
        cbi_stage *stage = &pass->stage[phase][s];
        int last = p->backward && phase == CBI_AFTER && s + 1 == pass->stages[phase];
        size_t sinks_at = 0;
        stage->first_instr = pass->instr_count;
        /* Sinks choose first what they take in; they run last. */
        if (last) {
            emit_sinks(p);
            sinks_at = pass->instr_count - stage->first_instr;
        }
        for (size_t i = pass->count; i-- > 0;) {
            const cbi_pass_node *n = &pass->node[i];
            if (!cbi_is_given(n) && n->phase == phase && n->stage == (int)s &&
                n->home != CBI_HOME_NONE && n->n.kind != CBI_AFFINE)
                chosen[i] = select_instr(p, (cbi_ref)i);
        }
        for (size_t i = 0; i < pass->count; i++) {
            const cbi_pass_node *n = &pass->node[i];
            if (!cbi_is_given(n) && n->phase == phase && n->stage == (int)s &&
                n->home != CBI_HOME_NONE && n->n.kind != CBI_AFFINE)
                emit(p, &chosen[i]);
        }
        for (size_t i = 0; i < sinks_at && !pass->failed; i++) {
            cbi_instr sink = pass->instr[stage->first_instr];
            memmove(&pass->instr[stage->first_instr], &pass->instr[stage->first_instr + 1],
                    (pass->instr_count - stage->first_instr - 1) * sizeof sink);
            pass->instr[pass->instr_count - 1] = sink;
        }
        stage->instrs = pass->instr_count - stage->first_instr;
        if ((stage->has_idle = stage->has_idle && cbi_has_idle(pass, stage)))
            emit_idle(p, stage);
    }
    cbi_free(chosen);
    return CB_OK;
}

cb_status cbi_make_stages(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_pass_node *n = &pass->node[i];
        if (!cbi_is_given(n) && pass->stages[n->phase] < (size_t)n->stage + 1)
            pass->stages[n->phase] = (size_t)n->stage + 1;
    }
    if (p->backward && p->cell->vector_sink_count && pass->stages[CBI_AFTER] == 0)
        pass->stages[CBI_AFTER] = 1;
    for (int phase = 0; phase < CBI_PHASES; phase++) {
        pass->stage[phase] = cbi_calloc(pass->stages[phase] + 1, sizeof(cbi_stage));
        if (pass->stage[phase] == NULL)
            return cbi_plan_no_memory(p);
    }
    return CB_OK;
}

cb_status cbi_emit(cbi_planner *p) {
    cb_status st = order_products(p);
    for (int phase = 0; phase < CBI_PHASES && st == CB_OK; phase++)
        st = emit_phase(p, phase);
    return st == CB_OK && p->pass->failed ? cbi_plan_no_memory(p) : st;
}
