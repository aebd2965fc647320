/* SPDX-License-Identifier: MIT */
/*
 * No shell, no temporary files, no pipe that could fill up while nobody reads: script, picture and
 * messages are files in memory (memfd), which gnuplot has as its three standard streams. -d: no
 * start-up files, so that the picture depends on nobody's settings.
 */
#include "report/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

extern char **environ;

static void add_terminal(cbi_text *out, const cbi_figure *figure, cbi_picture picture) {
    /* Rows of names take as much as they need; other figures have the proportions of a page. */
    const size_t rows = figure->rows != NULL ? figure->row_count : 8;
    const double height = 90 + 34 * (double)(rows < 3 ? 3 : rows > 60 ? 60 : rows);
    if (picture == CBI_PICTURE_SVG)
        cbi_text_addf(out, "set terminal svg size 680,%.0f noenhanced font 'Helvetica,13'\n",
                      height);
    else
        cbi_text_addf(out, "set terminal pdfcairo size 15cm,%.2fcm noenhanced font 'Helvetica,9'\n",
                      height / 680 * 15);
}

static cb_status write_all(int fd, const char *data, size_t length, cb_err *err) {
    while (length > 0) {
        const ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cb_fail(err, CB_EIO, "gnuplot: its script cannot be written: %s",
                           strerror(errno));
        data += n;
        length -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? CB_OK : cb_fail(err, CB_EIO, "gnuplot: its script");
}

static cb_status read_all(int fd, char **data, size_t *length, cb_err *err) {
    const off_t size = lseek(fd, 0, SEEK_END);
    *length = 0;
    if (size < 0 || (*data = cbi_malloc((size_t)size + 1)) == NULL)
        return cb_fail(err, CB_ENOMEM, "gnuplot: a picture of %lld bytes", (long long)size);
    while (*length < (size_t)size) {
        const ssize_t n = pread(fd, *data + *length, (size_t)size - *length, (off_t)*length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *length += (size_t)n;
    }
    (*data)[*length] = '\0';
    return CB_OK;
}

static cb_status run(const int fds[3], cb_err *err) {
    static const char name[] = "gnuplot";
    char program[] = "gnuplot", defaults[] = "-d";
    char *const argv[] = {program, defaults, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return cb_fail(err, CB_ENOMEM, "%s: cannot be started", name);
    int bad = 0;
    for (int i = 0; i < 3 && bad == 0; i++)
        bad = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (bad == 0)
        bad = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (bad == ENOENT)
        return cb_fail(err, CB_EIO,
                       "gnuplot is not installed; figures need it (Debian: gnuplot-nox)");
    if (bad != 0)
        return cb_fail(err, CB_EIO, "%s: cannot be started: %s", name, strerror(bad));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return cb_fail(err, CB_EIO, "%s: %s", name, strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CB_OK;
    char *text = NULL;
    size_t length = 0;
    if (read_all(fds[2], &text, &length, NULL) != CB_OK)
        text = NULL;
    const cb_status st = cb_fail(err, CB_EIO, "gnuplot failed: %.500s", text != NULL ? text : "");
    cbi_free(text);
    return st;
}

cb_status cbi_gnuplot_draw(char **data, size_t *length, const cbi_figure *figure,
                           cbi_picture picture, cb_err *err) {
    int fds[3] = {-1, -1, -1};
    cbi_text script = {0};
    cb_status st = CB_OK;
    *data = NULL;
    *length = 0;
    add_terminal(&script, figure, picture);
    cbi_figure_gnuplot(&script, figure);
    if (script.failed) {
        st = cb_fail(err, CB_ENOMEM, "figure %s: its script", figure->id);
        goto out;
    }
    for (int i = 0; i < 3; i++)
        if ((fds[i] = memfd_create("cellbench-gnuplot", MFD_CLOEXEC)) < 0) {
            st = cb_fail(err, CB_EIO, "gnuplot: no file in memory: %s", strerror(errno));
            goto out;
        }
    if ((st = write_all(fds[0], script.data, script.length, err)) == CB_OK &&
        (st = run(fds, err)) == CB_OK && (st = read_all(fds[1], data, length, err)) == CB_OK &&
        *length == 0) {
        cbi_free(*data);
        *data = NULL;
        st = cb_fail(err, CB_EIO, "gnuplot drew nothing for the figure '%s'", figure->id);
    }
out:
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    cbi_text_fini(&script);
    return st;
}
