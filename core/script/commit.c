/* SPDX-License-Identifier: MIT */
/*
 * The git commit of a folder, asked of git itself: reading .git by hand cannot tell whether the
 * work tree is clean. No shell is involved, and a git that is missing or refuses is no error.
 */
#include "script/script_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

extern char **environ;

/* Reads at most size - 1 bytes to the end of the pipe, past which it only drains. */
static size_t read_all(int fd, char *out, size_t size) {
    size_t length = 0;
    char rest[256];
    for (;;) {
        char *to = length + 1 < size ? out + length : rest;
        size_t room = length + 1 < size ? size - 1 - length : sizeof rest;
        ssize_t n = read(fd, to, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (to != rest)
            length += (size_t)n;
    }
    out[length] = '\0';
    return length;
}

/* The output's first line in `out`; 0 if the program ran and succeeded. */
static int run(char *const argv[], char *out, size_t size) {
    int ends[2], code = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    int failed = posix_spawn_file_actions_adddup2(&actions, ends[1], 1) ||
                 posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ||
                 posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) ||
                 posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed) {
        int status = 0;
        read_all(ends[0], out, size);
        pid_t ended;
        do
            ended = waitpid(pid, &status, 0);
        while (ended < 0 && errno == EINTR);
        if (ended == pid && WIFEXITED(status))
            code = WEXITSTATUS(status);
    }
    close(ends[0]);
    out[strcspn(out, "\n")] = '\0';
    return code;
}

void cbi_script_commit(char out[CBI_COMMIT_SIZE], const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? cbi_strdup(".")
                   : slash == path ? cbi_strdup("/")
                                   : cbi_strndup(path, (size_t)(slash - path));
    char git[] = "git", optional[] = "--no-optional-locks", in[] = "-C", describe[] = "describe";
    char always[] = "--always", whole[] = "--abbrev=40", dirty[] = "--dirty=+dirty";
    char no_tags[] = "--exclude=*";
    char *argv[] = {git, optional, in, folder, describe, always, whole, dirty, no_tags, NULL};
    out[0] = '\0';
    if (folder == NULL || run(argv, out, CBI_COMMIT_SIZE) != 0 || strlen(out) < 40)
        out[0] = '\0';
    cbi_free(folder);
}
