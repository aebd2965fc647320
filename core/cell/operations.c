/* SPDX-License-Identifier: MIT */
/* Which element-wise operations a step consists of. */
#include <string.h>

#include "base/alloc.h"
#include "cell/cell_internal.h"

static const char *operation_name(const cbi_instr *in) {
    static const char *const kinds[] = {"sum", "broadcast", "spread", "fold"};
    return in->kind == CBI_POINTWISE ? in->op
           : in->kind == CBI_CLOCK   ? "clock"
                                     : kinds[in->kind - CBI_SUM];
}

/* The row of this name; new ones go to the end. `all` has room. */
static cb_cell_operation *row_of(cb_cell_operation *all, size_t *count, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    all[*count] = (cb_cell_operation){.name = name};
    return &all[(*count)++];
}

static size_t elements(const cbi_pass *pass, const cbi_instr *in) {
    return in->sink ? pass->node[in->src[0]].n.dim : pass->node[in->dst].n.dim;
}

cb_status cb_cell_get_operations(const cb_cell *cell, cb_cell_operation **out, size_t *count,
                                 cb_err *err) {
    const cbi_pass *forward = &cell->forward, *backward = &cell->backward;
    *count = 0;
    *out = cbi_calloc(forward->instr_count + backward->instr_count + 1, sizeof **out);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: a list of operations", cell->name);
    for (size_t i = 0; i < forward->instr_count; i++)
        row_of(*out, count, operation_name(&forward->instr[i]))->forward +=
            elements(forward, &forward->instr[i]);
    for (size_t i = 0; i < backward->instr_count; i++)
        row_of(*out, count, operation_name(&backward->instr[i]))->backward +=
            elements(backward, &backward->instr[i]);
    return CB_OK;
}
