/* SPDX-License-Identifier: MIT */
/*
 * Memory: one replaceable table through which the whole library allocates, and checked sizes.
 */
#ifndef CELLBENCH_MEMORY_H
#define CELLBENCH_MEMORY_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As in C's <stdlib.h>; `context` is handed back on each call. `resize` with NULL allocates.
 * Must be callable from several threads at once. */
typedef struct cb_allocator {
    void *(*resize)(void *context, void *block, size_t size);
    void (*release)(void *context, void *block);
    void *context;
} cb_allocator;

/* Replaces the table; NULL restores the C library's. Call it before any other function of the
 * library, or when nothing allocated by it is alive. Not safe against concurrent use. */
CB_API void cb_memory_set(const cb_allocator *allocator);

/* Memory from the library's table, for what a caller's function hands over to the library, such as
 * the text that cb_cell_def.write makes; NULL if there is none. */
CB_API void *cb_alloc(size_t size);

/* Frees what a function of the library returned as "caller frees with cb_free". NULL is allowed. */
CB_API void cb_free(void *block);

/* *out = a * b, or CB_ESHAPE (and *out = 0) if that overflows size_t. */
CB_API CB_MUST_USE cb_status cb_size_mul(size_t a, size_t b, size_t *out);
CB_API CB_MUST_USE cb_status cb_size_add(size_t a, size_t b, size_t *out);

#ifdef __cplusplus
}
#endif
#endif
