/* SPDX-License-Identifier: MIT */
/* The figures of one study on one task. */
#ifndef CB_REPORT_PLOTS_H
#define CB_REPORT_PLOTS_H

#include "report/figure.h"
#include "report/report_data.h"

typedef enum cbi_plot {
    CBI_PLOT_SEEDS = 0,  /* values of the best setting, seed by seed */
    CBI_PLOT_SEARCH = 1, /* validation values of all trials */
    CBI_PLOT_VALID = 2,  /* learning curves */
    CBI_PLOT_TRAIN = 3,
    CBI_PLOT_PAIRS = 4,    /* differences seed by seed */
    CBI_PLOT_PROGRESS = 5, /* best value to expect after n settings */
    CBI_PLOT_PARAMS = 6,   /* validation against parameters */
    CBI_PLOT_TIME = 7,     /* against time */
    CBI_PLOT_IMPORTANCE = 8,
    CBI_PLOT_MARGINAL = 9,  /* of the most important setting, and of those behind it */
    CBI_PLOT_MARGINALS = 4, /* so many; those that there are not have no title */
    CBI_PLOTS = CBI_PLOT_MARGINAL + CBI_PLOT_MARGINALS
} cbi_plot;

/* One with nothing to show says why in `empty`. */
void cbi_plots_make(cbi_figure figures[CBI_PLOTS], const cbi_report_part *part, cbi_pool *pool);

#endif
