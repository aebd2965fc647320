/* SPDX-License-Identifier: MIT */
/*
 * Work in a child process with a named set of kernels: a set is chosen once in a process, so that
 * comparing sets takes one for each.
 */
#ifndef CB_TESTS_EACH_SET_H
#define CB_TESTS_EACH_SET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* work fills out (at most a pipe's 64 KiB) in the child; the parent gets a copy. */
static inline void run_with_set(const char *set, void (*work)(void *out), void *out, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CELLBENCH_ISA", set, 1);
        work(out);
        _exit(write(ends[1], out, size) == (ssize_t)size ? 0 : 1);
    }
    close(ends[1]);
    const ssize_t got = read(ends[0], out, size);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(got, size);
}

#endif
