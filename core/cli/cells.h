/* SPDX-License-Identifier: MIT */
/* What the files of `cellbench cells` share. */
#ifndef CB_CLI_CELLS_H
#define CB_CLI_CELLS_H

#include "cli/cli.h"

typedef struct cbi_cells_sizes {
    size_t input, hidden;
} cbi_cells_sizes;

typedef struct cbi_cells_built {
    cb_cell *below; /* for a cell that reads values of the layer below; else NULL */
    cb_cell *cell;
} cbi_cells_built;

/* Builds a registered cell, with what it names as its lowest layer below it. */
CB_MUST_USE cb_status cbi_cells_build(cbi_cells_built *out, const cb_cell_def *def,
                                      cbi_cells_sizes size, const cb_cell_setting *overrides,
                                      size_t override_count, cb_err *err);
void cbi_cells_built_fini(cbi_cells_built *made);

/* "128 x 64", "128"; "full", "upper(4)", "vector". */
enum { CBI_CELLS_SHAPE = 64 };
void cbi_cells_shape(char text[CBI_CELLS_SHAPE], const cb_param *param);
void cbi_cells_structure(char text[CBI_CELLS_SHAPE], const cb_param *param);

/* Prints what differs between two cells: lines of text, parameters, operations and cost. */
CB_MUST_USE cb_status cbi_cells_diff(const cb_cell_def *first, const cb_cell_def *second,
                                     cbi_cells_sizes size, cbi_cli_format format, cb_err *err);

#endif
