/* SPDX-License-Identifier: MIT */
/* Files of a run. A checkpoint is named after its trial's key; what is written beside one before it
 * takes its place has that name with something behind it. */
#include "sweep/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

enum { KEY = 64 };

static cb_status folder_init(char **out, const char *database, const char *suffix, cb_err *err) {
    size_t length = strlen(database);
    cbi_text folder = {0};
    cb_status st;
    if (length > 3 && strcmp(database + length - 3, ".db") == 0)
        length -= 3;
    cbi_text_add_n(&folder, database, length);
    cbi_text_add(&folder, suffix);
    if ((st = cbi_text_take(&folder, out, err)) != CB_OK)
        return st;
    json_t *as_json = json_string(*out);
    const char *foreign = *out;
    while (*foreign != '\0' && (unsigned char)*foreign < 0x80)
        foreign++;
    if (as_json == NULL)
        return *foreign != '\0' ? cb_fail(err, CB_EARG, "the path '%s' is not UTF-8", *out)
                                : cb_fail(err, CB_ENOMEM, "no memory for the path '%s'", *out);
    json_decref(as_json);
    if (mkdir(*out, 0777) != 0 && errno != EEXIST)
        return cb_fail(err, CB_EIO, "cannot make the folder '%s': %s", *out, strerror(errno));
    return CB_OK;
}

/* Folders stand beside the file itself, not beside a symbolic link to it, so that it has the same
 * under all of its names. */
static const char *behind_link(const char *database, char buffer[PATH_MAX]) {
    struct stat info;
    const int is_link = lstat(database, &info) == 0 && S_ISLNK(info.st_mode);
    return is_link && realpath(database, buffer) != NULL ? buffer : database;
}

cb_status cbi_files_init(cbi_files *files, const char *database, int weights, int checkpoints,
                         cb_err *err) {
    cb_status st = CB_OK;
    char buffer[PATH_MAX];
    *files = (cbi_files){0};
    database = behind_link(database, buffer);
    if (weights)
        st = folder_init(&files->weights, database, ".weights", err);
    if (st == CB_OK && checkpoints)
        st = folder_init(&files->checkpoints, database, ".checkpoints", err);
    return st;
}

void cbi_files_fini(cbi_files *files) {
    if (files->checkpoints != NULL)
        rmdir(files->checkpoints); /* other runs' checkpoints keep it */
    cbi_free(files->weights);
    cbi_free(files->checkpoints);
    cbi_free(files->ended);
    *files = (cbi_files){0};
}

void cbi_files_keep(const cbi_files *files) {
    if (files->checkpoints != NULL)
        mkdir(files->checkpoints, 0777);
}

static cb_status path_in(const char *folder, const char *key, const char *suffix, char **path,
                         cb_err *err) {
    cbi_text text = {0};
    if (folder != NULL)
        cbi_text_addf(&text, "%s/%s%s", folder, key, suffix);
    return cbi_text_take(&text, path, err);
}

cb_status cbi_files_weights(const cbi_files *files, const char *key, char **path, cb_err *err) {
    return path_in(files->weights, key, ".safetensors", path, err);
}

cb_status cbi_files_checkpoint(const cbi_files *files, const char *key, char **path, cb_err *err) {
    return path_in(files->checkpoints, key, "", path, err);
}

const char *cbi_files_name(const cbi_files *files, const char *path) {
    if (files->weights == NULL || path[0] == '\0')
        return "";
    const char *name = strrchr(files->weights, '/');
    return path + (name != NULL ? name + 1 - files->weights : 0);
}

/* ---- checkpoints that go ---- */

cb_status cbi_files_ended(cbi_files *files, const char *key, cb_err *err) {
    if (files->checkpoints == NULL)
        return CB_OK;
    cb_status st = cbi_grow((void **)&files->ended, &files->ended_capacity, files->ended_count + 1,
                            sizeof *files->ended);
    if (st != CB_OK)
        return cb_fail(err, st, "no memory for the names of checkpoints");
    snprintf(files->ended[files->ended_count++], sizeof *files->ended, "%s", key);
    return CB_OK;
}

/* What cannot be removed is left to the next run. */
static void remove_in(const char *folder, const char *name) {
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n > 0 && (size_t)n < sizeof path)
        unlink(path);
}

void cbi_files_committed(cbi_files *files) {
    for (size_t i = 0; i < files->ended_count; i++)
        remove_in(files->checkpoints, files->ended[i]);
    files->ended_count = 0;
}

static cb_status state_is(cb_store *store, const char *key, const char *sql, int *is, cb_err *err) {
    const cb_value value = {.type = CB_VALUE_TEXT, .text = key, .length = KEY};
    cb_query *query = NULL;
    cb_status st = cb_query_open(&query, store, sql, &value, 1, err);
    *is = 0;
    if (st == CB_OK)
        st = cb_query_next(query, is, err);
    cb_query_close(query);
    return st;
}

/* Whether a file of the folder is of no more use. Files that are not ours are left alone. */
static cb_status is_left(cb_store *store, const char *name, int *left, cb_err *err) {
    static const char at_work[] = "SELECT 1 FROM trial WHERE key = ?1 AND state = 'running'";
    static const char open[] =
        "SELECT 1 FROM trial WHERE key = ?1 AND state IN ('pending', 'running')";
    int used = 1;
    cb_status st = CB_OK;
    if (strspn(name, "0123456789abcdef") >= KEY)
        st = state_is(store, name, name[KEY] == '\0' ? open : at_work, &used, err);
    *left = st == CB_OK && !used;
    return st;
}

/* <key>.safetensors.tmp-<number> */
static int is_half_of_weights(const char *name) {
    static const char half[] = ".safetensors.tmp-";
    return strspn(name, "0123456789abcdef") == KEY &&
           strncmp(name + KEY, half, sizeof half - 1) == 0;
}

/* A worker that outlived its coordinator for a moment may have been at weights that the next run
 * wrote meanwhile, and will not write again. */
static void sweep_weights(const cbi_files *files) {
    const struct dirent *entry;
    char path[PATH_MAX];
    DIR *folder = files->weights != NULL ? opendir(files->weights) : NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        const int n = snprintf(path, sizeof path, "%s/%s", files->weights, entry->d_name);
        if (is_half_of_weights(entry->d_name) && n > 0 && (size_t)n < sizeof path)
            cbi_file_remove_leftover(path);
    }
    if (folder != NULL)
        closedir(folder);
}

cb_status cbi_files_sweep(const cbi_files *files, cb_store *store, cb_err *err) {
    const struct dirent *entry;
    cb_status st = CB_OK;
    sweep_weights(files);
    DIR *folder = files->checkpoints != NULL ? opendir(files->checkpoints) : NULL;
    if (folder == NULL)
        return CB_OK;
    while (st == CB_OK && (entry = readdir(folder)) != NULL) {
        int left;
        if ((st = is_left(store, entry->d_name, &left, err)) == CB_OK && left)
            remove_in(files->checkpoints, entry->d_name);
    }
    closedir(folder);
    return st;
}
