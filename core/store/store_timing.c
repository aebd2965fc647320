/* SPDX-License-Identifier: MIT */
/* Samples of timings. They belong to the store's run, and are written as they come: no claims. */
#include "store/store_internal.h"

static void bind_sample(sqlite3_stmt *s, int64_t run_id, int64_t cell_id, const cb_timing *t) {
    const char *const texts[] = {t->engine, t->version, t->kernel, t->inputs,
                                 t->phase,  t->part,    t->clock};
    const int64_t integers[] = {t->steps,  t->batch, t->input,  t->hidden,  t->layers,
                                t->frames, t->jobs,  t->sample, t->repeats, t->duration_ns};
    enum { TEXTS = sizeof texts / sizeof *texts, INTEGERS = sizeof integers / sizeof *integers };
    int at = 1;
    sqlite3_bind_int64(s, at++, run_id);
    sqlite3_bind_int64(s, at++, cell_id);
    for (int i = 0; i < TEXTS; i++)
        cbi_store_bind_text(s, at++, texts[i]);
    for (int i = 0; i < INTEGERS; i++)
        sqlite3_bind_int64(s, at++, integers[i]);
    cbi_store_bind_number(s, at++, t->flop);
    cbi_store_bind_number(s, at, t->peak_flop_per_s);
}

/* What the schema refuses is the caller's mistake. */
static cb_status put(cb_store *store, const cb_timing *t, cb_err *err) {
    sqlite3_stmt *s;
    int64_t cell_id = 0;
    if (t->cell == NULL || t->cell[0] == '\0')
        return cb_fail(err, CB_EARG, "%s: timing: expected a cell's name, got none", store->path);
    cb_status st = cbi_store_cell(store, t->cell, t->cell_text, t->cell_source, &cell_id, err);
    if (st != CB_OK || (st = cbi_store_statement(store, CBI_SQL_TIMING_PUT, &s, err)) != CB_OK)
        return st;
    bind_sample(s, store->run_id, cell_id, t);
    const int rc = sqlite3_step(s);
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        st = cb_fail(err, CB_EARG, "%s: timing of '%s', sample %ld: %s", store->path, t->cell,
                     (long)t->sample, sqlite3_errmsg(store->db));
    else if (rc != SQLITE_DONE)
        st = cbi_store_fail(store, store->db, rc, "timing", err);
    sqlite3_reset(s);
    return st;
}

cb_status cb_store_timing(cb_store *store, const cb_timing *samples, size_t n, cb_err *err) {
    if (store->run_id == 0)
        return cb_fail(err, CB_EARG, "%s: timing: expected a run, but none has begun", store->path);
    cb_status st = n > 0 ? cbi_store_begin(store, err) : CB_OK;
    if (st != CB_OK || n == 0)
        return st;
    for (size_t i = 0; st == CB_OK && i < n; i++)
        st = put(store, &samples[i], err);
    return cbi_store_end(store, st, err);
}
