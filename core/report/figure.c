/* SPDX-License-Identifier: MIT */
#include "report/figure.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

cbi_series *cbi_figure_add(cbi_figure *figure, cbi_pool *pool, const cbi_series *series) {
    cbi_series *place =
        CBI_POOL_APPEND(pool, figure->series, figure->series_count, figure->series_capacity);
    if (place != NULL)
        *place = *series;
    return place;
}

void cbi_series_add(cbi_series *series, cbi_pool *pool, cbi_point point) {
    if (series == NULL || !isfinite(point.x) || !isfinite(point.y))
        return;
    cbi_point *place = CBI_POOL_APPEND(pool, series->points, series->count, series->capacity);
    if (place != NULL)
        *place = point;
}

static int by_x(const void *a, const void *b) {
    const cbi_point *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return (p->tag > q->tag) - (p->tag < q->tag); /* the order is the same on every machine */
}

size_t cbi_series_thin(cbi_series *series, size_t most) {
    const size_t all = series->count;
    if (all <= most || most < 2)
        return all;
    qsort(series->points, all, sizeof *series->points, by_x);
    for (size_t i = 0; i < most; i++)
        series->points[i] = series->points[i * (all - 1) / (most - 1)];
    series->count = most;
    return all;
}

void cbi_series_swarm(cbi_series *series, double low, double high, int is_log) {
    enum {
        BINS = 72, /* a mark's width, about: they touch, but do not cover each other */
        STACK = 8  /* more in a bin look like a pattern if they are stacked */
    };
    static const double spread = 0.34;
    size_t in_bin[BINS] = {0}, fullest = 1, placed[BINS] = {0};
    if (series == NULL || !(high > low))
        return;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < series->count; i++) {
            cbi_point *p = &series->points[i];
            const double share =
                is_log ? log(p->x / low) / log(high / low) : (p->x - low) / (high - low);
            const size_t bin = share >= 1 ? BINS - 1 : share > 0 ? (size_t)(share * BINS) : 0;
            if (pass == 0) {
                if (++in_bin[bin] > fullest)
                    fullest = in_bin[bin];
                continue;
            }
            const size_t k = placed[bin]++, rank = (k + 1) / 2;
            const double step = fmin(0.13, spread / fmax(1, floor((double)fullest / 2)));
            if (fullest <= STACK) /* 0, +1, -1, +2, -2, ... from the middle */
                p->y += (k % 2 == 1 ? -1 : 1) * (double)rank * step;
            else /* spread evenly, in an order without pattern: multiples of the golden ratio */
                p->y +=
                    (fmod((double)i * 0.6180339887498949, 1) - 0.5) * (double)in_bin[bin] * step;
        }
}
