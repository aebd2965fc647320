/* SPDX-License-Identifier: MIT */
/*
 * From settings to the regularisers of a stack (cellbench/cell.h). What finds no place in its cells
 * changes nothing, and is taken out of the settings: it must not split one trial into two.
 */
#include <string.h>

#include "train/options.h"

static const char zoneout[] = "zoneout", zoneout_c[] = "zoneout_c";

static int has_state_c(const cb_stack *stack) {
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
        size_t n;
        const cb_state_info *info = cb_cell_states(cb_stack_cell(stack, l), &n);
        for (size_t i = 0; i < n; i++)
            if (strcmp(info[i].name, "c") == 0)
                return 1;
    }
    return 0;
}

static int is_of_c(const cb_stack_mask *m) {
    const char *state = strrchr(m->name, '.');
    return state != NULL && strcmp(state, ".c") == 0;
}

/* Whether the stack has masks of a kind; of_c: those of c alone are looked for, or those of all
 * others, -1: of any. */
static int has_masks(const cb_stack *stack, cb_mask_kind kind, int of_c) {
    size_t n;
    const cb_stack_mask *m = cb_stack_masks(stack, &n);
    for (size_t i = 0; i < n; i++)
        if (m[i].kind == kind && (of_c < 0 || of_c == is_of_c(&m[i])))
            return 1;
    return 0;
}

static void drop_if(int idle, json_t *resolved, const char *name) {
    if (idle)
        (void)json_object_del(resolved, name);
}

cb_status cbi_regularise(cb_stack *stack, json_t *resolved, cb_err *err) {
    const double rate = cbi_options_number(resolved, zoneout);
    /* A rate of its own that is that of all, or of no state, says nothing. */
    const int own = json_is_number(json_object_get(resolved, zoneout_c)) && has_state_c(stack) &&
                    cbi_options_number(resolved, zoneout_c) != rate;
    const cb_zoneout zones[] = {{NULL, rate}, {"c", cbi_options_number(resolved, zoneout_c)}};
    const cb_regularisers r = {
        .variational_input = cbi_options_number(resolved, "variational_input"),
        .variational_state = cbi_options_number(resolved, "variational_state"),
        .recurrent_dropout = cbi_options_number(resolved, "recurrent_dropout"),
        .zoneout = zones,
        .zoneout_count = own ? 2 : 1,
    };
    if (r.variational_input > 0 || r.variational_state > 0 || r.recurrent_dropout > 0 || rate > 0 ||
        (own && zones[1].rate > 0)) {
        cb_status st = cb_stack_regularise(stack, &r, err);
        if (st != CB_OK)
            return cb_fail_prefix(err, st, "train: ");
    }
    drop_if(!has_masks(stack, CB_MASK_INPUT, -1), resolved, "variational_input");
    drop_if(!has_masks(stack, CB_MASK_STATE, -1), resolved, "variational_state");
    drop_if(!has_masks(stack, CB_MASK_UPDATE, -1), resolved, "recurrent_dropout");
    drop_if(!own, resolved, zoneout_c);
    /* Where c alone is left, its own rate is all that counts. */
    drop_if(!has_masks(stack, CB_MASK_ZONE, own ? 0 : -1), resolved, zoneout);
    return CB_OK;
}
