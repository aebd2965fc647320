/* SPDX-License-Identifier: MIT */
/* Stacks: layers on top of each other, and the flat vector of all their weights. */
#include "engine/stack_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* Numbers the units and finds their neighbours. */
static void arrange_units(cb_stack *s, const cb_layer_spec *layers, size_t n) {
    size_t u = 0, below = 0, below_count = 0;
    for (size_t level = 0; level < n; level++) {
        size_t first = u, count = layers[level].bidirectional ? 2 : 1;
        for (size_t k = 0; k < count; k++, u++)
            s->units[u] = (cbi_unit){.level = level,
                                     .reverse = k == 1,
                                     .below = below,
                                     .below_count = below_count,
                                     .direct = count == 1 && below_count == 1};
        for (size_t v = below; v < below + below_count; v++) {
            s->units[v].above = first;
            s->units[v].above_count = count;
        }
        below = first;
        below_count = count;
    }
}

/* What a unit reads of the one below, the one below must hand out. */
static cb_status export_reads(cb_cell *cell, cb_cell *below, cb_err *err) {
    size_t n = cell->read_count;
    if (n == 0)
        return CB_OK;
    uint32_t *exports = cbi_calloc(n, sizeof *exports);
    if (exports == NULL)
        return cb_fail(err, CB_ENOMEM, "stack: out of memory");
    for (size_t r = 0; r < n; r++)
        exports[r] = cell->reads[r].value;
    cb_status st = cbi_cell_derive(below, exports, n, err);
    cbi_free(exports);
    return st;
}

static cb_status build_units(cb_stack *s, const cb_layer_spec *layers, cb_err *err) {
    for (size_t u = 0; u < s->layers; u++) {
        cbi_unit *unit = &s->units[u];
        const cb_layer_spec *spec = &layers[unit->level];
        cb_cell *below = unit->direct ? s->cells[unit->below] : NULL;
        size_t I = unit->level ? 0 : s->I;
        for (size_t v = unit->below; v < unit->below + unit->below_count; v++)
            I += cb_cell_output_dim(s->cells[v]);
        cb_status st = cb_cell_create(&s->cells[u], spec->name, spec->text, spec->settings,
                                      spec->setting_count, unit->level ? CB_INPUT_DENSE : s->kind,
                                      I, spec->hidden, below, err);
        if (st != CB_OK)
            return cb_fail_prefix(err, st, "layer %zu: ", unit->level + 1);
        if (spec->residual && (st = cbi_cell_add_residual(s->cells[u], err)) != CB_OK)
            return cb_fail_prefix(err, st, "layer %zu: ", unit->level + 1);
        unit->column = unit->reverse ? cb_cell_output_dim(s->cells[u - 1]) : 0;
        if (below != NULL && (st = export_reads(s->cells[u], below, err)) != CB_OK)
            return st;
    }
    return CB_OK;
}

static cb_status lay_out_weights(cb_stack *s, cb_err *err) {
    for (size_t l = 0; l < s->layers; l++)
        s->param_count += s->cells[l]->param_count;
    s->params = cbi_calloc(s->param_count + 1, sizeof *s->params);
    if (s->params == NULL)
        return cb_fail(err, CB_ENOMEM, "stack: out of memory");
    size_t k = 0;
    for (size_t l = 0; l < s->layers; l++) {
        s->first[l] = k;
        for (size_t i = 0; i < s->cells[l]->param_count; i++, k++) {
            cb_stack_param *p = &s->params[k];
            p->param = &s->cells[l]->params[i];
            p->layer = l;
            p->offset = s->weights;
            snprintf(p->name, sizeof p->name, "%zu.%s%s", s->units[l].level + 1,
                     s->units[l].reverse ? "reverse." : "", p->param->name);
            if (cb_size_add(s->weights, p->param->free_count, &s->weights) != CB_OK ||
                s->weights > ((size_t)1 << 33))
                return cb_fail(err, CB_ESHAPE, "stack: more than 2^33 weights");
        }
    }
    return CB_OK;
}

cb_status cb_stack_create(cb_stack **out, const cb_layer_spec *layers, size_t n, cb_input_kind kind,
                          size_t I, cb_err *err) {
    cb_status st;
    *out = NULL;
    if (n == 0 || n > 1000)
        return cb_fail(err, CB_EARG, "layers: expected 1 to 1000, got %zu", n);
    cb_stack *s = cbi_calloc(1, sizeof *s);
    if (s == NULL)
        return cb_fail(err, CB_ENOMEM, "stack: out of memory");
    s->kind = kind;
    s->I = I;
    for (size_t l = 0; l < n; l++)
        s->layers += layers[l].bidirectional ? 2 : 1;
    s->cells = cbi_calloc(s->layers, sizeof(cb_cell *));
    s->units = cbi_calloc(s->layers, sizeof *s->units);
    s->first = cbi_calloc(s->layers, sizeof *s->first);
    if (s->cells == NULL || s->units == NULL || s->first == NULL) {
        st = cb_fail(err, CB_ENOMEM, "stack: out of memory");
    } else {
        arrange_units(s, layers, n);
        if ((st = build_units(s, layers, err)) == CB_OK)
            st = lay_out_weights(s, err);
    }
    if (st == CB_OK)
        *out = s;
    else
        cb_stack_destroy(s);
    return st;
}

void cb_stack_destroy(cb_stack *s) {
    if (s == NULL)
        return;
    for (size_t l = s->layers; s->cells && l-- > 0;)
        cb_cell_destroy(s->cells[l]);
    cbi_free(s->cells);
    cbi_free(s->units);
    cbi_free(s->first);
    cbi_free(s->first_mask);
    cbi_free(s->masks);
    cbi_free(s->params);
    cbi_free(s);
}

static int has_one_text(const cb_stack *s) {
    for (size_t u = 1; u < s->layers; u++)
        if (strcmp(cb_cell_text(s->cells[u]), cb_cell_text(s->cells[0])) != 0)
            return 0;
    return 1;
}

cb_status cb_stack_text(const cb_stack *s, char **out, cb_err *err) {
    cbi_text text = {0};
    if (has_one_text(s))
        cbi_text_add(&text, cb_cell_text(s->cells[0]));
    for (size_t u = 0; !has_one_text(s) && u < s->layers; u++) {
        if (s->units[u].reverse)
            continue;
        const int both = u + 1 < s->layers && s->units[u + 1].reverse;
        cbi_text_addf(&text, "# layer %zu%s%s\n%s", s->units[u].level + 1,
                      both ? ", in both directions" : "", s->cells[u]->residual ? ", residual" : "",
                      cb_cell_text(s->cells[u]));
    }
    return cbi_text_take(&text, out, err);
}

size_t cb_stack_layer_count(const cb_stack *s) {
    return s->layers;
}
const cb_cell *cb_stack_cell(const cb_stack *s, size_t layer) {
    return layer < s->layers ? s->cells[layer] : NULL;
}
int cb_stack_runs_forward(const cb_stack *s) {
    for (size_t u = 0; u < s->layers; u++)
        if (s->units[u].reverse)
            return 0;
    return 1;
}

cb_input_kind cb_stack_input_kind(const cb_stack *s) {
    return s->kind;
}
size_t cb_stack_input_dim(const cb_stack *s) {
    return s->I;
}
size_t cb_stack_output_dim(const cb_stack *s) {
    const cbi_unit *last = &s->units[s->layers - 1];
    return last->column + cb_cell_output_dim(s->cells[s->layers - 1]);
}
const cb_stack_param *cb_stack_params(const cb_stack *s, size_t *count) {
    *count = s->param_count;
    return s->params;
}
size_t cb_stack_weight_count(const cb_stack *s) {
    return s->weights;
}
size_t cb_stack_param_count(const cb_stack *s) {
    size_t n = 0;
    for (size_t l = 0; l < s->layers; l++)
        n += cb_cell_param_count(s->cells[l]);
    return n;
}

size_t cbi_stack_offset(const cb_stack *s, size_t layer, uint32_t param) {
    return s->params[s->first[layer] + param].offset;
}

cb_status cbi_stack_state(const cb_stack *s, size_t layer, const char *name, size_t *state,
                          cb_err *err) {
    if (layer >= s->layers)
        return cb_fail(err, CB_EARG, "layer: expected 0 to %zu, got %zu", s->layers - 1, layer);
    const cb_cell *cell = s->cells[layer];
    cbi_near near;
    cbi_near_init(&near, name);
    for (*state = 0; *state < cell->state_count; ++*state) {
        if (strcmp(cell->states[*state].name, name) == 0)
            return CB_OK;
        cbi_near_offer(&near, cell->states[*state].name);
    }
    return cb_fail(err, CB_EARG, "%s has no state '%.60s'%s", cell->name, name,
                   cbi_near_text(&near));
}

cb_status cbi_steps_check(const cb_steps *steps, cb_err *err) {
    size_t frames = 0;
    for (size_t t = 0; t < steps->T; t++) {
        size_t limit = t ? steps->rows[t - 1] : steps->B;
        if (steps->rows[t] == 0 || steps->rows[t] > limit || (t == 0 && steps->rows[0] != limit))
            return cb_fail(err, CB_ESHAPE, "steps: rows[%zu] = %u, expected %s %zu", t,
                           (unsigned)steps->rows[t], t ? "1 to" : "B =", limit);
        frames += steps->rows[t];
    }
    if (frames != steps->frames)
        return cb_fail(err, CB_ESHAPE, "steps: the rows sum to %zu, frames says %zu", frames,
                       steps->frames);
    return CB_OK;
}

cb_status cbi_index_check(const cb_stack *s, const cb_steps *steps, const int32_t *index,
                          cb_err *err) {
    if (s->kind != CB_INPUT_INDEX)
        return CB_OK;
    for (size_t f = 0; f < steps->frames; f++)
        if (index[f] < 0 || (size_t)index[f] >= s->I)
            return cb_fail(err, CB_EARG, "index of frame %zu: expected 0 to %zu, got %d", f,
                           s->I - 1, (int)index[f]);
    return CB_OK;
}
