/* SPDX-License-Identifier: MIT */
/*
 * The f32 engine against the f64 reference where their shapes differ most from a gradient check's:
 * sizes around vectors, panels and strips, and batches of several blocks of steps.
 *
 * Bound: c * eps * ceil(log2(K*T)) of the tensor's largest value, as in the gradient check, K the
 * longest sum of a product, c = 16 (a gradient check on 16 frames takes 8); the backward pass gets
 * twice that, each layer feeds on the error of the one below. A weight's gradient is a sum over all
 * frames. Tensors far smaller than the largest one are held to a thousandth of that; those of few
 * elements to a tenth, because all of their sums may happen to cancel.
 */
#include "numeric/sequences.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double largest(const double *v, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    return most;
}

/* Share of the bound that the worst element takes. */
static double share(const double *f32, const double *f64, size_t n, double least, double bound) {
    double scale = fmax(largest(f64, n), least), worst = 0;
    for (size_t i = 0; i < n; i++) {
        double e = fabs(f32[i] - f64[i]);
        if (!(e <= worst))
            worst = isnan(e) ? (double)INFINITY : e;
    }
    return n ? worst / (scale * bound) : 0;
}

static void compare(const char *what, const batch *b, const outcome *f32, const outcome *f64) {
    size_t count, K = 1;
    const cb_stack_param *p = cb_stack_params(b->stack, &count);
    double least = largest(f64->dx, f64->frames * f64->I);
    for (size_t k = 0; k < count; k++) {
        K = p[k].param->cols > K ? p[k].param->cols : K;
        least = fmax(least, largest(f64->gradient + p[k].offset, p[k].param->free_count));
    }
    least *= 1e-3;
    const double bound = 16 * (double)FLT_EPSILON * ceil(log2((double)(K * b->steps.T + 1))) *
                         (double)cb_stack_layer_count(b->stack);
    double worst = share(f32->y, f64->y, f64->frames * f64->dim, 1e-3, bound);
    const char *where = "y";
    const struct {
        const char *name;
        double share;
    } parts[] = {
        {"final states", share(f32->final, f64->final, f64->B * f64->states, 1e-3, bound)},
        {"dx", share(f32->dx, f64->dx, f64->frames * f64->I, least, 2 * bound)},
        {"gradient of initial states",
         share(f32->d_initial, f64->d_initial, f64->B * f64->states, least, 2 * bound)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].share > worst) {
            worst = parts[i].share;
            where = parts[i].name;
        }
    for (size_t k = 0; k < count; k++) {
        double s =
            share(f32->gradient + p[k].offset, f64->gradient + p[k].offset, p[k].param->free_count,
                  least * (p[k].param->free_count < 16 ? 100 : 1), 2 * bound);
        if (s > worst) {
            worst = s;
            where = p[k].name;
        }
    }
    if (getenv("CELLBENCH_SHOW"))
        print_message("%s: %.3f of the bound (%s)\n", what, worst, where);
    if (!(worst <= 1))
        fail_msg("%s: %g times the bound (%s)", what, worst, where);
    if (largest(f64->y, f64->frames * f64->dim) < 1e-3 || least == 0.0)
        fail_msg("%s: nearly zero, which proves nothing", what);
}

/* `shrink` makes the cells forget: an error of the first steps must not grow over many. */
static void run_both(const char *what, const cb_stack *stack, const size_t *lengths, size_t B,
                     float shrink) {
    float *w = draw_weights(stack, 17, 0.02);
    for (size_t i = 0; i < cb_stack_weight_count(stack); i++)
        w[i] *= shrink;
    batch b = batch_make(stack, lengths, B, 23, GIVEN);
    outcome f32 = run_fresh(&b, w), f64 = run_reference(&b, w);
    compare(what, &b, &f32, &f64);
    outcome_free(&f32);
    outcome_free(&f64);
    batch_free(&b);
    free(w);
}

static void find_cell(const char *name, any_cell *cell) {
    for (size_t i = 0; cell_at(i, cell); i++)
        if (strcmp(cell->name, name) == 0)
            return;
    fail_msg("no cell %s", name);
}

/* Around 16 lanes, panels of 32 to 64 columns, strips of 512 floats and rows cut into chunks. */
static void test_sizes(void **state) {
    (void)state;
    static const char *const names[] = {"lstm", "gru", "layer-norm"};
    static const size_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 100, 200, 513, 650};
    static const size_t lengths[] = {4, 4, 3, 2, 2, 1, 1};
    for (size_t n = 0; n < 3; n++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char what[160];
            any_cell cell;
            find_cell(names[n], &cell);
            /* norm() of one or two elements is a constant or a sign: nothing to compare. */
            if (n == 2 && sizes[i] < 3)
                continue;
            cell.H = sizes[i];
            cell.I = sizes[i] < 100 ? sizes[i] % 7 + 1 : 3;
            cb_stack *stack = stack_of(&cell, 1);
            snprintf(what, sizeof what, "%s, I %zu, H %zu", cell.name, cell.I, cell.H);
            run_both(what, stack, lengths, sizes[i] > 200 ? 3 : 7, 1);
            cb_stack_destroy(stack);
        }
}

/* Wide inputs and two layers. */
static void test_inputs(void **state) {
    (void)state;
    static const size_t inputs[] = {1, 15, 16, 17, 88, 129};
    static const size_t lengths[] = {9, 7, 7, 2};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        char what[160];
        any_cell cell;
        find_cell("peephole", &cell);
        cell.H = 20;
        cell.I = inputs[i];
        for (int kind = CB_INPUT_DENSE; kind <= CB_INPUT_INDEX; kind++) {
            cell.kind = (cb_input_kind)kind;
            cb_stack *stack = stack_of(&cell, 2);
            snprintf(what, sizeof what, "peephole, I %zu, input kind %d", cell.I, kind);
            run_both(what, stack, lengths, 4, 1);
            cb_stack_destroy(stack);
        }
    }
}

/* Several blocks of 256 rows: of equal rows only, then ragged, then few; and single steps that are
 * larger than a block. */
static void blocks_of(const any_cell *cell, size_t layers) {
    char what[160];
    size_t ragged[24], tall[300];
    for (size_t r = 0; r < 24; r++)
        ragged[r] = r < 8 ? 36 : r < 16 ? 36 - r : 34 - r;
    for (size_t r = 0; r < 300; r++)
        tall[r] = r < 280 ? 3 : 2;
    cb_stack *stack = stack_of(cell, layers);
    snprintf(what, sizeof what, "%s, %zu layer(s), ragged", cell->name, layers);
    run_both(what, stack, ragged, 24, 0.5f);
    snprintf(what, sizeof what, "%s, %zu layer(s), tall", cell->name, layers);
    run_both(what, stack, tall, 300, 0.5f);
    cb_stack_destroy(stack);
}

static void test_blocks(void **state) {
    (void)state;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++)
        for (size_t layers = 1; layers <= 2; layers++)
            blocks_of(&cell, layers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
