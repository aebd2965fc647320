/* SPDX-License-Identifier: MIT */
/*
 * Cells that are each other's special cases: with the weights of one put into the other, and what
 * the other has more held at its neutral value, outputs and gradients of the input are equal, in
 * f64. Which weights those are stands beside each pair.
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
#include "cellbench/random.h"

enum { T = 7, B = 2, I = 3, H = 8, FRAMES = T * B, MOST_RULES = 12 };

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != CB_OK)                                                                       \
            fail_msg("%s", err.text);                                                              \
    } while (0)

/* A tensor, without its layer: `factor` times the other cell's tensor `from`, or (NULL) all
 * elements are `factor`. */
typedef struct rule {
    const char *tensor, *from;
    double factor;
} rule;

typedef struct side {
    const char *cells[2], *text; /* layers; text instead of the registered one */
    cb_cell_setting setting;     /* if it has a name */
    rule rules[MOST_RULES];      /* what is not named: the tensor of the same name */
} side;

typedef struct pair {
    const char *what;
    side special, general; /* weights are drawn for the special one */
    double tolerance;      /* 0: to the bit */
} pair;

typedef struct net {
    cb_stack *stack;
    double *w, y[FRAMES * H], dx[FRAMES * I];
} net;

static const double one_period[] = {1}, no_shrink[] = {1};

/* The equations of sLSTM before they are stabilised: Beck et al. 2024, eq. 8-14. */
static const char plain_slstm[] = "set heads = 2\n"
                                  "state h, c, n\n"
                                  "matrix R = blockdiag(heads)\n"
                                  "z  = tanh(W x + R h + b)\n"
                                  "u  = W x + R h + b\n"
                                  "l  = W x + R h + b\n"
                                  "o  = sigmoid(W x + R h + b)\n"
                                  "c' = sigmoid(l)*c + exp(u)*z\n"
                                  "n' = sigmoid(l)*n + exp(u)\n"
                                  "h' = o*(c'/n')\n";

static const char diagonal_irnn[] = "state h\nmatrix R = diagonal\nh' = relu(W x + R h + b)\n";
static const char diagonal_nbrc[] = "state h\n"
                                    "matrix R = diagonal\n"
                                    "a  = 1 + tanh(W x + R h)\n"
                                    "c  = sigmoid(W x + R h)\n"
                                    "h' = c*h + (1 - c)*tanh(W x + a*h)\n";

#define OPEN 1e4 /* sigmoid(1e4) is 1, sigmoid(-1e4) is 0 */
#define NO_PEEPHOLES                                                                               \
    {"p_i", NULL, 0}, {"p_f", NULL, 0}, {                                                          \
        "p_o", NULL, 0                                                                             \
    }

/* clang-format off */
static const pair pairs[] = {
    {"greff-np is lstm", {.cells = {"lstm"}}, {.cells = {"greff-np"}}, 0},
    {"greff-v is peephole", {.cells = {"peephole"}}, {.cells = {"greff-v"}}, 0},
    {"lstm-b is lstm with another start", {.cells = {"lstm"}}, {.cells = {"lstm-b"}}, 0},
    {"peephole with p = 0 is lstm", {.cells = {"lstm"}},
     {.cells = {"peephole"}, .rules = {NO_PEEPHOLES}}, 1e-13},
    {"peephole with p_i alone", {.cells = {"peephole-i"}},
     {.cells = {"peephole"}, .rules = {{"p_f", NULL, 0}, {"p_o", NULL, 0}}}, 1e-13},
    {"peephole with p_f alone", {.cells = {"peephole-f"}},
     {.cells = {"peephole"}, .rules = {{"p_i", NULL, 0}, {"p_o", NULL, 0}}}, 1e-13},
    {"peephole with p_o alone", {.cells = {"peephole-o"}},
     {.cells = {"peephole"}, .rules = {{"p_i", NULL, 0}, {"p_f", NULL, 0}}}, 1e-13},
    {"peephole without p_o", {.cells = {"peephole-if"}},
     {.cells = {"peephole"}, .rules = {{"p_o", NULL, 0}}}, 1e-13},
    {"peephole without p_f", {.cells = {"peephole-io"}},
     {.cells = {"peephole"}, .rules = {{"p_f", NULL, 0}}}, 1e-13},
    {"peephole without p_i", {.cells = {"peephole-fo"}},
     {.cells = {"peephole"}, .rules = {{"p_i", NULL, 0}}}, 1e-13},
    {"coupled is lstm with f tied to i: sigmoid(-a) = 1 - sigmoid(a)", {.cells = {"coupled"}},
     {.cells = {"lstm"}, .rules = {{"W_f", "W_i", -1}, {"R_f", "R_i", -1}, {"b_f", "b_i", -1}}}, 1e-12},
    {"greff-cifg with p = 0 is coupled", {.cells = {"coupled"}},
     {.cells = {"greff-cifg"}, .rules = {NO_PEEPHOLES}}, 1e-13},
    {"lstm with an open input gate is lstm-i", {.cells = {"lstm-i"}},
     {.cells = {"lstm"}, .rules = {{"W_i", NULL, 0}, {"R_i", NULL, 0}, {"b_i", NULL, OPEN}}}, 1e-13},
    {"lstm with an open forget gate is lstm-f", {.cells = {"lstm-f"}},
     {.cells = {"lstm"}, .rules = {{"W_f", NULL, 0}, {"R_f", NULL, 0}, {"b_f", NULL, OPEN}}}, 1e-13},
    {"lstm with an open output gate is lstm-o", {.cells = {"lstm-o"}},
     {.cells = {"lstm"}, .rules = {{"W_o", NULL, 0}, {"R_o", NULL, 0}, {"b_o", NULL, OPEN}}}, 1e-13},
    {"clockwork with one module of period 1 is rnn", {.cells = {"rnn"}},
     {.cells = {"clockwork"}, .setting = {"periods", 1, one_period}}, 0},
    {"clockwork-lstm with one module of period 1 is lstm", {.cells = {"lstm"}},
     {.cells = {"clockwork-lstm"}, .setting = {"periods", 1, one_period}}, 0},
    {"gru is gru-after when the reset gates are held at 1",
     {.cells = {"gru"}, .rules = {{"W_r", NULL, 0}, {"R_r", NULL, 0}, {"b_r", NULL, OPEN}}},
     {.cells = {"gru-after"}, .rules = {{"b1_n", NULL, 0}}}, 1e-13},
    {"gru-chung is gru with z for 1 - z", {.cells = {"gru"}},
     {.cells = {"gru-chung"}, .rules = {{"W_z", "W_z", -1}, {"R_z", "R_z", -1}, {"b_z", "b_z", -1}}},
     1e-12},
    {"mgu is gru-chung with both gates tied", {.cells = {"mgu"}},
     {.cells = {"gru-chung"}, .rules = {{"W_r", "W_f", 1}, {"R_r", "R_f", 1}, {"b_r", "b_f", 1},
                                        {"W_z", "W_f", 1}, {"R_z", "R_f", 1}, {"b_z", "b_f", 1}}},
     1e-13},
    {"projected on all its units is lstm", {.cells = {"lstm"}},
     {.cells = {"projected"}, .setting = {"shrink", 1, no_shrink},
      .rules = {{"P_h", "identity", 1}}}, 1e-13},
    {"projected-peephole with p = 0 is projected", {.cells = {"projected"}},
     {.cells = {"projected-peephole"}, .rules = {NO_PEEPHOLES}}, 1e-13},
    {"sLSTM stabilised is unstabilised where that does not overflow",
     {.text = plain_slstm}, {.cells = {"slstm"}}, 1e-12},
    {"a depth-gated stack with d = 0 is its plain stack", {.cells = {"peephole", "peephole"}},
     {.cells = {"peephole", "depth-gated"},
      .rules = {{"W_d", NULL, 0}, {"p_d", NULL, 0}, {"p1_d", NULL, 0}, {"b_d", NULL, -OPEN}}}, 1e-13},
    {"antisymmetric-gated with an open gate is antisymmetric", {.cells = {"antisymmetric"}},
     {.cells = {"antisymmetric-gated"},
      .rules = {{"W_z", NULL, 0}, {"b_z", NULL, OPEN}, {"R_u", "R_h", 1}}}, 1e-13},
    {"indrnn is an irnn whose matrix is diagonal", {.cells = {"indrnn"}},
     {.text = diagonal_irnn, .rules = {{"R_h", "p_h", 1}}}, 1e-13},
    {"brc is an nbrc whose matrices are diagonal", {.cells = {"brc"}},
     {.text = diagonal_nbrc, .rules = {{"R_a", "p_a", 1}, {"R_c", "p_c", 1}}}, 1e-13},
    {"t-rnn is mingru with f for 1 - z", {.cells = {"t-rnn"}},
     {.cells = {"mingru"}, .rules = {{"W_z", "W_f", -1}, {"b_z", "b_f", -1}, {"W_n", "W_z", 1},
                                     {"b_n", NULL, 0}}}, 1e-12},
};
/* clang-format on */

static cb_stack *stack_of(const side *s) {
    cb_layer_spec layers[2];
    cb_stack *stack;
    cb_err err;
    size_t n = 0;
    for (; n < 2 && (s->cells[n] || (n == 0 && s->text)); n++) {
        const cb_cell_def *def = NULL;
        if (s->text == NULL)
            OK(cb_cell_find(&def, cb_variants, s->cells[n], &err));
        layers[n] = (cb_layer_spec){.name = def ? def->name : "text",
                                    .text = def ? def->text : s->text,
                                    .settings = &s->setting,
                                    .setting_count = s->setting.name != NULL,
                                    .hidden = H};
    }
    OK(cb_stack_create(&stack, layers, n, CB_INPUT_DENSE, I, &err));
    return stack;
}

/* A number of `from` elements may stand for as many of another shape: vector and diagonal. */
static const double *tensor(const net *n, size_t layer, const char *name, size_t size) {
    size_t count;
    const cb_stack_param *p = cb_stack_params(n->stack, &count);
    for (size_t k = 0; k < count; k++)
        if (p[k].layer == layer && strcmp(p[k].param->name, name) == 0) {
            assert_int_equal(p[k].param->free_count, size);
            return n->w + p[k].offset;
        }
    fail_msg("no tensor %s in layer %zu", name, layer + 1);
    return NULL;
}

static void apply(const rule *r, const cb_param *param, size_t layer, const net *from, double *w) {
    const size_t size = param->free_count;
    if (r->from == NULL || strcmp(r->from, "identity") == 0) {
        for (size_t i = 0; i < size; i++)
            w[i] = r->from == NULL || i / param->cols == i % param->cols ? r->factor : 0;
        return;
    }
    const double *v = tensor(from, layer, r->from, size);
    for (size_t i = 0; i < size; i++)
        w[i] = r->factor * v[i];
}

static const rule *find_rule(const side *s, const char *name) {
    for (size_t i = 0; i < MOST_RULES && s->rules[i].tensor; i++)
        if (strcmp(s->rules[i].tensor, name) == 0)
            return &s->rules[i];
    return NULL;
}

/* Weights by the rules; what they do not name: from the other, or (NULL) drawn. */
static void fill_weights(net *n, const side *s, const net *from) {
    size_t count;
    const cb_stack_param *p = cb_stack_params(n->stack, &count);
    cb_random random = cb_random_stream(7, "identities", 0);
    n->w = calloc(cb_stack_weight_count(n->stack) + 1, sizeof *n->w);
    assert_non_null(n->w);
    for (size_t k = 0; k < count; k++) {
        double *w = n->w + p[k].offset;
        const rule *r = find_rule(s, p[k].param->name), same = {"", p[k].param->name, 1};
        if (r || from)
            apply(r ? r : &same, p[k].param, p[k].layer, from, w);
        for (size_t i = 0; !r && !from && i < p[k].param->free_count; i++)
            w[i] = 0.5 * cb_random_normal(&random);
    }
}

/* Outputs, and the gradient of the input for drawn gradients of the outputs. */
static void run(net *n) {
    static const uint32_t rows[T] = {2, 2, 2, 2, 2, 2, 2};
    const cb_steps steps = {.T = T, .B = B, .rows = rows, .frames = FRAMES};
    cb_random random = cb_random_stream(8, "identities", 0);
    double x[FRAMES * I], dy[FRAMES * H];
    double *gradient = calloc(cb_stack_weight_count(n->stack) + 1, sizeof *gradient);
    cb_reference *r;
    cb_err err;
    assert_non_null(gradient);
    for (size_t i = 0; i < FRAMES * I; i++)
        x[i] = cb_random_normal(&random);
    for (size_t i = 0; i < FRAMES * H; i++)
        dy[i] = cb_random_normal(&random);
    OK(cb_reference_create(&r, n->stack, &err));
    OK(cb_reference_forward(r, &steps, n->w, x, NULL, n->y, &err));
    OK(cb_reference_backward(r, dy, gradient, n->dx, &err));
    cb_reference_destroy(r);
    free(gradient);
}

static void equal(const pair *p, const char *name, const double *a, const double *b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        const double scale = fmax(1, fabs(a[i]));
        if (!(fabs(a[i] - b[i]) <= p->tolerance * scale))
            fail_msg("%s: %s %zu: %.17g and %.17g", p->what, name, i, a[i], b[i]);
        largest = fmax(largest, fabs(a[i]));
    }
    assert_true(largest > 1e-3); /* something was compared */
}

static void test_pairs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        net a = {.stack = stack_of(&pairs[i].special)}, b = {.stack = stack_of(&pairs[i].general)};
        const size_t outputs = FRAMES * cb_stack_output_dim(a.stack);
        assert_int_equal(cb_stack_output_dim(a.stack), cb_stack_output_dim(b.stack));
        fill_weights(&a, &pairs[i].special, NULL);
        fill_weights(&b, &pairs[i].general, &a);
        run(&a);
        run(&b);
        equal(&pairs[i], "output", a.y, b.y, outputs);
        equal(&pairs[i], "gradient of x", a.dx, b.dx, FRAMES * I);
        free(a.w);
        free(b.w);
        cb_stack_destroy(a.stack);
        cb_stack_destroy(b.stack);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
