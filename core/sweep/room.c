/* SPDX-License-Identifier: MIT */
/*
 * Memory. Files of the kernel that are missing or unreadable set no limit: the run then rests on
 * the other ones, and on the memory killer.
 */
#include "sweep/room.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    /* Resident memory of a worker at a tiny trial: 15 MB measured, most of it in libraries; twice
     * that, for the pools of BLIS and of malloc. */
    WORKER_BYTES = 32 << 20,
    /* The fence: predictions were found right within 10 %; address space that is mapped but never
     * touched (arenas, alignment for huge pages) counts for it too. */
    FENCE_FACTOR = 3,
    FENCE_BYTES = 256 << 20,
    PATH_SIZE = 4096
};

/* Under a sanitizer the shadow memory alone is terabytes of address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const int is_sanitized = 1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
static const int is_sanitized = 1;
#else
static const int is_sanitized = 0;
#endif
#else
static const int is_sanitized = 0;
#endif

/* ---- files of the kernel ---- */

/* The number behind `key` ("" is the first number) in a file of lines "key number"; -1: none. */
static int64_t number_in(const char *path, const char *key) {
    char line[256];
    int64_t number = -1;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (number < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) != 0 ||
            sscanf(line + strlen(key), " %" SCNd64, &number) != 1)
            number = -1;
    fclose(file);
    return number;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The two versions of control groups name the same things differently. */
typedef struct group_names {
    const char *folder, *limit, *usage, *cache;
} group_names;

static const group_names version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                      "memory.usage_in_bytes", "total_cache"};
static const group_names version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "file"};

static int64_t group_file(const char *root, const group_names *names, const char *group,
                          const char *file, const char *key) {
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s%s%s/%s", root, names->folder, group, file);
    return number_in(path, key);
}

/* What one group leaves; a limit that is no number ("max") is none. */
static int64_t group_free(const char *root, const group_names *names, const char *group) {
    const int64_t limit = group_file(root, names, group, names->limit, "");
    const int64_t usage = group_file(root, names, group, names->usage, "");
    const int64_t cache = group_file(root, names, group, "memory.stat", names->cache);
    if (limit < 0 || usage < 0)
        return INT64_MAX;
    const int64_t used = usage - (cache > 0 ? cache : 0);
    return limit > used ? limit - (used > 0 ? used : 0) : 0;
}

/* The group and all above it. A container sees its own group as the root. */
static int64_t groups_free(const char *root, const group_names *names, char *group) {
    int64_t free_bytes = INT64_MAX;
    for (;;) {
        char *slash = strrchr(group, '/');
        if (strcmp(group, "/") == 0)
            group[0] = '\0';
        free_bytes = least(free_bytes, group_free(root, names, group));
        if (group[0] == '\0' || slash == NULL)
            return free_bytes;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup: "4:memory:/a/b" in version 1, "0::/a/b" in version 2. */
static int64_t all_groups_free(const char *root) {
    char path[PATH_SIZE], line[PATH_SIZE];
    int64_t free_bytes = INT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return INT64_MAX;
    while (fgets(line, sizeof line, file) != NULL) {
        char *kind = strchr(line, ':'), *group = kind != NULL ? strchr(kind + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (kind[1] == '\0')
            free_bytes = least(free_bytes, groups_free(root, &version_2, group));
        else if (strstr(kind + 1, "memory") != NULL)
            free_bytes = least(free_bytes, groups_free(root, &version_1, group));
    }
    fclose(file);
    return free_bytes;
}

int64_t cbi_room_free(const char *root) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    const int64_t kib = number_in(path, "MemAvailable:");
    return least(kib < 0 || kib > INT64_MAX / 1024 ? INT64_MAX : kib * 1024, all_groups_free(root));
}

/* ---- address space ---- */

static int64_t mapped_bytes(void) {
    const int64_t pages = number_in("/proc/self/statm", "");
    return pages > 0 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

int64_t cbi_room_mappable(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= INT64_MAX)
        return INT64_MAX;
    const int64_t room = (int64_t)limit.rlim_cur - mapped_bytes();
    return room > 0 ? room : 0;
}

rlim_t cbi_room_fence(int64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0)
        return RLIM_INFINITY;
    const rlim_t before = limit.rlim_cur;
    const int64_t mapped = mapped_bytes();
    if (is_sanitized || bytes <= 0 || mapped == 0 || bytes > INT64_MAX / 8)
        return before;
    const rlim_t fence = (rlim_t)(mapped + FENCE_FACTOR * bytes + FENCE_BYTES);
    if (fence < before) {
        limit.rlim_cur = fence;
        setrlimit(RLIMIT_AS, &limit);
    }
    return before;
}

void cbi_room_unfence(rlim_t before) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == before)
        return;
    limit.rlim_cur = before;
    setrlimit(RLIMIT_AS, &limit);
}

/* ---- what a worker holds ---- */

int64_t cbi_room_worker(const cb_data *data) {
    double bytes = WORKER_BYTES;
    for (size_t i = 0; i < CB_SPLITS; i++) {
        const cb_split *s = &data->split[i];
        const double rows = (double)(data->when == CB_WHEN_LAST ? s->sequences : s->frames);
        bytes += (double)s->sequences * sizeof *s->start;
        bytes += s->x != NULL ? (double)s->frames * (double)data->input_dim * sizeof *s->x : 0;
        bytes += s->index != NULL ? (double)s->frames * sizeof *s->index : 0;
        bytes += s->target != NULL ? rows * (double)data->target_dim * sizeof *s->target : 0;
        bytes += s->label != NULL ? rows * sizeof *s->label : 0;
    }
    return bytes < 1e18 ? (int64_t)bytes : INT64_MAX / 8;
}
