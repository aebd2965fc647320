/* SPDX-License-Identifier: MIT */
/*
 * The library's own allocation calls: all go through the table of cellbench/memory.h. Never
 * malloc/free directly.
 */
#ifndef CB_BASE_ALLOC_H
#define CB_BASE_ALLOC_H

#include <stddef.h>

#include "cellbench/memory.h"

void *cbi_malloc(size_t size); /* size 0 gives a block all the same */
void *cbi_calloc(size_t n, size_t size); /* NULL on overflow too */
void *cbi_realloc(void *block, size_t size);
void cbi_free(void *block);
char *cbi_strdup(const char *text);
char *cbi_strndup(const char *text, size_t n);

/* 64-byte aligned, zeroed; large blocks are advised to use huge pages. Release with
 * cbi_aligned_free. */
void *cbi_aligned_calloc(size_t n, size_t size);
void cbi_aligned_free(void *block);

/* Grows *block (of element size `size`) to hold at least `need` elements, doubling; *capacity is
 * updated. Returns CB_ENOMEM or CB_ESHAPE and leaves the block as it was on failure. */
CB_MUST_USE cb_status cbi_grow(void **block, size_t *capacity, size_t need, size_t size);

#endif
