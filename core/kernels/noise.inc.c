/* SPDX-License-Identifier: MIT */
/*
 * Gaussian noise, as many numbers at once as a vector holds, to the last bit what one call of
 * cb_random_normal after another gives (Box-Muller in double precision, by the C library).
 *
 * Its logarithm and cosine cannot be had in vectors with the C library's bits; but only their
 * rounding to float is wanted, so they need not: here they are computed with an error below a
 * bound, and where the floats at both ends of the bound agree, that float is the one. Where they do
 * not, about once in 10^6 numbers, the number is drawn the slow way. The bound is 2^-46 of the
 * radius; what is made here is wrong by less than 2^-47.5 of it, most of it the rounding of the
 * angle 2*pi*u by the slow way (2^-50 of a turn), which this way does without.
 *
 * Needs the vocabulary of doubles: vd, vq (V_DOUBLES lanes), vd_sqrt, vq_times.
 */
#include "cellbench/random.h"

typedef float vd_float __attribute__((vector_size(4 * V_DOUBLES)));
typedef int32_t vd_truth __attribute__((vector_size(4 * V_DOUBLES)));

static const uint64_t noise_low = 0xffffffff;

/* Whole numbers below 2^52. */
static inline vd noise_double(vq n) {
    return (vd)(n | 0x4330000000000000) - 0x1p52;
}

/* Philox4x32-10 on V_DOUBLES counters, a word in the lower half of each lane. */
static inline void noise_blocks(vq c[4], const uint32_t key[2]) {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const vq p0 = vq_times(c[0], 0xD2511F53), p1 = vq_times(c[2], 0xCD9E8D57);
        c[0] = (p1 >> 32) ^ c[1] ^ k0;
        c[1] = p1 & noise_low;
        c[2] = (p0 >> 32) ^ c[3] ^ k1;
        c[3] = p0 & noise_low;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
}

/* Two words as cb_random_uniform reads them, [0, 1). */
static inline vd noise_uniform(vq high, vq low) {
    return (noise_double(high) * 0x1p21 + noise_double(low >> 11)) * 0x1p-53;
}

/* log(t), t normal: t = 2^k m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1)/(m + 1)), whose
 * series of 12 terms is cut below 2^-60 of its value. */
static inline vd noise_log(vd t) {
    const vq bits = (vq)t;
    const vq power = (bits - 0x3fe6a09e667f3bcd + 0x3ff0000000000000) >> 52; /* k + 1023 */
    const vd m = (vd)(bits - ((power - 1023) << 52));
    const vd f = (m - 1) / (m + 1), f2 = f * f;
    vd sum = f2 * (1.0 / 23) + 1.0 / 21;
    for (int n = 19; n >= 3; n -= 2)
        sum = sum * f2 + 1.0 / n;
    return (noise_double(power) - 1023) * 0x1.62e42fefa39efp-1 + (2 * f + 2 * f * f2 * sum);
}

/* cos(2 pi u), u in [0, 1): by quarters of a turn, which leave an eighth at most to either side. */
static inline vd noise_cosine(vd u) {
    const vd shifted = 4 * u + 0x1.8p52;
    const vq quarter = (vq)shifted;
    const vd y = (u - (shifted - 0x1.8p52) * 0.25) * 0x1.921fb54442d18p2, y2 = y * y;
    vd sine = y2 * (-1.0 / 1307674368000) + 1.0 / 6227020800; /* 15!, 13! */
    vd cosine = y2 * (1.0 / 20922789888000) - 1.0 / 87178291200;
    static const double terms[2][6] = {
        {-1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1},
        {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -1.0 / 2}};
    for (int i = 0; i < 6; i++) {
        sine = sine * y2 + terms[0][i];
        cosine = cosine * y2 + terms[1][i];
    }
    sine = sine * y;
    cosine = cosine * y2 + 1;
    const vq odd = 0 - (quarter & 1), negative = ((quarter + 1) & 2) << 62;
    return (vd)((((vq)sine & odd) | ((vq)cosine & ~odd)) ^ negative);
}

static inline int noise_any(vd_truth truth) {
    uint64_t part[V_DOUBLES / 2], all = 0;
    memcpy(part, &truth, sizeof part);
    for (int i = 0; i < V_DOUBLES / 2; i++)
        all |= part[i];
    return all != 0;
}

static inline float noise_slow(const cb_random *stream, uint64_t ahead, double sd) {
    cb_random one = *stream;
    one.position += ahead;
    return (float)(sd * cb_random_normal(&one));
}

/*
 * A strip of numbers goes through one step after another: a number is one long chain of operations,
 * and the processor finds work only in many of them side by side.
 */
enum { NOISE_VECTORS = 4, NOISE_STRIP = NOISE_VECTORS * V_DOUBLES };

/* Both uniforms of the strip's numbers. */
static inline void noise_draw(const cb_random *stream, vd first[], vd second[]) {
    vq lane, zero = {0};
    for (int i = 0; i < V_DOUBLES; i++)
        lane[i] = (uint64_t)i;
    for (uint64_t v = 0; v < NOISE_VECTORS; v++) {
        const vq position = lane + (stream->position + v * V_DOUBLES);
        vq block[4] = {position & noise_low, position >> 32, zero + (stream->index & noise_low),
                       zero + (stream->index >> 32)};
        noise_blocks(block, stream->key);
        first[v] = noise_uniform(block[0], block[1]);
        second[v] = noise_uniform(block[2], block[3]);
    }
}

static inline void noise_strip(const cb_random *stream, double sd, float *x) {
    vd radius[NOISE_VECTORS], angle[NOISE_VECTORS];
    noise_draw(stream, radius, angle);
    for (int v = 0; v < NOISE_VECTORS; v++)
        radius[v] = vd_sqrt(-2 * noise_log(1 - radius[v]));
    for (int v = 0; v < NOISE_VECTORS; v++, x += V_DOUBLES) {
        const vd value = sd * (radius[v] * noise_cosine(angle[v]));
        const vd bound = radius[v] * (sd * 0x1p-46);
        const vd_float low = __builtin_convertvector(value - bound, vd_float);
        vd_float number = __builtin_convertvector(value + bound, vd_float), sum;
        const vd_truth unsure = low != number;
        if (noise_any(unsure))
            for (int i = 0; i < V_DOUBLES; i++)
                if (unsure[i])
                    number[i] = noise_slow(stream, (uint64_t)(v * V_DOUBLES + i), sd);
        memcpy(&sum, x, sizeof sum);
        sum += number;
        memcpy(x, &sum, sizeof sum);
    }
}

static void noise(cb_random *stream, double sd, float *x, size_t n) {
    size_t i = 0;
    if (stream->left == 0) /* a number takes a whole block, so that it stays so */
        for (; i + NOISE_STRIP <= n; i += NOISE_STRIP, stream->position += NOISE_STRIP)
            noise_strip(stream, sd, x + i);
    for (; i < n; i++)
        x[i] += (float)(sd * cb_random_normal(stream));
}
