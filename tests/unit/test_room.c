/* SPDX-License-Identifier: MIT */
/* How much memory there is, read from files as the kernel writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "sweep/room.h"

static char root[64];

static int setup(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_room.XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int teardown(void **state) {
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text) {
    char command[512];
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s/%s')\" && printf '%s' > '%s/%s'",
             root, name, text, root, name);
    assert_int_equal(system(command), 0);
}

static void test_nothing_known(void **state) {
    (void)state;
    assert_true(cbi_room_free(root) == INT64_MAX);
}

static void test_system(void **state) {
    (void)state;
    put("proc/meminfo", "MemTotal: 9000 kB\\nMemFree: 10 kB\\nMemAvailable:    5000 kB\\n");
    assert_int_equal(cbi_room_free(root), 5000 * 1024);
}

/* The group itself has no limit; the one above it has, and its page cache counts as free. */
static void test_groups_2(void **state) {
    (void)state;
    test_system(state);
    put("proc/self/cgroup", "0::/a/b\\n");
    put("sys/fs/cgroup/a/b/memory.max", "max\\n");
    put("sys/fs/cgroup/a/b/memory.current", "1000\\n");
    assert_int_equal(cbi_room_free(root), 5000 * 1024);
    put("sys/fs/cgroup/a/memory.max", "1000000\\n");
    put("sys/fs/cgroup/a/memory.current", "600000\\n");
    assert_int_equal(cbi_room_free(root), 400000);
    put("sys/fs/cgroup/a/memory.stat", "anon 500000\\nfile 100000\\n");
    assert_int_equal(cbi_room_free(root), 500000);
    put("sys/fs/cgroup/a/memory.current", "2000000\\n");
    assert_int_equal(cbi_room_free(root), 0);
}

/* In a container the group is the root of what is mounted. */
static void test_groups_1(void **state) {
    (void)state;
    test_system(state);
    put("proc/self/cgroup", "5:cpu:/x\\n4:memory:/somewhere/else\\n");
    assert_int_equal(cbi_room_free(root), 5000 * 1024);
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500000\\n");
    put("sys/fs/cgroup/memory/memory.stat", "cache 1\\ntotal_cache 300000\\n");
    assert_int_equal(cbi_room_free(root), 800000);
}

static void test_here(void **state) {
    (void)state;
    assert_true(cbi_room_free("") > 1 << 20);
    struct rlimit before, after;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    const rlim_t was = cbi_room_fence(1 << 20);
    assert_true(was == before.rlim_cur);
    cbi_room_unfence(was);
    assert_int_equal(getrlimit(RLIMIT_AS, &after), 0);
    assert_true(after.rlim_cur == before.rlim_cur);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_known), CASE(test_system), CASE(test_groups_2),
        CASE(test_groups_1),      CASE(test_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
