/* SPDX-License-Identifier: MIT */
/*
 * Merging results: attempts with their learning curves, and what they mean for their trials.
 *
 * An attempt is known by trial, run and number. One that is here as lost, because a copy was taken
 * while it was at work, is replaced by what became of it.
 */
#include "store/store_merge.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* Columns of `read`; the first ones are parameters of several statements. */
enum {
    KEY,
    RUN,
    NUMBER,
    STATE,
    NUMERICS,
    INSTRUCTION_SET,
    EPOCHS,
    BEST_EPOCH,
    UPDATES,
    TRAIN,
    VALID,
    TEST,
    VALID_ERROR,
    TEST_ERROR,
    ATTEMPT = 22,
    WEIGHTS_FILE,
    WEIGHTS_SHA256,
    IS_RESULT,
    FORGIVEN
};

static const char read_sql[] =
    "SELECT t.key, r.identity, a.number, iif(a.state = 'running', 'lost', a.state), a.numerics,"
    " a.instruction_set, a.epochs, a.best_epoch, a.updates, a.train, a.valid, a.test,"
    " a.valid_error, a.test_error, a.started_utc, a.ended_utc, a.wall_seconds, a.cpu_seconds,"
    " a.flop, a.error_text, a.cause, a.resumed_epochs, a.attempt_id, a.weights_file,"
    " a.weights_sha256, t.result_attempt_id IS a.attempt_id, t.forgiven_count"
    " FROM attempt AS a JOIN trial AS t ON t.trial_id = a.trial_id JOIN run AS r ON r.run_id ="
    " a.run_id ORDER BY a.attempt_id";

typedef enum statement_id {
    TRIAL,
    FIND,
    FINISHED,
    AT_WORK,
    PUT,
    EPOCH_READ,
    EPOCH_PUT,
    COUNT,
    END,
    STATEMENTS
} statement_id;

/* All of the database that is written to, but one. ?1 is the trial's number here. */
static const char *const statements[STATEMENTS] = {
    [TRIAL] = "SELECT t.trial_id, c.name, t.seed FROM trial AS t JOIN cell AS c ON c.cell_id ="
              " t.cell_id WHERE t.key = ?1",
    [FIND] = "SELECT a.attempt_id, a.state FROM attempt AS a JOIN run AS r ON r.run_id = a.run_id"
             " WHERE a.trial_id = ?1 AND r.identity = ?2 AND a.number = ?3",
    [FINISHED] =
        "SELECT (state, epochs, best_epoch, updates, train, valid, test, valid_error, test_error)"
        " IS (?4, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14), valid, test FROM attempt WHERE trial_id ="
        " ?1 AND numerics = ?5 AND instruction_set = ?6 AND state IN ('done', 'diverged')",
    [AT_WORK] = "SELECT 1 FROM attempt WHERE trial_id = ?1 AND state = 'running'",
    [PUT] = "INSERT INTO attempt (trial_id, run_id, number, state, numerics, instruction_set,"
            " epochs, best_epoch, updates, train, valid, test, valid_error, test_error,"
            " started_utc, ended_utc, wall_seconds, cpu_seconds, flop, error_text, cause,"
            " resumed_epochs, attempt_id, weights_file, weights_sha256) SELECT ?1, (SELECT run_id"
            " FROM run WHERE identity = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
            " ?15, coalesce(?16, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ?17, ?18, ?19, ?20, ?21,"
            " ?22, ?23, ?24, ?25 WHERE true ON CONFLICT (attempt_id) DO UPDATE SET state ="
            " excluded.state, epochs = excluded.epochs, best_epoch = excluded.best_epoch, updates ="
            " excluded.updates, train = excluded.train, valid = excluded.valid, test ="
            " excluded.test, valid_error = excluded.valid_error, test_error = excluded.test_error,"
            " ended_utc = excluded.ended_utc, wall_seconds = excluded.wall_seconds, cpu_seconds ="
            " excluded.cpu_seconds, flop = excluded.flop, error_text = excluded.error_text, cause"
            " = excluded.cause, resumed_epochs = excluded.resumed_epochs, weights_file ="
            " excluded.weights_file, weights_sha256 = excluded.weights_sha256"
            " RETURNING attempt_id",
    [EPOCH_READ] = "SELECT epoch, split, metric, value, seconds FROM epoch WHERE attempt_id = ?1",
    [EPOCH_PUT] = "INSERT INTO epoch (attempt_id, epoch, split, metric, value, seconds)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [COUNT] = "UPDATE trial SET attempt_count = max(attempt_count, ?2), forgiven_count ="
              " max(forgiven_count, ?3) WHERE trial_id = ?1",
    /* A result beats a failure, and both beat none. */
    [END] = "UPDATE trial SET state = ?2, result_attempt_id = ?3 WHERE trial_id = ?1 AND (state ="
            " 'pending' OR state = 'failed' AND ?2 <> 'failed')",
};

typedef struct merger {
    cbi_merge *m;
    sqlite3_stmt *row; /* of read_sql */
    sqlite3_stmt *statement[STATEMENTS];
    int64_t trial_id; /* of the row, here */
} merger;

static const char *text_of(const merger *g, int column) {
    return cbi_store_text((const char *)sqlite3_column_text(g->row, column));
}

static int is_state(const merger *g, const char *state) {
    return strcmp(text_of(g, STATE), state) == 0;
}

/* A statement with the columns of the row as its parameters, the trial's number in place of its
 * key. */
static sqlite3_stmt *bound(merger *g, statement_id id) {
    sqlite3_stmt *s = g->statement[id];
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    sqlite3_bind_int64(s, 1, g->trial_id);
    for (int i = 1; i < ATTEMPT && i < sqlite3_bind_parameter_count(s); i++)
        sqlite3_bind_value(s, i + 1, sqlite3_column_value(g->row, i));
    return s;
}

static cb_status look_up(merger *g, statement_id id, int *has_row, cb_err *err) {
    return cbi_merge_next(g->m->to, bound(g, id), has_row, err);
}

static double number_of(sqlite3_stmt *s, int column) {
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN
                                                         : sqlite3_column_double(s, column);
}

/* *usable = 0: another attempt has finished the trial with the same arithmetic, or is about to. */
static cb_status check_result(merger *g, int *usable, cb_err *err) {
    int has_row = 0;
    *usable = 1;
    if (!is_state(g, "done") && !is_state(g, "diverged"))
        return CB_OK;
    cb_status st = look_up(g, FINISHED, &has_row, err);
    sqlite3_stmt *s = g->statement[FINISHED];
    if (st == CB_OK && has_row) {
        *usable = 0;
        if (sqlite3_column_int(s, 0)) {
            g->m->counts->equal++;
        } else {
            g->m->counts->conflicts++;
            const cb_merge_conflict conflict = {
                .trial_id = g->trial_id,
                .cell = cbi_store_text((const char *)sqlite3_column_text(g->statement[TRIAL], 1)),
                .seed = sqlite3_column_int64(g->statement[TRIAL], 2),
                .valid = number_of(s, 1),
                .test = number_of(s, 2),
                .other_valid = number_of(g->row, VALID),
                .other_test = number_of(g->row, TEST),
            };
            if (g->m->options != NULL && g->m->options->conflict != NULL)
                g->m->options->conflict(g->m->options->context, &conflict);
        }
        return CB_OK;
    }
    if (st == CB_OK && (st = look_up(g, AT_WORK, &has_row, err)) == CB_OK && has_row) {
        *usable = 0;
        g->m->counts->at_work++;
    }
    return st;
}

static cb_status copy_epochs(merger *g, int64_t from_id, int64_t to_id, cb_err *err) {
    sqlite3_stmt *read = g->statement[EPOCH_READ], *put = g->statement[EPOCH_PUT];
    int has_row = 0;
    cb_status st;
    sqlite3_reset(read);
    sqlite3_bind_int64(read, 1, from_id);
    sqlite3_bind_int64(put, 1, to_id);
    while ((st = cbi_merge_next(g->m->from, read, &has_row, err)) == CB_OK && has_row) {
        for (int i = 0; i < 5; i++)
            sqlite3_bind_value(put, i + 2, sqlite3_column_value(read, i));
        if ((st = cbi_merge_write(g->m, put, err)) != CB_OK)
            break;
    }
    return st;
}

/* Writes the attempt, new (old_id 0) or in place of the lost one, with its weights and curve. */
static cb_status put_attempt(merger *g, int64_t old_id, int64_t *id, cb_err *err) {
    sqlite3_stmt *s = bound(g, PUT);
    char *weights = NULL;
    int has_row = 0;
    const char *sha256 = text_of(g, WEIGHTS_SHA256);
    cb_status st =
        cbi_merge_weights(g->m, text_of(g, KEY), text_of(g, WEIGHTS_FILE), sha256, &weights, err);
    if (st != CB_OK)
        return st;
    if (old_id != 0)
        sqlite3_bind_int64(s, 23, old_id);
    else
        sqlite3_bind_null(s, 23);
    cbi_store_bind_text(s, 24, weights);
    cbi_store_bind_text(s, 25, weights[0] != '\0' ? sha256 : "");
    int rc = sqlite3_step(s);
    has_row = rc == SQLITE_ROW;
    *id = has_row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    cbi_free(weights);
    if (!has_row)
        return cb_fail(err, (rc & 0xff) == SQLITE_CONSTRAINT ? CB_ESTORE : CB_EIO,
                       "%s: attempt %ld cannot be merged: %s", g->m->from->path,
                       (long)sqlite3_column_int64(g->row, ATTEMPT), sqlite3_errmsg(g->m->to->db));
    g->m->counts->attempts++;
    return copy_epochs(g, sqlite3_column_int64(g->row, ATTEMPT), *id, err);
}

static cb_status update_trial(merger *g, int64_t attempt_id, cb_err *err) {
    sqlite3_stmt *s = g->statement[COUNT];
    sqlite3_bind_int64(s, 1, g->trial_id);
    sqlite3_bind_value(s, 2, sqlite3_column_value(g->row, NUMBER));
    sqlite3_bind_value(s, 3, sqlite3_column_value(g->row, FORGIVEN));
    cb_status st = cbi_merge_write(g->m, s, err);
    if (st != CB_OK || !sqlite3_column_int(g->row, IS_RESULT) ||
        !(is_state(g, "done") || is_state(g, "diverged") || is_state(g, "failed")))
        return st;
    s = g->statement[END];
    sqlite3_bind_int64(s, 1, g->trial_id);
    cbi_store_bind_text(s, 2, text_of(g, STATE));
    sqlite3_bind_int64(s, 3, attempt_id);
    return cbi_merge_write(g->m, s, err);
}

static cb_status merge_attempt(merger *g, cb_err *err) {
    sqlite3_stmt *trial = g->statement[TRIAL];
    int has_row = 0, usable = 0;
    int64_t old_id = 0, id = 0;
    sqlite3_reset(trial);
    cbi_store_bind_text(trial, 1, text_of(g, KEY));
    cb_status st = cbi_merge_next(g->m->to, trial, &has_row, err);
    if (st != CB_OK || !has_row) /* of a trial without a specification, which was not taken over */
        return st;
    g->trial_id = sqlite3_column_int64(trial, 0);
    if ((st = look_up(g, FIND, &has_row, err)) != CB_OK)
        return st;
    if (has_row) {
        const char *state = (const char *)sqlite3_column_text(g->statement[FIND], 1);
        if (state == NULL || strcmp(state, "lost") != 0 || is_state(g, "lost")) {
            g->m->counts->known++;
            return CB_OK;
        }
        old_id = sqlite3_column_int64(g->statement[FIND], 0);
    }
    if ((st = check_result(g, &usable, err)) != CB_OK || !usable ||
        (st = put_attempt(g, old_id, &id, err)) != CB_OK)
        return st;
    return update_trial(g, id, err);
}

cb_status cbi_merge_results(cbi_merge *m, cb_err *err) {
    merger g = {.m = m};
    int has_row = 0;
    cb_status st = cbi_merge_prepare(m->from, read_sql, &g.row, err);
    for (int i = 0; st == CB_OK && i < STATEMENTS; i++)
        st = cbi_merge_prepare(i == EPOCH_READ ? m->from : m->to, statements[i], &g.statement[i],
                               err);
    while (st == CB_OK && (st = cbi_merge_next(m->from, g.row, &has_row, err)) == CB_OK && has_row)
        st = merge_attempt(&g, err);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(g.statement[i]);
    sqlite3_finalize(g.row);
    return st;
}
