/* SPDX-License-Identifier: MIT */
/*
 * The state of a run, listed once: a table of scalars and a list of vectors, from which checkpoints
 * are written and read alike. A file is taken over only after its hash, its identity and every
 * number were checked: it may be torn, of another trial, or of another program.
 */
#include "train/checkpoint.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "train/safetensors.h"

/* Raised when the meaning of what is kept changes. */
static const char format[] = "cellbench checkpoint 1";

/* ---- what is kept ---- */

typedef enum owner { OF_RUN, OF_AVERAGE } owner;
typedef enum kind { COUNT, REAL } kind;

#define RUN(kind, member)                                                                          \
    { #member, OF_RUN, kind, offsetof(cbi_progress, member) }
#define AVERAGE(kind, member)                                                                      \
    { "average." #member, OF_AVERAGE, kind, offsetof(cbi_average_progress, member) }

static const struct scalar {
    const char *name;
    owner owner;
    kind kind;
    size_t offset;
} scalars[] = {
    RUN(COUNT, phase),         RUN(COUNT, epoch),          RUN(COUNT, at),
    RUN(REAL, tally.sum.loss), RUN(REAL, tally.sum.wrong), RUN(COUNT, tally.targets),
    RUN(REAL, seconds),        RUN(COUNT, updates),        RUN(COUNT, spent),
    RUN(REAL, trained_flop),   RUN(COUNT, drops),          RUN(COUNT, last_drop),
    RUN(REAL, power1),         RUN(REAL, power2),          RUN(COUNT, epochs),
    RUN(COUNT, best_epoch),    RUN(REAL, train),           RUN(REAL, best_train),
    RUN(REAL, best_valid),     RUN(REAL, best_error),      RUN(REAL, flop),
    RUN(REAL, wall_seconds),   RUN(REAL, cpu_seconds),     AVERAGE(REAL, power),
    AVERAGE(COUNT, begun),     AVERAGE(COUNT, updates),
};
enum { SCALARS = sizeof scalars / sizeof *scalars };

_Static_assert(sizeof(size_t) == 8 && sizeof(double) == 8, "one size of member");
_Static_assert(SCALARS * 8 == sizeof(cbi_progress) + sizeof(cbi_average_progress),
               "every member has its row");

static void *place_of(cbi_progress *now, cbi_average_progress *average, const struct scalar *s) {
    return (s->owner == OF_RUN ? (char *)now : (char *)average) + s->offset;
}

enum { MOST_VECTORS = 2 + CBI_MOST_STATES + 3, ROW = sizeof(cbi_told) / sizeof(double) };

static void add_floats(cbi_tensor_place *places, size_t *n, const char *name, float *data,
                       size_t rows, size_t cols) {
    if (data == NULL)
        return;
    places[*n] = (cbi_tensor_place){
        .tensor = {.name = name, .dtype = CBI_F32, .rank = 2, .shape = {rows, cols}}, .into = data};
    places[(*n)++].tensor.data = data;
}

/* All vectors; what is not here is worked out anew from batch to batch. The rows of the curve come
 * first: each tensor must begin at a multiple of the size of its numbers. */
static size_t list_vectors(const cbi_run *r, cbi_tensor_place places[MOST_VECTORS]) {
    static const char *const states[CBI_MOST_STATES] = {"state.0", "state.1", "state.2"};
    size_t n = 0;
    places[n] = (cbi_tensor_place){
        .tensor = {.name = "rows", .dtype = CBI_F64, .rank = 2, .shape = {r->told_count, ROW}},
        .into = r->told};
    places[n++].tensor.data = r->told;
    add_floats(places, &n, "w", r->w, 1, r->count);
    add_floats(places, &n, "best", r->best, 1, r->count);
    for (size_t i = 0; i < CBI_MOST_STATES; i++)
        add_floats(places, &n, states[i], r->state[i], 1, r->count);
    if (r->average.kind == CBI_AVERAGE_EMA) /* else it is made from the sums */
        add_floats(places, &n, "average.value", r->average.value, 1, r->count);
    add_floats(places, &n, "average.sums", r->average.sums, r->average.epochs, r->count);
    add_floats(places, &n, "stream.carried", r->stream.carried, 1, r->stream.carried_count);
    return n;
}

cb_status cbi_checkpoint_told(cbi_run *r, const cbi_told *row, cb_err *err) {
    void *block = r->told;
    if (cbi_grow(&block, &r->told_capacity, r->told_count + 1, sizeof *r->told) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "checkpoint: %zu rows", r->told_count + 1);
    r->told = block;
    r->told[r->told_count++] = *row;
    return CB_OK;
}

/* ---- whose it is ---- */

/* Names and texts that must be the same where a run is taken up: NULL ends them. */
typedef struct identity {
    const char *name, *value;
} identity;

enum { IDENTITIES = 4, KERNELS = 200 };

static void identify(const cbi_run *r, char kernels[KERNELS], identity out[IDENTITIES]) {
    (void)snprintf(kernels, KERNELS, "numerics %d; %s; BLIS %s", (int)CB_NUMERICS,
                   cb_engine_kernel_name(), cb_engine_blis_version());
    out[0] = (identity){"format", format};
    out[1] = (identity){"trial", r->trial->key};
    out[2] = (identity){"arithmetic", kernels};
    out[3] = (identity){NULL, NULL};
}

/* ---- writing ---- */

static json_t *scalar_text(cbi_run *r, const struct scalar *s) {
    char number[32];
    const void *at = place_of(&r->now, &r->average.now, s);
    if (s->kind == REAL)
        return json_string(cbi_number(number, *(const double *)at));
    return json_sprintf("%zu", *(const size_t *)at);
}

static json_t *make_metadata(cbi_run *r) {
    char kernels[KERNELS];
    identity own[IDENTITIES];
    json_t *metadata = json_object();
    int failed =
        metadata == NULL || json_object_set_new(metadata, CBI_TENSORS_HASH, json_string(""));
    identify(r, kernels, own);
    for (size_t i = 0; own[i].name && !failed; i++)
        failed = json_object_set_new(metadata, own[i].name, json_string(own[i].value));
    for (size_t i = 0; i < SCALARS && !failed; i++)
        failed = json_object_set_new(metadata, scalars[i].name, scalar_text(r, &scalars[i]));
    if (!failed)
        return metadata;
    json_decref(metadata);
    return NULL;
}

cb_status cbi_checkpoint_write(cbi_run *r, const char *path, cb_err *err) {
    cbi_tensor_place places[MOST_VECTORS];
    cbi_tensor tensors[MOST_VECTORS];
    const size_t n = list_vectors(r, places);
    for (size_t i = 0; i < n; i++)
        tensors[i] = places[i].tensor;
    json_t *metadata = make_metadata(r);
    if (metadata == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for a checkpoint", path);
    cb_status st = cbi_tensors_write(path, metadata, tensors, n, NULL, err);
    json_decref(metadata);
    return st;
}

/* ---- reading ---- */

static int is_own(const cbi_run *r, const cbi_tensor_file *file) {
    char kernels[KERNELS];
    identity own[IDENTITIES];
    identify(r, kernels, own);
    for (size_t i = 0; own[i].name; i++) {
        const char *text = cbi_tensors_text(file, own[i].name);
        if (text == NULL || strcmp(text, own[i].value) != 0)
            return 0;
    }
    return 1;
}

static int read_count(const char *text, size_t *out) {
    *out = 0;
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return 0;
    for (; *text; text++)
        *out = 10 * *out + (size_t)(*text - '0');
    return 1;
}

static int read_scalars(const cbi_tensor_file *file, cbi_progress *now,
                        cbi_average_progress *average) {
    for (size_t i = 0; i < SCALARS; i++) {
        void *at = place_of(now, average, &scalars[i]);
        const char *text = cbi_tensors_text(file, scalars[i].name);
        char *end;
        if (text == NULL)
            return 0;
        if (scalars[i].kind == COUNT) {
            if (!read_count(text, at))
                return 0;
            continue;
        }
        *(double *)at = cbi_strtod(text, &end);
        if (end == text || *end != '\0')
            return 0;
    }
    return 1;
}

/* Whether a phase can be at this place. */
static int at_batch(const cbi_run *r, const cbi_progress *now) {
    static const cb_split_name splits[] = {
        [CBI_PHASE_VALID] = CB_VALID, [CBI_PHASE_TRAIN] = CB_TRAIN, [CBI_PHASE_TEST] = CB_TEST};
    const cbi_options *o = &r->trial->options;
    if (now->phase >= CBI_PHASE_END)
        return 0;
    const size_t n = r->data->split[splits[now->phase]].sequences;
    const int training = now->phase == CBI_PHASE_TRAIN;
    if (training && o->unroll)
        return now->at % o->unroll == 0 && now->at / o->unroll <= r->stream.length / o->unroll + 1;
    return now->at == n ||
           (now->at < n && now->at % (training ? o->batch : CBI_EVALUATION_BATCH) == 0);
}

/* Whether a run can come to such numbers: none of them may lead out of an array or a loop. */
static int can_be(const cbi_run *r, const cbi_progress *now, const cbi_average_progress *average) {
    const size_t most = r->trial->options.epochs;
    return at_batch(r, now) && now->epoch <= most && now->epochs <= most &&
           (now->phase != CBI_PHASE_TRAIN || now->epoch == now->epochs) &&
           (now->phase != CBI_PHASE_TRAIN || now->epoch > 0) && now->best_epoch <= now->epochs &&
           now->last_drop <= now->epochs && now->drops <= now->epochs && now->spent <= 1 &&
           average->begun >= now->epochs && average->begun <= now->epochs + 1 &&
           average->updates <= now->updates;
}

static int can_be_told(const cbi_run *r, const cbi_told *row) {
    const double most = (double)r->trial->options.epochs;
    return row->epoch >= 0 && row->epoch <= most && row->epoch == floor(row->epoch) &&
           (row->split == CB_TRAIN || row->split == CB_VALID || row->split == CB_TEST) &&
           (row->is_error == 0 || row->is_error == 1) && isfinite(row->value) &&
           row->seconds >= 0 && isfinite(row->seconds);
}

/* Room for the rows that the file has. */
static cb_status make_rows(cbi_run *r, const cbi_tensor_file *file, cb_err *err) {
    size_t n;
    const cbi_tensor *list = cbi_tensors_list(file, &n);
    const size_t most = 4 * (r->trial->options.epochs + 2);
    void *block = r->told;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, "rows") == 0)
            r->told_count = list[i].rank == 2 && list[i].shape[0] <= most ? list[i].shape[0] : 0;
    if (cbi_grow(&block, &r->told_capacity, r->told_count, sizeof *r->told) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "checkpoint: %zu rows", r->told_count);
    r->told = block;
    return CB_OK;
}

/* CB_EDATA: of this trial, but not usable. */
static cb_status take_over(cbi_run *r, cbi_tensor_file *file, cb_err *err) {
    cb_status st;
    cbi_progress now;
    cbi_average_progress average;
    cbi_tensor_place places[MOST_VECTORS];
    if (!is_own(r, file))
        return cb_fail(err, CB_EDATA, "checkpoint: another trial's");
    if ((st = cbi_tensors_check_hash(file, err)) != CB_OK)
        return st;
    if (!read_scalars(file, &now, &average) || !can_be(r, &now, &average))
        return cb_fail(err, CB_EDATA, "checkpoint: at no place of this trial");
    if ((st = make_rows(r, file, err)) != CB_OK)
        return st;
    const size_t n = list_vectors(r, places);
    if ((st = cbi_tensors_read(file, places, n, err)) != CB_OK)
        return st;
    for (size_t i = 0; i < r->told_count; i++)
        if (!can_be_told(r, &r->told[i]))
            return cb_fail(err, CB_EDATA, "checkpoint: its row %zu cannot be", i);
    r->now = now;
    r->average.now = average;
    return CB_OK;
}

cb_status cbi_checkpoint_read(cbi_run *r, const char *path, cbi_resumed *resumed, cb_err *err) {
    cbi_tensor_file *file;
    cb_err why = {0};
    *resumed = CBI_RESUMED_NOT;
    cb_status st = cbi_tensors_open(&file, path, &why);
    if (st == CB_OK) {
        st = take_over(r, file, &why);
        *resumed = st == CB_OK ? CBI_RESUMED : CBI_RESUMED_TORN;
    }
    cbi_tensors_close(file);
    return st == CB_ENOMEM ? cb_fail(err, st, "%s", why.text) : CB_OK;
}
