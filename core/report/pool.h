/* SPDX-License-Identifier: MIT */
/*
 * Memory that lives as long as one report: taken piece by piece, given back at once. After a
 * failure `failed` is set, and whoever fills a list sees NULL.
 */
#ifndef CB_REPORT_POOL_H
#define CB_REPORT_POOL_H

#include <stddef.h>

#include "cellbench/store.h"

typedef struct cbi_pool_block cbi_pool_block;
typedef struct cbi_pool {
    cbi_pool_block *block;
    int failed;
} cbi_pool;

void *cbi_pool_take(cbi_pool *pool, size_t n, size_t size); /* zeroed */
char *cbi_pool_text(cbi_pool *pool, const char *text, size_t n);
/* A text column of the current row; "" if it holds none. */
char *cbi_pool_column(cbi_pool *pool, const cb_query *query, size_t column);
/* Room for one more element at the end of a list that doubles; the old block stays in the pool.
 * Returns the place of the new, zeroed element, or NULL. */
void *cbi_pool_append(cbi_pool *pool, void *list, size_t *count, size_t *capacity, size_t size);
#define CBI_POOL_APPEND(pool, list, count, capacity)                                               \
    cbi_pool_append(pool, (void *)&(list), &(count), &(capacity), sizeof *(list))
CB_MUST_USE cb_status cbi_pool_status(const cbi_pool *pool, cb_err *err);
void cbi_pool_fini(cbi_pool *pool);

#endif
