/* SPDX-License-Identifier: MIT */
/* A registered cell as the layers of a stack. */
#ifndef CB_TESTS_REGISTERED_H
#define CB_TESTS_REGISTERED_H

#include <stdio.h>
#include <string.h>

#include "cellbench/engine.h"

/* The cell that `def` names as the lowest layer; NULL if it can stand there itself. */
static inline const cb_cell_def *registered_lowest(const cb_cell_def *def) {
    char name[64];
    const cb_cell_def *lowest = NULL;
    const char *line = strstr(def->text, "lowest ");
    cb_err err;
    if (line == NULL || sscanf(line, "lowest %63[a-z0-9-]", name) != 1)
        return NULL;
    return cb_cell_find(&lowest, cb_variants, name, &err) == CB_OK ? lowest : NULL;
}

/* `n` layers of the cell, above one of its lowest where it needs it: out [n + 1]. Returns how many
 * there are. */
static inline size_t registered_layers(const cb_cell_def *def, size_t n, size_t H,
                                       cb_layer_spec *out) {
    const cb_cell_def *lowest = registered_lowest(def);
    size_t count = 0;
    if (lowest)
        out[count++] = (cb_layer_spec){.name = lowest->name, .text = lowest->text, .hidden = H};
    for (size_t l = 0; l < n; l++)
        out[count++] = (cb_layer_spec){.name = def->name, .text = def->text, .hidden = H};
    return count;
}

#endif
