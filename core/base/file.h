/* SPDX-License-Identifier: MIT */
/* Whole files. */
#ifndef CB_BASE_FILE_H
#define CB_BASE_FILE_H

#include <stddef.h>

#include "cellbench/status.h"

/* Reads a regular file, unpacking it if it is gzip'd (by content, not by name). At most `most`
 * bytes after unpacking (CB_EDATA beyond). A zero byte is put behind the data. A damaged or cut
 * gzip stream is CB_EDATA. Caller: cbi_free. */
CB_MUST_USE cb_status cbi_file_read(char **data, size_t *length, const char *path, size_t most,
                                    cb_err *err);
/* SHA-256 of a regular file as it is, in 65 characters. CB_EIO if it cannot be read. */
CB_MUST_USE cb_status cbi_file_hash(const char *path, char *hex, cb_err *err);
/* Writes a file that appears whole or not at all: temporary name beside it (`path`.tmp-0; another
 * number for each that writes the same file at the same time), fsync, rename, fsync of the folder.
 * CB_EIO: what could not be done, and why; nothing is left behind. What a killed process left under
 * such a name is gone when the file is next written. */
CB_MUST_USE cb_status cbi_file_write(const char *path, const void *data, size_t length,
                                     cb_err *err);

/* The same piece by piece. After a begin that succeeded exactly one of end and drop is called; end
 * puts the file in its place, or drops it when that fails. */
typedef struct cbi_new_file {
    int fd;
    char *path, *name; /* where it will be; where it is until then */
} cbi_new_file;

CB_MUST_USE cb_status cbi_file_begin(cbi_new_file *file, const char *path, cb_err *err);
CB_MUST_USE cb_status cbi_file_add(cbi_new_file *file, const void *data, size_t length,
                                   cb_err *err);
CB_MUST_USE cb_status cbi_file_end(cbi_new_file *file, cb_err *err);
void cbi_file_drop(cbi_new_file *file);

/* Removes what a killed process left under a temporary name, unless it is still at it. */
void cbi_file_remove_leftover(const char *name);

#endif
