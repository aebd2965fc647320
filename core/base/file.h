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
/* Writes a file that appears whole or not at all: temporary name beside it (`path`.tmp-0; another
 * number for each that writes the same file at the same time), fsync, rename, fsync of the folder.
 * What a killed process left under such a name is gone when the file is next written. */
CB_MUST_USE cb_status cbi_file_write(const char *path, const void *data, size_t length,
                                     cb_err *err);

#endif
