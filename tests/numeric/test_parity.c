/* SPDX-License-Identifier: MIT */
/*
 * Values and gradients of an outside implementation (fixtures/README.md), in f64 and in f32.
 *
 * How weights are mapped. PyTorch stacks the gates of a layer by rows, in the order i, f, z (there
 * called g), o for the LSTM and r, z, n for the GRU; here each gate has matrices of its own. It has
 * two biases a gate where one is enough: b = b_ih + b_hh, and the gradient of either is that of b.
 * In its GRU the candidate's second bias stands inside the reset: n: b = b_in, b1 = b_hn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "cellbench/engine.h"
#include "numeric/awkward.h"

enum { T = 7, B = 3, I = 5, H = 4, FRAMES = T * B, GATES = 4 };

/* A gate: where its rows begin in PyTorch's stack, and the names of its tensors here. `second`: the
 * place of b_hh; NULL: b_hh is added to the other. */
typedef struct gate {
    const char *matrix_x, *matrix_h, *bias, *second;
} gate;

typedef struct fixture {
    const char *file, *text;
    gate gates[GATES + 1]; /* in PyTorch's order */
} fixture;

typedef struct numbers {
    double v[GATES * H * I + T * B * I];
    size_t n;
} numbers;

static void read_numbers(const json_t *root, const char *key, size_t n, numbers *out) {
    const json_t *list = json_object_get(root, key);
    if (json_array_size(list) != n)
        fail_msg("%s: expected %zu numbers, got %zu", key, n, json_array_size(list));
    out->n = n;
    for (size_t i = 0; i < n; i++)
        out->v[i] = json_number_value(json_array_get(list, i));
}

static json_t *open_fixture(const char *file) {
    char path[1024], *text;
    size_t length;
    cb_err err;
    json_t *root;
    snprintf(path, sizeof path, "%s/%s", FIXTURES, file);
    if (cbi_file_read(&text, &length, path, (size_t)1 << 20, &err) != CB_OK ||
        cbi_json_parse(&root, text, length, file, &err) != CB_OK)
        fail_msg("%s", err.text);
    cbi_free(text);
    return root;
}

/* Largest difference, relative to the largest expected value. */
static void same(const char *file, const char *what, const double *got, const double *expected,
                 size_t n, double most) {
    double scale = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(expected[i]));
        worst = isnan(got[i]) ? (double)INFINITY : fmax(worst, fabs(got[i] - expected[i]));
    }
    assert_true(scale > 0);
    if (!(worst <= most * scale))
        fail_msg("%s, %s: differs by %g of its largest value, allowed %g", file, what,
                 worst / scale, most);
}

static size_t offset_of(const cb_stack *stack, const char *name, size_t expected) {
    size_t count;
    const cb_stack_param *p = cb_stack_params(stack, &count);
    for (size_t k = 0; k < count; k++)
        if (strcmp(p[k].name + 2, name) == 0) {
            assert_int_equal(p[k].param->free_count, expected);
            return p[k].offset;
        }
    fail_msg("no parameter %s", name);
    return 0;
}

static void put_weights(const fixture *f, const cb_stack *stack, const json_t *root, double *w) {
    static numbers x, h, bx, bh;
    size_t gates = 0;
    while (f->gates[gates].bias)
        gates++;
    read_numbers(root, "w_ih", gates * H * I, &x);
    read_numbers(root, "w_hh", gates * H * H, &h);
    read_numbers(root, "b_ih", gates * H, &bx);
    read_numbers(root, "b_hh", gates * H, &bh);
    for (size_t g = 0; g < gates; g++) {
        const gate *to = &f->gates[g];
        memcpy(w + offset_of(stack, to->matrix_x, H * I), x.v + g * H * I, H * I * sizeof *w);
        memcpy(w + offset_of(stack, to->matrix_h, H * H), h.v + g * H * H, H * H * sizeof *w);
        double *b = w + offset_of(stack, to->bias, H);
        for (size_t j = 0; j < H; j++)
            b[j] = bx.v[g * H + j] + (to->second ? 0 : bh.v[g * H + j]);
        if (to->second)
            memcpy(w + offset_of(stack, to->second, H), bh.v + g * H, H * sizeof *w);
    }
}

static void check_weight_gradients(const fixture *f, const cb_stack *stack, const json_t *root,
                                   const double *gradient, double most) {
    static numbers x, h, bx, bh;
    size_t gates = 0;
    while (f->gates[gates].bias)
        gates++;
    read_numbers(root, "dw_ih", gates * H * I, &x);
    read_numbers(root, "dw_hh", gates * H * H, &h);
    read_numbers(root, "db_ih", gates * H, &bx);
    read_numbers(root, "db_hh", gates * H, &bh);
    for (size_t g = 0; g < gates; g++) {
        const gate *to = &f->gates[g];
        same(f->file, to->matrix_x, gradient + offset_of(stack, to->matrix_x, H * I),
             x.v + g * H * I, H * I, most);
        same(f->file, to->matrix_h, gradient + offset_of(stack, to->matrix_h, H * H),
             h.v + g * H * H, H * H, most);
        const double *b = gradient + offset_of(stack, to->bias, H);
        same(f->file, to->bias, b, bx.v + g * H, H, most);
        if (to->second)
            b = gradient + offset_of(stack, to->second, H);
        same(f->file, to->second ? to->second : to->bias, b, bh.v + g * H, H, most);
    }
}

/* What either engine gives, in double. */
typedef struct outcome {
    double y[FRAMES * H], dx[FRAMES * I], last[2][B * H], d_first[2][B * H];
    double *gradient;
} outcome;

typedef struct given {
    numbers x, dy, first[2], d_last[2];
} given;

static const char *const states[2] = {"h", "c"};
static const uint32_t rows[T] = {B, B, B, B, B, B, B};
static const cb_steps steps = {T, B, rows, FRAMES};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != CB_OK)                                                                       \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static void run_reference(const cb_stack *stack, const given *in, size_t n, const double *w,
                          outcome *out) {
    cb_err err;
    cb_reference *r;
    OK(cb_reference_create(&r, stack, &err));
    for (size_t s = 0; s < n; s++)
        OK(cb_reference_set_initial(r, 0, states[s], in->first[s].v, B, &err));
    OK(cb_reference_forward(r, &steps, w, in->x.v, NULL, out->y, &err));
    for (size_t s = 0; s < n; s++) {
        OK(cb_reference_final_state(r, 0, states[s], out->last[s], &err));
        OK(cb_reference_set_final_gradient(r, 0, states[s], in->d_last[s].v, &err));
    }
    OK(cb_reference_backward(r, in->dy.v, out->gradient, out->dx, &err));
    for (size_t s = 0; s < n; s++)
        OK(cb_reference_initial_gradient(r, 0, states[s], out->d_first[s], &err));
    cb_reference_destroy(r);
}

static void narrow(float *to, const double *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

static void widen(double *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
}

static void run_engine(const cb_stack *stack, const given *in, size_t n, const double *w,
                       outcome *out) {
    float x[FRAMES * I], dx[FRAMES * I], state[B * H];
    size_t weights = cb_stack_weight_count(stack);
    float *single = calloc(weights, sizeof *single);
    cb_err err;
    cb_engine *e;
    cb_rows y;
    OK(cb_engine_create(&e, stack, &err));
    narrow(single, w, weights);
    OK(cb_engine_set_weights(e, single, &err));
    for (size_t s = 0; s < n; s++) {
        narrow(state, in->first[s].v, B * H);
        OK(cb_engine_set_initial(e, 0, states[s], state, B, &err));
    }
    narrow(x, in->x.v, FRAMES * I);
    OK(cb_engine_forward(e, &steps, x, I, NULL, 1, &y, &err));
    cb_rows dy = cb_engine_output_gradient(e);
    for (size_t f = 0; f < FRAMES; f++) {
        widen(out->y + f * H, y.data + f * y.ld, H);
        narrow(dy.data + f * dy.ld, in->dy.v + f * H, H);
    }
    for (size_t s = 0; s < n; s++) {
        OK(cb_engine_final_state(e, 0, states[s], state, &err));
        widen(out->last[s], state, B * H);
        narrow(state, in->d_last[s].v, B * H);
        OK(cb_engine_set_final_gradient(e, 0, states[s], state, &err));
    }
    OK(cb_engine_backward(e, single, dx, I, &err));
    widen(out->gradient, single, weights);
    widen(out->dx, dx, FRAMES * I);
    for (size_t s = 0; s < n; s++) {
        OK(cb_engine_initial_gradient(e, 0, states[s], state, &err));
        widen(out->d_first[s], state, B * H);
    }
    cb_engine_destroy(e);
    free(single);
}

static void compare(const fixture *f, const cb_stack *stack, const json_t *root, size_t n,
                    const outcome *o, double most) {
    static const char *const names[2][3] = {{"h_last", "dh0", "dh_last"}, {"c_last", "dc0", ""}};
    static numbers expected;
    read_numbers(root, "y", FRAMES * H, &expected);
    same(f->file, "y", o->y, expected.v, FRAMES * H, most);
    read_numbers(root, "dx", FRAMES * I, &expected);
    same(f->file, "dx", o->dx, expected.v, FRAMES * I, most);
    for (size_t s = 0; s < n; s++) {
        read_numbers(root, names[s][1], B * H, &expected);
        same(f->file, names[s][1], o->d_first[s], expected.v, B * H, most);
        if (json_object_get(root, names[s][0]) == NULL)
            continue;
        read_numbers(root, names[s][0], B * H, &expected);
        same(f->file, names[s][0], o->last[s], expected.v, B * H, most);
    }
    check_weight_gradients(f, stack, root, o->gradient, most);
}

static void check_fixture(const fixture *f) {
    static outcome o;
    static given in;
    cb_err err;
    cb_stack *stack;
    json_t *root = open_fixture(f->file);
    const size_t n = json_object_get(root, "c0") ? 2 : 1;
    cb_layer_spec layer = {f->file, f->text, NULL, 0, H};
    OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, I, &err));
    const size_t weights = cb_stack_weight_count(stack);
    double *w = calloc(weights, sizeof *w);
    o.gradient = calloc(weights, sizeof *o.gradient);
    put_weights(f, stack, root, w);
    read_numbers(root, "x", FRAMES * I, &in.x);
    read_numbers(root, "dy", FRAMES * H, &in.dy);
    for (size_t s = 0; s < n; s++) {
        read_numbers(root, s ? "c0" : "h0", B * H, &in.first[s]);
        read_numbers(root, s ? "dc_last" : "dh_last", B * H, &in.d_last[s]);
    }
    run_reference(stack, &in, n, w, &o);
    compare(f, stack, root, n, &o, 1e-12);
    run_engine(stack, &in, n, w, &o);
    compare(f, stack, root, n, &o, 1e-5);
    free(w);
    free(o.gradient);
    cb_stack_destroy(stack);
    json_decref(root);
}

static const char *registered(const char *name) {
    const cb_cell_def *def;
    cb_err err;
    OK(cb_cell_find(&def, cb_variants, name, &err));
    return def->text;
}

static void test_lstm(void **state) {
    (void)state;
    check_fixture(&(fixture){"lstm.json",
                             registered("lstm"),
                             {{"W_i", "R_i", "b_i", NULL},
                              {"W_f", "R_f", "b_f", NULL},
                              {"W_z", "R_z", "b_z", NULL},
                              {"W_o", "R_o", "b_o", NULL}}});
}

static void test_rnn(void **state) {
    (void)state;
    check_fixture(&(fixture){"rnn_tanh.json", registered("rnn"), {{"W_h", "R_h", "b_h", NULL}}});
}

/* Not the registered gru, which resets before the product. */
static void test_gru_reset_after(void **state) {
    (void)state;
    const awkward_cell *a = awkward_cells;
    while (a->name && strcmp(a->name, "gru-after") != 0)
        a++;
    assert_non_null(a->name);
    check_fixture(&(fixture){
        "gru_reset_after.json",
        a->text,
        {{"W_r", "R_r", "b_r", NULL}, {"W_z", "R_z", "b_z", NULL}, {"W_n", "R_n", "b_n", "b1_n"}}});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lstm),
        cmocka_unit_test(test_rnn),
        cmocka_unit_test(test_gru_reset_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
