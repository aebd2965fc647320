/* SPDX-License-Identifier: MIT */
/* Random streams: the published vectors, their independence, and what the draws promise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/random.h"

/* Random123's tests/kat_vectors, "philox4x32 10": counter, key, result. */
static void known_answers(void **state) {
    static const struct {
        uint32_t counter[4], key[2], result[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const uint32_t *c = vectors[i].counter;
        cb_random stream = {
            .key = {vectors[i].key[0], vectors[i].key[1]},
            .position = (uint64_t)c[1] << 32 | c[0],
            .index = (uint64_t)c[3] << 32 | c[2],
        };
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(cb_random_u32(&stream), vectors[i].result[k]);
    }
}

/* `printf 7/order | sha256sum` begins 9e33b9e6a38846e4. These words are part of every result. */
static void key_is_the_hash(void **state) {
    (void)state;
    cb_random stream = cb_random_stream(7, "order", 3);
    assert_int_equal(stream.key[0], 0xe6b9339eu);
    assert_int_equal(stream.key[1], 0xe44688a3u);
    assert_int_equal(stream.index, 3);
    assert_int_equal(stream.position, 0);
    stream = cb_random_stream(UINT64_MAX, "", 0);
    assert_int_equal(stream.key[0], 0xda6f704bu);
}

static void streams_do_not_depend_on_each_other(void **state) {
    uint32_t alone[10], mixed[10];
    (void)state;
    cb_random a = cb_random_stream(1, "init/0/W_z", 0);
    for (size_t i = 0; i < 10; i++)
        alone[i] = cb_random_u32(&a);
    cb_random b = cb_random_stream(1, "order", 5), again = cb_random_stream(1, "init/0/W_z", 0);
    for (size_t i = 0; i < 10; i++) {
        (void)cb_random_u32(&b);
        mixed[i] = cb_random_u32(&again);
        (void)cb_random_normal(&b);
    }
    assert_memory_equal(alone, mixed, sizeof alone);
}

static void names_make_different_streams(void **state) {
    const cb_random streams[] = {
        cb_random_stream(1, "order", 0),
        cb_random_stream(2, "order", 0),
        cb_random_stream(1, "noise", 0),
        cb_random_stream(1, "order", 1),
        cb_random_stream(1, "order", (uint64_t)1 << 32),
        cb_random_stream((uint64_t)1 << 32, "order", 0),
    };
    uint32_t first[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        cb_random copy = streams[i];
        first[i] = cb_random_u32(&copy);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(first[i], first[j]);
    }
}

static void counter_carries(void **state) {
    (void)state;
    cb_random stream = cb_random_stream(1, "order", 0);
    stream.position = UINT32_MAX;
    for (int i = 0; i < 4; i++)
        (void)cb_random_u32(&stream);
    assert_true(stream.position == (uint64_t)UINT32_MAX + 1);
    cb_random next = cb_random_stream(1, "order", 0);
    next.position = (uint64_t)UINT32_MAX + 1;
    assert_int_equal(cb_random_u32(&stream), cb_random_u32(&next));
}

enum { DRAWS = 20000 };

/* Bounds: 5 standard errors of the mean and of the variance over DRAWS draws. */
static void uniform_is_uniform(void **state) {
    double sum = 0, squares = 0, least = 1, most = 0;
    (void)state;
    cb_random stream = cb_random_stream(11, "noise", 0);
    for (int i = 0; i < DRAWS; i++) {
        double u = cb_random_uniform(&stream);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
        least = u < least ? u : least;
        most = u > most ? u : most;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 12) < 5 * sqrt(1.0 / 180 / DRAWS));
    assert_true(least < 0.001 && most > 0.999);
}

static void normal_is_normal(void **state) {
    double sum = 0, squares = 0, fourth = 0;
    (void)state;
    cb_random stream = cb_random_stream(12, "noise", 0);
    for (int i = 0; i < DRAWS; i++) {
        double z = cb_random_normal(&stream);
        assert_true(isfinite(z));
        sum += z;
        squares += z * z;
        fourth += z * z * z * z;
    }
    assert_true(fabs(sum / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(fourth / DRAWS - 3) < 5 * sqrt(96.0 / DRAWS));
}

static void below_covers_its_range(void **state) {
    static const uint64_t sizes[] = {1, 2, 3, 7, 10};
    (void)state;
    cb_random stream = cb_random_stream(13, "noise", 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double count[10] = {0}, expected = (double)DRAWS / (double)sizes[i];
        for (int k = 0; k < DRAWS; k++) {
            uint64_t drawn = cb_random_below(&stream, sizes[i]);
            assert_true(drawn < sizes[i]);
            count[drawn]++;
        }
        for (size_t k = 0; k < sizes[i]; k++)
            assert_true(fabs(count[k] - expected) <= 5 * sqrt(expected));
    }
    /* Just above half of all values nearly half of the draws are rejected. */
    for (int k = 0; k < 1000; k++)
        assert_true(cb_random_below(&stream, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
}

static void permutations_are_permutations(void **state) {
    enum { N = 100 };
    uint32_t order[N], again[N];
    int seen[N] = {0}, moved = 0;
    (void)state;
    cb_random stream = cb_random_stream(14, "order", 0), copy = stream;
    cb_random_permutation(&stream, N, order);
    cb_random_permutation(&copy, N, again);
    assert_memory_equal(order, again, sizeof order);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(order[i] < N);
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > N / 2);
    cb_random_permutation(&stream, 0, NULL);
}

/* Each of the 24 orders of four things comes up about equally often. */
static void permutations_are_even(void **state) {
    double count[256] = {0}, expected = DRAWS / 24.0;
    int kinds = 0;
    (void)state;
    cb_random stream = cb_random_stream(15, "order", 0);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t o[4];
        cb_random_permutation(&stream, 4, o);
        count[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        if (count[i] == 0)
            continue;
        kinds++;
        assert_true(fabs(count[i] - expected) < 5 * sqrt(expected));
    }
    assert_int_equal(kinds, 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(key_is_the_hash),
        cmocka_unit_test(streams_do_not_depend_on_each_other),
        cmocka_unit_test(names_make_different_streams),
        cmocka_unit_test(counter_carries),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_is_normal),
        cmocka_unit_test(below_covers_its_range),
        cmocka_unit_test(permutations_are_permutations),
        cmocka_unit_test(permutations_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
