/* SPDX-License-Identifier: MIT */
/*
 * Files for the tests of tasks with recorded data: a folder of the program's own, and what the
 * environment says of real data sets, which the tests do not see unless they ask for it.
 */
#ifndef CB_TESTS_TASK_FILE_H
#define CB_TESTS_TASK_FILE_H

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task_check.h"

static char folder[] = "/tmp/cellbench-task-XXXXXX";
static char *data_root; /* CELLBENCH_DATA as the program was given it; NULL: none */

/* A file in the folder; returns the task's settings for it, valid until the next call. */
static inline const char *write_file(const char *name, const void *bytes, size_t n) {
    static char settings[256];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    snprintf(settings, sizeof settings, "{\"file\":\"%s\"}", path);
    return settings;
}

/* Settings with more of them: `more` is `"key":value,...`. Valid until the next call. */
static inline const char *add_settings(const char *settings, const char *more) {
    static char all[512];
    const char *comma = settings[1] == '}' || more[0] == '\0' ? "" : ",";
    snprintf(all, sizeof all, "%.*s%s%s}", (int)strlen(settings) - 1, settings, comma, more);
    return all;
}

static inline void need_data(void) {
    if (data_root == NULL) {
        print_message("skipped: no data sets (set CELLBENCH_DATA to their folder)\n");
        skip();
    }
    setenv("CELLBENCH_DATA", data_root, 1);
}

static inline int set_up(void **state) {
    (void)state;
    const char *root = getenv("CELLBENCH_DATA");
    if (root != NULL && access(root, R_OK) == 0)
        data_root = strdup(root);
    unsetenv("CELLBENCH_DATA");
    return mkdtemp(folder) == NULL;
}

static inline int remove_entry(const char *path, const struct stat *info, int type,
                               struct FTW *place) {
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static inline int tear_down(void **state) {
    (void)state;
    free(data_root);
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
