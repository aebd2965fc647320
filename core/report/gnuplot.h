/* SPDX-License-Identifier: MIT */
/* gnuplot as a process: a script in, a picture out. */
#ifndef CB_REPORT_GNUPLOT_H
#define CB_REPORT_GNUPLOT_H

#include "report/figure.h"

typedef enum cbi_picture { CBI_PICTURE_SVG = 0, CBI_PICTURE_PDF = 1 } cbi_picture;

/* Draws a figure; *data (cbi_free it) holds `length` bytes and a zero behind them. CB_EIO if
 * gnuplot is not installed (the message says so), or fails. */
CB_MUST_USE cb_status cbi_gnuplot_draw(char **data, size_t *length, const cbi_figure *figure,
                                       cbi_picture picture, cb_err *err);

#endif
