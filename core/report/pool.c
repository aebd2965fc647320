/* SPDX-License-Identifier: MIT */
#include "report/pool.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum { BLOCK = 64 * 1024, ALIGN = 16 };

struct cbi_pool_block {
    cbi_pool_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

void *cbi_pool_take(cbi_pool *pool, size_t n, size_t size) {
    size_t bytes;
    if (pool->failed || cb_size_mul(n, size, &bytes) != CB_OK ||
        cb_size_add(bytes, ALIGN, &bytes) != CB_OK) {
        pool->failed = 1;
        return NULL;
    }
    bytes &= ~(size_t)(ALIGN - 1);
    if (pool->block == NULL || pool->block->size - pool->block->used < bytes) {
        const size_t room = bytes > BLOCK ? bytes : BLOCK;
        cbi_pool_block *block = cbi_calloc(1, sizeof *block + room);
        if (block == NULL) {
            pool->failed = 1;
            return NULL;
        }
        block->size = room;
        block->next = pool->block;
        pool->block = block;
    }
    void *place = pool->block->bytes + pool->block->used;
    pool->block->used += bytes;
    return place;
}

char *cbi_pool_text(cbi_pool *pool, const char *text, size_t n) {
    char *copy = n < SIZE_MAX ? cbi_pool_take(pool, n + 1, 1) : NULL;
    if (copy != NULL && n > 0)
        memcpy(copy, text, n);
    return copy;
}

char *cbi_pool_column(cbi_pool *pool, const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_TEXT ? cbi_pool_text(pool, value.text, value.length)
                                       : cbi_pool_text(pool, "", 0);
}

void *cbi_pool_append(cbi_pool *pool, void *list, size_t *count, size_t *capacity, size_t size) {
    unsigned char *base;
    memcpy(&base, list, sizeof base);
    if (*count == *capacity) {
        const size_t more = *capacity > 0 ? *capacity * 2 : 8;
        unsigned char *larger = cbi_pool_take(pool, more, size);
        if (larger == NULL)
            return NULL;
        if (*count > 0)
            memcpy(larger, base, *count * size);
        base = larger;
        *capacity = more;
        memcpy(list, &base, sizeof base);
    }
    return base + size * (*count)++;
}

cb_status cbi_pool_status(const cbi_pool *pool, cb_err *err) {
    return pool->failed ? cb_fail(err, CB_ENOMEM, "no memory for the report") : CB_OK;
}

void cbi_pool_fini(cbi_pool *pool) {
    while (pool->block != NULL) {
        cbi_pool_block *next = pool->block->next;
        cbi_free(pool->block);
        pool->block = next;
    }
}
