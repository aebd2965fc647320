/* SPDX-License-Identifier: MIT */
/*
 * The allocation table, and what the library builds on it: zeroed, aligned and growing blocks.
 *
 * The table is the one writable global of the library. It is set before anything else is called
 * (cellbench/memory.h), so reading it needs no lock.
 */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64 };

/* Blocks from here on are worth a huge page (2 MiB on x86-64 and on most of the rest). */
static const size_t huge_page_bytes = (size_t)2 << 20;

static void *libc_resize(void *context, void *block, size_t size) {
    (void)context;
    return realloc(block, size);
}

static void libc_release(void *context, void *block) {
    (void)context;
    free(block);
}

static const cb_allocator libc_allocator = {libc_resize, libc_release, NULL};
static cb_allocator allocator = {libc_resize, libc_release, NULL};

void cb_memory_set(const cb_allocator *replacement) {
    allocator = replacement != NULL ? *replacement : libc_allocator;
}

cb_status cb_size_mul(size_t a, size_t b, size_t *out) {
    if (__builtin_mul_overflow(a, b, out)) {
        *out = 0;
        return CB_ESHAPE;
    }
    return CB_OK;
}

cb_status cb_size_add(size_t a, size_t b, size_t *out) {
    if (__builtin_add_overflow(a, b, out)) {
        *out = 0;
        return CB_ESHAPE;
    }
    return CB_OK;
}

void *cbi_realloc(void *block, size_t size) {
    if (size > PTRDIFF_MAX)
        return NULL;
    return allocator.resize(allocator.context, block, size > 0 ? size : 1);
}

void *cbi_malloc(size_t size) {
    return cbi_realloc(NULL, size);
}

void *cbi_calloc(size_t n, size_t size) {
    size_t bytes;
    if (cb_size_mul(n, size, &bytes) != CB_OK)
        return NULL;
    void *block = cbi_malloc(bytes);
    if (block != NULL)
        memset(block, 0, bytes);
    return block;
}

void cbi_free(void *block) {
    if (block != NULL)
        allocator.release(allocator.context, block);
}

void *cb_alloc(size_t size) {
    return cbi_malloc(size);
}

void cb_free(void *block) {
    cbi_free(block);
}

char *cbi_strdup(const char *text) {
    return cbi_strndup(text, strlen(text));
}

char *cbi_strndup(const char *text, size_t n) {
    size_t length = strnlen(text, n);
    char *copy = cbi_malloc(length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

/*
 * The table has no aligned call: a larger block is taken, and the pointer to it is kept just below
 * the aligned address that is handed out. A block of at least a huge page starts on one's border,
 * where the kernel can back it whole.
 */
void *cbi_aligned_calloc(size_t n, size_t size) {
    size_t bytes, total;
    if (cb_size_mul(n, size, &bytes) != CB_OK)
        return NULL;
    int huge = bytes >= huge_page_bytes;
    size_t border = huge ? huge_page_bytes : ALIGNMENT;
    if (cb_size_add(bytes, border + sizeof(void *), &total) != CB_OK)
        return NULL;
    char *start = cbi_malloc(total);
    if (start == NULL)
        return NULL;
    size_t offset = sizeof(void *) + border - 1;
    offset -= ((uintptr_t)start + offset) % border;
    char *block = start + offset;
    memcpy(block - sizeof start, &start, sizeof start);
    if (huge) /* advice only: a kernel without huge pages refuses, and nothing is lost */
        (void)madvise(block, bytes / huge_page_bytes * huge_page_bytes, MADV_HUGEPAGE);
    memset(block, 0, bytes);
    return block;
}

void cbi_aligned_free(void *block) {
    if (block == NULL)
        return;
    void *start;
    memcpy(&start, (char *)block - sizeof start, sizeof start);
    cbi_free(start);
}

cb_status cbi_grow(void **block, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity)
        return CB_OK;
    size_t wanted = *capacity < 4 ? 8 : *capacity, bytes;
    if (cb_size_mul(wanted, 2, &wanted) != CB_OK || wanted < need)
        wanted = need;
    if (cb_size_mul(wanted, size, &bytes) != CB_OK) {
        wanted = need;
        if (cb_size_mul(wanted, size, &bytes) != CB_OK)
            return CB_ESHAPE;
    }
    void *grown = cbi_realloc(*block, bytes);
    if (grown == NULL)
        return CB_ENOMEM;
    *block = grown;
    *capacity = wanted;
    return CB_OK;
}
