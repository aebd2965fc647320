/* SPDX-License-Identifier: MIT */
/*
 * Merging studies. One of the same name is the same if it has the same script, and its list begins
 * with the same trial: then the links of both stand side by side. Otherwise it gets a name of its
 * own, from the hash of what differs, so that merging it again finds it.
 */
#include "store/store_merge.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"

/* A study as it is read. */
typedef struct study {
    int64_t id, trial_count, registered;
    const char *name, *script, *first_key; /* borrowed from the row */
} study;

static const cbi_merge_step links = {
    "SELECT t.key, st.position, st.config, c.name, c.text_sha256, st.edition = s.edition,"
    " st.retired, st.role FROM study_trial AS st JOIN study AS s ON s.study_id = st.study_id"
    " JOIN trial AS t ON t.trial_id = st.trial_id JOIN cell AS c ON c.cell_id = st.cell_id"
    " WHERE st.study_id = ?1 ORDER BY st.position",
    "INSERT INTO study_trial (study_id, trial_id, position, config, cell_id, edition, retired,"
    " role) SELECT ?9, (SELECT trial_id FROM trial WHERE key = ?1), ?2, ?3, (SELECT cell_id FROM"
    " cell WHERE name = ?4 AND text_sha256 = ?5), iif(?6, (SELECT edition FROM study WHERE study_id"
    " = ?9), 0), ?7, ?8 WHERE true ON CONFLICT (study_id, trial_id) DO UPDATE SET position ="
    " excluded.position, config = excluded.config, edition = excluded.edition, retired ="
    " excluded.retired, role = excluded.role WHERE excluded.edition > study_trial.edition"};

static const cbi_merge_step settings = {
    "SELECT t.key, s.name, s.type, s.integer, s.real, s.text FROM setting AS s JOIN trial AS t"
    " ON t.trial_id = s.trial_id WHERE s.study_id = ?1",
    "INSERT INTO setting (study_id, trial_id, name, type, integer, real, text) SELECT ?7, (SELECT"
    " trial_id FROM trial WHERE key = ?1), ?2, ?3, ?4, ?5, ?6 WHERE true"
    " ON CONFLICT (study_id, trial_id, name) DO NOTHING"};

static const cbi_merge_step runs_of_study = {
    "SELECT identity FROM run WHERE study_id = ?1",
    "UPDATE run SET study_id = ?2 WHERE identity = ?1 AND study_id IS NULL"};

/* *same: -1 if there is no study of that name; else whether it is this one. */
static cb_status find_study(cbi_merge *m, const char *name, const study *given, int64_t *id,
                            int *same, cb_err *err) {
    sqlite3_stmt *s = NULL;
    int has_row = 0;
    *same = -1;
    cb_status st = cbi_merge_prepare(
        m->to,
        "SELECT study_id, script = ?2 AND (first_key = ?3 OR first_key = '' OR ?3 = '') FROM study"
        " WHERE name = ?1",
        &s, err);
    if (st == CB_OK) {
        cbi_store_bind_text(s, 1, name);
        cbi_store_bind_text(s, 2, given->script);
        cbi_store_bind_text(s, 3, given->first_key);
        st = cbi_merge_next(m->to, s, &has_row, err);
    }
    if (st == CB_OK && has_row) {
        *id = sqlite3_column_int64(s, 0);
        *same = sqlite3_column_int(s, 1);
    }
    sqlite3_finalize(s);
    return st;
}

/* Inserted under a name that nothing has, then named. */
static cb_status put_study(cbi_merge *m, const char *name, int64_t from_id, int64_t *id,
                           cb_err *err) {
    const cbi_merge_step step = {
        "SELECT script_path, script, git_commit, trial_count, registered, first_key, created_utc,"
        " updated_utc, reproduces FROM study WHERE study_id = ?1",
        "INSERT INTO study (script_path, script, git_commit, edition, trial_count, registered,"
        " first_key, created_utc, updated_utc, reproduces, name) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6,"
        " ?7, ?8, ?9, hex(randomblob(16)))"};
    sqlite3_stmt *s = NULL;
    cb_status st = cbi_merge_copy(m, &step, from_id, 0, &m->counts->studies, err);
    if (st != CB_OK)
        return st;
    *id = sqlite3_last_insert_rowid(m->to->db);
    st = cbi_merge_prepare(m->to, "UPDATE study SET name = ?2 WHERE study_id = ?1", &s, err);
    if (st == CB_OK) {
        sqlite3_bind_int64(s, 1, *id);
        cbi_store_bind_text(s, 2, name);
        st = cbi_merge_write(m, s, err);
    }
    sqlite3_finalize(s);
    return st;
}

/* "name [1a2b3c4d]": of the script's SHA-256; if only the list differs, of its first trial. */
static cb_status other_name(const study *given, int same_script, char **out, cb_err *err) {
    char hex[CBI_SHA256_HEX];
    cbi_text text = {0};
    cbi_sha256_hex(given->script, strlen(given->script), hex);
    cbi_text_addf(&text, "%s [%.8s]", given->name, same_script ? given->first_key : hex);
    cb_status st = cbi_text_take(&text, out, err);
    cbi_text_fini(&text);
    return st;
}

static cb_status has_script(cbi_merge *m, int64_t id, const char *script, int *same, cb_err *err) {
    sqlite3_stmt *s = NULL;
    int has_row = 0;
    *same = 0;
    cb_status st =
        cbi_merge_prepare(m->to, "SELECT script = ?2 FROM study WHERE study_id = ?1", &s, err);
    if (st == CB_OK) {
        sqlite3_bind_int64(s, 1, id);
        cbi_store_bind_text(s, 2, script);
        st = cbi_merge_next(m->to, s, &has_row, err);
    }
    *same = st == CB_OK && has_row && sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return st;
}

/* The study in the database that is written to. */
static cb_status get_study(cbi_merge *m, const study *given, int64_t *id, cb_err *err) {
    int same = 0, same_script = 0;
    char *name = NULL;
    cb_status st = find_study(m, given->name, given, id, &same, err);
    if (st != CB_OK || same == 1)
        return st;
    if (same == -1)
        return put_study(m, given->name, given->id, id, err);
    if ((st = has_script(m, *id, given->script, &same_script, err)) != CB_OK ||
        (st = other_name(given, same_script, &name, err)) != CB_OK ||
        (st = find_study(m, name, given, id, &same, err)) != CB_OK)
        goto out;
    if (same == 0)
        st = cb_fail(err, CB_ESTORE, "%s: study '%.80s' is there already, with another script",
                     m->from->path, name);
    else if (same == -1 && (st = put_study(m, name, given->id, id, err)) == CB_OK)
        m->counts->renamed++;
out:
    cbi_free(name);
    return st;
}

/* What one of the two has registered of the list is registered. */
static cb_status note_registered(cbi_merge *m, const study *given, int64_t id, cb_err *err) {
    sqlite3_stmt *s = NULL;
    cbi_study_row row;
    cb_status st = cbi_merge_prepare(m->to,
                                     "UPDATE study SET registered = ?2 WHERE study_id = ?1 AND"
                                     " trial_count = ?3 AND registered < ?2",
                                     &s, err);
    if (st == CB_OK) {
        sqlite3_bind_int64(s, 1, id);
        sqlite3_bind_int64(s, 2, given->registered);
        sqlite3_bind_int64(s, 3, given->trial_count);
        st = cbi_merge_write(m, s, err);
    }
    sqlite3_finalize(s);
    if (st != CB_OK || (st = cbi_store_study_row(m->to, id, &row, err)) != CB_OK)
        return st;
    return row.registered == row.trial_count ? cbi_store_study_complete(m->to, id, row.edition, err)
                                             : cbi_store_view_make(m->to, id, err);
}

static cb_status merge_study(cbi_merge *m, const study *given, cb_err *err) {
    int64_t id = 0;
    cb_status st = get_study(m, given, &id, err);
    if (st == CB_OK && (st = cbi_merge_copy(m, &links, given->id, id, NULL, err)) == CB_OK &&
        (st = cbi_merge_copy(m, &settings, given->id, id, NULL, err)) == CB_OK &&
        (st = cbi_merge_copy(m, &runs_of_study, given->id, id, NULL, err)) == CB_OK)
        st = note_registered(m, given, id, err);
    return st;
}

cb_status cbi_merge_studies(cbi_merge *m, cb_err *err) {
    sqlite3_stmt *s = NULL;
    int has_row = 0;
    cb_status st = cbi_merge_prepare(
        m->from,
        "SELECT study_id, name, script, first_key, trial_count, registered FROM study"
        " ORDER BY study_id",
        &s, err);
    while (st == CB_OK && (st = cbi_merge_next(m->from, s, &has_row, err)) == CB_OK && has_row) {
        const study given = {
            .id = sqlite3_column_int64(s, 0),
            .name = cbi_store_text((const char *)sqlite3_column_text(s, 1)),
            .script = cbi_store_text((const char *)sqlite3_column_text(s, 2)),
            .first_key = cbi_store_text((const char *)sqlite3_column_text(s, 3)),
            .trial_count = sqlite3_column_int64(s, 4),
            .registered = sqlite3_column_int64(s, 5),
        };
        st = merge_study(m, &given, err);
    }
    sqlite3_finalize(s);
    return st;
}
