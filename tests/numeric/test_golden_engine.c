/* SPDX-License-Identifier: MIT */
/*
 * Golden bits of the engine: outputs, states and their gradients, dx and the gradients of vectors,
 * hashed, for each set of kernels that this machine can run. Gradients of matrices are left out:
 * large ones are made by BLIS, which picks its kernel by CPU (test_golden has them). Nothing drawn
 * goes through a function of the C library's that may differ by machine.
 *
 * The cells are those of the first list; a further cell of the registry needs no row, unless it
 * brings something to the arithmetic that none of these has.
 *
 * When a change of the program moves the bits on purpose, raise CB_NUMERICS and put in what
 * `test_golden_engine --print` prints.
 */
#include "each_set.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cellbench/random.h"
#include "cellbench/train.h"
#include "kernels/kernels.h"
#include "numeric/sequences.h"

/* What the rows below were made with. */
enum { GOLDEN_NUMERICS = 1 };

static const char *const cells[] = {"rnn", "lstm",      "peephole", "coupled",
                                    "gru", "gru-after", "clockwork"};

static const struct {
    const char *kernels, *cell, *bits;
} golden[] = {
    {"avx512", "rnn", "f6287c766c0ee946"},         {"avx512", "lstm", "2e880fdaa15978d8"},
    {"avx512", "peephole", "c6dbfb41107d63f8"},    {"avx512", "coupled", "7e13b12bce0a4331"},
    {"avx512", "gru", "fd38193f0aef02cf"},         {"avx512", "gru-after", "e4e0cbabd79b965f"},
    {"avx512", "clockwork", "e3cc610e6d53c87d"},   {"avx2", "rnn", "ac0f58ba743fc496"},
    {"avx2", "lstm", "ca7a9d4aee7cb75c"},          {"avx2", "peephole", "7fcefc934609c2fe"},
    {"avx2", "coupled", "2b6872caf7fd32c1"},       {"avx2", "gru", "d88731832b128a01"},
    {"avx2", "gru-after", "2664eb809e2a1ad5"},     {"avx2", "clockwork", "104fc37e8b2495bd"},
    {"portable", "rnn", "7071c7645528711f"},       {"portable", "lstm", "9b3f4650370b1f10"},
    {"portable", "peephole", "99fa61a0a51aefae"},  {"portable", "coupled", "d47810d5ca9c2576"},
    {"portable", "gru", "9046389ba7ede782"},       {"portable", "gru-after", "cb6555bf4070ecd9"},
    {"portable", "clockwork", "319df0c7ea2dd4a1"}, {NULL, NULL, NULL},
};

enum { CELLS = sizeof cells / sizeof *cells, BITS = 17 };

typedef struct outcomes {
    char bits[CELLS][BITS]; /* the first 64 bits of SHA-256 */
} outcomes;

static void fill(float *v, size_t n, cb_random *random, double scale) {
    for (size_t i = 0; v && i < n; i++)
        v[i] = (float)(scale * (2 * cb_random_uniform(random) - 1));
}

/* Returns the end of what was appended. */
static char *put(char *at, const double *v, size_t n) {
    memcpy(at, v, n * sizeof *v);
    return at + n * sizeof *v;
}

static void hash_outcome(const cb_stack *stack, const outcome *o, char bits[BITS]) {
    char hex[CBI_SHA256_HEX];
    size_t count, n = o->frames * (o->dim + o->I) + 2 * o->B * o->states + o->weights;
    const cb_stack_param *p = cb_stack_params(stack, &count);
    char *all = calloc(n, sizeof(double)), *end = all;
    assert_non_null(all);
    end = put(end, o->y, o->frames * o->dim);
    end = put(end, o->dx, o->frames * o->I);
    end = put(end, o->final, o->B * o->states);
    end = put(end, o->d_initial, o->B * o->states);
    for (size_t k = 0; k < count; k++)
        if (p[k].param->cols == 0)
            end = put(end, o->gradient + p[k].offset, p[k].param->free_count);
    cbi_sha256_hex(all, (size_t)(end - all), hex);
    memcpy(bits, hex, BITS - 1);
    bits[BITS - 1] = '\0';
    free(all);
}

/* Two layers of 24 units; sequences of unequal lengths, in several blocks of steps. */
static void run_cell(any_cell *cell, char bits[BITS]) {
    size_t lengths[20];
    for (size_t r = 0; r < 20; r++)
        lengths[r] = 21 - r;
    cell->H = 24;
    cell->I = 5;
    cb_stack *stack = stack_of(cell, 2);
    cb_random random = cb_random_stream(1, "golden", 0);
    float *w = draw_weights(stack, 1, 0);
    fill(w, cb_stack_weight_count(stack), &random, 0.4);
    batch b = batch_make(stack, lengths, 20, 1, ALL_GIVEN);
    fill(b.x, b.steps.frames * cell->I, &random, 1);
    fill(b.dy, b.steps.frames * cell->H, &random, 1);
    fill(b.initial, b.steps.B * state_elements(stack), &random, 0.5);
    fill(b.d_final, b.steps.B * state_elements(stack), &random, 1);
    outcome o = run_fresh(&b, w);
    hash_outcome(stack, &o, bits);
    outcome_free(&o);
    batch_free(&b);
    free(w);
    cb_stack_destroy(stack);
}

static void run_cells(void *out) {
    outcomes *all = out;
    const cb_cell_def *def;
    cb_err err;
    for (size_t i = 0; i < CELLS; i++) {
        OK(cb_cell_find(&def, cb_variants, cells[i], &err));
        any_cell cell = {.name = def->name, .text = def->text, .kind = CB_INPUT_DENSE};
        run_cell(&cell, all->bits[i]);
    }
}

static void print_table(void) {
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        outcomes o = {0};
        run_with_set((*set)->name, run_cells, &o, sizeof o);
        for (size_t i = 0; i < CELLS; i++)
            printf("    {\"%s\", \"%s\", \"%s\"},\n", (*set)->name, cells[i], o.bits[i]);
    }
}

static const char *expected(const char *kernels, const char *cell) {
    for (size_t i = 0; golden[i].kernels; i++)
        if (strcmp(golden[i].kernels, kernels) == 0 && strcmp(golden[i].cell, cell) == 0)
            return golden[i].bits;
    return "no row of the table";
}

static void test_bits(void **state) {
    (void)state;
    size_t wrong = 0;
    assert_int_equal(GOLDEN_NUMERICS, CB_NUMERICS);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        outcomes o = {0};
        run_with_set((*set)->name, run_cells, &o, sizeof o);
        for (size_t i = 0; i < CELLS; i++) {
            const char *bits = expected((*set)->name, cells[i]);
            if (strcmp(bits, o.bits[i]) == 0)
                continue;
            wrong++;
            print_error("%s, %s: expected %s, got %s\n", (*set)->name, cells[i], bits, o.bits[i]);
        }
    }
    if (wrong)
        fail_msg("%zu hashes differ with CB_NUMERICS = %d", wrong, CB_NUMERICS);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        print_table();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
