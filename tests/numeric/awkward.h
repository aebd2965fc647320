/* SPDX-License-Identifier: MIT */
/*
 * Cells that stretch the language: each rule and each construct of language.h stands in at least one
 * of them. `count` is the number of learned numbers at the given sizes, as the paper counts.
 */
#ifndef CB_TESTS_AWKWARD_H
#define CB_TESTS_AWKWARD_H

#include "cellbench/cell.h"

typedef struct awkward_cell {
    const char *name;
    const char *text;
    cb_input_kind kind;
    size_t I, H;
    const char *count; /* formula in I, H */
} awkward_cell;

static const awkward_cell awkward_cells[] = {
    /* Greff 2015, full gate recurrence: 9 more matrices. */
    {"fgr",
     "state h, c, i, f, o\n"
     "z  = tanh(W x + R h + b)\n"
     "i' = sigmoid(W x + R h + P1 i + P2 f + P3 o + p*c + b)\n"
     "f' = sigmoid(W x + R h + P1 i + P2 f + P3 o + p*c + b)\n"
     "c' = f'*c + i'*z\n"
     "o' = sigmoid(W x + R h + P1 i + P2 f + P3 o + p*c' + b)\n"
     "h' = o'*tanh(c')\n",
     CB_INPUT_DENSE, 3, 5, "4*H*(I+H+1)+3*H+9*H*H"},
    {"gru-after",
     "state h\n"
     "r  = sigmoid(W x + R h + b)\n"
     "z  = sigmoid(W x + R h + b)\n"
     "n  = tanh(W x + b + r*(R h + b1))\n"
     "h' = z*h + (1 - z)*n\n",
     CB_INPUT_DENSE, 3, 5, "3*H*(I+H+1)+H"},
    {"irnn",
     "state h\n"
     "init R_h = identity(1)\n"
     "init W = normal(0.001)\n"
     "h' = relu(W x + R h + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*(I+H+1)"},
    {"indrnn",
     "state h\n"
     "limit p_h = 1\n"
     "h' = relu(W x + p*h + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*(I+2)"},
    {"clockwork-9",
     "set periods = 1, 2, 4\n"
     "state h\n"
     "matrix R = upper(periods)\n"
     "h' = clock(periods, tanh(W x + R h + b), h)\n",
     CB_INPUT_DENSE, 2, 9, "H*I+H*H*2/3+H"},
    {"projected",
     "dim proj = H/2\n"
     "state h[proj], c\n"
     "z  = tanh(W x + R h + b)\n"
     "i  = sigmoid(W x + R h + b)\n"
     "f  = sigmoid(W x + R h + b)\n"
     "c' = f*c + i*z\n"
     "o  = sigmoid(W x + R h + b)\n"
     "h' = P (o*tanh(c'))\n",
     CB_INPUT_DENSE, 3, 6, "4*H*(I+H/2+1)+H*H/2"},
    /* Beck 2024, stabilised; R block-diagonal by head. */
    {"slstm",
     "set heads = 2\n"
     "state h, c, n, m = -1e30\n"
     "matrix R = blockdiag(heads)\n"
     "z  = tanh(W x + R h + b)\n"
     "li = W x + R h + b\n"
     "lf = logsigmoid(W x + R h + b)\n"
     "o  = sigmoid(W x + R h + b)\n"
     "m' = max(lf + m, li)\n"
     "i  = exp(li - m')\n"
     "f  = exp(lf + m - m')\n"
     "c' = f*c + i*z\n"
     "n' = f*n + i\n"
     "h' = o*(c'/n')\n",
     CB_INPUT_DENSE, 3, 6, "4*H*(I+H/2+1)"},
    {"layer-norm",
     "state h, c\n"
     "param g\n"
     "init g = constant(1)\n"
     "z  = tanh(g*norm(W x + R h) + b)\n"
     "i  = sigmoid(g*norm(W x + R h) + b)\n"
     "f  = sigmoid(g*norm(W x + R h) + b)\n"
     "c' = f*c + i*z\n"
     "o  = sigmoid(g*norm(W x + R h) + b)\n"
     "h' = o*tanh(g*norm(c') + b)\n",
     CB_INPUT_DENSE, 3, 6, "4*H*(I+H+2)+2*H"},
    {"cornn",
     "set dt = 0.3\n"
     "set gamma = 1.2\n"
     "set epsilon = 0.9\n"
     "state y, v\n"
     "v' = v + dt*(tanh(W x + R y + R2 v + b) - gamma*y - epsilon*v)\n"
     "y' = y + dt*v'\n"
     "output y'\n",
     CB_INPUT_DENSE, 3, 5, "H*(I+2*H+1)"},
    /* Bradbury 2016, width 2: the input of the step before is a state that delays it. */
    {"qrnn",
     "state u[I], c\n"
     "u' = x\n"
     "z  = tanh(W x + V u + b)\n"
     "f  = sigmoid(W x + V u + b)\n"
     "o  = sigmoid(W x + V u + b)\n"
     "c' = f*c + (1 - f)*z\n"
     "y  = o*c'\n"
     "output y\n",
     CB_INPUT_DENSE, 3, 5, "3*H*(2*I+1)"},
    {"delayed-twice",
     "state u[I], v[I], h\n"
     "u' = x\n"
     "v' = u\n"
     "h' = tanh(W x + V u + U v + R h + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*(3*I+H+1)"},
    {"mingru",
     "state h\n"
     "z  = sigmoid(W x + b)\n"
     "n  = W x + b\n"
     "h' = (1 - z)*h + z*n\n",
     CB_INPUT_DENSE, 3, 5, "2*H*(I+1)"},
    /* Lei 2017; the state h is read by no one: all of it is after the loop. */
    {"sru",
     "state h, c\n"
     "u  = W x\n"
     "f  = sigmoid(W x + p*c + b)\n"
     "r  = sigmoid(W x + p*c + b)\n"
     "c' = f*c + (1 - f)*u\n"
     "h' = r*c' + (1 - r)*fit(x)\n",
     CB_INPUT_DENSE, 3, 5, "3*H*I+4*H+H*I"},
    {"sru-square",
     "state h, c\n"
     "u  = W x\n"
     "f  = sigmoid(W x + p*c + b)\n"
     "r  = sigmoid(W x + p*c + b)\n"
     "c' = f*c + (1 - f)*u\n"
     "h' = r*c' + (1 - r)*fit(x)\n",
     CB_INPUT_DENSE, 5, 5, "3*H*I+4*H"},
    /* Recurrent highway, depth 2: R_all is shared between the two micro-steps. */
    {"shared-depth",
     "state s\n"
     "a  = tanh(W x + R_all s + b)\n"
     "t1 = sigmoid(W x + R_gate s + b)\n"
     "s1 = a*t1 + s*(1 - t1)\n"
     "d  = tanh(R_all s1 + b)\n"
     "t2 = sigmoid(R_gate s1 + b)\n"
     "s' = d*t2 + s1*(1 - t2)\n"
     "output s'\n",
     CB_INPUT_DENSE, 3, 5, "2*H*I+2*H*H+4*H"},
    {"mut1",
     "state h\n"
     "z  = sigmoid(W x + b)\n"
     "r  = sigmoid(W x + R h + b)\n"
     "n  = tanh(R (r*h) + tanh(fit(x)) + b)\n"
     "h' = n*z + h*(1 - z)\n",
     CB_INPUT_DENSE, 3, 5, "2*H*(I+1)+H*H+H*H+H+H*I"},
    /* Hochreiter & Schmidhuber 1997: blocks of two cells share their gates. */
    {"lstm-1997",
     "dim blocks = H/2\n"
     "state h, c, i[blocks], o[blocks]\n"
     "z     = 4*sigmoid(W x + R h + U i + V o + b) - 2\n"
     "i'    = sigmoid(W x + R h + U i + V o + b)\n"
     "o'    = sigmoid(W x + R h + U i + V o + b)\n"
     "c'    = c + spread(i')*z\n"
     "h'    = spread(o')*(2*sigmoid(c') - 1)\n",
     CB_INPUT_DENSE, 3, 6, "2*H*(I+H+H+1)"},
    {"antisymmetric",
     "set step = 0.1\n"
     "state h\n"
     "matrix R = antisymmetric\n"
     "h' = h + step*tanh(W x + R h - 0.01*h + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*I+H*(H-1)/2+H"},
    {"structures",
     "state h\n"
     "matrix L = lower(2)\n"
     "matrix D = diagonal\n"
     "matrix B = blockdiag(3)\n"
     "h' = tanh(W x + L h + D h + B h + b)\n",
     CB_INPUT_DENSE, 3, 6, "H*I+H*H*3/4+H+H*H/3+H"},
    {"leaky",
     "state h\n"
     "param tau\n"
     "fixed tau\n"
     "init tau = constant(0.7)\n"
     "h' = tau*h + (1 - tau_h)*tanh(W x + R h + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*(I+H+1)"},
    {"stop",
     "state h\n"
     "g  = sigmoid(W x + R h + b)\n"
     "h' = stop(g)*tanh(W x + R h + b) + (1 - g)*stop(h)\n",
     CB_INPUT_DENSE, 3, 5, "2*H*(I+H+1)"},
    {"reductions",
     "state h\n"
     "param s[1]\n"
     "a[1] = s*mean(h*h) + sum(p*h)\n"
     "h'   = tanh(W x + R h + a*b1 + b)/sqrt(1 + mean(h*h))\n",
     CB_INPUT_DENSE, 3, 5, "1+H+H*(I+H+2)"},
    {"functions",
     "state h\n"
     "a  = log(1 + exp(W x)) + softplus(R h)\n"
     "e  = abs(W x + b) + sqrt(1 + square(h)) + sin(a)*cos(h)\n"
     "h' = tanh(min(a, e)/max(1 + a, 0.5 + e) + sign(h)*0.1 - logsigmoid(-h))\n",
     CB_INPUT_DENSE, 3, 4, "H*I+H*H+H*I+H"},
    {"learned-start",
     "state h = learned, c = 0.5\n"
     "c' = 0.5*c + W x\n"
     "h' = tanh(R h + c' + b)\n",
     CB_INPUT_DENSE, 3, 5, "H*I+H*H+H+H"},
    {"no-input",
     "state h\n"
     "matrix R = full\n"
     "h' = tanh(W x + R h + b)\n",
     CB_INPUT_NONE, 0, 5, "H*(H+1)"},
    {"index-input",
     "state h, c\n"
     "z  = tanh(W x + R h + b)\n"
     "f  = sigmoid(W x + R h + b)\n"
     "c' = f*c + (1 - f)*z\n"
     "h' = tanh(c') + 0.1*fit(x)\n",
     CB_INPUT_INDEX, 7, 5, "2*H*(I+H+1)+H*I"},
    {"multiplicative",
     "state h, c\n"
     "m  = (W x)*(R h)\n"
     "z  = tanh(W x + R m + b)\n"
     "f  = sigmoid(W x + R m + b)\n"
     "c' = f*c + (1 - f)*z\n"
     "h' = tanh(c')\n",
     CB_INPUT_DENSE, 3, 5, "3*H*(I+H)+2*H"},
    {"linear",
     "state h\n"
     "matrix R = diagonal\n"
     "h' = W x + R h\n",
     CB_INPUT_DENSE, 3, 5, "H*I+H"},
    /* One product and one gradient, read from two places. */
    {"read-twice",
     "state h\n"
     "h' = tanh(W x + R h)/(1.5 + sigmoid(W x + b))\n",
     CB_INPUT_DENSE, 3, 5, "H*(I+H+1)"},
    /* The gradients of s and of x are one value. */
    {"one-gradient",
     "state h, s\n"
     "s' = h\n"
     "h' = tanh(mean(h)*fit(x) + mean(h)*s + V h)\n",
     CB_INPUT_DENSE, 5, 5, "H*H"},
    {"wide",
     "state h\n"
     "dim wide = 2*H + 1\n"
     "a[wide] = relu(W x + R h + b)\n"
     "h' = tanh(P a + b)\n",
     CB_INPUT_DENSE, 3, 4, "(2*H+1)*(I+H+1)+H*(2*H+1)+H"},
    /* What a matrix multiplies is cheap to do again, and the derivative of z wants it too. */
    {"cheap-operand",
     "state h\n"
     "z  = sigmoid(W x + R h + b)\n"
     "h' = z*h + V (1 - z)\n",
     CB_INPUT_DENSE, 3, 4, "H*(I+H+1)+H*H"},
    {NULL, NULL, CB_INPUT_DENSE, 0, 0, NULL},
};

/* Yao 2015, as in the paper: reads the cell state of the layer below. */
static const char depth_gated[] = "lowest lstm\n"
                                  "state h, c\n"
                                  "z  = tanh(W x + R h + b)\n"
                                  "i  = sigmoid(W x + R h + p*c + b)\n"
                                  "f  = sigmoid(W x + R h + p*c + b)\n"
                                  "d  = sigmoid(W x + p*c + p1*lower.c + b)\n"
                                  "c' = d*lower.c + f*c + i*z\n"
                                  "o  = sigmoid(W x + R h + p*c' + b)\n"
                                  "h' = o*tanh(c')\n";

#endif
