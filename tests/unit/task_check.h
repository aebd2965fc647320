/* SPDX-License-Identifier: MIT */
/*
 * Opening tasks in tests: success or the expected failure, with the message in the test's output.
 */
#ifndef CB_TESTS_TASK_CHECK_H
#define CB_TESTS_TASK_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/memory.h"
#include "cellbench/task.h"

static inline cb_task *open_task(const char *name, const char *settings) {
    cb_err err = {0};
    cb_task *task = NULL;
    cb_status st = cb_task_open(&task, name, settings, &err);
    if (st != CB_OK)
        fail_msg("%s %s: %s: %s", name, settings, cb_status_name(st), err.text);
    return task;
}

/* Opening must fail with this status, and the message must hold both pieces. */
static inline void expect_failure(const char *name, const char *settings, cb_status status,
                                  const char *first, const char *second) {
    cb_err err = {0};
    cb_task *task = (cb_task *)&err; /* anything but NULL */
    cb_status st = cb_task_open(&task, name, settings, &err);
    if (st != status)
        fail_msg("%s %s: expected %s, got %s: %s", name, settings, cb_status_name(status),
                 cb_status_name(st), err.text);
    assert_null(task);
    assert_int_equal(err.code, status);
    if (strstr(err.text, first) == NULL || strstr(err.text, second) == NULL)
        fail_msg("%s %s: expected '%s' and '%s' in: %s", name, settings, first, second, err.text);
}

/* An allocator whose n-th call fails. */
typedef struct failing {
    long left; /* calls that still succeed; below 0: all do */
    long alive;
} failing;

static inline void *failing_resize(void *context, void *block, size_t size) {
    failing *f = context;
    if (f->left == 0)
        return NULL;
    if (f->left > 0)
        f->left--;
    void *grown = realloc(block, size);
    if (block == NULL && grown != NULL)
        f->alive++;
    return grown;
}

static inline void failing_release(void *context, void *block) {
    failing *f = context;
    if (block != NULL)
        f->alive--;
    free(block);
}

/* Fails the first allocation, then the second, ... until opening succeeds: each failure must be
 * reported as such and leave nothing behind. */
static inline void check_every_allocation(const char *name, const char *settings) {
    long n = 0;
    for (;; n++) {
        failing state = {n, 0};
        const cb_allocator table = {failing_resize, failing_release, &state};
        cb_err err = {0};
        cb_task *task = NULL;
        cb_memory_set(&table);
        cb_status st = cb_task_open(&task, name, settings, &err);
        cb_task_close(task);
        cb_memory_set(NULL);
        if (state.alive != 0)
            fail_msg("%s: %ld blocks leak at allocation %ld", name, state.alive, n);
        if (st == CB_OK)
            break;
        if (st != CB_ENOMEM)
            fail_msg("%s: allocation %ld failing gives %s: %s", name, n, cb_status_name(st),
                     err.text);
        assert_null(task);
    }
    assert_true(n > 5); /* the task's own arrays are among them */
}

#endif
