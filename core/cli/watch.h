/* SPDX-License-Identifier: MIT */
/*
 * status --live: the standing of a database, shown again and again until its work is over. It only
 * looks: the database is opened for reading, for a moment each time, so that the file may appear,
 * be replaced or be removed meanwhile.
 */
#ifndef CB_CLI_WATCH_H
#define CB_CLI_WATCH_H

/* study NULL: the one at work. Returns the exit status: 0 when no run is alive and nothing is
 * pending, and after Ctrl-C. */
int cbi_watch(const char *path, const char *study);

#endif
