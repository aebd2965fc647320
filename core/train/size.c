/* SPDX-License-Identifier: MIT */
/*
 * The hidden size that spends a given number of learned numbers. The count grows with the size;
 * but a cell may not build at every size (its dimensions must divide exactly). So a size stands for
 * the nearest one at or below it that builds: doubling until that one is too large, then bisection.
 */
#include "train/trial.h"

#include <string.h>

#include "base/alloc.h"

enum {
    MOST_HIDDEN = 1 << 16,
    REACH = 64,         /* sizes tried downward for one that builds */
    NEVER_BUILDS = 1024 /* give up if nothing was built up to here: the cell itself is wrong */
};

cb_status cbi_readout_count(const cb_stack *stack, const cb_data *data, size_t *count,
                            cb_err *err) {
    if (cb_size_add(cb_stack_output_dim(stack), 1, count) != CB_OK ||
        cb_size_mul(*count, data->target_dim, count) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "readout: too large: %zu targets", data->target_dim);
    return CB_OK;
}

cb_status cbi_stack_build(cb_stack **out, const cb_layer_spec *layers, size_t n,
                          const cb_data *data, size_t hidden, cb_err *err) {
    *out = NULL;
    cb_layer_spec *sized = cbi_calloc(n, sizeof *sized);
    if (sized == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu layers", n);
    memcpy(sized, layers, n * sizeof *sized);
    for (size_t l = 0; l < n; l++)
        if (sized[l].hidden == 0)
            sized[l].hidden = hidden;
    cb_status st = cb_stack_create(out, sized, n, data->input, data->input_dim, err);
    cbi_free(sized);
    return st;
}

typedef struct search {
    const cb_layer_spec *layers;
    size_t n;
    const cb_data *data;
    size_t params;
    int built; /* some size was built */
} search;

/* Learned numbers at the nearest size at or below `hidden` that builds; *size = 0 if none within
 * reach does. A text that never builds ends the search with its error. */
static cb_status count_at(search *s, size_t hidden, size_t *size, size_t *count, cb_err *err) {
    cb_status st = CB_OK;
    *size = *count = 0;
    for (size_t at = hidden; at > 0 && hidden - at < REACH; at--) {
        cb_stack *stack;
        st = cbi_stack_build(&stack, s->layers, s->n, s->data, at, err);
        if (st == CB_OK) {
            size_t readout;
            s->built = 1;
            *size = at;
            *count = cb_stack_param_count(stack);
            st = cbi_readout_count(stack, s->data, &readout, err);
            cb_stack_destroy(stack);
            if (st == CB_OK && cb_size_add(*count, readout, count) != CB_OK)
                st = cb_fail(err, CB_ESHAPE, "params: more than can be counted");
            return st;
        }
        if (st != CB_ESHAPE && st != CB_EARG)
            return st;
    }
    return s->built || hidden < NEVER_BUILDS ? CB_OK : st;
}

cb_status cbi_stack_size(cb_stack **out, size_t *hidden, cb_layer_spec *layers, size_t n,
                         const cb_data *data, size_t params, cb_err *err) {
    search s = {layers, n, data, params, 0};
    size_t low = 0, high = 1, best = 0, least = 0, size, count;
    cb_status st;
    *out = NULL;
    *hidden = 0;
    /* Invariant: low fits (or does not build), high does not fit. */
    for (;; high *= 2) {
        if (high > MOST_HIDDEN)
            return cb_fail(err, CB_EARG, "params: even hidden size %d has at most %zu parameters",
                           MOST_HIDDEN, params);
        if ((st = count_at(&s, high, &size, &count, err)) != CB_OK)
            return st;
        if (size && count > params) {
            least = count;
            break;
        }
        low = high;
        best = size ? size : best;
    }
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if ((st = count_at(&s, middle, &size, &count, err)) != CB_OK)
            return st;
        if (size && count > params) {
            high = middle;
            least = count;
        } else {
            low = middle;
            best = size ? size : best;
        }
    }
    if (best == 0)
        return cb_fail(err, CB_EARG,
                       "params: expected at least %zu, the number at the smallest hidden size that "
                       "builds, got %zu",
                       least, params);
    *hidden = best;
    return cbi_stack_build(out, layers, n, data, best, err);
}
