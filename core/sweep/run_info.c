/* SPDX-License-Identifier: MIT */
/*
 * What the records say about this program and machine. The texts are found once and kept for the
 * life of the process, in the one static buffer of this module: they describe the process itself.
 */
#include "cellbench/sweep.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/build_info.h"
#include "cellbench/engine.h"

enum { TEXT_SIZE = 256 };

static struct {
    char cpu[TEXT_SIZE], host[TEXT_SIZE], system[3 * TEXT_SIZE], machine[TEXT_SIZE];
} found;
static pthread_once_t find_once = PTHREAD_ONCE_INIT;

/* The value of the first line that begins with `key`, without what of " \t:=\"" surrounds it. */
static void find_in_file(const char *path, const char *key, char *out, size_t size) {
    static const char around[] = " \t:=\"\n";
    char line[1024];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        char *value = line + strlen(key);
        value += strspn(value, around);
        size_t length = strlen(value);
        while (length > 0 && strchr(around, value[length - 1]) != NULL)
            length--;
        snprintf(out, size, "%.*s", (int)length, value);
        break;
    }
    fclose(file);
}

static void find(void) {
    struct utsname name;
    char distribution[TEXT_SIZE] = "unknown distribution";
    if (uname(&name) != 0)
        memset(&name, 0, sizeof name);
    snprintf(found.host, sizeof found.host, "%s", name.nodename);
    snprintf(found.machine, sizeof found.machine, "%s", name.machine);
    snprintf(found.cpu, sizeof found.cpu, "%s", name.machine);
    find_in_file("/proc/cpuinfo", "model name", found.cpu, sizeof found.cpu);
    find_in_file("/etc/os-release", "PRETTY_NAME", distribution, sizeof distribution);
    snprintf(found.system, sizeof found.system, "%s %s %s; %s", name.sysname, name.release,
             name.machine, distribution);
}

/* What decides which kernels the library, BLIS and the C library choose: bits may differ between
 * two of these and must not differ within one. */
static const char *instruction_set(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
    return "sse2";
#else
    return found.machine;
#endif
}

#if defined(__x86_64__)
static const int denormals_flushed = 1;
#else
static const int denormals_flushed = 0;
#endif

void cb_run_info_fill(cb_run_info *out) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_once(&find_once, find);
    *out = (cb_run_info){
        .command = "",
        .version = CB_BUILD_VERSION,
        .git_commit = CB_BUILD_COMMIT,
        .compiler = CB_BUILD_COMPILER,
        .flags = CB_BUILD_FLAGS,
        .blis_version = cb_engine_blis_version(),
        .kernel = cb_engine_kernel_name(),
        .instruction_set = instruction_set(),
        .cpu = found.cpu,
        .host = found.host,
        .system = found.system,
        .cores = cores > 0 ? cores : 1,
        .memory_bytes = pages > 0 && page > 0 ? (int64_t)pages * page : 0,
        .numerics = CB_NUMERICS,
        .jobs = 1,
        .denormals_flushed = denormals_flushed,
    };
}
