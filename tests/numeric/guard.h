/* SPDX-License-Identifier: MIT */
/*
 * Buffers of floats with an unreadable page directly before their first or directly behind their
 * last element: a kernel that reads or writes one float too far is killed by a signal.
 */
#ifndef CB_TESTS_GUARD_H
#define CB_TESTS_GUARD_H

#include <math.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD_FLOATS = 1 << 18 };

typedef struct guard {
    float *base; /* GUARD_FLOATS floats between two unreadable pages */
} guard;

static inline int guard_open(guard *g) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = GUARD_FLOATS * sizeof(float);
    char *all =
        mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g->base = NULL;
    if (all == MAP_FAILED || mprotect(all, page, PROT_NONE) != 0 ||
        mprotect(all + page + size, page, PROT_NONE) != 0)
        return -1;
    g->base = (float *)(void *)(all + page);
    return 0;
}

/* n <= GUARD_FLOATS floats, all NaN, at the end (or the start) of the region. */
static inline float *guard_take(guard *g, size_t n, int at_end) {
    float *p = at_end ? g->base + GUARD_FLOATS - n : g->base;
    for (size_t i = 0; i < n; i++)
        p[i] = NAN;
    return p;
}

static inline void guard_close(guard *g) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap((char *)(void *)g->base - page, GUARD_FLOATS * sizeof(float) + 2 * page);
}

#endif
