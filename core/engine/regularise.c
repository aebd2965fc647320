/* SPDX-License-Identifier: MIT */
/* Regularisers of a stack: what is asked for is checked and put into each cell. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "engine/stack_internal.h"

static cb_status check_rate(const char *what, const char *of, double rate, cb_err *err) {
    if (rate >= 0 && rate < 1)
        return CB_OK;
    return cb_fail(err, CB_EARG, "%s%s%s: expected 0 <= rate < 1, got %g", what, of ? " of " : "",
                   of ? of : "", rate);
}

/* A state must be in one of the cells. */
static cb_status check_state(const cb_stack *s, const char *name, cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, name);
    for (size_t l = 0; l < s->layers; l++)
        for (size_t i = 0; i < s->cells[l]->state_count; i++) {
            if (strcmp(s->cells[l]->states[i].name, name) == 0)
                return CB_OK;
            cbi_near_offer(&near, s->cells[l]->states[i].name);
        }
    return cb_fail(err, CB_EARG, "zoneout: no cell here has a state '%.60s'%s", name,
                   cbi_near_text(&near));
}

static cb_status check(const cb_stack *s, const cb_regularisers *r, cb_err *err) {
    cb_status st;
    if ((st = check_rate("variational_input", NULL, r->variational_input, err)) != CB_OK ||
        (st = check_rate("variational_state", NULL, r->variational_state, err)) != CB_OK ||
        (st = check_rate("recurrent_dropout", NULL, r->recurrent_dropout, err)) != CB_OK)
        return st;
    for (size_t i = 0; i < r->zoneout_count; i++) {
        const cb_zoneout *z = &r->zoneout[i];
        if ((st = check_rate("zoneout", z->state, z->rate, err)) != CB_OK ||
            (z->state && (st = check_state(s, z->state, err)) != CB_OK))
            return st;
    }
    return CB_OK;
}

static int asks(const cb_regularisers *r) {
    int any = r->variational_input > 0 || r->variational_state > 0 || r->recurrent_dropout > 0;
    for (size_t i = 0; i < r->zoneout_count; i++)
        any |= r->zoneout[i].rate > 0;
    return any;
}

static cb_status list_masks(cb_stack *s, cb_err *err) {
    for (size_t l = 0; l < s->layers; l++)
        s->mask_count += s->cells[l]->mask_count;
    s->masks = cbi_calloc(s->mask_count + 1, sizeof *s->masks);
    s->first_mask = cbi_calloc(s->layers, sizeof *s->first_mask);
    if (s->masks == NULL || s->first_mask == NULL)
        return cb_fail(err, CB_ENOMEM, "stack: out of memory");
    size_t k = 0;
    for (size_t l = 0; l < s->layers; l++) {
        s->first_mask[l] = k;
        for (size_t i = 0; i < s->cells[l]->mask_count; i++) {
            const cbi_mask *m = &s->cells[l]->masks[i];
            cb_stack_mask *made = &s->masks[k++];
            *made = (cb_stack_mask){.layer = l, .kind = m->kind, .rate = m->rate, .dim = m->dim};
            snprintf(made->name, sizeof made->name, "%zu.%s%s", s->units[l].level + 1,
                     s->units[l].reverse ? "reverse." : "", m->name);
        }
    }
    return CB_OK;
}

cb_status cb_stack_regularise(cb_stack *s, const cb_regularisers *r, cb_err *err) {
    cb_status st = check(s, r, err);
    if (st != CB_OK || !asks(r)) /* a cell stays as it is where all is off */
        return st;
    if (s->regularised)
        return cb_fail(err, CB_EARG, "regularisers: this stack has its own already");
    s->regularised = 1;
    for (size_t l = 0; l < s->layers; l++)
        if ((st = cbi_cell_regularise(s->cells[l], r, err)) != CB_OK)
            return st;
    return list_masks(s, err);
}

const cb_stack_mask *cb_stack_masks(const cb_stack *s, size_t *count) {
    *count = s->mask_count;
    return s->masks;
}
