/* SPDX-License-Identifier: MIT */
/* The public face of a cell: create, describe, destroy. */
#include "cellbench/cell.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cell/cell_internal.h"

static int name_matches(const cb_cell_def *def, const char *name) {
    if (strcmp(def->name, name) == 0)
        return 1;
    size_t n = strchr(name, ' ') == NULL ? strlen(name) : 0;
    for (const char *a = def->aliases; a && n && (a = strstr(a, name)) != NULL; a++)
        if ((a == def->aliases || a[-1] == ' ') && (a[n] == ' ' || a[n] == '\0'))
            return 1;
    return 0;
}

cb_status cb_cell_find(const cb_cell_def **out, const cb_cell_def *const *table, const char *name,
                       cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, name);
    *out = NULL;
    for (; *table; table++) {
        if (name_matches(*table, name)) {
            *out = *table;
            return CB_OK;
        }
        cbi_near_offer(&near, (*table)->name);
    }
    return cb_fail(err, CB_EARG, "unknown cell '%.60s'%s", name, cbi_near_text(&near));
}

/* The default of a setting, or what overrides it. */
static const cb_cell_setting *overridden(const cb_cell_setting *own,
                                         const cb_cell_setting *settings, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(settings[i].name, own->name) == 0)
            return &settings[i];
    return own;
}

cb_status cb_cell_def_text(char **out, const cb_cell_def *def, const cb_cell_setting *settings,
                           size_t setting_count, cb_err *err) {
    size_t n = 0;
    *out = NULL;
    if (def->write == NULL) {
        *out = cbi_strdup(def->text);
        return *out ? CB_OK : cb_fail(err, CB_ENOMEM, "%s: out of memory", def->name);
    }
    while (def->made_from[n].name)
        n++;
    cb_cell_setting *values = cbi_calloc(n + 1, sizeof *values);
    if (values == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: out of memory", def->name);
    for (size_t i = 0; i < n; i++)
        values[i] = *overridden(&def->made_from[i], settings, setting_count);
    cb_status st = def->write(out, values, err);
    cbi_free(values);
    return st;
}

/* What differentiation and scheduling made; the forward graph stays. */
static void drop_derived(cb_cell *cell) {
    cbi_pass_fini(&cell->forward);
    cbi_pass_fini(&cell->backward);
    cbi_free(cell->d_state);
    cbi_free(cell->d_state_copy);
    cbi_free(cell->d_lower);
    cbi_free(cell->matrix_sinks);
    cbi_free(cell->vector_sinks);
    cbi_free(cell->exports);
    cell->d_state = cell->d_state_copy = cell->d_lower = NULL;
    cell->matrix_sinks = NULL;
    cell->vector_sinks = NULL;
    cell->exports = NULL;
    cell->matrix_sink_count = cell->matrix_sink_capacity = 0;
    cell->vector_sink_count = cell->vector_sink_capacity = 0;
    cell->export_count = 0;
}

cb_status cbi_cell_derive(cb_cell *cell, const uint32_t *exports, size_t count, cb_err *err) {
    drop_derived(cell);
    if (cell->forward_count)
        cell->graph.count = cell->forward_count;
    cell->d_state = cbi_calloc(cell->state_count, sizeof *cell->d_state);
    cell->d_state_copy = cbi_calloc(cell->state_count, sizeof *cell->d_state_copy);
    cell->d_lower = cbi_calloc(cell->read_count + 1, sizeof *cell->d_lower);
    cell->exports = cbi_calloc(count + 1, sizeof *cell->exports);
    if (!cell->d_state || !cell->d_state_copy || !cell->d_lower || !cell->exports)
        return cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name);
    for (size_t i = 0; i < count; i++) {
        cbi_ref ref = cell->values[exports[i]].ref;
        if (cell->graph.node[ref].kind < CBI_PRODUCT)
            ref = cbi_graph_copy(&cell->graph, cell->values[exports[i]].dim, ref);
        cell->exports[i] = (cbi_export){exports[i], ref};
    }
    cell->export_count = count;
    cell->forward_count = cell->graph.count;
    cb_status st = cbi_cell_differentiate(cell, err);
    if (st != CB_OK)
        return st;
    for (uint32_t s = 0; s < cell->state_count; s++)
        cell->d_state_copy[s] =
            cbi_graph_copy(&cell->graph, cell->states[s].dim,
                           cbi_graph_leaf(&cell->graph, CBI_D_STATE, cell->states[s].dim, s));
    if (cell->graph.failed)
        return cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name);
    return cbi_schedule(cell, err);
}

cb_status cbi_cell_derive_again(cb_cell *cell, cb_err *err) {
    const size_t n = cell->export_count;
    uint32_t *exports = cbi_calloc(n + 1, sizeof *exports);
    if (exports == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name);
    for (size_t i = 0; i < n; i++)
        exports[i] = cell->exports[i].value;
    cb_status st = cbi_cell_derive(cell, exports, n, err);
    cbi_free(exports);
    return st;
}

static cb_status fill_state_infos(cb_cell *cell, cb_err *err) {
    cell->state_infos = cbi_calloc(cell->state_count, sizeof *cell->state_infos);
    if (cell->state_infos == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name);
    for (size_t i = 0; i < cell->state_count; i++) {
        const cbi_state *s = &cell->states[i];
        cell->state_infos[i] = (cb_state_info){s->name, s->dim, s->init, s->learned};
    }
    return CB_OK;
}

static cb_status check_sizes(const cb_cell *cell, cb_err *err) {
    if (cell->H == 0 || cell->H > 10000000 || cell->I > 10000000)
        return cb_fail(err, CB_ESHAPE,
                       "%s: hidden: expected 1 to 1e7, input up to 1e7; got %zu and %zu",
                       cell->name, cell->H, cell->I);
    if ((cell->I == 0) != (cell->kind == CB_INPUT_NONE))
        return cb_fail(err, CB_ESHAPE, "%s: an input of dimension %zu does not go with its kind",
                       cell->name, cell->I);
    return CB_OK;
}

cb_status cb_cell_create(cb_cell **out, const char *name, const char *text,
                         const cb_cell_setting *settings, size_t setting_count, cb_input_kind kind,
                         size_t I, size_t H, const cb_cell *below, cb_err *err) {
    cb_status st;
    cbi_ast ast;
    memset(&ast, 0, sizeof ast);
    *out = NULL;
    cb_cell *cell = cbi_calloc(1, sizeof *cell);
    if (cell == NULL)
        return cb_fail(err, CB_ENOMEM, "cell: out of memory");
    cell->kind = kind;
    cell->I = I;
    cell->H = H;
    cell->below = below;
    if ((cell->name = cbi_strdup(name)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "cell: out of memory");
        goto out;
    }
    if ((st = check_sizes(cell, err)) != CB_OK ||
        (st = cbi_ast_parse(&ast, cell->name, text, err)) != CB_OK ||
        (st = cbi_cell_build(cell, &ast, settings, setting_count, err)) != CB_OK ||
        (st = cbi_ast_print(&ast, &cell->text, err)) != CB_OK ||
        (st = fill_state_infos(cell, err)) != CB_OK)
        goto out;
    /* The graph of the text ends here; what is derived from it may be derived again. */
    cell->forward_count = cell->graph.count;
    cell->own_output = cell->output;
    if ((st = cbi_cell_derive(cell, NULL, 0, err)) != CB_OK)
        goto out;
    *out = cell;
    cell = NULL;
out:
    cbi_ast_fini(&ast);
    cb_cell_destroy(cell);
    return st;
}

void cb_cell_destroy(cb_cell *cell) {
    if (cell == NULL)
        return;
    drop_derived(cell);
    cbi_graph_fini(&cell->graph);
    for (size_t i = 0; i < cell->param_count; i++) {
        cbi_free((char *)cell->params[i].name);
        cbi_free((char *)cell->params[i].family);
    }
    for (size_t i = 0; i < cell->list_count; i++)
        cbi_free(cell->lists[i].values);
    cbi_free(cell->params);
    cbi_free(cell->states);
    cbi_free(cell->state_infos);
    cbi_free(cell->values);
    cbi_free(cell->reads);
    cbi_free(cell->lists);
    cbi_free(cell->masks);
    cbi_free(cell->name);
    cbi_free(cell->text);
    cbi_free(cell->lowest);
    cbi_free(cell);
}

const char *cb_cell_text(const cb_cell *cell) {
    return cell->text;
}
const char *cb_cell_name(const cb_cell *cell) {
    return cell->name;
}
const cb_param *cb_cell_params(const cb_cell *cell, size_t *count) {
    *count = cell->param_count;
    return cell->params;
}
size_t cb_cell_param_count(const cb_cell *cell) {
    size_t n = 0;
    for (size_t i = 0; i < cell->param_count; i++)
        n += cell->params[i].fixed ? 0 : cell->params[i].free_count;
    return n;
}
const cb_state_info *cb_cell_states(const cb_cell *cell, size_t *count) {
    *count = cell->state_count;
    return cell->state_infos;
}
size_t cb_cell_output_dim(const cb_cell *cell) {
    return cell->graph.node[cell->output].dim;
}
const char *cb_cell_output_name(const cb_cell *cell) {
    return cell->output_name;
}
const char *cb_cell_lowest(const cb_cell *cell) {
    return cell->lowest;
}
int cb_cell_reads_lower(const cb_cell *cell) {
    return cell->read_count > 0;
}

/* Flop of the products of a pass and the elements that its programs write. */
static void pass_cost(const cb_cell *cell, const cbi_pass *pass, size_t *flop, size_t *elements) {
    for (size_t i = 0; i < pass->product_count; i++) {
        const cb_param *m = &cell->params[pass->product[i].matrix];
        int gather = cell->kind == CB_INPUT_INDEX &&
                     pass->node[pass->product[i].operand].n.kind == CBI_INPUT;
        *flop += gather ? m->rows : 2 * m->rows * m->cols;
    }
    for (size_t i = 0; i < pass->instr_count; i++) {
        const cbi_instr *in = &pass->instr[i];
        *elements += in->sink ? pass->node[in->src[0]].n.dim : pass->node[in->dst].n.dim;
    }
}

cb_cell_cost cb_cell_get_cost(const cb_cell *cell) {
    cb_cell_cost c = {0, 0, 0, 0, 0, 0};
    pass_cost(cell, &cell->forward, &c.product_flop, &c.pointwise_ops);
    pass_cost(cell, &cell->backward, &c.backward_product_flop, &c.backward_pointwise_ops);
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cb_param *m = &cell->params[cell->matrix_sinks[i].param];
        int scatter = cell->kind == CB_INPUT_INDEX &&
                      cell->graph.node[cell->matrix_sinks[i].operand].kind == CBI_INPUT;
        c.backward_product_flop += scatter ? m->rows : 2 * m->rows * m->cols;
    }
    for (size_t s = 0; s < cell->forward.stages[CBI_LOOP]; s++)
        c.stages += cell->forward.stage[CBI_LOOP][s].products > 0;
    for (size_t i = 0; i < cell->forward.count; i++)
        if (cell->forward.node[i].home == CBI_HOME_SEQUENCE)
            c.kept += cell->forward.node[i].n.dim;
    return c;
}

/* ---- description ---- */

static const char *node_name(const cb_cell *cell, const cbi_pass *pass, cbi_ref ref,
                             char buffer[96]) {
    const cbi_node *n = &pass->node[ref].n;
    switch (n->kind) {
    case CBI_NUMBER:
        return cbi_number(buffer, n->number);
    case CBI_INPUT:
        return "x";
    case CBI_STATE:
        return cell->states[n->index].name;
    case CBI_LOWER:
        snprintf(buffer, 96, "lower.%s", cell->below->values[cell->reads[n->index].value].name);
        return buffer;
    case CBI_VECTOR:
        return cell->params[n->index].name;
    case CBI_MASK:
        return cell->masks[n->index].name;
    case CBI_D_OUTPUT:
        return "dy";
    case CBI_D_STATE:
        snprintf(buffer, 96, "d%s'", cell->states[n->index].name);
        return buffer;
    case CBI_D_UPPER:
        snprintf(buffer, 96, "upper d%s", cell->values[cell->exports[n->index].value].name);
        return buffer;
    default:
        break;
    }
    cbi_ref forward = n->kind == CBI_KEPT ? n->index : ref;
    if (n->kind == CBI_KEPT || pass == &cell->forward)
        for (size_t i = 0; i < cell->value_count; i++)
            if (cell->forward.map[cell->values[i].ref] == forward) {
                int state = 0;
                for (size_t s = 0; s < cell->state_count; s++)
                    state |= cell->states[s].next == cell->values[i].ref;
                snprintf(buffer, 96, "%s%s", cell->values[i].name, state ? "'" : "");
                return buffer;
            }
    snprintf(buffer, 96, "%s%u",
             n->kind == CBI_KEPT      ? "v"
             : pass == &cell->forward ? "v"
                                      : "d",
             (unsigned)forward);
    return buffer;
}

static void describe_products(cbi_text *out, const cb_cell *cell, const cbi_pass *pass,
                              const cbi_stage *stage) {
    char a[96], b[96];
    for (size_t i = 0; i < stage->products; i++) {
        const cbi_product_call *c = &pass->product[stage->first_product + i];
        cbi_text_addf(out, "    %s %s ", node_name(cell, pass, c->dst, a), c->first ? "=" : "+=");
        if (c->first && c->base != CBI_NONE)
            cbi_text_addf(out, "%s + ", node_name(cell, pass, c->base, b));
        cbi_text_addf(out, "%s%s %s\n", cell->params[c->matrix].name, c->transposed ? "^T" : "",
                      node_name(cell, pass, c->operand, b));
    }
}

/* idle: of the list for units that stand still, where some values are numbers. */
static void describe_instr(cbi_text *out, const cb_cell *cell, const cbi_pass *pass,
                           const cbi_instr *in, int idle) {
    static const char *const kinds[] = {"sum", "broadcast", "spread", "fold"};
    char a[96];
    cbi_text_add(out, in->kind == CBI_POINTWISE ? in->op
                      : in->kind == CBI_CLOCK   ? "clock"
                                                : kinds[in->kind - CBI_SUM]);
    for (int k = 0; k < 3 && in->src[k] != CBI_NONE; k++) {
        const cbi_pass_node *from = &pass->node[in->src[k]];
        cbi_text_add(out, k ? ", " : "(");
        if (idle && from->idle == CBI_IDLE_NUMBER)
            cbi_text_addf(out, "%g", from->idle_number);
        else
            cbi_text_add(out, node_name(cell, pass, in->src[k], a));
    }
    cbi_text_add(out, in->src[0] == CBI_NONE ? "" : ")");
}

static void describe_program(cbi_text *out, const cb_cell *cell, const cbi_pass *pass,
                             const cbi_stage *stage) {
    static const char *const homes[] = {"", "", "", "strip", "step", "block", "kept", "carry"};
    char a[96];
    for (size_t i = 0; i < stage->instrs; i++) {
        const cbi_instr *in = &pass->instr[stage->first_instr + i];
        if (in->sink)
            cbi_text_addf(out, "    d%s += ", cell->params[cell->vector_sinks[in->dst].param].name);
        else
            cbi_text_addf(out, "    %s = ", node_name(cell, pass, in->dst, a));
        describe_instr(out, cell, pass, in, 0);
        if (!in->sink)
            cbi_text_addf(out, "  [%zu, %s]", pass->node[in->dst].n.dim,
                          homes[pass->node[in->dst].home]);
        cbi_text_add(out, "\n");
    }
}

static void describe_idle(cbi_text *out, const cb_cell *cell, const cbi_pass *pass,
                          const cbi_stage *stage) {
    char a[96];
    cbi_text_add(out, "   for units that stand still\n");
    for (size_t i = 0; i < stage->idles; i++) {
        const cbi_instr *in = &pass->instr[stage->first_idle + i];
        cbi_text_addf(out, "    %s = ", node_name(cell, pass, in->dst, a));
        describe_instr(out, cell, pass, in, 1);
        cbi_text_add(out, "\n");
    }
}

cb_status cb_cell_describe(const cb_cell *cell, char **out, cb_err *err) {
    static const char *const names[] = {"before the loop", "in the loop", "after the loop"};
    cbi_text text = {0};
    for (int b = 0; b < 2; b++) {
        const cbi_pass *pass = b ? &cell->backward : &cell->forward;
        cbi_text_add(&text, b ? "backward\n" : "forward\n");
        for (int phase = 0; phase < CBI_PHASES; phase++)
            for (size_t s = 0; s < pass->stages[phase]; s++) {
                const cbi_stage *stage = &pass->stage[phase][s];
                if (stage->products + stage->instrs == 0)
                    continue;
                cbi_text_addf(&text, "  %s, stage %zu\n", names[phase], s);
                describe_products(&text, cell, pass, stage);
                describe_program(&text, cell, pass, stage);
                if (stage->has_idle)
                    describe_idle(&text, cell, pass, stage);
            }
    }
    cbi_text_add(&text, "matrix gradients, by blocks of steps\n");
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        char a[96], c[96];
        const cbi_matrix_sink *m = &cell->matrix_sinks[i];
        cbi_text_addf(&text, "    d%s += %s * %s^T\n", cell->params[m->param].name,
                      node_name(cell, &cell->backward, cell->backward.map[m->gradient], a),
                      node_name(cell, &cell->backward, cell->backward.map[m->operand], c));
    }
    return cbi_text_take(&text, out, err);
}
