/* SPDX-License-Identifier: MIT */
/* The registered cells, as a table. */
#include "table.h"

#define CBI_VARIANT(name) &cbi_variant_##name,
const cb_cell_def *const cb_variants[] = {CBI_VARIANTS(CBI_VARIANT) NULL};
