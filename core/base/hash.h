/* SPDX-License-Identifier: MIT */
/* SHA-256, by libmd. */
#ifndef CB_BASE_HASH_H
#define CB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { CBI_SHA256_HEX = 65 };
void cbi_sha256(const void *data, size_t length, uint8_t digest[32]);
void cbi_sha256_hex(const void *data, size_t length, char hex[CBI_SHA256_HEX]);

#endif
