/* SPDX-License-Identifier: MIT */
/*
 * The registered cells. A new cell is one file, its name in table.h, and one row here; the generic
 * tests (gradients, f32 against f64, parameter count, lint) take it from this table.
 */
#include "table.h"

const cb_cell_def *const cb_variants[] = {
    &cbi_variant_rnn,
    &cbi_variant_lstm,
    &cbi_variant_peephole,
    &cbi_variant_coupled,
    &cbi_variant_gru,
    &cbi_variant_gru_after,
    &cbi_variant_clockwork,
    &cbi_variant_greff_v,
    &cbi_variant_greff_nig,
    &cbi_variant_greff_nfg,
    &cbi_variant_greff_nog,
    &cbi_variant_greff_niaf,
    &cbi_variant_greff_noaf,
    &cbi_variant_greff_np,
    &cbi_variant_greff_cifg,
    &cbi_variant_greff_fgr,
    NULL,
};
