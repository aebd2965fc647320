/* SPDX-License-Identifier: MIT */
/*
 * Cells: the equations of a paper, read, checked, differentiated and ready to be run.
 *
 *   state h, c
 *   z  = tanh(W x + R h + b)
 *   i  = sigmoid(W x + R h + b)
 *   f  = sigmoid(W x + R h + b)
 *   c' = f*c + i*z
 *   o  = sigmoid(W x + R h + b)
 *   h' = o * tanh(c')
 *
 * The language (grammar and rules) is described in language.h.
 *
 * Glossary, used in all headers: T steps, B batch, I input dimension, H hidden dimension, L
 * layers; x input, h hidden state, c cell state, y output, d<name> the gradient of the loss with
 * respect to <name>.
 */
#ifndef CELLBENCH_CELL_H
#define CELLBENCH_CELL_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Overrides a `set` of the text. count = 1 for a number; a list keeps its length free. */
typedef struct cb_cell_setting {
    const char *name;
    size_t count;
    const double *values;
} cb_cell_setting;

/* What a registered cell is made of: a static const object in a file of variants/. */
typedef struct cb_cell_def {
    const char *name;    /* as typed by users: lower case, digits, '-' */
    const char *family;  /* under which it is listed: a word, "gru" */
    int year;            /* of the paper that `source` names */
    const char *title;   /* "LSTM with peephole connections" */
    const char *source;  /* authors, year, title, equation numbers where known */
    const char *notes;   /* where it departs from the source, what others call it; may be NULL */
    const char *aliases; /* other names, separated by spaces; may be NULL */
    const char *text;    /* the equations, in the language of language.h */
    const char *count;   /* parameter count as a formula in I and H, as the paper counts, e.g.
                            "4*H*(I+H+1)"; evaluated and compared by the tests. F is what fit(x)
                            adds: 0 where I = H, else H*I */
    /* For a cell whose text follows from settings (a depth): those settings with their defaults,
     * ended by a NULL name, and the function that writes the text. values has the rows of
     * `made_from` in their order, overridden; *out: a text made with cb_alloc, which the caller
     * frees with cb_free. `text` is then what is written at the defaults. Both NULL: `text` stands
     * as it is. */
    const cb_cell_setting *made_from;
    cb_status (*write)(char **out, const cb_cell_setting *values, cb_err *err);
} cb_cell_def;

/* The text of a registered cell: a copy of `text`, or what its `write` makes of those settings that
 * are among `made_from`. The rest are for the `set` lines of the text and not looked at. Caller
 * frees with cb_free. */
CB_API CB_MUST_USE cb_status cb_cell_def_text(char **out, const cb_cell_def *def,
                                              const cb_cell_setting *settings, size_t setting_count,
                                              cb_err *err);

/* The table of cells that a program registers (variants/variants.c): ended by NULL. */
extern const cb_cell_def *const cb_variants[];

/* Finds a cell by name or alias in a NULL-ended table; CB_EARG names the nearest known name. */
CB_API CB_MUST_USE cb_status cb_cell_find(const cb_cell_def **out, const cb_cell_def *const *table,
                                          const char *name, cb_err *err);

typedef enum cb_input_kind {
    CB_INPUT_DENSE = 0, /* a row of I floats a step */
    CB_INPUT_INDEX = 1, /* one symbol 0..I-1 a step: `W x` is a column of W; x may not be used
                           element by element */
    CB_INPUT_NONE = 2   /* I = 0: reading x is an error in the cell, `W x` is left out */
} cb_input_kind;

/* Initialisation laws (language.h, "init"). */
typedef enum cb_law {
    CB_LAW_ZERO = 0,
    CB_LAW_CONSTANT = 1,   /* a */
    CB_LAW_UNIFORM = 2,    /* U(-a, a) */
    CB_LAW_NORMAL = 3,     /* N(0, a^2) */
    CB_LAW_GLOROT = 4,     /* U(-s, s), s = sqrt(6 / (fan in + fan out)); Glorot, Bengio 2010 */
    CB_LAW_ORTHOGONAL = 5, /* a * Q, Q from the QR decomposition of a normal matrix; Saxe 2013 */
    CB_LAW_IDENTITY = 6,   /* a * I, zero outside the diagonal; Le, Jaitly, Hinton 2015 */
    CB_LAW_RANGE = 7       /* U(a, b), written uniform(a, b) */
} cb_law;

typedef struct cb_init {
    cb_law law;
    double a, b;
} cb_init;

/* "constant(1)", "uniform(0, 1)", "glorot", ... */
CB_API CB_MUST_USE cb_status cb_init_parse(cb_init *out, const char *text, cb_err *err);
/* The law as cb_init_parse reads it, numbers so that they come back as the same doubles. Returns
 * `text`. */
enum { CB_INIT_TEXT = 96 };
CB_API char *cb_init_text(char text[CB_INIT_TEXT], const cb_init *init);

typedef enum cb_structure {
    CB_STRUCTURE_FULL = 0,
    CB_STRUCTURE_DIAGONAL = 1,
    CB_STRUCTURE_BLOCKDIAG = 2,
    CB_STRUCTURE_UPPER = 3, /* block upper triangular */
    CB_STRUCTURE_LOWER = 4,
    CB_STRUCTURE_ANTISYMMETRIC = 5
} cb_structure;

/* One learned (or fixed) tensor. A matrix has cols >= 1; a vector has cols == 0. */
typedef struct cb_param {
    const char *name;   /* "W_z", "p_o", "g_i" */
    const char *family; /* "W", "p", "g" */
    size_t rows, cols;  /* of the effective matrix; vector: rows elements */
    cb_structure structure;
    size_t blocks;     /* of blockdiag, upper, lower */
    size_t free_count; /* learned numbers: rows*cols if full, fewer with a structure */
    int fixed;         /* keeps the value its init gives */
    double limit;      /* |w| <= limit after each update; 0: none */
    cb_init init;      /* the cell's law, or the default: glorot for matrices, zero for vectors */
} cb_param;

typedef struct cb_cell cb_cell;

/*
 * Reads a cell's text and builds it at given sizes.
 *
 * name      for messages; any text
 * text      the equations; copied
 * settings  overrides, setting_count of them; an unknown name is CB_EARG
 * kind, I   the input; I = 0 exactly when kind is CB_INPUT_NONE
 * H         hidden dimension, >= 1
 * below     the cell of the layer below, for texts that read lower.*; NULL for the lowest layer.
 *           Borrowed: must outlive this cell.
 *
 * Errors    CB_EPARSE with line, column, the line itself and a caret; CB_ESHAPE naming the
 *           dimensions; CB_EARG; CB_ENOMEM.   Cost: well under 1 ms for the cells of the
 * literature.
 */
CB_API CB_MUST_USE cb_status cb_cell_create(cb_cell **out, const char *name, const char *text,
                                            const cb_cell_setting *settings, size_t setting_count,
                                            cb_input_kind kind, size_t I, size_t H,
                                            const cb_cell *below, cb_err *err);
CB_API void cb_cell_destroy(cb_cell *cell);

/*
 * Regularisers that act inside a cell, in training. Each is a change of the cell's equations with
 * random masks; the derivative, the schedule, both engines and the gradient check see an ordinary
 * cell. m: a mask; q: its rate; all rates 0 <= q < 1, and 0 is off. A mask that drops has elements
 * 0 with probability q, else 1/(1 - q); in evaluation it is 1. cb_stack_regularise (engine.h) puts
 * them into a stack.
 *
 * variational_input    x is m*x in all equations of the cell, with one mask for a whole sequence:
 *                      Gal & Ghahramani 2016, z_x. In every layer with dense input; symbols are
 *                      not dropped.
 * variational_state    A state s is m*s where a matrix multiplies it, with one mask for a whole
 *                      sequence and each state: Gal & Ghahramani 2016, z_h with weights that are
 *                      tied. So in `R h`, `R (r*h)` and `R tanh(h)`; elsewhere (c in f*c, p*c) and
 *                      in matrices of values of this step s stands as it is.
 * recurrent_dropout    What is added to a memory is m*what, new in each step: Semeniuta, Severyn &
 *                      Barth 2016, c' = f*c + i*d(z), h' = (1 - z)*h + z*d(n). In the sum that
 *                      makes s', every term is dropped that has not s itself as a factor. It acts
 *                      on the state c; in a cell where no share of c is kept so, on h; where none
 *                      of h is either, on all states that are.
 * zoneout              An element of a state keeps its old value with probability q in each step:
 *                      s' becomes m*s + (1 - m)*s', m = 1 with probability q, else 0; in evaluation
 *                      m = q. Krueger et al. 2017. Equations of the step read the s' that is not
 *                      yet zoned, as the paper's h_t = d*h + (1 - d)*o*tanh(f*c + i*g) does; the
 *                      next step, the readout, the layer above and lower.s see the zoned one.
 */
typedef struct cb_zoneout {
    const char *state; /* NULL: h and c; all states in a cell that has neither */
    double rate;       /* a rate given by name goes before that of NULL */
} cb_zoneout;

typedef struct cb_regularisers {
    double variational_input, variational_state, recurrent_dropout;
    const cb_zoneout *zoneout;
    size_t zoneout_count;
} cb_regularisers;

typedef enum cb_mask_kind {
    CB_MASK_INPUT = 0,  /* variational_input: one for each sequence */
    CB_MASK_STATE = 1,  /* variational_state: one for each sequence */
    CB_MASK_UPDATE = 2, /* recurrent_dropout: one for each step */
    CB_MASK_ZONE = 3    /* zoneout: one for each step */
} cb_mask_kind;

/* The text in canonical form with its settings put in: what is stored, hashed and printed.
 * Borrowed until destroy. Parsing it again gives the same cell. */
CB_API const char *cb_cell_text(const cb_cell *cell);
CB_API const char *cb_cell_name(const cb_cell *cell);

/* Parameters in the order of their first appearance in the text; borrowed until destroy. */
CB_API const cb_param *cb_cell_params(const cb_cell *cell, size_t *count);
/* Sum of free_count over the parameters that are not fixed. */
CB_API size_t cb_cell_param_count(const cb_cell *cell);

typedef struct cb_state_info {
    const char *name;
    size_t dim;
    double init; /* value before the first step */
    int learned; /* init is the start of a learned vector */
} cb_state_info;
CB_API const cb_state_info *cb_cell_states(const cb_cell *cell, size_t *count);
CB_API size_t cb_cell_output_dim(const cb_cell *cell);
CB_API const char *cb_cell_output_name(const cb_cell *cell);
/* The cell that must take the lowest layer's place ("lowest NAME"); NULL if there is none. */
CB_API const char *cb_cell_lowest(const cb_cell *cell);
/* 1 if the text reads values of the layer below other than its output. */
CB_API int cb_cell_reads_lower(const cb_cell *cell);

/* Cost of one step of one sequence; multiply and add count 2. */
typedef struct cb_cell_cost {
    size_t product_flop;  /* matrix products, forward */
    size_t pointwise_ops; /* element-wise operations, forward: one per element, whatever it is */
    size_t backward_product_flop;
    size_t backward_pointwise_ops;
    size_t stages; /* products with state values that must follow each other in one step */
    size_t kept;   /* values kept for the backward pass */
} cb_cell_cost;
CB_API cb_cell_cost cb_cell_get_cost(const cb_cell *cell);

/* The element-wise operations of one step by name, with the elements that they make. */
typedef struct cb_cell_operation {
    const char *name; /* "sigmoid", "mul", "d_tanh", ... */
    size_t forward, backward;
} cb_cell_operation;
/* Caller frees *out with cb_free. */
CB_API CB_MUST_USE cb_status cb_cell_get_operations(const cb_cell *cell, cb_cell_operation **out,
                                                    size_t *count, cb_err *err);

/* Appends a description of the schedule (before the loop, stages and programs in it, after it; for
 * the backward pass too), one operation a line: for people. Caller frees with cb_free. */
CB_API CB_MUST_USE cb_status cb_cell_describe(const cb_cell *cell, char **out, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
