/* SPDX-License-Identifier: MIT */
/* SHA-256 of one block of memory; the algorithm is libmd's. */
#include "base/hash.h"

#include <sys/types.h>
#include <sha2.h>

void cbi_sha256(const void *data, size_t length, uint8_t digest[32]) {
    SHA2_CTX context;
    SHA256Init(&context);
    if (length > 0)
        SHA256Update(&context, data, length);
    SHA256Final(digest, &context);
}

void cbi_sha256_hex(const void *data, size_t length, char hex[CBI_SHA256_HEX]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[32];
    cbi_sha256(data, length, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15u];
    }
    hex[64] = '\0';
}
