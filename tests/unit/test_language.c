/* SPDX-License-Identifier: MIT */
/*
 * Every kind of mistake in a cell's text: the status, the exact place, and the words that help. And
 * what looks like a mistake and is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/cell.h"

typedef struct mistake {
    const char *text;
    int line, column;
    cb_status status;
    const char *words; /* the message contains them */
} mistake;

/* All are read with I = 3, H = 4. */
static const mistake table[] = {
    /* names */
    {"state h\nz = tanh(W x + R hh + b)\nh' = z\n", 2, 18, CB_EPARSE,
     "unknown name 'hh', did you mean 'h'?"},
    {"state hidden\nhidden' = tanh(W x + hiden)\n", 2, 22, CB_EPARSE, "did you mean 'hidden'?"},
    {"state h\nh' = q*h\n", 2, 6, CB_EPARSE, "unknown name 'q'"},
    {"state h\nh' = z\nz = W x\n", 2, 6, CB_EPARSE,
     "'z' is not known yet: its equation stands in line 3"},
    {"state h\nz = z + W x\nh' = z\n", 2, 5, CB_EPARSE, "'z' is not known yet"},
    {"state h, c\nh' = c'\nc' = W x\n", 2, 6, CB_EPARSE,
     "c' is not known yet: its equation must stand above"},
    {"state h\nz = W x\nh' = z'\n", 3, 6, CB_EPARSE, "'z' is not a state"},
    {"state h\nh' = g_z*h\n", 2, 6, CB_EPARSE, "'g' is no family of learned vectors"},
    {"state h\nh' = tanh*h\n", 2, 6, CB_EPARSE, "'tanh' is a function: write tanh(...)"},
    {"dim d = 2\nstate h\nh' = d*h\n", 3, 6, CB_EPARSE, "'d' is a dimension, not a value"},
    {"state h\nh' = R H\n", 2, 8, CB_EPARSE, "not a matrix"},
    {"state h\nh' = H*h\n", 2, 6, CB_EPARSE, "H is a dimension, not a value"},
    {"state h\nh' = h + I_z h\n", 2, 10, CB_EPARSE, "I is a dimension, not a value"},
    {"state h\nh' = lower.c + h\n", 2, 6, CB_EARG, "cannot be the lowest layer"},
    {"lowest lstm\nstate h\nh' = lower.c + h\n", 3, 6, CB_EARG, "there stands lstm"},
    /* functions */
    {"state h\nh' = tahn(W x)\n", 2, 6, CB_EPARSE, "unknown function 'tahn', did you mean 'tanh'?"},
    {"state h\nh' = select(h, h, h)\n", 2, 6, CB_EPARSE, "unknown function 'select'"},
    {"state h\nh' = h*tanh(h, h)\n", 2, 8, CB_EPARSE, "tanh takes 1 argument, got 2"},
    {"state h\nh' = max(h)\n", 2, 6, CB_EPARSE, "max takes 2 arguments, got 1"},
    {"state h\nh' = mean(h, h)\n", 2, 6, CB_EPARSE, "mean takes 1 argument, got 2"},
    {"state h\nh' = max(h, h, h, h)\n", 2, 18, CB_EPARSE, "at most 3 arguments"},
    {"state h\nh' = fit(h)\n", 2, 10, CB_EPARSE, "fit takes x"},
    {"state h\nh' = clock(p, h, h)\n", 2, 12, CB_EPARSE, "first argument of clock is a setting"},
    {"state h\nh' = clock(2*3, h, h)\n", 2, 13, CB_EPARSE, "first argument of clock is a setting"},
    {"set k = 1, 2, 4\nstate h\nh' = clock(k, W x, h)\n", 3, 6, CB_ESHAPE,
     "dimension 4 cannot be cut into 3 equal groups (setting 'k')"},
    {"set k = 1, 0.5\nstate h\nh' = clock(k, W x, h)\n", 3, 12, CB_EARG,
     "periods are whole numbers >= 1, 'k' has 0.5"},
    {"state h, v[3]\nv' = x\nh' = spread(v)\n", 3, 6, CB_ESHAPE,
     "H = 4 is no multiple of dimension 3"},
    {"state h\nh' = spread(W x)\n", 2, 13, CB_ESHAPE, "cannot be told here"},
    /* matrices */
    {"state h\nh' = W R h\n", 2, 8, CB_EPARSE, "a matrix multiplies a value, not a matrix"},
    {"state h\nh' = W (R h)\n", 2, 9, CB_EPARSE,
     "inside a matrix's operand needs an equation of its own"},
    {"state h\nh' = W tanh(h + V x)\n", 2, 8, CB_EPARSE, "inside a matrix's operand"},
    {"state h\nh' = W fit(x)\n", 2, 8, CB_EPARSE, "inside a matrix's operand"},
    {"state h\nh' = h*sum(R h)\n", 2, 8, CB_EPARSE, "a matrix inside sum needs an equation"},
    {"state h\nh' = h*mean(1 + fit(x))\n", 2, 8, CB_EPARSE, "a matrix inside mean needs"},
    {"state h\nh' = R 2\n", 2, 8, CB_EPARSE, "a matrix multiplies a value of the step"},
    {"state h\nh' = R b + h\n", 2, 8, CB_ESHAPE, "the dimension of 'b' cannot be told here"},
    {"state h\nh' = Wx\n", 2, 6, CB_EPARSE, "a matrix is one capital letter"},
    {"state h\nh' = W_ x\n", 2, 8, CB_EPARSE, "expected a name right after '_'"},
    {"state h\nh' = tanh(W)\n", 2, 12, CB_EPARSE, "expected a value"},
    /* dimensions */
    {"state h\nh' = x + h\n", 2, 6, CB_ESHAPE,
     "x has dimension 3, its place needs 4: write fit(x)"},
    {"state h, c[2]\nc' = c\nh' = tanh(h + c)\n", 3, 15, CB_ESHAPE,
     "state c has dimension 2, its place needs 4"},
    {"state h\na[2] = R h\nh' = a\n", 3, 6, CB_ESHAPE, "a has dimension 2, its place needs 4"},
    {"state h, c[2]\nh' = R h\nc' = c*h'\n", 3, 8, CB_ESHAPE, "state h has dimension 4"},
    {"state h\nparam g[2]\nh' = g*h\n", 3, 6, CB_ESHAPE,
     "learned vector g has dimension 2, its place needs 4"},
    {"state h\nh' = sum(h)\n", 2, 1, CB_ESHAPE, "the expression has dimension 1, 'h' has 4"},
    {"state h\na = mean(h)\nh' = a*h\n", 2, 1, CB_ESHAPE, "declare a[1]"},
    {"state h\na = R_q h\nh' = R_q x + a\n", 3, 6, CB_ESHAPE,
     "'R_q' is 4 x 4 above, here 4 x 3 is needed"},
    {"state h\na[2] = b_q + V h\nh' = b_q + U a\n", 3, 6, CB_ESHAPE,
     "'b_q' is 2 x 1 above, here 4 x 1 is needed"},
    {"state h, c[2]\nc' = spread(h)\nh' = R c\n", 2, 6, CB_ESHAPE,
     "spread has dimension 4, its place needs 2"},
    {"state h\ndim d = H/3\nh' = R h\n", 2, 10, CB_ESHAPE, "4 does not divide by 3"},
    {"state h\ndim d = H/(I - 3)\nh' = R h\n", 2, 10, CB_ESHAPE, "does not divide by 0"},
    {"state h\ndim d = H - 4\nh' = R h\n", 2, 11, CB_ESHAPE, "at least 1 and at most 1e7, here 0"},
    {"state h\ndim d = 3 - H\nh' = R h\n", 2, 11, CB_ESHAPE, "here -1"},
    {"state h[0]\nh' = R h\n", 1, 7, CB_ESHAPE, "at least 1"},
    {"state h\na[10000001] = R h\nh' = V a\n", 2, 1, CB_ESHAPE, "at most 1e7"},
    {"state h\ndim d = 1e12\nh' = R h\n", 2, 9, CB_EPARSE, "a whole number up to 1e9"},
    {"state h\ndim d = 2.5\nh' = R h\n", 2, 9, CB_EPARSE, "a dimension is a whole number"},
    {"state h\na[10000000] = R h\nc[10000000] = V a\nh' = U c\n", 3, 15, CB_ESHAPE, "is too large"},
    {"set s = 0.5\nstate h[s*H]\nh' = R h\n", 2, 9, CB_EARG, "setting 's' is not a whole number"},
    {"set s = 1, 2\nstate h[s]\nh' = R h\n", 2, 9, CB_EARG, "setting 's' is not a whole number"},
    {"dim size = 2\nstate h[siez]\nh' = R h\n", 2, 9, CB_EPARSE,
     "unknown dimension 'siez', did you mean 'size'?"},
    {"dim a = 2*d\ndim d = 2\nstate h\nh' = R h\n", 1, 11, CB_EPARSE,
     "dimension 'd' is not known yet: it stands in line 2"},
    {"dim a = a\nstate h\nh' = R h\n", 1, 9, CB_EPARSE, "dimension 'a' is not known yet"},
    /* definitions */
    {"state h\nz = R h\nz = W x\nh' = z\n", 3, 1, CB_EPARSE, "'z' is already defined in line 2"},
    {"state h\nh' = W x\nh' = R h\n", 3, 1, CB_EPARSE, "'h' is already defined in line 2"},
    {"state h, c, h\nh' = W x\n", 1, 13, CB_EPARSE, "'h' is already defined in line 1"},
    {"set d = 1\ndim d = 2\nstate h\nh' = W x\n", 2, 5, CB_EPARSE, "already defined in line 1"},
    {"state h\nparam h\nh' = W x\n", 2, 7, CB_EPARSE, "'h' is already defined in line 1"},
    {"state h, c\nh' = W x\n", 1, 10, CB_EPARSE, "state 'c' has no equation c' = ..."},
    {"state h\nh = W x\n", 2, 1, CB_EPARSE, "'h' is a state: its equation is written h' = ..."},
    {"state h\nz' = W x\nh' = z\n", 2, 1, CB_EPARSE, "'z' is not declared with 'state'"},
    {"state h, x\nh' = W x\n", 1, 10, CB_EPARSE, "'x' is a given name"},
    {"state h\nlower = W x\nh' = lower\n", 2, 1, CB_EPARSE, "'lower' is a given name"},
    {"state h\ntanh = W x\nh' = W x\n", 2, 1, CB_EPARSE, "'tanh' is a function"},
    {"state h\nclock = W x\nh' = W x\n", 2, 1, CB_EPARSE, "'clock' is a function"},
    {"state h\nb1 = W x\nh' = b1\n", 2, 1, CB_EPARSE, "'b1' is a family of learned vectors"},
    {"state h\nset p = 1\nh' = p*h\n", 2, 5, CB_EPARSE, "'p' is a family of learned vectors"},
    {"state set\nh' = W x\n", 1, 7, CB_EPARSE, "'set' is a word of the language"},
    {"state h\ninit = W x\n", 2, 6, CB_EPARSE, "expected the name of a parameter, got '='"},
    {"z = W x\noutput z\n", 1, 1, CB_EPARSE, "at least one state"},
    {"", 1, 1, CB_EPARSE, "at least one state"},
    /* settings */
    {"set k = 1, 2\nstate h\nh' = k*h\n", 3, 6, CB_EPARSE, "setting 'k' is a list"},
    {"set k =\nstate h\nh' = k*h\n", 1, 8, CB_EPARSE, "expected a number, got the end of the line"},
    {"set k = 1,\nstate h\nh' = k*h\n", 1, 11, CB_EPARSE, "expected a number"},
    {"set k = learned\nstate h\nh' = k*h\n", 1, 9, CB_EPARSE, "expected a number, got 'learned'"},
    /* declarations */
    {"state h\nmatrix R = diag\nh' = R h\n", 2, 8, CB_EPARSE, "unknown structure 'diag'"},
    {"state h\nmatrix R = ful\nh' = R h\n", 2, 8, CB_EPARSE, "did you mean 'full'?"},
    {"state h\nmatrix W = diagonal\nh' = W x\n", 2, 8, CB_ESHAPE,
     "diagonal needs a square matrix, 'W_h' is 4 x 3"},
    {"state h\nmatrix R = upper(3)\nh' = R h\n", 2, 8, CB_ESHAPE,
     "'R_h' of 4 x 4 cannot be cut into 3 blocks a side"},
    {"state h\nmatrix R = blockdiag\nh' = R h\n", 2, 8, CB_EPARSE, "blockdiag needs a number"},
    {"state h\nmatrix R = full(2)\nh' = R h\n", 2, 8, CB_EPARSE, "full takes no argument"},
    {"state h\nmatrix R = upper(n)\nh' = R h\n", 2, 8, CB_EPARSE, "'n' is not a setting"},
    {"state h\nmatrix R = upper(0)\nh' = R h\n", 2, 8, CB_EARG, "a whole number >= 1, got 0"},
    {"state h\nmatrix b = full\nh' = R h\n", 2, 8, CB_EPARSE, "expected a matrix"},
    {"state h\nmatrix Q = full\nh' = R h\n", 2, 8, CB_EPARSE, "no equation uses 'Q'"},
    {"state h\nmatrix R_z = full\nh' = R h\n", 2, 8, CB_EPARSE, "no equation uses 'R_z'"},
    {"state h\nmatrix R = full\nmatrix R = diagonal\nh' = R h\n", 3, 8, CB_EPARSE,
     "this was said in line 2 already"},
    {"state h\nparam g = 1\ninit g = zero\nh' = g*h\n", 3, 6, CB_EPARSE,
     "this was said in line 2 already"},
    {"state h\nparam g\nh' = R h\n", 2, 7, CB_EPARSE, "no equation uses 'g'"},
    {"state h\nparam g = learned\nh' = g*h\n", 2, 11, CB_EPARSE,
     "expected a number, got 'learned'"},
    {"state h = now\nh' = W x\n", 1, 11, CB_EPARSE, "expected a number or 'learned', got 'now'"},
    {"state h\ninit R = glorott\nh' = R h\n", 2, 6, CB_EPARSE, "did you mean 'glorot'?"},
    {"state h\ninit R = normal\nh' = R h\n", 2, 6, CB_EPARSE, "normal needs a number: (a)"},
    {"state h\ninit R = zero(1)\nh' = R h\n", 2, 6, CB_EPARSE, "zero takes no number"},
    {"state h\ninit b = orthogonal(1)\nh' = R h + b\n", 2, 6, CB_EARG,
     "orthogonal is for matrices, 'b_h' is a vector"},
    {"state h\ninit p = zero\nh' = R h\n", 2, 6, CB_EPARSE, "no equation uses 'p'"},
    {"state h\nfixed tau\nh' = R h\n", 2, 7, CB_EPARSE, "no equation uses 'tau'"},
    {"state h\nlimit p = 0\nh' = p*h\n", 2, 7, CB_EARG, "a limit is > 0, got 0"},
    {"state h\nlimit p = -1\nh' = p*h\n", 2, 7, CB_EARG, "a limit is > 0, got -1"},
    {"state h\nlimit p_q = 1\nh' = p*h\n", 2, 7, CB_EPARSE, "no equation uses 'p_q'"},
    {"state h\noutput y\nh' = R h\n", 2, 8, CB_EPARSE, "output: 'y' is no equation"},
    {"state h\noutput h\nh' = R h\n", 2, 8, CB_EPARSE, "output: 'h' is a state: write h'"},
    {"state h\nz = R h\nh' = z\noutput z'\n", 4, 8, CB_EPARSE, "output: 'z'' is no state"},
    {"state h\nz = R h\nh' = z\noutput h'\noutput z\n", 5, 8, CB_EPARSE,
     "this was said in line 4 already"},
    {"state s\ns' = R s\n", 1, 1, CB_EPARSE, "there is no state h: say with 'output'"},
    {"lowest LSTM\nstate h\nh' = R h\n", 1, 8, CB_EPARSE, "expected the name of a cell"},
    {"lowest lstm\nlowest gru\nstate h\nh' = R h\n", 2, 8, CB_EPARSE,
     "this was said in line 1 already"},
    /* characters, numbers, parentheses, lines */
    {"state h\nh' = tanh(R h\n", 3, 1, CB_EPARSE,
     "expected an operator or the ')' of line 2, column 10, got the end of the text"},
    {"state h\nz = tanh(R h\nh' = z\n", 3, 1, CB_EPARSE, "the ')' of line 2, column 9, got 'h'"},
    {"state h\nh' = R h)\n", 2, 9, CB_EPARSE,
     "expected the end of the line or an operator, got ')'"},
    {"state h\nh' = R h h\n", 2, 10, CB_EPARSE, "expected the end of the line or an operator"},
    {"state h\nh' = h +\n", 2, 9, CB_EPARSE, "expected a value"},
    {"state h\nh' = ()\n", 2, 7, CB_EPARSE, "expected a value"},
    {"state h\nh' R h\n", 2, 4, CB_EPARSE, "expected '='"},
    {"state h\nH' = R h\n", 2, 1, CB_EPARSE, "expected a declaration or an equation, got 'H'"},
    {"state h[2\nh' = R h\n", 2, 1, CB_EPARSE, "expected ']', got 'h'"},
    {"state h\nh' = 1.2.3*h\n", 2, 6, CB_EPARSE, "not a number: '1.2.3'"},
    {"state h\nh' = 2h\n", 2, 6, CB_EPARSE, "not a number: '2h'"},
    {"state h\nh' = 1e999*h\n", 2, 6, CB_EPARSE, "not a number: '1e999'"},
    {"state h\nh' = 1e*h\n", 2, 6, CB_EPARSE, "not a number: '1e'"},
    {"state h\nh' = .*h\n", 2, 6, CB_EPARSE, "expected a number, got '.'"},
    {"state h\nh' = "
     "1111111111111111111111111111111111111111111111111111111111111111111111111111\n",
     2, 6, CB_EPARSE, "a number of 76 characters"},
    {"state h\nh' = h \xc2\xb7 R h\n", 2, 8, CB_EPARSE, "got byte 0xc2"},
    {"state h\n# \xc3\xbc\nh' = h ; h\n", 3, 8, CB_EPARSE, "got ';'"},
    {"state h\nh' = h \x01\n", 2, 8, CB_EPARSE, "got byte 0x01"},
    {"\xef\xbb\xbfstate h\nh' = W x\n", 1, 1, CB_EPARSE, "got byte 0xef"},
    {"state abcdefghijklmnopqrstuvwxyz0123456\nh' = h\n", 1, 7, CB_EPARSE,
     "at most 32 characters, this one 33"},
    {"state h\nh' = W_abcdefghijklmnopqrstuvwxyz0123456 x\n", 2, 8, CB_EPARSE,
     "at most 32 characters"},
    {"lowest abcdefghijklmnopqrstuvwxyz0123456\nstate h\nh' = h\n", 1, 8, CB_EPARSE,
     "at most 32 characters"},
    {"state h\r\nz = R h\r\nh' = zz\r\n", 3, 6, CB_EPARSE, "did you mean 'z'?"},
    {NULL, 0, 0, CB_OK, NULL},
};

static cb_status create(const char *text, cb_input_kind kind, size_t I, cb_err *err) {
    cb_cell *cell;
    cb_status st = cb_cell_create(&cell, "mine", text, NULL, 0, kind, I, 4, NULL, err);
    if (st != CB_OK)
        assert_null(cell);
    cb_cell_destroy(cell);
    return st;
}

static void expect(const mistake *m, cb_input_kind kind, size_t I) {
    cb_err err;
    char place[64];
    cb_status st = create(m->text, kind, I, &err);
    snprintf(place, sizeof place, "mine: line %d, column %d: ", m->line, m->column);
    if (st == CB_OK)
        fail_msg("no error in:\n%s", m->text);
    if (st != m->status || err.code != st || strncmp(err.text, place, strlen(place)) != 0 ||
        strstr(err.text, m->words) == NULL)
        fail_msg("%sexpected %s %s...%s, got %s\n%s", m->text, cb_status_name(m->status), place,
                 m->words, cb_status_name(st), err.text);
}

static void mistakes_are_named(void **state) {
    (void)state;
    for (const mistake *m = table; m->text; m++)
        expect(m, CB_INPUT_DENSE, 3);
}

/* The example of the manual, letter by letter. */
static void message_quotes_the_line(void **state) {
    (void)state;
    cb_err err;
    create(table[0].text, CB_INPUT_DENSE, 3, &err);
    assert_string_equal(err.text, "mine: line 2, column 18: unknown name 'hh', did you mean 'h'?\n"
                                  "  z = tanh(W x + R hh + b)\n"
                                  "                   ^");
}

static void inputs_forbid(void **state) {
    (void)state;
    static const mistake index[] = {
        {"state h\nh' = R h + W (x + 1)\n", 2, 15, CB_ESHAPE, "the input is an index"},
        {"state h, u[I]\nu' = x\nh' = R h\n", 2, 6, CB_ESHAPE, "the input is an index"},
    };
    static const mistake none[] = {
        {"state h\nh' = R h + x\n", 2, 12, CB_ESHAPE, "there is no input here (I = 0)"},
        {"state h\nh' = R h + sum(x)\n", 2, 16, CB_ESHAPE, "there is no input here (I = 0)"},
        {"state h\nh' = R h + W (x*h)\n", 2, 15, CB_ESHAPE, "there is no input here (I = 0)"},
        {"state h, u[I]\nh' = R h\nu' = u\n", 1, 10, CB_ESHAPE, "at least 1"},
        {"state h\nparam g = 1\nh' = R h\n", 2, 7, CB_EPARSE, "no equation uses 'g'"},
    };
    for (size_t i = 0; i < sizeof index / sizeof *index; i++)
        expect(&index[i], CB_INPUT_INDEX, 3);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect(&none[i], CB_INPUT_NONE, 0);
    cb_err err;
    assert_int_equal(
        create("state h\nmatrix W = full\nh' = R h + W x + fit(x)\n", CB_INPUT_NONE, 0, &err),
        CB_OK);
    assert_int_equal(create("state h\nh' = R h\n", CB_INPUT_NONE, 3, &err), CB_ESHAPE);
    assert_int_equal(create("state h\nh' = R h\n", CB_INPUT_DENSE, 0, &err), CB_ESHAPE);
}

static void sizes_are_checked(void **state) {
    (void)state;
    static const size_t wrong[][2] = {{3, 0}, {3, 10000001}, {10000001, 4}, {SIZE_MAX, 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cb_err err;
        cb_cell *cell;
        assert_int_equal(cb_cell_create(&cell, "mine", "state h\nh' = W x\n", NULL, 0,
                                        CB_INPUT_DENSE, wrong[i][0], wrong[i][1], NULL, &err),
                         CB_ESHAPE);
        assert_null(cell);
        assert_non_null(strstr(err.text, "1 to 1e7"));
    }
}

/* `piece` n times between two texts. */
static char *repeated(const char *before, const char *piece, size_t n, const char *after) {
    size_t a = strlen(before), b = strlen(piece), c = strlen(after);
    char *text = malloc(a + n * b + c + 1);
    assert_non_null(text);
    memcpy(text, before, a);
    for (size_t i = 0; i < n; i++)
        memcpy(text + a + i * b, piece, b);
    memcpy(text + a + n * b, after, c + 1);
    return text;
}

static void bounds_are_kept(void **state) {
    (void)state;
    static const struct {
        const char *before, *piece, *after, *words;
        size_t fine, wrong;
    } cases[] = {
        {"state h\nh' = ", "(", "h", "nested deeper than 200", 0, 300},
        {"state h\nh' = h", " + h", "\n", "more than 200 operations in a row", 199, 200},
        {"state h\nh' = ", "-", "h\n", "nested deeper than 200", 199, 200},
        {"state h\nh' = ", "tanh(-", "h", "nested deeper than 200", 0, 100},
        {"state h\ndim d = ", "(", "1", "nested deeper than 200", 0, 300},
        {"state h\nh' = h\n", "set a = 1\n", "", "more than 1000 declarations and equations", 0,
         2000},
        {"set k = 1", ", 1", "\nstate h\nh' = h\n", "at most 4096 numbers", 4095, 4096},
        {"state h\nz = h", "\na = tanh(h)*(h + 1)*(h + 2)*(h + 3)*(h + 4)*(h + 5)*(h + 6)", "\n",
         "more than 4000 names, numbers and operations", 0, 990},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cb_err err;
        char *text = repeated(cases[i].before, cases[i].piece, cases[i].wrong, cases[i].after);
        assert_int_equal(create(text, CB_INPUT_DENSE, 3, &err), CB_EPARSE);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("expected ...%s..., got %s", cases[i].words, err.text);
        free(text);
        if (cases[i].fine == 0)
            continue;
        text = repeated(cases[i].before, cases[i].piece, cases[i].fine, cases[i].after);
        if (create(text, CB_INPUT_DENSE, 3, &err) != CB_OK)
            fail_msg("%s", err.text);
        free(text);
    }
}

/* Few words that come to many operations. */
static void operations_are_bounded(void **state) {
    (void)state;
    cb_err err;
    char text[32768] = "state h\na0 = norm(h)\n";
    size_t used = strlen(text);
    for (int i = 1; i < 200; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "a%d = norm(norm(norm(norm(a%d))))\n", i, i - 1);
    snprintf(text + used, sizeof text - used, "h' = a199\n");
    assert_int_equal(create(text, CB_INPUT_DENSE, 3, &err), CB_EPARSE);
    assert_non_null(strstr(err.text, "more than 4000 operations"));
}

/* Each dimension is worked out once, however often others use it. */
static void dimensions_may_build_on_each_other(void **state) {
    (void)state;
    cb_err err;
    char text[4096] = "dim d0 = 1\n";
    size_t used = strlen(text);
    for (int i = 1; i < 100; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "dim d%d = d%d*d%d\n", i, i - 1,
                                 i - 1);
    snprintf(text + used, sizeof text - used, "state h[d99]\nh' = W x\n");
    if (create(text, CB_INPUT_DENSE, 3, &err) != CB_OK)
        fail_msg("%s", err.text);
}

static void long_lines_are_quoted_in_part(void **state) {
    (void)state;
    cb_err err;
    char *text = repeated("state h\nh' = h", " ", 5000, "; and more behind it\n");
    assert_int_equal(create(text, CB_INPUT_DENSE, 3, &err), CB_EPARSE);
    assert_non_null(strstr(err.text, "column 5007: "));
    assert_true(strlen(err.text) < 400);
    const char *quote = strchr(err.text, '\n') + 1, *caret = strchr(quote, '\n') + 1;
    assert_int_equal(strchr(quote, ';') - quote, strchr(caret, '^') - caret);
    free(text);
}

/* Characters of several bytes take one column; what is quoted is plain ASCII. */
static void quotes_are_ascii(void **state) {
    (void)state;
    cb_err err;
    assert_int_equal(
        create("state h\nh' = (h # Koutn\xc3\xadk\n+ \xe2\x88\x91 h)\n", CB_INPUT_DENSE, 3, &err),
        CB_EPARSE);
    assert_string_equal(err.text, "mine: line 3, column 3: expected a value (a name, a number, a "
                                  "function or a parenthesis), got byte 0xe2\n"
                                  "  + ? h)\n"
                                  "    ^");
    for (const char *c = err.text; *c; c++)
        assert_true((unsigned char)*c < 127);
}

static void accepted(void **state) {
    (void)state;
    static const char *const texts[] = {
        "state h\r\nh' = tanh(W x)\r\n",                               /* line ends of Windows */
        "state h\nh' = tanh(W x)",                                     /* no end of the last line */
        "\n\n  # nothing\n\tstate h   # here\n\nh'=tanh( W x )#\n",    /* comments and spaces */
        "state h[\n  2*H\n]\nh' = tanh(\n  W x # input\n  + R h\n)\n", /* goes on in parentheses */
        "state t\nt' = W x\noutput t'\n",                              /* t is a name like others */
        "state h\nset set1 = 1\nh' = set1*h\n",
        "state h\nh' = - - -h - -1\n",
        "state h\nh' = R1 h + R2 h + R10_q h\n",
        "state h\nh' = .5*h + 1.*h + 1e-3*h + 1E+2*h\n",
        "state h\nh' = 3\n",
        "state h\n# Koutn\xc3\xadk\nh' = W x\n",
        "state h\nset k = 3\nh' = clock(k, W x, h)\n", /* read by clock: a list of one */
        "state h[d]\ndim d = 2\nh' = W x\n",           /* states see dims below them */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cb_err err;
        if (create(texts[i], CB_INPUT_DENSE, 3, &err) != CB_OK)
            fail_msg("%s\n%s", texts[i], err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(message_quotes_the_line),
        cmocka_unit_test(inputs_forbid),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(operations_are_bounded),
        cmocka_unit_test(quotes_are_ascii),
        cmocka_unit_test(accepted),
        cmocka_unit_test(long_lines_are_quoted_in_part),
        cmocka_unit_test(dimensions_may_build_on_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
