/* SPDX-License-Identifier: MIT */
#include "train/stream.h"

#include <string.h>

#include "base/alloc.h"

/* First frame of stream r of so many: they differ by one frame at most, the longer ones first. */
static size_t first_of(const cb_split *split, size_t rows, size_t r) {
    const size_t share = split->frames / rows, extra = split->frames % rows;
    return r * share + (r < extra ? r : extra);
}

static size_t first_frame(const cbi_stream *s, size_t r) {
    return first_of(s->split, s->rows, r);
}

static size_t widest_state(const cb_stack *stack, size_t *states) {
    size_t widest = 0;
    *states = 0;
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
        size_t n;
        const cb_state_info *info = cb_cell_states(cb_stack_cell(stack, l), &n);
        *states += n;
        for (size_t i = 0; i < n; i++)
            widest = info[i].dim > widest ? info[i].dim : widest;
    }
    return widest;
}

/* Each stream has a piece in each of its chunks, and one more for each sequence that begins within
 * the chunk. */
static void count_members(const cb_split *split, size_t rows, size_t unroll, uint32_t *of_chunk) {
    size_t r = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t at = first_of(split, rows, i), c = 0; at < first_of(split, rows, i + 1);
             at += unroll, c++)
            of_chunk[c]++;
    for (size_t q = 0; q < split->sequences; q++) {
        const size_t begin = split->start[q];
        if (begin == split->start[q + 1])
            continue;
        while (first_of(split, rows, r + 1) <= begin)
            r++;
        const size_t at = begin - first_of(split, rows, r);
        of_chunk[at / unroll] += at % unroll != 0;
    }
}

cb_status cbi_stream_most(const cb_split *split, size_t rows, size_t unroll, size_t *members,
                          size_t *frames, cb_err *err) {
    rows = rows < split->frames ? rows : split->frames;
    *members = *frames = 0;
    if (rows == 0)
        return CB_OK;
    const size_t length = first_of(split, rows, 1);
    unroll = unroll < length ? unroll : length;
    const size_t chunks = length / unroll + (length % unroll != 0);
    uint32_t *of_chunk = cbi_calloc(chunks, sizeof *of_chunk);
    if (of_chunk == NULL)
        return cb_fail(err, CB_ENOMEM, "streams: %zu chunks", chunks);
    count_members(split, rows, unroll, of_chunk);
    for (size_t c = 0; c < chunks; c++)
        *members = of_chunk[c] > *members ? of_chunk[c] : *members;
    cbi_free(of_chunk);
    *frames = rows * unroll; /* at most those of the split, and one for each row */
    return CB_OK;
}

cb_status cbi_stream_bytes(const cb_data *data, const cb_split *split, const cb_stack *stack,
                           size_t rows, size_t unroll, size_t *bytes, cb_err *err) {
    size_t members, frames, states, floats;
    const size_t widest = widest_state(stack, &states);
    rows = rows < split->frames ? rows : split->frames;
    cb_status st = cbi_stream_most(split, rows, unroll, &members, &frames, err);
    if (st == CB_OK)
        st = cbi_batch_bytes(data, members, frames, unroll, bytes, err);
    if (st != CB_OK)
        return st;
    /* initial, final and carried; and the engine's copies of the initial ones, whose room at most
     * doubles as it grows. */
    const size_t rows_kept = 2 * members + states * rows + 2 * states * members;
    if (cb_size_mul(rows_kept, widest * sizeof(float), &floats) != CB_OK ||
        cb_size_add(*bytes, floats, bytes) != CB_OK ||
        cb_size_add(*bytes, members * 9 + split->frames * sizeof(uint32_t), bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "streams: %zu rows of %zu steps are too many", rows, unroll);
    return CB_OK;
}

cb_status cbi_stream_init(cbi_stream *s, const cb_data *data, const cb_split *split,
                          const cb_stack *stack, size_t rows, size_t unroll, cb_err *err) {
    size_t members, frames, states;
    *s = (cbi_stream){.split = split, .stack = stack, .unroll = unroll};
    s->rows = rows < split->frames ? rows : split->frames;
    if (data->when != CB_WHEN_EACH)
        return cb_fail(err, CB_EARG,
                       "streams: the task has one target for a sequence; expected one "
                       "at each step");
    if (s->rows == 0)
        return cb_fail(err, CB_EDATA, "streams: the split has no frames");
    const size_t widest = widest_state(stack, &states);
    cb_status st = cbi_stream_most(split, s->rows, unroll, &members, &frames, err);
    if (st == CB_OK)
        st = cbi_batch_init_sizes(&s->batch, data, members, frames, unroll, err);
    if (st != CB_OK)
        return st;
    s->length = first_frame(s, 1);
    s->carried_stride = s->rows * widest;
    s->carried_count = states * s->carried_stride;
    s->start = cbi_calloc(members, sizeof *s->start);
    s->given = cbi_calloc(members, 1);
    s->stream_of = cbi_calloc(members, sizeof *s->stream_of);
    s->sequence_of = cbi_calloc(split->frames, sizeof *s->sequence_of);
    s->carried = cbi_calloc(s->carried_count, sizeof *s->carried);
    s->initial = cbi_calloc(members * widest, sizeof *s->initial);
    s->final = cbi_calloc(members * widest, sizeof *s->final);
    if (!s->start || !s->given || !s->stream_of || !s->sequence_of || !s->carried || !s->initial ||
        !s->final) {
        cbi_stream_fini(s);
        return cb_fail(err, CB_ENOMEM, "streams: %zu rows of %zu steps", rows, unroll);
    }
    for (size_t q = 0; q < split->sequences; q++)
        for (size_t f = split->start[q]; f < split->start[q + 1]; f++)
            s->sequence_of[f] = (uint32_t)q;
    return CB_OK;
}

void cbi_stream_fini(cbi_stream *s) {
    cbi_batch_fini(&s->batch);
    cbi_free(s->start);
    cbi_free(s->given);
    cbi_free(s->stream_of);
    cbi_free(s->sequence_of);
    cbi_free(s->carried);
    cbi_free(s->initial);
    cbi_free(s->final);
    *s = (cbi_stream){0};
}

/* The pieces of sequences in the chunk at s->at; their place is their number. */
static size_t cut_members(cbi_stream *s) {
    size_t n = 0;
    for (size_t r = 0; r < s->rows; r++) {
        const size_t end = first_frame(s, r + 1);
        size_t at = first_frame(s, r) + s->at;
        const size_t stop = at + s->unroll < end ? at + s->unroll : end;
        while (at < stop) {
            const uint32_t q = s->sequence_of[at];
            const size_t next = s->split->start[q + 1] < stop ? s->split->start[q + 1] : stop;
            s->stream_of[n] = (uint32_t)r;
            s->batch.members[n] = (cbi_member){at, next - at, q, (uint32_t)n};
            at = next;
            n++;
        }
    }
    return n;
}

/* After the layout has sorted the members: what each row goes on from. */
static void describe_rows(cbi_stream *s, size_t n) {
    for (size_t r = 0; r < n; r++) {
        const cbi_member *m = &s->batch.members[r];
        const uint32_t stream = s->stream_of[m->place];
        const size_t first = first_frame(s, stream), begin = s->split->start[m->sequence];
        /* A stream that begins inside a sequence begins anew there. */
        s->start[r] = (uint32_t)(m->from - (begin > first ? begin : first));
        s->given[r] = s->start[r] > 0;
    }
}

/* Calls visit for each state of each layer, numbered. */
static cb_status each_state(const cbi_stream *s, void *context,
                            cb_status (*visit)(const cbi_stream *, void *, size_t number, size_t l,
                                               const cb_state_info *, cb_err *),
                            cb_err *err) {
    size_t number = 0;
    cb_status st = CB_OK;
    for (size_t l = 0; l < cb_stack_layer_count(s->stack); l++) {
        size_t n;
        const cb_state_info *info = cb_cell_states(cb_stack_cell(s->stack, l), &n);
        for (size_t i = 0; st == CB_OK && i < n; i++)
            st = visit(s, context, number++, l, &info[i], err);
    }
    return st;
}

static cb_status give(const cbi_stream *s, void *engine, size_t number, size_t l,
                      const cb_state_info *info, cb_err *err) {
    const size_t B = s->batch.steps.B, dim = info->dim;
    for (size_t r = 0; r < B; r++)
        if (s->given[r])
            memcpy(s->initial + r * dim,
                   s->carried + number * s->carried_stride +
                       s->stream_of[s->batch.members[r].place] * dim,
                   dim * sizeof(float));
    return cb_engine_set_initial_rows(engine, l, info->name, s->initial, s->given, B, err);
}

cb_status cbi_stream_pack(cbi_stream *s, size_t at, cb_engine *engine, cb_err *err) {
    s->at = at;
    const size_t n = cut_members(s);
    cbi_batch_lay_out(&s->batch, s->split, n);
    describe_rows(s, n);
    s->batch.steps.start = s->start;
    return each_state(s, engine, give, err);
}

static cb_status take(const cbi_stream *s, void *engine, size_t number, size_t l,
                      const cb_state_info *info, cb_err *err) {
    const size_t B = s->batch.steps.B, dim = info->dim;
    cb_status st = cb_engine_final_state(engine, l, info->name, s->final, err);
    for (size_t r = 0; st == CB_OK && r < B; r++) {
        const cbi_member *m = &s->batch.members[r];
        const uint32_t stream = s->stream_of[m->place];
        /* The piece that reaches the end of the chunk. */
        if (m->from + m->length == first_frame(s, stream) + s->at + s->unroll)
            memcpy(s->carried + number * s->carried_stride + stream * dim, s->final + r * dim,
                   dim * sizeof(float));
    }
    return st;
}

cb_status cbi_stream_keep(cbi_stream *s, const cb_engine *engine, cb_err *err) {
    return each_state(s, (void *)(uintptr_t)engine, take, err);
}

static cb_status forget(const cbi_stream *s, void *engine, size_t number, size_t l,
                        const cb_state_info *info, cb_err *err) {
    (void)s;
    (void)number;
    return cb_engine_set_initial(engine, l, info->name, NULL, 0, err);
}

cb_status cbi_stream_leave(const cbi_stream *s, cb_engine *engine, cb_err *err) {
    return each_state(s, engine, forget, err);
}
