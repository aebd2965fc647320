/* SPDX-License-Identifier: MIT */
/*
 * Cells beyond their equations: the canonical text, settings, parameters and what declarations say
 * of them, states, names and aliases, laws by name, the manual, and every allocation failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/made_cell.h"

#include "cell/ops.h"
#include "cellbench/cell.h"
#include "faults.h"
#include "numeric/awkward.h"

static cb_cell *make(const char *text, const cb_cell_setting *settings, size_t n) {
    cb_err err;
    cb_cell *cell;
    if (cb_cell_create(&cell, "mine", text, settings, n, CB_INPUT_DENSE, 3, 4, NULL, &err) != CB_OK)
        fail_msg("%s\n%s", text, err.text);
    return cell;
}

static const cb_param *param(const cb_cell *cell, const char *name) {
    size_t n;
    const cb_param *p = cb_cell_params(cell, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

static void check_text(const char *given, const char *expected) {
    cb_cell *cell = make(given, NULL, 0);
    assert_string_equal(cb_cell_text(cell), expected);
    cb_cell *again = make(expected, NULL, 0);
    assert_string_equal(cb_cell_text(again), expected);
    cb_cell_destroy(again);
    cb_cell_destroy(cell);
}

static void text_is_canonical(void **state) {
    (void)state;
    check_text("# a cell\r\n\r\nstate  h ,c [ 2*( H+I )/ 7 ] = -.5e0, s=learned\r\n"
               "set k=1,2 ,4e0 , -0.10\nset a = 1e300\n dim  d=(H-(I-1))*2\n"
               "param g [1] = 2.50,q\nfixed  g\nmatrix  R=blockdiag( 2 )\nmatrix V_s = lower(a2)\n"
               "set a2 = 2\ninit R_h=normal( 0.10 )\ninit q = zero\nlimit b = 3.0\n"
               "lowest  my-lstm  # below\nc'=c + (sum( h))\n"
               "z[d]=((W x)) + (U  h)*(1-(2 -3))/ (4/5)\n"
               "h'=-(g*h)-(-(h)) + b + R (h *h) - (V z - q)\ns'=tanh(h') + V_s s\noutput h'\n",
               "state h, c[2*(H + I)/7] = -0.5, s = learned\n"
               "set k = 1, 2, 4, -0.1\nset a = 1e+300\ndim d = (H - (I - 1))*2\n"
               "param g[1] = 2.5, q\nfixed g\nmatrix R = blockdiag(2)\nmatrix V_s = lower(a2)\n"
               "set a2 = 2\ninit R_h = normal(0.1)\ninit q = zero\nlimit b = 3\n"
               "lowest my-lstm\nc' = c + sum(h)\n"
               "z[d] = W x + U h*(1 - (2 - 3))/(4/5)\n"
               "h' = -(g*h) - -h + b + R (h*h) - (V z - q)\ns' = tanh(h') + V_s s\noutput h'\n");
}

static cb_status create_with(const char *name, size_t count, const double *values, char *text,
                             size_t size) {
    static const char cell_text[] = "set rate = 0.5\nset periods = 1, 2\nset one = 4\nstate h\n"
                                    "matrix R = upper(periods)\n"
                                    "z = clock(one, rate*h, h)\n"
                                    "h' = clock(periods, W x + R h, z)\n";
    cb_cell_setting setting = {name, count, values};
    cb_err err = {0};
    cb_cell *cell;
    cb_status st =
        cb_cell_create(&cell, "mine", cell_text, &setting, 1, CB_INPUT_DENSE, 3, 4, NULL, &err);
    snprintf(text, size, "%s", st == CB_OK ? cb_cell_text(cell) : err.text);
    cb_cell_destroy(cell);
    return st;
}

static void settings_are_overridden(void **state) {
    (void)state;
    static const double values[4] = {1, 2, 4, 8}, third[1] = {1.0 / 3}, odd[3] = {1, 2, 3};
    static const double infinite[1] = {1e308 * 10}, zero[2] = {0, 1};
    static double many[4097];
    const struct {
        const char *name;
        size_t count;
        const double *values;
        cb_status status;
        const char *words;
    } cases[] = {
        {"rate", 1, third, CB_OK, "set rate = 0.3333333333333333\n"},
        {"periods", 4, values, CB_OK, "set periods = 1, 2, 4, 8\n"},
        {"periods", 1, values, CB_OK, "set periods = 1\n"},
        {"one", 2, values, CB_OK, "set one = 1, 2\n"}, /* read by clock: a list */
        {"periods", 3, odd, CB_ESHAPE, "cannot be cut into 3"},
        {"rate", 2, values, CB_EARG, "setting 'rate' is a number, got a list of 2"},
        {"rate", 0, values, CB_EARG, "expected 1 to 4096 numbers, got 0"},
        {"periods", 4097, many, CB_EARG, "expected 1 to 4096 numbers, got 4097"},
        {"rate", 1, infinite, CB_EARG, "setting 'rate' is not finite"},
        {"periods", 2, zero, CB_EARG, "periods are whole numbers >= 1"},
        {"period", 1, values, CB_EARG, "has no setting 'period', did you mean 'periods'?"},
        {"h", 1, values, CB_EARG, "has no setting 'h'"},
        {"", 1, values, CB_EARG, "has no setting ''"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048];
        assert_int_equal(
            create_with(cases[i].name, cases[i].count, cases[i].values, text, sizeof text),
            cases[i].status);
        if (strstr(text, cases[i].words) == NULL)
            fail_msg("setting %s: expected ...%s..., got %s", cases[i].name, cases[i].words, text);
    }
}

static void declarations_reach_parameters(void **state) {
    (void)state;
    cb_cell *cell = make("state h = learned, c[2] = 0.5\nparam tau = 0.7, s[1]\nfixed tau\n"
                         "matrix R_z = full\nmatrix R = diagonal\nmatrix A = antisymmetric\n"
                         "matrix U = upper(2)\nmatrix D = blockdiag(2)\n"
                         "init R_h = identity(0.5)\ninit R = orthogonal(2)\ninit h0 = normal(0.1)\n"
                         "limit p_z = 1\n"
                         "z = s*(R h) + p*h + W x + tau\n"
                         "h' = R z + A h + U h + D c + b_all\nc' = V h' + p_c*c\n",
                         NULL, 0);
    static const struct {
        const char *name, *family;
        size_t rows, cols, free_count;
        cb_structure structure;
        int fixed;
        double limit;
        cb_law law;
        double a;
    } expected[] = {
        {"s_z", "s", 1, 0, 1, CB_STRUCTURE_FULL, 0, 0, CB_LAW_ZERO, 0},
        {"R_z", "R", 4, 4, 16, CB_STRUCTURE_FULL, 0, 0, CB_LAW_ORTHOGONAL, 2},
        {"p_z", "p", 4, 0, 4, CB_STRUCTURE_FULL, 0, 1, CB_LAW_ZERO, 0},
        {"W_z", "W", 4, 3, 12, CB_STRUCTURE_FULL, 0, 0, CB_LAW_GLOROT, 0},
        {"tau_z", "tau", 4, 0, 4, CB_STRUCTURE_FULL, 1, 0, CB_LAW_CONSTANT, 0.7},
        {"R_h", "R", 4, 4, 4, CB_STRUCTURE_DIAGONAL, 0, 0, CB_LAW_IDENTITY, 0.5},
        {"A_h", "A", 4, 4, 6, CB_STRUCTURE_ANTISYMMETRIC, 0, 0, CB_LAW_GLOROT, 0},
        {"U_h", "U", 4, 4, 12, CB_STRUCTURE_UPPER, 0, 0, CB_LAW_GLOROT, 0},
        {"D_h", "D", 4, 2, 4, CB_STRUCTURE_BLOCKDIAG, 0, 0, CB_LAW_GLOROT, 0},
        {"b_all", "b", 4, 0, 4, CB_STRUCTURE_FULL, 0, 0, CB_LAW_ZERO, 0},
        {"V_c", "V", 2, 4, 8, CB_STRUCTURE_FULL, 0, 0, CB_LAW_GLOROT, 0},
        {"p_c", "p", 2, 0, 2, CB_STRUCTURE_FULL, 0, 0, CB_LAW_ZERO, 0},
        {"h0_init", "h0", 4, 0, 4, CB_STRUCTURE_FULL, 0, 0, CB_LAW_NORMAL, 0.1},
    };
    size_t n, learned = 0;
    const cb_param *p = cb_cell_params(cell, &n);
    assert_int_equal(n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(p[i].name, expected[i].name);
        assert_string_equal(p[i].family, expected[i].family);
        assert_int_equal(p[i].rows, expected[i].rows);
        assert_int_equal(p[i].cols, expected[i].cols);
        assert_int_equal(p[i].free_count, expected[i].free_count);
        assert_int_equal(p[i].structure, expected[i].structure);
        assert_int_equal(p[i].fixed, expected[i].fixed);
        assert_int_equal(p[i].init.law, expected[i].law);
        assert_true(p[i].limit == expected[i].limit && p[i].init.a == expected[i].a);
        learned += p[i].fixed ? 0 : p[i].free_count;
    }
    assert_int_equal(cb_cell_param_count(cell), learned);
    const cb_state_info *s = cb_cell_states(cell, &n);
    assert_int_equal(n, 2);
    assert_string_equal(s[0].name, "h");
    assert_true(s[0].learned && s[0].init == 0 && s[0].dim == 4);
    assert_string_equal(s[1].name, "c");
    assert_true(!s[1].learned && s[1].init == 0.5 && s[1].dim == 2);
    assert_string_equal(cb_cell_output_name(cell), "h'");
    assert_int_equal(cb_cell_output_dim(cell), 4);
    assert_null(cb_cell_lowest(cell));
    assert_false(cb_cell_reads_lower(cell));
    cb_cell_destroy(cell);
}

static void names_are_shared_by_suffix(void **state) {
    (void)state;
    size_t n;
    cb_cell *cell =
        make("state h\nz = tanh(W_all x + R h + b_h)\nh' = W_all x + R_z z + b\n", NULL, 0);
    cb_cell_params(cell, &n);
    assert_int_equal(n, 3); /* W_all, R_z, b_h: the bare R of z is R_z, the bare b of h' is b_h */
    assert_int_equal(param(cell, "R_z")->free_count, 16);
    assert_int_equal(cb_cell_param_count(cell), 12 + 16 + 4);
    cb_cell_destroy(cell);
}

static void lower_is_read_by_name(void **state) {
    (void)state;
    cb_err err;
    cb_cell *below = make("state h, c\nz = W x\nc' = z\nh' = c'\n", NULL, 0), *cell;
    static const char *const good = "lowest lstm\nstate h\nh' = lower.c + lower.z + lower.h\n";
    assert_int_equal(
        cb_cell_create(&cell, "upper", good, NULL, 0, CB_INPUT_DENSE, 4, 4, below, &err), CB_OK);
    assert_true(cb_cell_reads_lower(cell));
    assert_string_equal(cb_cell_lowest(cell), "lstm");
    cb_cell_destroy(cell);
    static const char *const bad = "state h\nh' = h + lower.cc\n";
    assert_int_equal(
        cb_cell_create(&cell, "upper", bad, NULL, 0, CB_INPUT_DENSE, 4, 4, below, &err), CB_EARG);
    assert_non_null(strstr(err.text, "line 2, column 10: the layer below (mine) has no value 'cc', "
                                     "did you mean 'c'?"));
    assert_int_equal(
        cb_cell_create(&cell, "upper", good, NULL, 0, CB_INPUT_DENSE, 4, 5, below, &err),
        CB_ESHAPE);
    assert_non_null(strstr(err.text, "lower.c has dimension 4, its place needs 5"));
    cb_cell_destroy(below);
}

static void cells_are_found_by_name(void **state) {
    (void)state;
    static const cb_cell_def one = {.name = "lstm", .aliases = "vanilla long-short"};
    static const cb_cell_def two = {.name = "gru"};
    static const cb_cell_def *const registry[] = {&one, &two, NULL};
    static const struct {
        const char *name;
        const cb_cell_def *found;
    } cases[] = {{"lstm", &one},
                 {"vanilla", &one},
                 {"long-short", &one},
                 {"gru", &two},
                 {"vanil", NULL},
                 {"short", NULL},
                 {"long", NULL},
                 {"", NULL},
                 {"vanilla ", NULL},
                 {" ", NULL},
                 {"LSTM", NULL},
                 {"anilla", NULL},
                 {"vanilla long-short", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cb_cell_def *def = &one;
        cb_err err;
        assert_int_equal(cb_cell_find(&def, registry, cases[i].name, &err),
                         cases[i].found ? CB_OK : CB_EARG);
        assert_ptr_equal(def, cases[i].found);
    }
    const cb_cell_def *def;
    cb_err err;
    assert_int_equal(cb_cell_find(&def, registry, "lstn", &err), CB_EARG);
    assert_string_equal(err.text, "unknown cell 'lstn', did you mean 'lstm'?");
}

static void texts_are_made_from_settings(void **state) {
    (void)state;
    const double five = 5, wrong = 2.5, bias = -3;
    const cb_cell_setting deep[] = {{"bias", 1, &bias}, {"steps", 1, &five}};
    const cb_cell_setting odd = {"steps", 1, &wrong};
    cb_err err;
    char *text;
    cb_cell *cell;
    assert_int_equal(cb_cell_def_text(&text, &highway, NULL, 0, &err), CB_OK);
    assert_string_equal(text, highway.text);
    cb_free(text);
    /* What the text is made from is in it; the rest overrides its `set` lines. */
    assert_int_equal(cb_cell_def_text(&text, &highway, deep, 2, &err), CB_OK);
    assert_non_null(strstr(text, "s' = a5*t5 + s4*(1 - t5)"));
    assert_non_null(strstr(text, "set bias = -1"));
    assert_int_equal(
        cb_cell_create(&cell, "highway", text, deep, 1, CB_INPUT_DENSE, 3, 4, NULL, &err), CB_OK);
    assert_int_equal(cb_cell_param_count(cell), 2 * 3 * 4 + 5 * 2 * (4 * 4 + 4));
    assert_non_null(strstr(cb_cell_text(cell), "set bias = -3"));
    cb_cell_destroy(cell);
    cb_free(text);
    assert_int_equal(cb_cell_def_text(&text, &highway, &odd, 1, &err), CB_EARG);
    assert_null(text);
    static const cb_cell_def plain = {.name = "plain", .text = "state h\nh' = tanh(W x)\n"};
    assert_int_equal(cb_cell_def_text(&text, &plain, deep, 2, &err), CB_OK);
    assert_string_equal(text, plain.text);
    cb_free(text);
}

static void laws_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        cb_law law;
        double a, b;
        const char *again;
    } good[] = {
        {"zero", CB_LAW_ZERO, 0, 0, "zero"},
        {"constant(-1.50)", CB_LAW_CONSTANT, -1.5, 0, "constant(-1.5)"},
        {"uniform(0.1)", CB_LAW_UNIFORM, 0.1, 0, "uniform(0.1)"},
        {"uniform(-0.5, 2)", CB_LAW_RANGE, -0.5, 2, "uniform(-0.5, 2)"},
        {"uniform( 0,1 )", CB_LAW_RANGE, 0, 1, "uniform(0, 1)"},
        {"normal(1e-3)", CB_LAW_NORMAL, 1e-3, 0, "normal(0.001)"},
        {"glorot", CB_LAW_GLOROT, 0, 0, "glorot"},
        {"orthogonal(1)", CB_LAW_ORTHOGONAL, 1, 0, "orthogonal(1)"},
        {"identity(2)", CB_LAW_IDENTITY, 2, 0, "identity(2)"},
    };
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "expected an initialisation law"},
        {"1", "expected an initialisation law"},
        {"Zero", "expected an initialisation law"},
        {"orthogonl(1)", "did you mean 'orthogonal'?"},
        {"normal", "normal needs a number"},
        {"normal()", "normal needs a number"},
        {"normal(x)", "normal needs a number"},
        {"normal(1", "normal needs a number"},
        {"normal(1))", "normal needs a number"},
        {"normal(nan)", "normal needs a number"},
        {"normal(1e999)", "normal needs a number"},
        {"normal(1, 2)", "normal needs a number"},
        {"uniform", "uniform needs one number or two"},
        {"uniform(1, 2, 3)", "uniform needs one number or two"},
        {"uniform(1,)", "uniform needs one number or two"},
        {"uniform(1 2)", "uniform needs one number or two"},
        {"uniform(2, 1)", "expected a < b, got 2 and 1"},
        {"uniform(1, 1)", "expected a < b"},
        {"zero(1)", "zero takes no number"},
        {"glorot ", "glorot takes no number"},
        {"zerozerozerozerozerozerozerozerozero", "expected an initialisation law"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cb_init init;
        cb_err err;
        assert_int_equal(cb_init_parse(&init, good[i].text, &err), CB_OK);
        assert_int_equal(init.law, good[i].law);
        assert_true(init.a == good[i].a);
        assert_true(init.b == good[i].b);
        char text[CB_INIT_TEXT];
        assert_string_equal(cb_init_text(text, &init), good[i].again);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cb_init init;
        cb_err err;
        assert_int_equal(cb_init_parse(&init, bad[i].text, &err), CB_EARG);
        if (strstr(err.text, bad[i].words) == NULL)
            fail_msg("%s: expected ...%s..., got %s", bad[i].text, bad[i].words, err.text);
    }
}

/* Every function and every law stands in the manual, and the manual names no other function. */
static void manual_is_complete(void **state) {
    (void)state;
    static const char *const special[] = {"sum(", "mean(", "norm(", "fit(", "spread(", "clock("};
    static const char *const laws[] = {"zero",       "constant(",   "uniform(",  "normal(",
                                       "glorot",     "orthogonal(", "identity(", "antisymmetric",
                                       "blockdiag(", "upper(",      "lower(",    "diagonal"};
    static char manual[65536];
    FILE *file = fopen(CELLBENCH_LANGUAGE, "r");
    assert_non_null(file);
    manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
    fclose(file);
    for (const cbi_op *op = cbi_ops; op->name; op++) {
        char call[40];
        snprintf(call, sizeof call, " %s(a", op->name);
        int named = strstr(manual, call) != NULL;
        if (named != (op->use == CBI_OP_FUNCTION))
            fail_msg("%s): %s", call,
                     named ? "in language.h, but no function" : "not in language.h");
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        assert_non_null(strstr(manual, special[i]));
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
        assert_non_null(strstr(manual, laws[i]));
}

static cb_status build_awkward(void *context) {
    const awkward_cell *a = context;
    cb_err err;
    cb_cell *cell;
    cb_status st =
        cb_cell_create(&cell, a->name, a->text, NULL, 0, a->kind, a->I, a->H, NULL, &err);
    cb_cell_destroy(cell);
    return st;
}

static cb_status build_stack(void *context) {
    cb_cell *below = NULL, *cell = NULL;
    cb_err err;
    cb_status st = cb_cell_create(&below, "below", awkward_cells[0].text, NULL, 0, CB_INPUT_DENSE,
                                  3, 5, NULL, &err);
    if (st == CB_OK)
        st = cb_cell_create(&cell, "above", context, NULL, 0, CB_INPUT_DENSE, 5, 5, below, &err);
    cb_cell_destroy(cell);
    cb_cell_destroy(below);
    return st;
}

static cb_status describe(void *context) {
    char *text = NULL;
    cb_err err;
    cb_status st = cb_cell_describe(context, &text, &err);
    cb_free(text);
    return st;
}

static cb_status make_and_override(void *context) {
    const double five = 5, bias = -3;
    const cb_cell_setting deep[] = {{"bias", 1, &bias}, {"steps", 1, &five}};
    char *text = NULL;
    cb_cell *cell = NULL;
    cb_err err;
    (void)context;
    cb_status st = cb_cell_def_text(&text, &highway, deep, 2, &err);
    if (st == CB_OK)
        st = cb_cell_create(&cell, "highway", text, deep, 1, CB_INPUT_DENSE, 3, 4, NULL, &err);
    else
        assert_null(text);
    cb_cell_destroy(cell);
    cb_free(text);
    return st;
}

typedef struct mistake {
    const char *text;
    cb_status status; /* that it is, where there is memory enough */
} mistake;

static cb_status make_mistake(void *context) {
    const mistake *m = context;
    cb_err err = {0};
    cb_cell *cell;
    cb_status st =
        cb_cell_create(&cell, "wrong", m->text, NULL, 0, CB_INPUT_DENSE, 3, 4, NULL, &err);
    assert_null(cell);
    assert_int_not_equal(st, CB_OK);
    assert_int_equal(err.code, st);
    assert_true(err.text[0] != '\0');
    return st == m->status ? CB_OK : st;
}

/* A mistake that is found while memory is short is that mistake, or the shortage; never a cell. */
static void mistakes_survive_shortage(void) {
    static const mistake mistakes[] = {
        {"state h\nh' = tanh(W x + \n", CB_EPARSE},
        {"state h\nh' = tanh(W x + R hh)\n", CB_EPARSE},
        {"state h\ndim half = H/3\nq[half] = W x\nh' = tanh(R h)\n", CB_ESHAPE},
        {"state h\nq[2] = W x\nh' = tanh(W x) * q\n", CB_ESHAPE},
        {"state h\nmatrix R = uper(2)\nh' = tanh(R h)\n", CB_EPARSE},
        {"state h, c\nh' = tanh(R h)\n", CB_EPARSE},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        assert_true(faults_run(make_mistake, (void *)(uintptr_t)&mistakes[i]) > 3);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (const awkward_cell *a = awkward_cells; a->name; a++)
        assert_true(faults_run(build_awkward, (void *)(uintptr_t)a) > 20);
    faults_run(build_stack, (void *)(uintptr_t)depth_gated);
    assert_true(faults_run(make_and_override, NULL) > 20);
    mistakes_survive_shortage();
    cb_cell *cell = make(awkward_cells[0].text, NULL, 0);
    faults_run(describe, cell);
    cb_cell_destroy(cell);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_canonical),
        cmocka_unit_test(settings_are_overridden),
        cmocka_unit_test(declarations_reach_parameters),
        cmocka_unit_test(names_are_shared_by_suffix),
        cmocka_unit_test(lower_is_read_by_name),
        cmocka_unit_test(cells_are_found_by_name),
        cmocka_unit_test(texts_are_made_from_settings),
        cmocka_unit_test(laws_are_read),
        cmocka_unit_test(manual_is_complete),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
