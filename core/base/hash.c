/* SPDX-License-Identifier: MIT */
/* SHA-256; the algorithm is libmd's. */
#include "base/hash.h"

#include <sys/types.h>
#include <sha2.h>

_Static_assert(sizeof(SHA2_CTX) <= sizeof(cbi_sha256_state), "the state fits");
_Static_assert(_Alignof(SHA2_CTX) <= _Alignof(cbi_sha256_state), "and lies where it may");

static SHA2_CTX *context_of(cbi_sha256_state *state) {
    return (SHA2_CTX *)(void *)state->room;
}

void cbi_sha256_begin(cbi_sha256_state *state) {
    SHA256Init(context_of(state));
}

void cbi_sha256_add(cbi_sha256_state *state, const void *data, size_t length) {
    if (length > 0)
        SHA256Update(context_of(state), data, length);
}

static void write_hex(const uint8_t digest[32], char hex[CBI_SHA256_HEX]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15u];
    }
    hex[64] = '\0';
}

void cbi_sha256_end_hex(cbi_sha256_state *state, char hex[CBI_SHA256_HEX]) {
    uint8_t digest[32];
    SHA256Final(digest, context_of(state));
    write_hex(digest, hex);
}

void cbi_sha256(const void *data, size_t length, uint8_t digest[32]) {
    cbi_sha256_state state;
    cbi_sha256_begin(&state);
    cbi_sha256_add(&state, data, length);
    SHA256Final(digest, context_of(&state));
}

void cbi_sha256_hex(const void *data, size_t length, char hex[CBI_SHA256_HEX]) {
    uint8_t digest[32];
    cbi_sha256(data, length, digest);
    write_hex(digest, hex);
}
