/* SPDX-License-Identifier: MIT */
/*
 * Failure of every single allocation: an allocator that counts what is alive and refuses its n-th
 * call, and a loop that refuses the first, the second, ... until the work succeeds. Each refusal
 * must come out as CB_ENOMEM and leave nothing behind.
 */
#ifndef CB_TESTS_FAULTS_H
#define CB_TESTS_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cellbench/memory.h"

typedef struct faults {
    long calls;      /* of resize, so far */
    long refuse_at;  /* the call that fails, from 1; 0: none */
    int refuse_more; /* and all after it */
    long alive;      /* blocks */
} faults;

static inline void *faults_resize(void *context, void *block, size_t size) {
    faults *f = context;
    f->calls++;
    if (f->refuse_at > 0 && (f->refuse_more ? f->calls >= f->refuse_at : f->calls == f->refuse_at))
        return NULL;
    void *grown = realloc(block, size);
    if (block == NULL && grown != NULL)
        f->alive++;
    return grown;
}

static inline void faults_release(void *context, void *block) {
    faults *f = context;
    f->alive -= block != NULL;
    free(block);
}

/* `work` must release all it made, and return what the call under test returned. Both kinds of
 * shortage are tried: one refusal, and refusals from some call on. Returns the number of calls. */
static inline long faults_run(cb_status (*work)(void *), void *context) {
    long calls = 0;
    for (int more = 0; more < 2; more++) {
        cb_status st = CB_ENOMEM;
        for (long n = 1; st != CB_OK; n++) {
            faults f = {.refuse_at = n, .refuse_more = more};
            cb_allocator table = {faults_resize, faults_release, &f};
            cb_memory_set(&table);
            st = work(context);
            cb_memory_set(NULL);
            assert_int_equal(f.alive, 0);
            if (st != CB_OK)
                assert_int_equal(st, CB_ENOMEM);
            else if (f.calls >= n)
                fail_msg("allocation %ld was refused, and the call said CB_OK", n);
            calls = f.calls;
        }
    }
    return calls;
}

#endif
