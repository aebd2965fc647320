/* SPDX-License-Identifier: MIT */
/*
 * The registered cells, one row each: by family, and within a family by year. A new cell is its
 * definition, in a file of its own or beside those it differs from by a line, and a row here; the
 * generic tests (gradients, f32 against f64, parameter counts, lint) take it from this table.
 */
#ifndef CB_VARIANTS_TABLE_H
#define CB_VARIANTS_TABLE_H

#include "cellbench/cell.h"

/* clang-format off */
#define CBI_VARIANTS(ROW)                                                                          \
    /* simple */                                                                                   \
    ROW(rnn)                                                                                       \
    ROW(leaky)                                                                                     \
    ROW(mrnn)                                                                                      \
    ROW(scrn)                                                                                      \
    ROW(irnn)                                                                                      \
    ROW(fastrnn)                                                                                   \
    ROW(indrnn)                                                                                    \
    /* clockwork */                                                                                \
    ROW(clockwork)                                                                                 \
    ROW(clockwork_lstm)                                                                            \
    /* lstm */                                                                                     \
    ROW(lstm_1997)                                                                                 \
    ROW(lstm)                                                                                      \
    ROW(projected)                                                                                 \
    ROW(projected_peephole)                                                                        \
    ROW(coupled)                                                                                   \
    ROW(lstm_i)                                                                                    \
    ROW(lstm_f)                                                                                    \
    ROW(lstm_o)                                                                                    \
    ROW(lstm_b)                                                                                    \
    ROW(lstm_layernorm)                                                                            \
    ROW(multiplicative_lstm)                                                                       \
    ROW(janet)                                                                                     \
    ROW(slstm)                                                                                     \
    /* peephole */                                                                                 \
    ROW(peephole)                                                                                  \
    ROW(peephole_i)                                                                                \
    ROW(peephole_f)                                                                                \
    ROW(peephole_o)                                                                                \
    ROW(peephole_if)                                                                               \
    ROW(peephole_io)                                                                               \
    ROW(peephole_fo)                                                                               \
    /* greff */                                                                                    \
    ROW(greff_v)                                                                                   \
    ROW(greff_nig)                                                                                 \
    ROW(greff_nfg)                                                                                 \
    ROW(greff_nog)                                                                                 \
    ROW(greff_niaf)                                                                                \
    ROW(greff_noaf)                                                                                \
    ROW(greff_np)                                                                                  \
    ROW(greff_cifg)                                                                                \
    ROW(greff_fgr)                                                                                 \
    /* gru */                                                                                      \
    ROW(gru)                                                                                       \
    ROW(gru_chung)                                                                                 \
    ROW(gru_after)                                                                                 \
    ROW(gru_layernorm)                                                                             \
    ROW(mgu)                                                                                       \
    ROW(ligru)                                                                                     \
    /* gated */                                                                                    \
    ROW(cfn)                                                                                       \
    ROW(ugrnn)                                                                                     \
    ROW(intersection)                                                                              \
    ROW(minimalrnn)                                                                                \
    ROW(ran)                                                                                       \
    ROW(atr)                                                                                       \
    ROW(fastgrnn)                                                                                  \
    ROW(brc)                                                                                       \
    ROW(nbrc)                                                                                      \
    ROW(star)                                                                                      \
    /* searched */                                                                                 \
    ROW(mut1)                                                                                      \
    ROW(mut2)                                                                                      \
    ROW(mut3)                                                                                      \
    ROW(nas)                                                                                       \
    /* deep */                                                                                     \
    ROW(depth_gated)                                                                               \
    ROW(depth_gated_coupled)                                                                       \
    ROW(depth_gated_first)                                                                         \
    ROW(highway)                                                                                   \
    /* continuous */                                                                               \
    ROW(antisymmetric)                                                                             \
    ROW(antisymmetric_gated)                                                                       \
    ROW(cornn)                                                                                     \
    ROW(unicornn)                                                                                  \
    ROW(lem)                                                                                       \
    /* parallel */                                                                                 \
    ROW(qrnn)                                                                                      \
    ROW(t_rnn)                                                                                     \
    ROW(sru)                                                                                       \
    ROW(lru)                                                                                       \
    ROW(rg_lru)                                                                                    \
    ROW(mingru)                                                                                    \
    ROW(minlstm)
/* clang-format on */

#define CBI_VARIANT(name) extern const cb_cell_def cbi_variant_##name;
CBI_VARIANTS(CBI_VARIANT)
#undef CBI_VARIANT

#endif
