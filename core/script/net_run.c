/* SPDX-License-Identifier: MIT */
/* A stack with its numbers, behind cb.net: rows by length, two widths of numbers, two engines. */
#include "script/net_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cellbench/train.h"

static cb_status no_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "net: out of memory");
}

static cb_status grow(double **block, size_t *capacity, size_t rows, size_t cols, cb_err *err) {
    size_t need;
    if (cb_size_mul(rows, cols, &need) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "net: %zu rows of %zu numbers are too many", rows, cols);
    return cbi_grow((void **)block, capacity, need + 1, sizeof **block) == CB_OK ? CB_OK
                                                                                 : no_memory(err);
}

/* Refuses what this machine's memory cannot hold before it is tried: the system gives out more
 * than there is, and ends programs that use it. */
static cb_status check_memory(const cbi_net *net, size_t B, size_t frames, cb_err *err) {
    cb_status st;
    size_t bytes, weights;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if ((st = cb_engine_memory(net->stack, B, frames, 1, &bytes, err)) != CB_OK)
        return st;
    if (net->reference) /* the same values, twice as wide */
        st = cb_size_mul(bytes, 2, &bytes);
    /* Weights, two gradients and the draw; and in single precision. */
    if (st != CB_OK ||
        cb_size_mul(cb_stack_weight_count(net->stack), 4 * sizeof(double) + sizeof(float),
                    &weights) != CB_OK ||
        cb_size_add(bytes, weights, &bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "net: too large");
    if (pages > 0 && page > 0 && (double)bytes > 0.9 * (double)pages * (double)page)
        return cb_fail(err, CB_EARG, "it would need %.3g GB of memory; this machine has %.3g GB",
                       (double)bytes / 1e9, (double)pages * (double)page / 1e9);
    return CB_OK;
}

/* ---- the net ---- */

cb_status cbi_net_init(cbi_net *net, const cb_layer_spec *layers, size_t n, cb_input_kind kind,
                       size_t I, const cb_regularisers *regularisers, int use_reference,
                       cb_err *err) {
    cb_status st;
    if ((st = cb_stack_create(&net->stack, layers, n, kind, I, err)) != CB_OK ||
        (st = cb_stack_regularise(net->stack, regularisers, err)) != CB_OK)
        return st;
    if ((st = check_memory(net, 1, 1, err)) != CB_OK)
        return st;
    if ((net->label = cbi_calloc(cb_stack_layer_count(net->stack), sizeof *net->label)) == NULL)
        return no_memory(err);
    for (size_t l = 0, k = 0; l < n; l++) {
        snprintf(net->label[k++], CBI_NET_LABEL, "%zu", l + 1);
        if (layers[l].bidirectional)
            snprintf(net->label[k++], CBI_NET_LABEL, "%zu.reverse", l + 1);
    }
    net->weights = cb_stack_weight_count(net->stack);
    net->w = cbi_calloc(net->weights + 1, sizeof *net->w);
    net->gradient = cbi_calloc(net->weights + 1, sizeof *net->gradient);
    net->fresh = cbi_calloc(net->weights + 1, sizeof *net->fresh);
    if (net->w == NULL || net->gradient == NULL || net->fresh == NULL)
        return no_memory(err);
    return use_reference ? cb_reference_create(&net->reference, net->stack, err)
                         : cb_engine_create(&net->engine, net->stack, err);
}

void cbi_net_fini(cbi_net *net) {
    void *const blocks[] = {net->w,      net->gradient, net->fresh, net->start,
                            net->single, net->rows,     net->first, net->length,
                            net->place,  net->x,        net->dx,    net->y,
                            net->dy,     net->index,    net->state, net->named};
    cb_engine_destroy(net->engine);
    cb_reference_destroy(net->reference);
    cb_stack_destroy(net->stack);
    cbi_free(net->label);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cbi_free(blocks[i]);
    *net = (cbi_net){0};
}

double cbi_net_number(const cbi_net *net, double value) {
    return net->engine ? (double)(float)value : value;
}

cb_status cbi_net_draw(cbi_net *net, uint64_t seed, const cb_init_override *overrides, size_t n,
                       cb_err *err) {
    /* Drawn aside: a law that is refused leaves the weights as they are. */
    cb_status st = cb_stack_init(net->stack, seed, overrides, n, net->fresh, err);
    if (st != CB_OK)
        return st;
    for (size_t i = 0; i < net->weights; i++) {
        net->w[i] = cbi_net_number(net, net->fresh[i]);
        net->gradient[i] = 0;
    }
    return CB_OK;
}

/* ---- the shape of a batch ---- */

cb_status cbi_net_lengths(cbi_net *net, size_t B, cb_err *err) {
    net->ran = net->differentiated = 0;
    net->B = B;
    if (cbi_grow((void **)&net->length, &net->length_capacity, B + 1, sizeof *net->length) ||
        cbi_grow((void **)&net->place, &net->place_capacity, B + 1, sizeof *net->place))
        return no_memory(err);
    return CB_OK;
}

/* Longest first, equal ones in their order: counted, for there are at most T lengths. */
static void place_sequences(cbi_net *net) {
    size_t taken = 0;
    memset(net->first, 0, (net->T + 1) * sizeof *net->first);
    for (size_t b = 0; b < net->B; b++)
        net->first[net->T - net->length[b]]++;
    for (size_t d = 0; d < net->T; d++) {
        const size_t n = net->first[d];
        net->first[d] = taken;
        taken += n;
        net->rows[net->T - 1 - d] = (uint32_t)taken;
    }
    for (size_t b = 0; b < net->B; b++)
        net->place[b] = net->first[net->T - net->length[b]]++;
}

cb_status cbi_net_shape(cbi_net *net, cb_err *err) {
    cb_status st;
    const size_t O = cb_stack_output_dim(net->stack), I = cb_stack_input_dim(net->stack);
    const cb_input_kind kind = cb_stack_input_kind(net->stack);
    size_t frames = 0, T = 0;
    for (size_t b = 0; b < net->B; b++) {
        T = net->length[b] > T ? net->length[b] : T;
        if (cb_size_add(frames, net->length[b], &frames) != CB_OK)
            return cb_fail(err, CB_ESHAPE, "net: the lengths sum to more than can be held");
    }
    if (net->B > UINT32_MAX)
        return cb_fail(err, CB_ESHAPE, "net: %zu sequences are too many", net->B);
    if (cbi_grow((void **)&net->rows, &net->rows_capacity, T + 1, sizeof *net->rows) ||
        cbi_grow((void **)&net->first, &net->first_capacity, T + 1, sizeof *net->first))
        return no_memory(err);
    if ((st = check_memory(net, net->B, frames, err)) != CB_OK)
        return st;
    net->T = T;
    place_sequences(net);
    net->steps = (cb_steps){.T = T, .B = net->B, .rows = net->rows, .frames = frames};
    for (size_t t = 0, at = 0; t < T; at += net->rows[t++])
        net->first[t] = at;
    if ((st = grow(&net->y, &net->y_capacity, frames, O, err)) != CB_OK ||
        (st = grow(&net->dy, &net->dy_capacity, frames, O, err)) != CB_OK)
        return st;
    if (kind == CB_INPUT_DENSE &&
        ((st = grow(&net->x, &net->x_capacity, frames, I, err)) != CB_OK ||
         (st = grow(&net->dx, &net->dx_capacity, frames, I, err)) != CB_OK))
        return st;
    if (kind == CB_INPUT_INDEX &&
        cbi_grow((void **)&net->index, &net->index_capacity, frames + 1, sizeof *net->index))
        return no_memory(err);
    return CB_OK;
}

cb_status cbi_net_start(cbi_net *net, size_t b, uint32_t t, cb_err *err) {
    if (cbi_grow((void **)&net->start, &net->start_capacity, net->B + 1, sizeof *net->start))
        return no_memory(err);
    if (net->steps.start == NULL)
        memset(net->start, 0, net->B * sizeof *net->start);
    net->start[net->place[b]] = t;
    net->steps.start = net->start;
    return CB_OK;
}

cb_status cbi_net_masks(cbi_net *net, int drawn, uint64_t seed, cb_err *err) {
    if (cbi_grow((void **)&net->named, &net->named_capacity, net->B + 1, sizeof *net->named))
        return no_memory(err);
    for (size_t b = 0; b < net->B; b++)
        net->named[net->place[b]] = b;
    const uint64_t *named = drawn ? net->named : NULL;
    return net->reference ? cb_reference_set_masks(net->reference, seed, named, net->B, err)
                          : cb_engine_set_masks(net->engine, seed, named, net->B, err);
}

size_t cbi_net_frame(const cbi_net *net, size_t t, size_t b) {
    return net->first[t] + net->place[b];
}

/* ---- two widths ---- */

static cb_status room_for_single(cbi_net *net, size_t n, cb_err *err) {
    return cbi_grow((void **)&net->single, &net->single_capacity, n + 1, sizeof *net->single) ==
                   CB_OK
               ? CB_OK
               : no_memory(err);
}

static cb_status to_single(cbi_net *net, const double *from, size_t n, cb_err *err) {
    if (room_for_single(net, n, err) != CB_OK)
        return CB_ENOMEM;
    for (size_t i = 0; i < n; i++)
        net->single[i] = (float)from[i];
    return CB_OK;
}

static void from_single(const cbi_net *net, double *to, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (double)net->single[i];
}

/* ---- files ---- */

cb_status cbi_net_save(cbi_net *net, const char *path, cb_err *err) {
    cb_status st = to_single(net, net->w, net->weights, err);
    return st == CB_OK ? cb_weights_save(net->stack, net->single, path, err) : st;
}

/* Read aside first: what is refused changes nothing. */
cb_status cbi_net_load(cbi_net *net, const char *path, cb_err *err) {
    cb_status st = room_for_single(net, net->weights, err);
    if (st != CB_OK || (st = cb_weights_load(net->stack, path, net->single, err)) != CB_OK)
        return st;
    for (size_t i = 0; i < net->weights; i++)
        if (!isfinite(net->single[i]))
            return cb_fail(err, CB_EDATA, "%s: it has numbers that are not finite", path);
    from_single(net, net->w, net->weights);
    return CB_OK;
}

/* ---- states ---- */

cb_status cbi_net_state_room(cbi_net *net, size_t dim, cb_err *err) {
    return grow(&net->state, &net->state_capacity, net->B, dim, err);
}

cb_status cbi_net_set_initial(cbi_net *net, size_t layer, const char *state, size_t dim,
                              cb_err *err) {
    if (net->reference)
        return cb_reference_set_initial(net->reference, layer, state, net->state, net->B, err);
    cb_status st = to_single(net, net->state, net->B * dim, err);
    return st != CB_OK ? st
                       : cb_engine_set_initial(net->engine, layer, state, net->single, net->B, err);
}

cb_status cbi_net_forget_initial(cbi_net *net, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t l = 0; l < cb_stack_layer_count(net->stack); l++) {
        size_t n;
        const cb_state_info *s = cb_cell_states(cb_stack_cell(net->stack, l), &n);
        for (size_t i = 0; i < n && st == CB_OK; i++)
            st = net->reference
                     ? cb_reference_set_initial(net->reference, l, s[i].name, NULL, 0, err)
                     : cb_engine_set_initial(net->engine, l, s[i].name, NULL, 0, err);
    }
    return st;
}

cb_status cbi_net_set_final_gradient(cbi_net *net, size_t layer, const char *state, size_t dim,
                                     cb_err *err) {
    if (net->reference)
        return cb_reference_set_final_gradient(net->reference, layer, state, net->state, err);
    cb_status st = to_single(net, net->state, net->B * dim, err);
    return st != CB_OK ? st
                       : cb_engine_set_final_gradient(net->engine, layer, state, net->single, err);
}

cb_status cbi_net_final_state(cbi_net *net, size_t layer, const char *state, size_t dim,
                              cb_err *err) {
    cb_status st = cbi_net_state_room(net, dim, err);
    if (st == CB_OK && net->reference)
        return cb_reference_final_state(net->reference, layer, state, net->state, err);
    if (st == CB_OK && (st = room_for_single(net, net->B * dim, err)) == CB_OK &&
        (st = cb_engine_final_state(net->engine, layer, state, net->single, err)) == CB_OK)
        from_single(net, net->state, net->B * dim);
    return st;
}

cb_status cbi_net_initial_gradient(cbi_net *net, size_t layer, const char *state, size_t dim,
                                   cb_err *err) {
    cb_status st = cbi_net_state_room(net, dim, err);
    if (st == CB_OK && net->reference)
        return cb_reference_initial_gradient(net->reference, layer, state, net->state, err);
    if (st == CB_OK && (st = room_for_single(net, net->B * dim, err)) == CB_OK &&
        (st = cb_engine_initial_gradient(net->engine, layer, state, net->single, err)) == CB_OK)
        from_single(net, net->state, net->B * dim);
    return st;
}

/* ---- passes ---- */

static cb_status forward_single(cbi_net *net, const float *x, cb_err *err) {
    cb_rows y;
    const size_t O = cb_stack_output_dim(net->stack), I = cb_stack_input_dim(net->stack);
    cb_status st = cb_engine_forward(net->engine, &net->steps, x, I, net->index, 1, &y, err);
    for (size_t f = 0; st == CB_OK && f < net->steps.frames; f++)
        for (size_t j = 0; j < O; j++)
            net->y[f * O + j] = (double)y.data[f * y.ld + j];
    return st;
}

cb_status cbi_net_forward(cbi_net *net, cb_err *err) {
    cb_status st;
    const size_t values = net->steps.frames * cb_stack_input_dim(net->stack);
    const int dense = cb_stack_input_kind(net->stack) == CB_INPUT_DENSE;
    const unsigned denormals = cb_engine_denormals_flush();
    net->ran = net->differentiated = 0;
    if (net->reference)
        st = cb_reference_forward(net->reference, &net->steps, net->w, dense ? net->x : NULL,
                                  net->index, net->y, err);
    else if ((st = to_single(net, net->w, net->weights, err)) == CB_OK &&
             (st = cb_engine_set_weights(net->engine, net->single, err)) == CB_OK &&
             (!dense || (st = to_single(net, net->x, values, err)) == CB_OK))
        st = forward_single(net, dense ? net->single : NULL, err);
    cb_engine_denormals_restore(denormals);
    net->ran = st == CB_OK;
    return st;
}

static cb_status backward_single(cbi_net *net, cb_err *err) {
    cb_status st;
    const size_t O = cb_stack_output_dim(net->stack), I = cb_stack_input_dim(net->stack);
    const size_t values = net->steps.frames * I;
    const int dense = cb_stack_input_kind(net->stack) == CB_INPUT_DENSE;
    const cb_rows dy = cb_engine_output_gradient(net->engine);
    size_t all;
    if (cb_size_add(net->weights, dense ? values : 0, &all) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "net: %zu gradients are too many", net->weights);
    if ((st = room_for_single(net, all, err)) != CB_OK)
        return st;
    for (size_t f = 0; f < net->steps.frames; f++)
        for (size_t j = 0; j < O; j++)
            dy.data[f * dy.ld + j] = (float)net->dy[f * O + j];
    float *dx = net->single + net->weights;
    if ((st = cb_engine_backward(net->engine, net->single, dense ? dx : NULL, dense ? I : 0,
                                 err)) != CB_OK)
        return st;
    from_single(net, net->fresh, net->weights);
    for (size_t i = 0; dense && i < values; i++)
        net->dx[i] = (double)dx[i];
    return CB_OK;
}

cb_status cbi_net_backward(cbi_net *net, cb_err *err) {
    const unsigned denormals = cb_engine_denormals_flush();
    const int dense = cb_stack_input_kind(net->stack) == CB_INPUT_DENSE;
    cb_status st = net->engine ? backward_single(net, err)
                               : cb_reference_backward(net->reference, net->dy, net->fresh,
                                                       dense ? net->dx : NULL, err);
    cb_engine_denormals_restore(denormals);
    for (size_t i = 0; st == CB_OK && i < net->weights; i++)
        net->gradient[i] += net->fresh[i];
    net->differentiated = st == CB_OK;
    return st;
}
