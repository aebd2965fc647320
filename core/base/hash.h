/* SPDX-License-Identifier: MIT */
/* SHA-256, by libmd. */
#ifndef CB_BASE_HASH_H
#define CB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { CBI_SHA256_HEX = 65 };
void cbi_sha256(const void *data, size_t length, uint8_t digest[32]);
void cbi_sha256_hex(const void *data, size_t length, char hex[CBI_SHA256_HEX]);

/* The same piece by piece. */
typedef struct cbi_sha256_state {
    uint64_t room[32];
} cbi_sha256_state;
void cbi_sha256_begin(cbi_sha256_state *state);
void cbi_sha256_add(cbi_sha256_state *state, const void *data, size_t length);
void cbi_sha256_end_hex(cbi_sha256_state *state, char hex[CBI_SHA256_HEX]);

#endif
