/* SPDX-License-Identifier: MIT */
/* A clock that never steps back. */
#ifndef CB_SWEEP_CLOCK_H
#define CB_SWEEP_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t cbi_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t cbi_now_ms(void) {
    return cbi_now_us() / 1000;
}

#endif
