/* SPDX-License-Identifier: MIT */
/* Reading UTF-8 that nobody has checked: names and texts from a database. */
#ifndef CB_REPORT_UTF8_H
#define CB_REPORT_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { CBI_UTF8_REPLACEMENT = 0xfffd };

/* The first character of a terminated text and the bytes that it takes; 0 at the end. A byte that
 * belongs to no character is one replacement character. */
size_t cbi_utf8_next(const char *text, uint32_t *point);
/* 1 for characters that are not seen but act: controls (tab and newline included), marks of
 * direction, line and paragraph separators, noncharacters. */
int cbi_utf8_is_hidden(uint32_t point);
/* Bytes of the first `most` characters; all of a shorter text. */
size_t cbi_utf8_cut(const char *text, size_t most);

#endif
