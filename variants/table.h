/* SPDX-License-Identifier: MIT */
/* What a file of this folder includes: the definition of a cell, and the names of them all. */
#ifndef CB_VARIANTS_TABLE_H
#define CB_VARIANTS_TABLE_H

#include "cellbench/cell.h"

extern const cb_cell_def cbi_variant_rnn;
extern const cb_cell_def cbi_variant_lstm;
extern const cb_cell_def cbi_variant_peephole;
extern const cb_cell_def cbi_variant_coupled;
extern const cb_cell_def cbi_variant_gru;
extern const cb_cell_def cbi_variant_gru_after;
extern const cb_cell_def cbi_variant_clockwork;
extern const cb_cell_def cbi_variant_greff_v;
extern const cb_cell_def cbi_variant_greff_nig;
extern const cb_cell_def cbi_variant_greff_nfg;
extern const cb_cell_def cbi_variant_greff_nog;
extern const cb_cell_def cbi_variant_greff_niaf;
extern const cb_cell_def cbi_variant_greff_noaf;
extern const cb_cell_def cbi_variant_greff_np;
extern const cb_cell_def cbi_variant_greff_cifg;
extern const cb_cell_def cbi_variant_greff_fgr;

#endif
