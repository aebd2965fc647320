/* SPDX-License-Identifier: MIT */
/*
 * The language of cells. This header is its manual and declares nothing: cb_cell_create
 * (cellbench/cell.h) reads it, and so do Lua's cb.cell{ text = [[ ... ]] } and the files of
 * variants/.
 *
 *     # LSTM with peepholes, Gers & Schmidhuber 2000
 *     state h, c                                  h, c    values of the step before
 *     z  = tanh(W x + R h + b)                    h', c'  values of this step
 *     i  = sigmoid(W x + R h + p*c + b)           W x     learned matrix times a value
 *     f  = sigmoid(W x + R h + p*c + b)           p*c     learned vector, element by element
 *     c' = f*c + i*z
 *     o  = sigmoid(W x + R h + p*c' + b)          15 tensors: W_z R_z b_z  W_i R_i p_i b_i ...
 *     h' = o*tanh(c')
 *
 * One declaration or equation a line; '#' begins a comment; a line goes on while a parenthesis or
 * bracket is open. Lines end in \n or \r\n. The text of what is stored, hashed and printed is the
 * canonical one (cb_cell_text): without comments, evenly spaced, with the values of its settings.
 *
 *
 * 1  GRAMMAR
 *
 *   cell    = { ( decl | eq ) NEWLINE }
 *   decl    = "state"  item { "," item }              item = name [ "[" dim "]" ] [ "=" start ]
 *           | "set"    name "=" value { "," value }   start = value | "learned"
 *           | "dim"    name "=" dim                   dim = sums, products, quotients and
 *           | "param"  decl1 { "," decl1 }                  parentheses of I, H, dims, settings
 *           | "matrix" matrix "=" structure                 and whole numbers
 *           | "init"   param "=" law                  decl1 = name [ "[" dim "]" ] [ "=" value ]
 *           | "limit"  param "=" value                value = [ "-" ] NUMBER
 *           | "fixed"  param
 *           | "output" name [ "'" ]
 *           | "lowest" cell-name
 *   eq      = name ( "'" | [ "[" dim "]" ] ) "=" expr
 *   expr    = term { ( "+" | "-" ) term }
 *   term    = unary { ( "*" | "/" ) unary }
 *   unary   = "-" unary | apply
 *   apply   = [ matrix ] atom
 *   atom    = NUMBER | name | name "'" | vector | "lower." name
 *           | function "(" expr { "," expr } ")" | "(" expr ")"
 *   name    = a-z, then a-z 0-9; at most 32 characters
 *   matrix  = A-Z, digits, perhaps "_" name           not H and I: these are dimensions
 *   vector  = family [ "_" name ]                     family = b, p, b1, p1, ..., or declared
 *   param   = matrix | vector
 *   NUMBER  = 1   0.5   .5   1e-3
 *
 * A matrix binds tighter than any operator and takes one atom:
 *
 *     R (r*h) + b      one product, with r*h               R r*h   is (R r)*h
 *     R tanh(h)        one product, with tanh(h)           W R h   is an error
 *
 * The words that begin a declaration cannot be names; neither can x, lower, a function or a
 * built-in family. Bounds: 1000 declarations and equations, 4000 names, numbers and operations,
 * 200 operations in a row or one inside the other, lists of 4096 numbers, dimensions up to 1e7.
 *
 *
 * 2  RULES
 *
 * 2.1  Case decides.  A capital letter is a learned matrix. `b` and `p`, also with digits (b1, p2),
 *   and what `param` declares are families of learned vectors. Every other name is the input x, a
 *   state, a setting that is a number, or an equation above. Anything else is an error that names
 *   the nearest name known: a mistyped name never becomes a parameter. A name stands for one thing,
 *   and has one equation; each state has one, with the prime.
 *
 * 2.2  Parameters belong to their equation.  In the equation of z, `W` is the parameter W_z and `b`
 *   is b_z; in that of h' they are W_h and b_h. A suffix in the text (`R_all`, `b_z`) names one
 *   parameter of the whole cell: this is how equations share. The same name twice is the same
 *   parameter, and the uses must agree in shape. Parameters are listed in the order of first use.
 *   In declarations a bare family (`matrix R = ...`, `init b = ...`) speaks of all its members, a
 *   full name of that one, and the full name wins, wherever it stands.
 *
 * 2.3  Time.  `s` is the value of a state before this step; `s'` is that after it, readable below
 *   its equation: the order of the text is the order of evaluation. `lower.c` is the value named c
 *   of the layer below at the same step: an equation, or a state after the step. The layer below is
 *   checked when the stack is built. The gradient flows back through all of these.
 *
 * 2.4  Dimensions.  An equation has dimension H, or the one in brackets; a state that of its
 *   declaration. A matrix has as many rows as its place needs and as many columns as its operand
 *   has elements. Operands of + - * / and of pointwise functions are equal in dimension, or have 1,
 *   which stands for all elements. A vector has the dimension its place needs, or its declaration's
 *   (`param s[1]`). A number fits everywhere. A matrix inside the operand of a matrix, or inside
 *   sum or mean, needs an equation of its own: there its dimension could not be told.
 *   x has dimension I. Beside values of dimension H it is written fit(x).
 *
 * 2.5  Functions.  Section 4. Derivatives at a kink: relu'(0) = abs'(0) = 0; max and
 *   min give a tie to the first argument.
 *
 * 2.6  The input.  Dense: x is a vector. Index: one symbol of I a step, a one-hot vector; `W x` is
 *   a column of W, and x stands nowhere else but in fit(x). None (I = 0): `W x` and fit(x) are 0
 *   and their matrices do not exist; x anywhere else is an error.
 *
 * 2.7  The text may be made by a program (a loop that writes the layers of a highway). What counts
 *   is the text that arrives here.
 *
 *
 * 3  DECLARATIONS
 *
 *   state h, c[2*H], m = -1e30, s = learned
 *       Carried to the next step. Dimension H unless given. The value before the first step is 0,
 *       the number given, or a learned vector: the parameter <state>0_init of the family
 *       <state>0, here s0_init of s0; its law, as of all vectors, is zero unless `init s0 = ...`
 *       says otherwise. A cell needs at least one state.
 *   set dt = 0.3            set periods = 1, 2, 4, 8
 *       Not learned: part of the cell's identity. A study overrides it by name. A setting is a list
 *       if it has more than one number or if clock() reads it, else a number; a list may be
 *       overridden by one of another length, a number only by a number.
 *   dim proj = H/2
 *       A whole number of at least 1. A division must leave no rest. A dim sees the dims above it;
 *       all else sees all dims. A setting used in it must be a whole number.
 *   param g, s[1], tau = 0.7
 *       Families of learned vectors beside b and p: g in the equation of z is g_z. With a number,
 *       `tau = 0.7` says `init tau = constant(0.7)` too.
 *   fixed tau               fixed R_z
 *       Not learned: keeps what its law gave. Not among the parameters that are counted.
 *   matrix R = structure
 *       full             every element is free (default)
 *       diagonal         square; free: the diagonal
 *       blockdiag(n)     n blocks on the diagonal, each rows/n x cols/n
 *       upper(n)         square, n x n blocks; free: those on the diagonal and above
 *       lower(n)         the same below
 *       antisymmetric    square, R = -R^T; free: what is above the diagonal
 *       n is a whole number that divides rows and columns, or a setting: its value, or the length
 *       of a list.
 *   init R = law            init b_f = constant(1)
 *       zero   constant(a)   uniform(a): U(-a, a)   uniform(a, b): U(a, b), a < b
       normal(a): mean 0, standard deviation a
 *       and for matrices only:
 *       glorot           U(-s, s), s = sqrt(6/(fan in + fan out)); a structure's fans count the
 *                        elements that are not 0 by construction
 *       orthogonal(a)    a times an orthogonal matrix (orthonormal rows or columns if not square)
 *       identity(a)      a on the diagonal, 0 elsewhere
 *       Default: glorot for matrices, zero for vectors. A study's law goes before the cell's. Of a
 *       matrix with a structure the law draws the whole, of which the free elements are taken.
 *   limit p_h = 1
 *       |w| <= 1, a number above 0: restored after each update.
 *   output y                output y'
 *       What the layer above and the readout see: an equation, or a state after the step. Default
 *       h'; without a state h it must be said.
 *   lowest lstm
 *       A cell that reads lower.* has nothing below it as the lowest layer: the name of the cell
 *       that belongs there.
 *
 *   Said twice of the same name, or of a parameter that no equation uses: an error. (With no input,
 *   2.6, what is said of matrices that fell away is passed over.)
 *
 *
 * 4  FUNCTIONS
 *
 *   Pointwise, one argument:
 *       sigmoid(a)  tanh(a)  relu(a)  exp(a)  log(a)  logsigmoid(a)  softplus(a)
 *       abs(a)  sqrt(a)  square(a)  sin(a)  cos(a)
 *       sign(a)             -1, 0 or 1; its derivative is 0 everywhere
 *   Pointwise, two arguments:
 *       max(a, b)  min(a, b)
 *   stop(a)                 a, but the derivative is 0
 *   sum(a)  mean(a)         over the elements of a row: dimension 1
 *   norm(a)                 (a - mean(a)) / sqrt(mean((a - mean(a))^2) + 1e-5)
 *   fit(x)                  x as a value of dimension H: x itself where it is dense and I = H, else
 *                           W_fit x, with one matrix W_fit for the whole cell
 *   spread(a)               dimension d to H, each element H/d times in a row; d divides H
 *   clock(periods, new, old)
 *       periods is a list setting of n whole numbers >= 1; the row is cut into n equal groups.
 *       Group k takes `new` where t mod periods[k] = 0, else `old`. t is 0 at the first step of a
 *       sequence, and is carried with the state when a sequence is cut.
 *
 *
 * 5  ERRORS
 *
 * cb_cell_create fails with a message such as
 *
 *     mine: line 2, column 18: unknown name 'hh', did you mean 'h'?
 *       z = tanh(W x + R hh + b)
 *                        ^
 *
 * CB_EPARSE   what the text is, at any size: a character, number or word that is not of the
 *     language; a parenthesis missing; an unknown name, function, structure or law; the wrong
 number of
 *     arguments; a matrix where none can stand; a name defined twice, or not yet; a state without
 *     its equation; a list for a number; a declaration of what no equation uses; a text beyond the
 *     bounds.
 * CB_ESHAPE   dimensions that disagree, are not whole or not positive, or do not divide; x where
 *     the kind of input forbids it.
 * CB_EARG     a number out of range (limit, blocks, periods); a law of matrices for a vector; a
 *     setting that does not exist or is given the wrong way; the layer below.
 * CB_ENOMEM
 *
 *
 * 6  EXAMPLES
 *
 *   Coupled gates               f = 1 - i                                  in the LSTM's place of f
 *   GRU, reset before           n  = tanh(W x + R (r*h) + b)
 *       reset after             n  = tanh(W x + b + r*(R h + b1))
 *   Full gate recurrence        state h, c, i, f, o
 *                               i' = sigmoid(W x + R h + P1 i + P2 f + P3 o + p*c + b)
 *   IRNN                        init R_h = identity(1)
 *                               h' = relu(W x + R h + b)
 *   IndRNN                      limit p_h = 1
 *                               h' = relu(W x + p*h + b)
 *   Clockwork                   set periods = 1, 2, 4, 8
 *                               matrix R = upper(periods)
 *                               h' = clock(periods, tanh(W x + R h + b), h)
 *   Projected LSTM              dim proj = H/2
 *                               state h[proj], c
 *                               h' = P (o*tanh(c'))
 *   Stabilised sLSTM            state h, c, n, m = -1e30
 *                               m' = max(lf + m, li)
 *   Layer norm                  param g = 1
 *                               i = sigmoid(g*norm(W x + R h) + b)
 *   Depth-gated LSTM            lowest lstm
 *                               d = sigmoid(W x + p*c + p1*lower.c + b)
 *   coRNN                       output y'
 *   QRNN of width 2             state u[I], c
 *                               u' = x                          the input of the step before:
 *                               z = tanh(W x + V u + b)         not recurrent, no cost in the loop
 *   minGRU                      n = W x + b                     no product with a state at all
 *   SRU, MUT1                   h' = r*c' + (1 - r)*fit(x)
 *   LSTM of 1997, blocks        dim blocks = H/2
 *                               state h, c, i[blocks], o[blocks]
 *                               c' = c + spread(i')*z
 *   Recurrent highway           s1 = ... R_all s ...
 *                               d  = tanh(R_all s1 + b)         the same matrix
 *   Leaky units                 param tau = 0.7
 *                               fixed tau
 *                               h' = tau*h + (1 - tau)*tanh(W x + R h + b)
 *
 * variants/ and tests/numeric/awkward.h have them whole. Not in the language yet: states that are matrices,
 * attention, sampling.
 */
#ifndef CELLBENCH_LANGUAGE_H
#define CELLBENCH_LANGUAGE_H
#endif
