/* SPDX-License-Identifier: MIT */
/*
 * Batches in segments (train/segment.h) against whole ones, in every cell and under every mask: the
 * bits of the output and of each gradient. Trials (test_segments) see neither of them, only what
 * updates have left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numeric/sequences.h"
#include "train/segment.h"

/* Frames of more than two blocks of steps; sequences that end within a block and at its edge. */
enum { B = 30, SEED = 5 };
static const size_t lengths[B] = {31, 31, 30, 29, 29, 29, 26, 25, 24, 24, 23, 21, 20, 20, 18,
                                  17, 16, 15, 15, 13, 12, 11, 9,  9,  8,  5,  4,  2,  1,  1};

typedef struct pass {
    float *y, *gradient;
} pass;

typedef struct net {
    const cb_stack *stack;
    cb_engine *engine;
    const batch *drawn;
    size_t dim, weights;
} net;

static void *room(size_t n) {
    void *block = calloc(n + 1, sizeof(float));
    assert_non_null(block);
    return block;
}

static void name_sequences(const net *n) {
    uint64_t sequence[B];
    cb_err err;
    for (size_t i = 0; i < B; i++)
        sequence[i] = 100 * (B - i);
    OK(cb_engine_set_masks(n->engine, SEED, sequence, B, &err));
}

static void copy_output(const net *n, pass *p, const cb_rows *y) {
    assert_int_equal(y->dim, n->dim);
    for (size_t f = 0; f < n->drawn->steps.frames; f++)
        memcpy(p->y + f * n->dim, y->data + f * y->ld, n->dim * sizeof(float));
}

static void put_gradient(const net *n, const cb_rows *dy) {
    for (size_t f = 0; f < n->drawn->steps.frames; f++)
        memcpy(dy->data + f * dy->ld, n->drawn->dy + f * n->dim, n->dim * sizeof(float));
}

static pass new_pass(const net *n) {
    return (pass){room(n->drawn->steps.frames * n->dim), room(n->weights)};
}

static pass run_whole(const net *n) {
    const batch *b = n->drawn;
    pass p = new_pass(n);
    cb_rows y;
    cb_err err;
    OK(cb_engine_forward(n->engine, &b->steps, b->x, cb_stack_input_dim(n->stack), b->index, 1, &y,
                         &err));
    copy_output(n, &p, &y);
    const cb_rows dy = cb_engine_output_gradient(n->engine);
    put_gradient(n, &dy);
    OK(cb_engine_backward(n->engine, p.gradient, NULL, 0, &err));
    return p;
}

static pass run_cut(const net *n, size_t least) {
    const batch *b = n->drawn;
    const cbi_batch packed = {
        .steps = b->steps, .x = b->x, .ldx = cb_stack_input_dim(n->stack), .index = b->index};
    const cbi_extent extent = {b->steps.B, b->steps.frames, b->steps.T};
    cbi_segments segments;
    pass p = new_pass(n);
    cb_rows y;
    cb_err err;
    OK(cbi_segments_init(&segments, n->stack, least, &extent, &extent, &err));
    OK(cbi_segments_forward(&segments, n->engine, &packed, 1, &y, &err));
    assert_true(segments.count > 1);
    copy_output(n, &p, &y);
    const cb_rows dy = cbi_segments_output_gradient(&segments);
    put_gradient(n, &dy);
    OK(cbi_segments_backward(&segments, n->engine, &packed, p.gradient, &err));
    cbi_segments_fini(&segments);
    return p;
}

static void free_pass(pass *p) {
    free(p->y);
    free(p->gradient);
}

static int same(const net *n, const pass *a, const pass *b) {
    const size_t outputs = n->drawn->steps.frames * n->dim;
    return memcmp(a->y, b->y, outputs * sizeof(float)) == 0 &&
           memcmp(a->gradient, b->gradient, n->weights * sizeof(float)) == 0;
}

static size_t masked_nets;

static void check_net(const net *n, const char *cell, const char *masks) {
    static const size_t leasts[] = {1, 3, 10};
    size_t count;
    cb_stack_masks(n->stack, &count);
    pass plain = run_whole(n);
    name_sequences(n);
    pass whole = run_whole(n);
    /* A mask may stand where no gradient passes, but not in every cell. */
    const int masked = !same(n, &plain, &whole);
    masked_nets += masked ? 1 : 0;
    if (masked && count == 0)
        fail_msg("%s, %s: no masks, and they change something", cell, masks);
    for (size_t i = 0; i < sizeof leasts / sizeof *leasts; i++) {
        pass cut = run_cut(n, leasts[i]);
        if (!same(n, &whole, &cut))
            fail_msg("%s, %s, segments of %zu steps: other bits", cell, masks, leasts[i]);
        free_pass(&cut);
        /* The engine goes back to whole batches. */
        pass again;
        for (size_t l = 0, s; l < cb_stack_layer_count(n->stack); l++) {
            cb_err err;
            const cb_state_info *info = cb_cell_states(cb_stack_cell(n->stack, l), &s);
            while (s-- > 0)
                OK(cb_engine_set_initial(n->engine, l, info[s].name, NULL, 0, &err));
        }
        again = run_whole(n);
        assert_true(same(n, &whole, &again));
        free_pass(&again);
    }
    free_pass(&plain);
    free_pass(&whole);
}

static void check_cell(const any_cell *cell, const cb_regularisers *r, const char *masks) {
    cb_err err;
    cb_stack *stack = stack_of(cell, 2);
    OK(cb_stack_regularise(stack, r, &err));
    batch drawn = batch_make(stack, lengths, B, SEED, OWN);
    float *w = draw_weights(stack, SEED, 0.2);
    net n = {.stack = stack,
             .drawn = &drawn,
             .dim = cb_stack_output_dim(stack),
             .weights = cb_stack_weight_count(stack)};
    OK(cb_engine_create(&n.engine, stack, &err));
    OK(cb_engine_set_weights(n.engine, w, &err));
    check_net(&n, cell->name, masks);
    cb_engine_destroy(n.engine);
    free(w);
    batch_free(&drawn);
    cb_stack_destroy(stack);
}

static const cb_zoneout some = {NULL, 0.3};
static const struct {
    const char *name;
    cb_regularisers r;
} around[] = {
    {"no masks", {0}},
    {"variational input", {.variational_input = 0.3}},
    {"variational state", {.variational_state = 0.3}},
    {"recurrent dropout", {.recurrent_dropout = 0.3}},
    {"zoneout", {.zoneout = &some, .zoneout_count = 1}},
    {"all masks", {0.2, 0.3, 0.4, &some, 1}},
};

static void test_every_cell(void **state) {
    (void)state;
    any_cell cell;
    for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
        size_t cells = 0;
        masked_nets = 0;
        for (; cell_at(cells, &cell); cells++)
            check_cell(&cell, &around[k].r, around[k].name);
        if (k > 0 && masked_nets < cells / 2)
            fail_msg("%s: changes %zu of %zu cells", around[k].name, masked_nets, cells);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
