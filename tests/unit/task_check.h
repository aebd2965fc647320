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

#include "cellbench/task.h"
#include "faults.h"

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

typedef struct opening {
    const char *name, *settings;
} opening;

static inline cb_status open_and_close(void *context) {
    const opening *o = context;
    cb_task *task = NULL;
    cb_status st = cb_task_open(&task, o->name, o->settings, NULL);
    if (st != CB_OK)
        assert_null(task);
    cb_task_close(task);
    return st;
}

/* Each allocation of opening in turn is refused; the task's own arrays are among them. */
static inline void check_every_allocation(const char *name, const char *settings) {
    opening o = {name, settings};
    assert_true(faults_run(open_and_close, &o) > 5);
}

#endif
