/* SPDX-License-Identifier: MIT */
#ifndef CB_REPORT_PLOTS_INTERNAL_H
#define CB_REPORT_PLOTS_INTERNAL_H

#include "report/plots.h"

/* Words that live as long as the pool; cut at 1,023 bytes. */
const char *cbi_plot_words(cbi_pool *pool, const char *format, ...) CB_PRINTF(2, 3);
size_t cbi_plot_share(const cbi_report_part *part); /* points of one cell in a figure, at most */
int cbi_plot_wants_log(double low, double high);

/* plots.c */
void cbi_plot_seeds(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
void cbi_plot_search(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
void cbi_plot_curves(cbi_figure *figure, const cbi_report_part *part, int split, cbi_pool *pool);
void cbi_plot_pairs(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
/* plots_cost.c */
void cbi_plot_progress(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
void cbi_plot_params(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
void cbi_plot_time(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
/* plots_settings.c */
void cbi_plot_importance(cbi_figure *figure, const cbi_report_part *part, cbi_pool *pool);
/* The setting that is `which`th by importance, from 0; a number or a category. */
void cbi_plot_marginal(cbi_figure *figure, const cbi_report_part *part, size_t which,
                       cbi_pool *pool);

#endif
