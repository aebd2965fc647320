/* SPDX-License-Identifier: MIT */
/*
 * Packing of panels, with every set that this machine can run: each element in its place, from
 * either order, at every remainder around the tiles that it is done in; sources and panels between
 * unreadable pages, and nothing written beside what is packed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "numeric/guard.h"

static const size_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,  14,
                               15, 16, 17, 18, 19, 20, 31, 32, 33, 63, 64, 65, 100, 200};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Where a block of `rows` rows and n columns stands among panels of k rows. */
typedef struct place {
    size_t k, from, group, rows, n;
} place;

typedef struct arena {
    guard source, panels;
} arena;

static void open_arena(arena *mem) {
    assert_int_equal(guard_open(&mem->source), 0);
    assert_int_equal(guard_open(&mem->panels), 0);
}

static void close_arena(arena *mem) {
    guard_close(&mem->source);
    guard_close(&mem->panels);
}

/* Element (l, j) of the source, unlike any other of its neighbourhood and never 0. */
static float value(size_t l, size_t j) {
    return (float)(l * 256 + j + 1);
}

/* Lines of the source are `gap` elements apart, which are NaN. Turned: its columns are lines. */
static const float *draw(arena *mem, const place *p, int turned, size_t gap, int at_end,
                         size_t *line) {
    const size_t lines = turned ? p->n : p->rows, length = turned ? p->rows : p->n;
    *line = length + gap;
    float *b = guard_take(&mem->source, (lines - 1) * *line + length, at_end);
    for (size_t l = 0; l < p->rows; l++)
        for (size_t j = 0; j < p->n; j++)
            b[turned ? j * *line + l : l * *line + j] = value(l, j);
    return b;
}

/* Rows and columns as product() sees them: 1 if what stands there is as it should be. */
static int is_right(const place *p, size_t l, size_t j, float got) {
    const size_t first = p->group * CBI_LANES;
    if (l < p->from || l >= p->from + p->rows || j < first || j >= first + cbi_padded(p->n))
        return isnan(got); /* not touched */
    return got == (j < first + p->n ? value(l - p->from, j - first) : 0);
}

static void check(const cbi_kernels *set, arena *mem, const place *p, int turned, size_t gap,
                  int at_end) {
    const size_t groups = p->group + cbi_groups(p->n), size = cbi_panels_size(set, p->k, groups);
    const size_t panel = set->panel;
    size_t line;
    const float *b = draw(mem, p, turned, gap, at_end, &line);
    float *out = guard_take(&mem->panels, size, at_end);
    cbi_panels_put(set, p->k, p->from, p->group, p->rows, p->n, b, turned ? 1 : line,
                   turned ? line : 1, out);
    for (size_t l = 0; l < p->k; l++)
        for (size_t j = 0; j < size / p->k; j++) {
            const float got = out[(j / panel * p->k + l) * panel + j % panel];
            if (!is_right(p, l, j, got))
                fail_msg("%s, k=%zu from=%zu group=%zu rows=%zu n=%zu, %s, gap %zu, pages %s: "
                         "(%zu, %zu) is %g",
                         set->name, p->k, p->from, p->group, p->rows, p->n,
                         turned ? "rs=1" : "cs=1", gap, at_end ? "behind" : "before", l, j,
                         (double)got);
        }
}

/* Both orders, both ends, with and without a gap between the lines. */
static void check_all(const cbi_kernels *set, arena *mem, const place *p) {
    for (unsigned bits = 0; bits < 8; bits++)
        check(set, mem, p, bits & 1, bits & 2 ? 3 : 0, bits & 4 ? 1 : 0);
}

static void test_sizes(void **state) {
    (void)state;
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        assert_int_equal((*set)->panel % CBI_LANES, 0);
        for (size_t groups = 1; groups < 20; groups++) {
            const size_t size = cbi_panels_size(*set, 7, groups);
            assert_int_equal(size % (7 * (*set)->panel), 0);
            assert_in_range(size, 7 * groups * CBI_LANES,
                            7 * (groups * CBI_LANES + (*set)->panel - 1));
        }
    }
}

static void test_whole(void **state) {
    (void)state;
    arena mem;
    open_arena(&mem);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t i = 0; i < SIZES; i++)
            for (size_t j = 0; j < SIZES; j++) {
                const size_t k = sizes[i], n = sizes[j];
                check_all(*set, &mem, &(place){.k = k, .rows = k, .n = n});
            }
    close_arena(&mem);
}

/* Side by side with others, from the middle of a panel on, and one below the other. */
static void test_parts(void **state) {
    (void)state;
    static const size_t rows[] = {1, 4, 15, 16, 17, 33}, columns[] = {1, 15, 16, 17, 50, 100};
    arena mem;
    open_arena(&mem);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 6; j++)
                for (size_t group = 0; group < 6; group++)
                    for (size_t from = 0; from < 9; from += 4) {
                        const place p = {rows[i] + from + 3, from, group, rows[i], columns[j]};
                        check_all(*set, &mem, &p);
                    }
    close_arena(&mem);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_whole),
                                       cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
