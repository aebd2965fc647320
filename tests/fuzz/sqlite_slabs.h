/* SPDX-License-Identifier: MIT */
/*
 * Memory for SQLite in a fuzz target: lists of free blocks, by size. A sanitizer's allocator, which
 * notes where each block was asked for, takes most of the time of a target that prepares hundreds
 * of statements an input. What that allocator is for is kept: a freed block is poisoned, so that
 * our code is caught when it reads it before it is used anew; and sqlite3_memory_used() tells what
 * leaks.
 */
#ifndef CB_TESTS_SQLITE_SLABS_H
#define CB_TESTS_SQLITE_SLABS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLABS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLABS_POISON 1
#endif
#endif
#ifdef SLABS_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#endif

/* No branch of these is of interest to a fuzzer. */
#ifdef __clang__
#define SLABS_PLAIN __attribute__((no_sanitize("coverage", "address", "undefined")))
#else
#define SLABS_PLAIN
#endif

enum {
    SLABS_HEAD = 16,  /* before a block: its size */
    SLABS_LEAST = 32, /* bytes of the smallest kind; each other kind has twice as many */
    SLABS_KINDS = 14,
    SLABS_CHUNK = 1 << 20 /* at least; taken from the system at once */
};

typedef struct slabs_block {
    size_t size; /* without its head */
    struct slabs_block *next;
} slabs_block;

static struct {
    slabs_block *free[SLABS_KINDS];
    unsigned char *chunk;
    size_t left;
} slabs;

SLABS_PLAIN static slabs_block *slabs_head(void *memory) {
    return (slabs_block *)(void *)((unsigned char *)memory - SLABS_HEAD);
}

SLABS_PLAIN static int slabs_size(void *memory) {
    return memory != NULL ? (int)slabs_head(memory)->size : 0;
}

/* The least kind that is large enough; SLABS_KINDS if none is. */
SLABS_PLAIN static int slabs_kind(size_t size) {
    size_t parts = (size - 1) / SLABS_LEAST;
    int kind = parts > 0 ? 64 - __builtin_clzl(parts) : 0;
    return kind < SLABS_KINDS ? kind : SLABS_KINDS;
}

SLABS_PLAIN static int slabs_roundup(int size) {
    const int kind = slabs_kind((size_t)size);
    return kind < SLABS_KINDS ? SLABS_LEAST << kind : (size + 15) & ~15;
}

/* From the chunk; or from the system, if it is larger than the largest kind. */
SLABS_PLAIN static slabs_block *slabs_new(size_t size, int kind) {
    const size_t bytes = size + SLABS_HEAD;
    if (kind == SLABS_KINDS)
        return malloc(bytes);
    if (slabs.left < bytes) {
        if ((slabs.chunk = malloc(SLABS_CHUNK)) == NULL)
            return NULL;
        slabs.left = SLABS_CHUNK;
    }
    slabs_block *block = (slabs_block *)(void *)slabs.chunk;
    slabs.chunk += bytes;
    slabs.left -= bytes;
    return block;
}

SLABS_PLAIN static void *slabs_malloc(int wanted) {
    const size_t size = (size_t)slabs_roundup(wanted);
    const int kind = slabs_kind(size);
    slabs_block *block = kind < SLABS_KINDS ? slabs.free[kind] : NULL;
    if (block != NULL)
        slabs.free[kind] = block->next;
    else if ((block = slabs_new(size, kind)) == NULL)
        return NULL;
    block->size = size;
    ASAN_UNPOISON_MEMORY_REGION((unsigned char *)block + SLABS_HEAD, size);
    return (unsigned char *)block + SLABS_HEAD;
}

SLABS_PLAIN static void slabs_free(void *memory) {
    slabs_block *block = slabs_head(memory);
    const int kind = slabs_kind(block->size);
    if (kind == SLABS_KINDS) {
        free(block);
        return;
    }
    block->next = slabs.free[kind];
    slabs.free[kind] = block;
    ASAN_POISON_MEMORY_REGION(memory, block->size);
}

SLABS_PLAIN static void *slabs_realloc(void *memory, int size) {
    const size_t old = slabs_head(memory)->size;
    if ((size_t)size <= old && old <= 2 * (size_t)size + SLABS_LEAST)
        return memory;
    void *grown = slabs_malloc(size);
    if (grown == NULL)
        return NULL;
    memcpy(grown, memory, old < (size_t)size ? old : (size_t)size);
    slabs_free(memory);
    return grown;
}

SLABS_PLAIN static int slabs_begin(void *context) {
    (void)context;
    return SQLITE_OK;
}

SLABS_PLAIN static void slabs_end(void *context) {
    (void)context;
}

/* Before SQLite is first used; it is then for one thread. SQLITE_OK if it may be used. */
SLABS_PLAIN static int slabs_for_sqlite(void) {
    static const sqlite3_mem_methods methods = {slabs_malloc, slabs_free,    slabs_realloc,
                                                slabs_size,   slabs_roundup, slabs_begin,
                                                slabs_end,    NULL};
    int rc = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    return rc == SQLITE_OK ? sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) : rc;
}

#endif
