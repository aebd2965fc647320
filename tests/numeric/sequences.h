/* SPDX-License-Identifier: MIT */
/*
 * One batch of sequences with everything drawn (input, initial states, gradients of outputs and of
 * final states), run through either engine; what comes out is kept in double, so that outcomes of
 * both engines have one type and f32 bits stay what they are. States of all layers stand one after
 * the other, [B][dim] each.
 */
#ifndef CB_TESTS_SEQUENCES_H
#define CB_TESTS_SEQUENCES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cellbench/engine.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != CB_OK)                                                                       \
            fail_msg("%s", err.text);                                                              \
    } while (0)

/* Initial states: the cell's own; given, but for a start such as -1e30, which has its meaning; all
 * given. */
typedef enum start { OWN, GIVEN, ALL_GIVEN } start;

typedef struct batch {
    const cb_stack *stack;
    cb_steps steps;
    uint32_t *rows;
    float *x;       /* dense input: [frames][I] */
    int32_t *index; /* index input: [frames] */
    float *dy;      /* [frames][output dim] */
    float *initial, *d_final;
    start given;
} batch;

typedef struct outcome {
    size_t frames, B, I, dim, weights, states; /* states: elements of all states of one sequence */
    double *y, *dx, *final, *d_initial, *gradient;
} outcome;

/* A cell of the tables of registered and of awkward cells, as a stack of n equal layers. */
typedef struct any_cell {
    const char *name, *text;
    cb_input_kind kind;
    size_t I, H;
    int clocked;              /* reads t */
    const cb_cell_def *below; /* what it names as its lowest; one layer of it stands below */
} any_cell;

/* The i-th cell of both tables; 0 behind the last. Registered ones get I 3, H 8. */
int cell_at(size_t i, any_cell *cell);
cb_stack *stack_of(const any_cell *cell, size_t layers);

size_t state_elements(const cb_stack *stack);
/* Start of state `s` of layer `layer` in an array of all states, for B sequences. */
size_t state_offset(const cb_stack *stack, size_t layer, size_t s, size_t B);

/* lengths: B of them, longest first. The draw of a sequence depends on seed and on its place in the
 * batch alone. */
batch batch_make(const cb_stack *stack, const size_t *lengths, size_t B, uint64_t seed,
                 start given);
/* The sequences pick[0..n) of a batch, in that order: lengths must not increase. */
batch batch_pick(const batch *from, const size_t *pick, size_t n);
/* Steps from..to-1, of the sequences that are still running then. */
batch batch_cut(const batch *whole, size_t from, size_t to);
void batch_free(batch *b);
size_t batch_frame(const batch *b, size_t t, size_t row);

/* Weights by the cells' laws, vectors and all else moved by a normal draw of size `spread`, rounded
 * to f32. Caller frees with free. */
float *draw_weights(const cb_stack *stack, uint64_t seed, double spread);

/* keep = 0: y and final only. Outcomes are to be freed. */
outcome run_engine(cb_engine *engine, const batch *b, int keep);
outcome run_fresh(const batch *b, const float *w);
outcome run_reference(const batch *b, const float *w);
void outcome_free(outcome *o);

/* Fails with `what` and the place where the bits of two arrays differ. */
void same_bits(const char *what, const double *a, const double *b, size_t n);
void same_outcome(const char *what, const outcome *a, const outcome *b);

#endif
