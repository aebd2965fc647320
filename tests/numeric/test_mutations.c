/* SPDX-License-Identifier: MIT */
/*
 * Random mutations of registered cells, each read, differentiated, and run for a few steps forward
 * and backward, and every fourth held against finite differences and f64, which takes most of the
 * time: nothing may crash, leak (the preset asan tells) or fail without a reason.
 *
 *   test_mutations                   as many as fit into a test of seconds
 *   test_mutations 10000 [1 [4]]     as many as a person likes, from seed 1, every fourth checked
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/engine.h"
#include "cellbench/memory.h"
#include "numeric/mutate.h"

static unsigned long count = 300, first_seed = 1, every = 4;

typedef struct tally {
    size_t refused[8]; /* by status */
    size_t valid, checked, passed, mistrusted, steep, uncheckable, infinite;
} tally;

/* The text of a registered cell as a user would see it. */
static void begin(mutation *m, cb_random random) {
    size_t cells = 0;
    while (cb_variants[cells])
        cells++;
    const cb_cell_def *def = cb_variants[cb_random_below(&random, cells)];
    cb_cell *cell;
    cb_err err;
    if (cb_cell_create(&cell, def->name, def->text, NULL, 0, CB_INPUT_DENSE, 8, 8, NULL, &err) !=
        CB_OK) /* reads lower.*: as it stands in the registry */
        mutate_begin(m, def->text, random);
    else
        mutate_begin(m, cb_cell_text(cell), random);
    cb_cell_destroy(cell);
}

typedef struct mutant {
    uint64_t seed;
    const char *text;
    cb_stack *stack;
} mutant;

static void must(cb_status st, const cb_err *err, const mutant *m, const char *what) {
    if (st != CB_OK)
        fail_msg("seed %llu: %s: status %d, %s\n%s", (unsigned long long)m->seed, what, st,
                 err->text, m->text);
}

/* Two sequences of three and two steps: forward, backward. */
static void run(const mutant *m, const float *w, float *gradient, tally *t) {
    enum { FRAMES = 5, WIDE = 8 };
    static const uint32_t rows[] = {2, 2, 1};
    static const int32_t index[FRAMES] = {0, 1, 2, 1, 0};
    const cb_steps steps = {.T = 3, .B = 2, .rows = rows, .frames = FRAMES};
    const cb_input_kind kind = cb_stack_input_kind(m->stack);
    float x[FRAMES * WIDE], dx[FRAMES * WIDE];
    cb_engine *engine;
    cb_err err = {0};
    cb_rows y;
    for (int i = 0; i < FRAMES * WIDE; i++)
        x[i] = (float)(i % 7 - 3) / 4;
    must(cb_engine_create(&engine, m->stack, &err), &err, m, "engine");
    must(cb_engine_set_weights(engine, w, &err), &err, m, "weights");
    must(cb_engine_forward(engine, &steps, kind == CB_INPUT_DENSE ? x : NULL, WIDE,
                           kind == CB_INPUT_INDEX ? index : NULL, 1, &y, &err),
         &err, m, "forward");
    int finite = 1;
    for (size_t f = 0; f < FRAMES; f++)
        for (size_t j = 0; j < y.dim; j++)
            finite &= isfinite(y.data[f * y.ld + j]) != 0;
    t->infinite += !finite;
    const cb_rows dy = cb_engine_output_gradient(engine);
    for (size_t f = 0; f < FRAMES; f++)
        for (size_t j = 0; j < dy.dim; j++)
            dy.data[f * dy.ld + j] = 0.5F;
    must(cb_engine_backward(engine, gradient, kind == CB_INPUT_DENSE ? dx : NULL, WIDE, &err), &err,
         m, "backward");
    cb_engine_destroy(engine);
}

/* Operations whose derivative or value may be arbitrarily large near some argument. */
static int is_tame(const char *text) {
    static const char *const wild[] = {"/", "norm", "log (", "exp", "sqrt", "1e30", "square", NULL};
    for (int i = 0; wild[i]; i++)
        if (strstr(text, wild[i]))
            return 0;
    return 1;
}

static void check(const mutant *m, tally *t) {
    cb_check_result result;
    cb_err err = {0};
    const cb_status st = cb_check_stack(m->stack, m->seed, &result, &err);
    t->checked++;
    /* Values that are never finite (a root of what is negative) cannot be checked. */
    if (st == CB_EARG && strstr(err.text, "no draw of")) {
        t->uncheckable++;
        return;
    }
    must(st, &err, m, "check");
    t->passed += result.passed != 0;
    t->mistrusted += result.mistrusted != 0;
    t->steep += !result.passed && !result.mistrusted;
    if (!result.mistrusted && is_tame(m->text) && !(result.worst_gradient < 1e-4))
        fail_msg("seed %llu: gradient error %g (%s)\n%s", (unsigned long long)m->seed,
                 result.worst_gradient, result.worst_tensor, m->text);
}

static void examine(const mutant *m, tally *t) {
    const size_t n = cb_stack_weight_count(m->stack);
    double *drawn = calloc(n + 1, sizeof *drawn);
    float *w = calloc(2 * n + 1, sizeof *w);
    cb_err err = {0};
    assert_true(drawn && w);
    must(cb_stack_init(m->stack, m->seed, NULL, 0, drawn, &err), &err, m, "init");
    for (size_t i = 0; i < n; i++)
        w[i] = (float)drawn[i];
    run(m, w, w + n, t);
    t->valid++;
    if (m->seed % every == 0)
        check(m, t);
    free(w);
    free(drawn);
}

static void refuse(cb_status st, const cb_err *err, const mutant *m, tally *t) {
    if ((st != CB_EPARSE && st != CB_ESHAPE && st != CB_EARG) || err->code != st ||
        strlen(err->text) < 10)
        fail_msg("seed %llu: refused with status %d, '%s'\n%s", (unsigned long long)m->seed, st,
                 err->text, m->text);
    t->refused[st]++;
}

static void one(uint64_t seed, tally *t) {
    static mutation m;
    static char text[MUTATE_TEXT];
    begin(&m, cb_random_stream(seed, "mutation", 0));
    for (size_t n = 1 + cb_random_below(&m.random, 4); n > 0; n--)
        mutate_once(&m);
    mutate_text(&m, text);
    const cb_input_kind kind = seed % 5 == 3   ? CB_INPUT_INDEX
                               : seed % 5 == 4 ? CB_INPUT_NONE
                                               : CB_INPUT_DENSE;
    const cb_layer_spec layers[2] = {{.name = "mutant", .text = text, .hidden = 8},
                                     {.name = "mutant", .text = text, .hidden = 8}};
    cb_err err = {0};
    mutant it = {seed, text, NULL};
    const size_t I = kind == CB_INPUT_NONE ? 0 : kind == CB_INPUT_INDEX ? 3 : seed % 2 ? 8 : 3;
    const cb_status st = cb_stack_create(&it.stack, layers, 1 + seed % 4 / 3, kind, I, &err);
    if (st == CB_OK)
        examine(&it, t);
    else
        refuse(st, &err, &it, t);
    cb_stack_destroy(it.stack);
}

static void test_mutations(void **state) {
    (void)state;
    tally t = {0};
    for (unsigned long i = 0; i < count; i++)
        one(first_seed + i, &t);
    print_message("%lu mutants; refused: %zu as text, %zu in shape, %zu otherwise; valid: %zu, "
                  "%zu of these not finite when run\n",
                  count, t.refused[CB_EPARSE], t.refused[CB_ESHAPE], t.refused[CB_EARG], t.valid,
                  t.infinite);
    print_message("gradient check of %zu: %zu pass, %zu constant, %zu too steep for differences, "
                  "%zu without finite values\n",
                  t.checked, t.passed, t.mistrusted, t.steep, t.uncheckable);
    assert_true(t.valid > count / 4 && t.valid < count * 9 / 10);
    assert_true(2 * t.passed >= t.checked);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    if (argc > 1)
        count = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoul(argv[2], NULL, 10);
    if (argc > 3 && strtoul(argv[3], NULL, 10) > 0)
        every = strtoul(argv[3], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
